//! Which commits are new, and the mainline, against rev-list, libgit2 and sets on the generated graph.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use countersign::core::oid::{ObjectFormat, Oid};
use countersign::core::tree::{NewCommits, WalkError, WalkLimits, changes, mainline, new_commits};
use countersign::store::{GitDir, History, Objects, Quarantine};

use super::{Random, oid, resolve};
use crate::world::World;

const COMMITS: usize = 28;

/// Where the dates of commits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dates {
    /// Each commit a second after the one before.
    Rising,
    /// Many in one second, as a rebase or an import makes them; no child before its parent.
    Equal,
    /// Any date at all.
    Skewed,
}

/// How the objects lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Loose,
    Packed,
    /// Several packs and one index over them.
    MultiPackIndex,
    /// The younger half in another object directory, which info/alternates names.
    Alternates,
    /// The younger half in the quarantine of a push.
    Quarantine,
    CommitGraph,
    /// A commit-graph that knows the older half alone.
    OldCommitGraph,
    /// A chain of commit-graphs.
    SplitCommitGraph,
}

const LAYOUTS: [Layout; 8] = [
    Layout::Loose,
    Layout::Packed,
    Layout::MultiPackIndex,
    Layout::Alternates,
    Layout::Quarantine,
    Layout::CommitGraph,
    Layout::OldCommitGraph,
    Layout::SplitCommitGraph,
];

/// A generated history: what its commits are, and all that each reaches.
struct Dag {
    world: World,
    ids: Vec<Oid>,
    parents: Vec<Vec<usize>>,
    reach: Vec<BTreeSet<usize>>,
    numbers: HashMap<Oid, usize>,
}

impl Dag {
    fn new(seed: u64, dates: Dates, layout: Layout) -> Self {
        let world = World::with("version = 1\nrepository = \"acme/payments\"\n", "sha1");
        let mut random = Random(seed);
        let (mut parents, mut reach): (Vec<Vec<usize>>, Vec<BTreeSet<usize>>) = (Vec::new(), Vec::new());
        let mut commits = Vec::new();
        for number in 0..COMMITS {
            let above = draw_parents(&mut random, number);
            let mut below: BTreeSet<usize> = above.iter().flat_map(|parent| reach[*parent].clone()).collect();
            below.insert(number);
            let date = match dates {
                Dates::Rising => number,
                Dates::Equal => number / 10,
                Dates::Skewed => random.below(COMMITS),
            };
            commits.push(commit(&mut random, number, &above, date));
            parents.push(above);
            reach.push(below);
        }
        let (older, younger) = commits.split_at(COMMITS / 2);
        let import = |stream: &[String], marks: &str| {
            let unpack = "fastimport.unpackLimit=100000";
            let arguments = ["-c", unpack, "fast-import", "--quiet", "--export-marks=.git/marks", marks];
            world.git_with(&arguments, stream.concat().as_bytes());
        };
        import(older, "--date-format=raw");
        store(&world, layout, Half::Older);
        import(younger, "--import-marks=.git/marks");
        let names: Vec<String> = (0..COMMITS).map(|number| format!("c{number}")).collect();
        let ids = resolve(&world, &names);
        store(&world, layout, Half::Younger);
        let numbers = ids.iter().enumerate().map(|(number, id)| (*id, number)).collect();
        Self { world, ids, parents, reach, numbers }
    }

    fn dir(&self) -> GitDir {
        GitDir::at(&self.world.clone_dir().join(".git")).unwrap()
    }

    /// Moves the younger commits to another object directory, as if they had been written there.
    fn move_younger(&self, to: &Path) {
        for id in &self.ids[COMMITS / 2..] {
            let text = id.to_string();
            let (folder, file) = text.split_at(2);
            std::fs::create_dir_all(to.join(folder)).unwrap();
            let from = self.dir().common_dir.join("objects").join(folder).join(file);
            std::fs::rename(from, to.join(folder).join(file)).unwrap();
        }
    }

