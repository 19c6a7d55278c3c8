//! Refs in tables, as git itself lists them: generated, changed, packed and migrated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use countersign::core::oid::{ObjectFormat, Oid};
use countersign::store::{GitDir, Objects, Quarantine, Refs, SymbolicRef};

use super::random::Random;
use crate::world::World;

/// What git says of a ref.
#[derive(Debug)]
struct Listed {
    id: Oid,
    /// The commit that it leads to.
    commit: Option<Oid>,
    symbolic: bool,
}

/// A repository whose refs are compared, from one of its worktrees.
struct Compared<'w> {
    world: &'w World,
    worktree: &'w Path,
    git_dir: &'w Path,
    /// Opened before anything changed.
    early: Refs,
    objects: Objects,
}

fn format(world: &World) -> ObjectFormat {
    if world.format == "sha256" { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 }
}

impl<'w> Compared<'w> {
    fn open(world: &'w World, worktree: &'w Path, git_dir: &'w Path) -> Self {
        let dir = GitDir::at(git_dir).unwrap();
        let early = Refs::open(&dir, format(world)).unwrap();
        let objects = Objects::open(&dir, &Quarantine::default(), format(world)).unwrap();
        Self { world, worktree, git_dir, early, objects }
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.world.git_in(self.worktree, arguments)
    }

    fn listed(&self) -> BTreeMap<String, Listed> {
        let fields = "%(refname) %(objectname) %(objecttype) %(*objectname) %(*objecttype) %(symref) .";
        let lines = self.git(&["for-each-ref", &format!("--format={fields}")]);
        let line = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, id, kind, peeled, peeled_kind, symref, "."] = words.as_slice() else { panic!("{line}") };
            let id = Oid::parse(id.as_bytes()).unwrap();
            let commit = match (*kind, *peeled_kind) {
                ("commit", _) => Some(id),
                (_, "commit") => Oid::parse(peeled.as_bytes()),
                _ => None,
            };
            ((*name).to_owned(), Listed { id, commit, symbolic: !symref.is_empty() })
        };
        lines.lines().map(line).collect()
    }

    /// Holds everything that is read of the refs against what git lists.
    #[track_caller]
    fn agrees(&self, seed: u64) {
        let dir = GitDir::at(self.git_dir).unwrap();
        let late = Refs::open(&dir, format(self.world)).unwrap();
        let listed = self.listed();
        let direct: BTreeMap<Vec<u8>, Oid> =
            listed.iter().filter(|(_, one)| !one.symbolic).map(|(name, one)| (name.clone().into(), one.id)).collect();
        for refs in [&self.early, &late] {
            assert_eq!(refs.values().unwrap(), direct, "seed {seed}");
            let peeled = refs.select(&self.objects, |_| true).unwrap();
            let peeled: BTreeMap<_, _> = peeled.into_iter().map(|one| (one.name, one.commit)).collect();
            let commits = listed.iter().filter(|(_, one)| !one.symbolic);
            let commits = commits.filter_map(|(name, one)| Some((name.clone().into_bytes(), one.commit?)));
            assert_eq!(peeled, commits.collect(), "seed {seed}");
            let mut random = Random(seed);
            for (name, one) in listed.iter().filter(|(_, one)| one.symbolic || random.one_in(30)) {
                assert_eq!(refs.value(name).unwrap(), Some(one.id), "{name}, seed {seed}");
                assert_eq!(refs.symbolic(name).unwrap().is_some(), one.symbolic, "{name}, seed {seed}");
                for absent in [format!("{name}0"), format!("{name}/0"), name[..name.len() - 1].to_owned()] {
                    let expected = listed.get(&absent).map(|one| one.id);
                    assert_eq!(refs.value(&absent).unwrap(), expected, "{absent}, seed {seed}");
                }
            }
            for prefix in ["refs/heads/", "refs/tags/", "refs/heads/a/", "refs/none/", "refs/heads/zz/"] {
                let found: BTreeMap<_, _> = refs.list(prefix).unwrap().into_iter().collect();
                let mut below = direct.clone();
                below.retain(|name, _| name.starts_with(prefix.as_bytes()));
                assert_eq!(found, below, "{prefix}, seed {seed}");
                assert_eq!(refs.symbolic_refs(&BTreeSet::from([prefix.to_owned()])).unwrap(), self.symbolic(prefix));
            }
            assert_eq!(refs.symbolic("HEAD").unwrap(), Some(self.git(&["symbolic-ref", "HEAD"])));
        }
    }

    /// Symbolic refs, also those that lead to nothing, which for-each-ref passes over.
    fn symbolic(&self, prefix: &str) -> Vec<SymbolicRef> {
        let mut found = Vec::new();
        for name in ["refs/heads/alias", "refs/heads/a/alias", "refs/tags/latest", "refs/heads/dangling"] {
            let mut asked = self.world.command("git", self.worktree);
            asked.args(["symbolic-ref", "-q", name]);
            let answer = self.world.run(asked, None);
            if answer.status.success() && name.starts_with(prefix) {
                let target = String::from_utf8(answer.stdout).unwrap().trim_end().to_owned().into_bytes();
                found.push(SymbolicRef { name: name.into(), target });
            }
        }
        found.sort();
        found
    }
}