    fn objects(&self, layout: Layout) -> Objects {
        let other = self.world.path("other-objects");
        let mut quarantine = Quarantine::default();
        match layout {
            Layout::Alternates => {
                self.move_younger(&other);
                let list = self.dir().common_dir.join("objects/info/alternates");
                std::fs::write(list, format!("{}\n", other.display())).unwrap();
            }
            Layout::Quarantine => {
                self.move_younger(&other);
                quarantine.incoming = Some(other);
                quarantine.alternates = vec![self.dir().common_dir.join("objects")];
            }
            _ => {}
        }
        Objects::open(&self.dir(), &quarantine, ObjectFormat::Sha1).unwrap()
    }

    /// The definition: reachable from the tip and from nothing hidden.
    fn defined(&self, tip: usize, hidden: &[usize]) -> BTreeSet<usize> {
        let judged: BTreeSet<usize> = hidden.iter().flat_map(|hidden| self.reach[*hidden].clone()).collect();
        self.reach[tip].difference(&judged).copied().collect()
    }

    fn by_git(&self, tip: usize, hidden: &[usize]) -> BTreeSet<usize> {
        let (tip, hidden) = (format!("c{tip}"), hidden.iter().map(|hidden| format!("^c{hidden}")).collect::<Vec<_>>());
        let hidden = hidden.iter().map(String::as_str);
        let listed = self.world.git(&["rev-list", &tip].into_iter().chain(hidden).collect::<Vec<_>>());
        listed.lines().map(|id| self.numbers[&oid(id)]).collect()
    }

    fn by_libgit2(&self, tip: usize, hidden: &[usize]) -> BTreeSet<usize> {
        let repository = git2::Repository::open(self.world.clone_dir()).unwrap();
        let id = |number: usize| git2::Oid::from_bytes(self.ids[number].as_bytes()).unwrap();
        let mut walk = repository.revwalk().unwrap();
        walk.push(id(tip)).unwrap();
        hidden.iter().for_each(|hidden| walk.hide(id(*hidden)).unwrap());
        walk.map(|id| self.numbers[&oid(&id.unwrap().to_string())]).collect()
    }

    fn numbers(&self, new: &NewCommits) -> BTreeSet<usize> {
        new.iter().map(|id| self.numbers[&id]).collect()
    }

    /// What holds of every answer, whichever commits it lists.
    fn check_shape(&self, new: &NewCommits, tip: usize) {
        assert_eq!(new.len(), new.iter().count());
        let mut seen = BTreeSet::new();
        let mut boundary = BTreeSet::new();
        for id in &new.iter().collect::<Vec<_>>() {
            let parents: Vec<Oid> = self.parents[self.numbers[id]].iter().map(|parent| self.ids[*parent]).collect();
            assert_eq!(new.parents(*id).unwrap(), parents);
            for parent in parents {
                assert!(seen.contains(&parent) || !new.contains(parent), "a parent comes after its child");
                boundary.extend((!new.contains(parent)).then_some(parent));
            }
            assert!(seen.insert(*id), "{id} twice");
        }
        boundary.extend((!new.contains(self.ids[tip])).then_some(self.ids[tip]));
        assert_eq!(new.boundary().collect::<BTreeSet<_>>(), boundary);
        assert_eq!(new.boundary().count(), boundary.len());
    }
}

fn draw_parents(random: &mut Random, number: usize) -> Vec<usize> {
    let mut parents = Vec::new();
    let count = if number == 0 || random.one_in(16) { 0 } else { [1, 1, 1, 2, 2, 3][random.below(6)] };
    for _ in 0..count {
        let parent = number - 1 - random.below(number.min(7));
        if !parents.contains(&parent) {
            parents.push(parent);
        }
    }
    parents
}

/// A commit that changes one of a few files, so that histories meet and undo each other.
fn commit(random: &mut Random, number: usize, parents: &[usize], date: usize) -> String {
    let mut stream = format!("commit refs/heads/c{number}\nmark :{}\n", number + 1);
    stream += &format!("committer A <a@x.dev> {} +0000\ndata 3\n{number:03}\n", 1_700_000_000 + date);
    for (position, parent) in parents.iter().enumerate() {
        stream += &format!("{} :{}\n", if position == 0 { "from" } else { "merge" }, parent + 1);
    }
    let content = random.below(4).to_string();
    stream + &format!("M 100644 inline f{}\ndata {}\n{content}\n", random.below(5), content.len())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Older,
    Younger,
}

/// What git does to the object directory after each half of the commits.
fn store(world: &World, layout: Layout, half: Half) {
    let graph = |options: &[&str]| {
        world.git(&[&["commit-graph", "write", "--reachable"], options].concat());
    };
    match (layout, half) {
        (Layout::Packed, Half::Younger) => drop(world.git(&["repack", "-adq"])),
        (Layout::MultiPackIndex, Half::Older) => drop(world.git(&["repack", "-dq"])),
        (Layout::MultiPackIndex, Half::Younger) => {
            world.git(&["repack", "-dq"]);
            world.git(&["multi-pack-index", "write"]);
            assert!(world.clone_dir().join(".git/objects/pack/multi-pack-index").exists());
        }
        (Layout::CommitGraph, Half::Younger) | (Layout::OldCommitGraph, Half::Older) => graph(&[]),
        (Layout::SplitCommitGraph, _) => graph(&["--split=no-merge"]),
        _ => {}
    }
}

#[test]
fn new_commits_are_those_of_the_definition_and_of_git() {
    for (seed, layout) in (0..).zip(LAYOUTS) {
        for dates in [Dates::Equal, Dates::Skewed] {
            let dag = Dag::new(seed, dates, layout);
            let mut random = Random(seed + 1000);
            let queries: Vec<(usize, Vec<usize>)> = (0..200)
                .map(|_| (random.below(COMMITS), (0..random.below(4)).map(|_| random.below(COMMITS)).collect()))
                .collect();
            for (tip, hidden) in queries.iter().take(3) {
                let defined = dag.defined(*tip, hidden);
                assert_eq!(dag.by_libgit2(*tip, hidden), defined, "{seed} {dates:?} c{tip} ^{hidden:?}");
                if dates != Dates::Skewed {
                    assert_eq!(dag.by_git(*tip, hidden), defined, "{seed} {dates:?} c{tip} ^{hidden:?}");
                }
            }
            let (objects, dir) = (dag.objects(layout), dag.dir());
            let history = History::new(&objects, &dir);
            for (tip, mut hidden) in queries {
                // In a push, only what was stored before is hidden.
                if layout == Layout::Quarantine {
                    hidden.iter_mut().for_each(|hidden| *hidden %= COMMITS / 2);
                }
                let ids: Vec<Oid> = hidden.iter().map(|hidden| dag.ids[*hidden]).collect();
                let new = new_commits(&history, dag.ids[tip], &ids, limited(COMMITS)).unwrap();
                dag.check_shape(&new, tip);
                let (found, defined) = (dag.numbers(&new), dag.defined(tip, &hidden));
                let name = format!("seed {seed}, {layout:?}, {dates:?}: c{tip} ^{hidden:?}");
                // A skewed date may cost a commit too many, never one too few; a commit-graph that knows all tells exactly.
                let exact = matches!(layout, Layout::CommitGraph | Layout::SplitCommitGraph);
                if dates == Dates::Skewed && !exact {
                    assert!(found.is_superset(&defined), "{name}: {found:?} lacks some of {defined:?}");
                } else {
                    assert_eq!(found, defined, "{name}");
                }
                if let Some(few) = found.len().checked_sub(1) {
                    assert!(new_commits(&history, dag.ids[tip], &ids, limited(few)).is_err(), "{name}: the limit");
                }
            }
        }
    }
}

fn limited(new: usize) -> WalkLimits {
    WalkLimits { new, stored: usize::MAX, reads: usize::MAX }
}