/// Commits and annotated tags, and a tag of a tag, to point refs at.
fn values(world: &World) -> Vec<String> {
    let mut values = Vec::new();
    for number in 0..6 {
        values.push(world.commit("file", &number.to_string(), "Work\n"));
        let tag = format!("object {}\ntype commit\ntag t{number}\ntagger A <a@b> 1700000000 +0000\n\nTag\n", values[0]);
        values.push(world.store("tag", tag.as_bytes()));
    }
    let outer = format!("object {}\ntype tag\ntag t\ntagger A <a@b> 1700000000 +0000\n\nTag\n", values[1]);
    values.push(world.store("tag", outer.as_bytes()));
    values
}

/// One transaction that makes, moves and deletes refs.
fn transaction(random: &mut Random, names: &mut BTreeSet<String>, values: &[String], count: usize) -> String {
    let mut lines = BTreeMap::new();
    for _ in 0..count {
        let old: Vec<&String> = names.iter().collect();
        if !old.is_empty() && random.one_in(4) {
            let name = (*random.pick(&old)).clone();
            lines.insert(name.clone(), format!("delete {name}\n"));
            continue;
        }
        let space = random.pick(&["refs/heads/", "refs/heads/a/", "refs/tags/", "refs/other/deep/er/"]);
        let kind = random.pick(&["x", "xx", "yy/z", "long-name-that-takes-some-room-in-a-block"]);
        let name = format!("{space}{kind}{}", random.below(4 * count));
        // Only tags may be anything but commits under refs/heads/.
        let value = if space.starts_with("refs/heads/") { &values[2 * random.below(6)] } else { random.pick(values) };
        lines.insert(name.clone(), format!("update {name} {value}\n"));
    }
    for (name, line) in &lines {
        if line.starts_with("delete") {
            names.remove(name)
        } else {
            names.insert(name.clone())
        };
    }
    lines.into_values().collect()
}