#[test]
fn a_false_date_reads_no_more_history_than_the_limit() {
    const LENGTH: usize = 40;
    let world = World::new("");
    let mut stream = String::new();
    let mut commit = |name: &str, mark: usize, date: usize, from: &str| {
        stream +=
            &format!("commit refs/heads/{name}\nmark :{mark}\ncommitter A <a@x.dev> {date} +0000\ndata 1\nx\n{from}");
    };
    for number in 1..=LENGTH {
        commit("main", number, 1_700_000_000 + number, "");
    }
    commit("honest", LENGTH + 1, 1_700_000_100, &format!("from :{}\n", LENGTH - 1));
    commit("false", LENGTH + 2, 0, &format!("from :{}\n", LENGTH - 1));
    world.git_with(&["fast-import", "--quiet"], stream.as_bytes());
    let new = |name: &str, reads| {
        let dir = GitDir::at(&world.clone_dir().join(".git")).unwrap();
        let objects = Objects::open(&dir, &Quarantine::default(), ObjectFormat::Sha1).unwrap();
        let id = |name: &str| oid(&world.git(&["rev-parse", name]));
        let limits = WalkLimits { new: 10, stored: 10, reads };
        new_commits(&History::new(&objects, &dir), id(name), &[id("main")], limits).map(|new| new.len())
    };
    assert!(matches!(new("honest", 5), Ok(1)));
    assert!(matches!(new("false", LENGTH), Err(WalkError::TooFar(LENGTH))));
    assert!(matches!(new("false", LENGTH + 1), Ok(1)));
    world.git(&["commit-graph", "write", "--reachable"]);
    assert!(matches!(new("false", 0), Ok(1)), "a commit-graph makes reading unnecessary");
}

#[test]
fn the_steps_of_the_mainline_add_up() {
    let mut checked = 0;
    for (seed, layout) in (100..).zip([Layout::Loose, Layout::Quarantine, Layout::CommitGraph]) {
        let dag = Dag::new(seed, Dates::Rising, layout);
        let mut random = Random(seed);
        let trees: Vec<String> = (0..COMMITS).map(|number| format!("c{number}^{{tree}}")).collect();
        let trees = resolve(&dag.world, &trees);
        let (objects, dir) = (dag.objects(layout), dag.dir());
        let history = History::new(&objects, &dir);
        for _ in 0..150 {
            let tip = random.below(COMMITS);
            let below: Vec<usize> = dag.reach[tip].iter().copied().filter(|below| *below != tip).collect();
            let old = (!below.is_empty() && !random.one_in(8)).then(|| *random.pick(&below));
            let hidden: Vec<Oid> = old.map(|old| dag.ids[old]).into_iter().collect();
            let new = new_commits(&history, dag.ids[tip], &hidden, limited(COMMITS)).unwrap();
            let steps = mainline(&new, dag.ids[tip], hidden.first().copied());
            let name = format!("seed {seed}: c{old:?}..c{tip}: {steps:?}");

            // A chain from the old value to the tip, which follows the first parent that contains the old value.
            assert_eq!(steps.last().unwrap().commit, dag.ids[tip], "{name}");
            assert_eq!(steps[0].parent, old.map(|old| dag.ids[old]), "{name}");
            for pair in steps.windows(2) {
                assert_eq!(pair[1].parent, Some(pair[0].commit), "{name}");
            }
            for step in &steps {
                let parents = &dag.parents[dag.numbers[&step.commit]];
                let leads = |parent: &&usize| old.is_none_or(|old| dag.reach[**parent].contains(&old));
                assert_eq!(step.parent, parents.iter().find(leads).map(|parent| dag.ids[*parent]), "{name}");
            }

            // All steps one after the other, by path: where each began and ended.
            let tree = |id: Option<Oid>| id.map(|id| trees[dag.numbers[&id]]);
            let mut sum = BTreeMap::new();
            for step in &steps {
                for change in changes(&objects, tree(step.parent), trees[dag.numbers[&step.commit]]).unwrap() {
                    let (_, last) = sum.entry(change.path).or_insert((change.old, change.old));
                    assert_eq!(*last, change.old, "{name}");
                    *last = change.new;
                }
            }
            sum.retain(|_, (first, last)| first != last);
            let whole = changes(&objects, tree(steps[0].parent), trees[tip]).unwrap();
            let whole: BTreeMap<_, _> =
                whole.into_iter().map(|change| (change.path, (change.old, change.new))).collect();
            assert_eq!(sum, whole, "{name}");
            checked += steps.len();
        }
    }
    assert!(checked > 500, "{checked} steps are too few to say anything");
}