#[test]
fn refs_in_tables_are_what_git_lists() {
    let shapes: [&[(&str, &str)]; 3] = [
        &[],
        &[("reftable.blockSize", "256"), ("reftable.restartInterval", "3")],
        &[("reftable.blockSize", "65536"), ("reftable.indexObjects", "false"), ("core.logAllRefUpdates", "false")],
    ];
    for (seed, (object_format, shape)) in
        [("sha1", shapes[0]), ("sha256", shapes[1]), ("sha1", shapes[1]), ("sha256", shapes[2])].into_iter().enumerate()
    {
        let Some(world) = World::in_tables("", object_format) else { return };
        let seed = u64::try_from(seed).unwrap();
        let mut random = Random(seed);
        for (key, value) in shape {
            world.git(&["config", key, value]);
        }
        let values = values(&world);
        let (clone, git_dir) = (world.clone_dir(), world.clone_dir().join(".git"));
        let compared = Compared::open(&world, &clone, &git_dir);
        compared.agrees(seed);
        let mut names = BTreeSet::new();
        for (round, count) in [5, 1, 3, if seed == 0 { 5000 } else { 600 }, 1, 40, 2, 200, 1, 1].into_iter().enumerate()
        {
            let lines = transaction(&mut random, &mut names, &values, count);
            world.git_with(&["update-ref", "--stdin"], lines.as_bytes());
            match round {
                1 => drop(world.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"])),
                2 => drop(world.git(&["symbolic-ref", "refs/heads/dangling", "refs/heads/nothing"])),
                4 => drop(world.git(&["symbolic-ref", "refs/heads/a/alias", "refs/heads/alias"])),
                5 => drop(world.git(&["symbolic-ref", "refs/tags/latest", "refs/heads/main"])),
                6 => drop(world.git(&["symbolic-ref", "--delete", "refs/heads/alias"])),
                7 => drop(world.git(&["pack-refs", "--all"])),
                8 => drop(world.git(&["symbolic-ref", "HEAD", "refs/heads/elsewhere"])),
                _ => {}
            }
            compared.agrees(seed);
        }
        world.git(&["gc", "-q", "--prune=now"]);
        compared.agrees(seed);
    }
}

/// Each worktree has its own HEAD and bisection, in tables of its own.
#[test]
fn a_linked_worktree_has_tables_of_its_own() {
    let Some(world) = World::in_tables("", "sha1") else { return };
    let value = values(&world)[0].clone();
    let linked = world.path("linked");
    world.git(&["worktree", "add", "-q", "-b", "side", &linked.display().to_string()]);
    world.git_in(&linked, &["update-ref", "refs/worktree/own", &value]);
    world.git_in(&linked, &["update-ref", "refs/heads/shared", &value]);
    world.git(&["update-ref", "refs/worktree/other", &value]);
    let git_dir = world.clone_dir().join(".git/worktrees/linked");
    Compared::open(&world, &linked, &git_dir).agrees(1);
    let (clone, git_dir) = (world.clone_dir(), world.clone_dir().join(".git"));
    Compared::open(&world, &clone, &git_dir).agrees(2);
}

/// Git takes a repository from one kind to the other and back.
#[test]
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
fn a_migrated_repository_has_the_same_refs() {
    let Some(world) = World::in_tables("", "sha1") else { return };
    let mut help = world.command("git", &world.clone_dir());
    help.args(["refs", "migrate", "-h"]);
    let help = world.run(help, None);
    if !String::from_utf8_lossy(&help.stdout).contains("--ref-format") {
        eprintln!("skipped: git is older than 2.46 and migrates no refs");
        return;
    }
    let values = values(&world);
    let lines = transaction(&mut Random(7), &mut BTreeSet::new(), &values, 500);
    world.git_with(&["update-ref", "--stdin"], lines.as_bytes());
    // Migrating logs came later than migrating refs; a bare repository has none.
    world.git(&["clone", "-q", "--mirror", "--ref-format=reftable", ".", "../bare.git"]);
    let bare = world.path("bare.git");
    world.git_in(&bare, &["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    for kind in ["files", "reftable", "files"] {
        world.git_in(&bare, &["refs", "migrate", &format!("--ref-format={kind}")]);
        let compared = Compared::open(&world, &bare, &bare);
        assert_eq!(compared.early.are_tables(), kind == "reftable");
        compared.agrees(3);
    }
}

type Spoil<'s> = &'s dyn Fn(&Path);

/// What git itself refuses, or would read otherwise, is never read as no ref.
#[test]
fn tables_that_cannot_be_read_are_an_error() {
    let table = |directory: &Path| {
        let list = std::fs::read_to_string(directory.join("reftable/tables.list")).unwrap();
        directory.join("reftable").join(list.lines().next().unwrap())
    };
    let list = |git_dir: &Path, text: &str| std::fs::write(git_dir.join("reftable/tables.list"), text).unwrap();
    let spoils: [(Spoil<'_>, &str); 9] = [
        (&|git_dir| std::fs::remove_file(table(git_dir)).unwrap(), "not found"),
        (&|git_dir| std::fs::write(table(git_dir), "").unwrap(), "cut off"),
        (
            &|git_dir| {
                let mut bytes = std::fs::read(table(git_dir)).unwrap();
                let end = bytes.len() - 20;
                bytes[end] ^= 1;
                std::fs::write(table(git_dir), bytes).unwrap();
            },
            "checksum",
        ),
        (&|git_dir| list(git_dir, "../HEAD\n"), "no table"),
        (&|git_dir| list(git_dir, &"0x1-0x1-1.ref\n".repeat(300)), "more than 256 tables"),
        (&|git_dir| list(git_dir, "\u{0}\n"), "no table"),
        (
            &|git_dir| {
                std::fs::remove_file(git_dir.join("reftable/tables.list")).unwrap();
                std::os::unix::fs::symlink(table_of(git_dir), git_dir.join("reftable/tables.list")).unwrap();
            },
            "tables.list",
        ),
        (&|git_dir| std::fs::remove_dir_all(git_dir.join("reftable")).unwrap(), "extensions.refStorage"),
        (&|git_dir| std::fs::write(git_dir.join("HEAD"), "ref: refs/heads/main\n").unwrap(), "extensions.refStorage"),
    ];
    for (spoil, says) in spoils {
        let Some(world) = World::in_tables("", "sha1") else { return };
        values(&world);
        let git_dir = world.clone_dir().join(".git");
        let read = || {
            Refs::open(&GitDir::at(&git_dir).unwrap(), ObjectFormat::Sha1)
                .and_then(|refs| refs.value("refs/heads/main"))
        };
        assert!(read().unwrap().is_some());
        spoil(&git_dir);
        let error = read().unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}

fn table_of(git_dir: &Path) -> std::path::PathBuf {
    git_dir.join("reftable").read_dir().unwrap().next().unwrap().unwrap().path()
}
