//! A generated history: branches that part and meet, criss-cross, octopuses, reverts, renames.

use std::collections::BTreeSet;

use countersign::core::oid::{ObjectFormat, Oid};

use crate::content::{Content, Oddity};
use crate::headers::{ODD, Parts, TAGS};
use crate::message::Message;
use crate::random::Random;
use crate::repository::{Kind, Layout, Repository};

/// Where the dates of commits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    /// Each commit a second after the one before.
    Rising,
    /// Many in one second, as a rebase or an import makes them.
    Equal,
    /// Any date at all.
    Skewed,
}

/// Whether objects are such as git writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Making {
    Regular,
    Odd,
}

pub struct Commit {
    pub id: Oid,
    pub tree: Oid,
    pub parents: Vec<usize>,
    /// What is odd about its headers.
    pub odd: Option<&'static str>,
    /// What is odd about its tree.
    pub oddities: BTreeSet<Oddity>,
    /// The kind of its message, and its bytes.
    pub message: Message,
}

/// One repository with its history. Commits come after their parents.
pub struct World {
    pub repository: Repository,
    pub seed: u64,
    pub making: Making,
    pub dates: Dates,
    pub commits: Vec<Commit>,
    /// What is odd about each tag, and the tag.
    pub tags: Vec<(&'static str, Oid)>,
    reach: Vec<Reach>,
}

/// Branches that grow at the same time.
const BRANCHES: usize = 5;

impl World {
    pub fn new(seed: u64, size: usize) -> Self {
        let mut random = Random(seed);
        // Every combination comes up in some dozens of worlds.
        let format = if seed / 2 % 4 == 3 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
        let making = if seed.is_multiple_of(2) { Making::Regular } else { Making::Odd };
        // An odd commit may have no date that git reads.
        let dates = if making == Making::Odd {
            Dates::Skewed
        } else {
            *random.pick(&[Dates::Rising, Dates::Equal, Dates::Skewed])
        };
        let layout = [Layout::Whole, Layout::Deltas, Layout::Loose][random.below(3)];
        let repository = Repository::new(format);
        let (commits, tags, reach) = Default::default();
        let mut world = Self { repository, seed, making, dates, commits, tags, reach };
        world.grow(size, &mut random);
        for (kind, raw) in TAGS {
            let target = random.pick(&world.commits).id.to_string();
            let id = world.repository.add(Kind::Tag, raw(&target).into_bytes());
            world.tags.push((kind, id));
        }
        world.repository.store(layout);
        if making == Making::Regular && random.one_in(2) {
            let ids: String = world.commits.iter().map(|commit| format!("{}\n", commit.id)).collect();
            world.repository.git_with(&["commit-graph", "write", "--stdin-commits"], ids.as_bytes()).unwrap();
        }
        world
    }

    fn grow(&mut self, size: usize, random: &mut Random) {
        let mut contents: Vec<Content> = Vec::with_capacity(size);
        let mut heads: Vec<usize> = Vec::new();
        while self.commits.len() < size {
            let number = self.commits.len();
            if heads.len() < BRANCHES || random.one_in(60) {
                // A branch begins somewhere, or with a history of its own.
                if number == 0 || random.one_in(10) {
                    let content = Content::first(&mut self.repository, random);
                    self.commit(&[], content, &mut contents, random);
                    heads.push(number);
                } else {
                    heads.push(random.below(number));
                }
                heads.drain(..heads.len().saturating_sub(BRANCHES));
                continue;
            }
            let branch = random.below(heads.len());
            let ours = heads[branch];
            match random.below(20) {
                0..=2 => {
                    let other = random.below(heads.len());
                    let theirs = heads[other];
                    if self.reach[ours].holds(theirs) || self.reach[theirs].holds(ours) {
                        continue;
                    }
                    let merged = self.merged(&contents, ours, &[theirs], random);
                    self.commit(&[ours, theirs], merged, &mut contents, random);
                    heads[branch] = number;
                    // Both sides merge what the other had: from now on they have two merge bases.
                    if random.one_in(3) {
                        let merged = self.merged(&contents, theirs, &[ours], random);
                        self.commit(&[theirs, ours], merged, &mut contents, random);
                        heads[other] = number + 1;
                    }
                }
                3 => {
                    let mut parents = vec![ours];
                    for head in &heads {
                        if !parents.contains(head) && parents.len() < 2 + random.below(5) {
                            parents.push(*head);
                        }
                    }
                    let merged = self.merged(&contents, ours, &parents[1..], random);
                    self.commit(&parents, merged, &mut contents, random);
                    heads[branch] = number;
                }
                // A revert: the content as it was some commits before.
                4 => {
                    let before = self.commits[ours].parents.first().copied().unwrap_or(ours);
                    let before = self.commits[before].parents.first().copied().unwrap_or(before);
                    let content = contents[before].clone();
                    self.commit(&[ours], content, &mut contents, random);
                    heads[branch] = number;
                }
                _ => {
                    let mut content = contents[ours].clone();
                    content.change(&mut self.repository, random);
                    self.commit(&[ours], content, &mut contents, random);
                    heads[branch] = number;
                }
            }
        }
    }

    fn merged(&mut self, contents: &[Content], ours: usize, theirs: &[usize], random: &mut Random) -> Content {
        let mut merged = contents[ours].clone();
        for other in theirs {
            let base = self.bases(ours, *other).first().map(|base| contents[*base].clone()).unwrap_or_default();
            merged.merge(&base, &contents[*other]);
        }
        // Now and then a merge brings something that neither side had.
        if random.one_in(8) {
            merged.change(&mut self.repository, random);
        }
        merged
    }

    fn commit(&mut self, parents: &[usize], mut content: Content, contents: &mut Vec<Content>, random: &mut Random) {
        let number = self.commits.len();
        if self.making == Making::Odd && random.one_in(5) {
            content.distort(&mut self.repository, random);
        }
        let tree = content.tree(&mut self.repository);
        let date = 1_700_000_000
            + match self.dates {
                Dates::Rising => number,
                Dates::Equal => number / 50,
                Dates::Skewed => random.below(1000),
            };
        let ids: Vec<Oid> = parents.iter().map(|parent| self.commits[*parent].id).collect();
        let message = Message::new(random);
        let mut parts = Parts::new(tree, &ids, u64::try_from(date).unwrap(), &message, random);
        parts.decorate(self.repository.format, random);
        let mut odd = None;
        if self.making == Making::Odd && random.one_in(4) {
            let (kind, distort) = *random.pick(&ODD);
            distort(&mut parts);
            odd = Some(kind);
        }
        let id = self.repository.add(Kind::Commit, parts.raw());
        let mut reach = Reach::default();
        reach.insert(number);
        // A second tree hides the parents from git.
        if odd != Some("the tree twice") {
            parents.iter().for_each(|parent| reach.join(&self.reach[*parent]));
        }
        self.reach.push(reach);
        self.commits.push(Commit { id, tree, parents: parents.to_vec(), odd, oddities: content.oddities(), message });
        contents.push(content);
    }

    /// The definition of new: reached from the tip and from nothing hidden.
    pub fn new_commits(&self, tip: usize, hidden: &[usize]) -> BTreeSet<usize> {
        let is_new = |number: &usize| {
            self.reach[tip].holds(*number) && !hidden.iter().any(|hidden| self.reach[*hidden].holds(*number))
        };
        (0..=tip).filter(is_new).collect()
    }

    /// The definition of merge bases: common ancestors that no other common ancestor reaches. The newest comes first.
    pub fn bases(&self, one: usize, other: usize) -> Vec<usize> {
        let mut bases: Vec<usize> = Vec::new();
        for number in (0..=one.min(other)).rev() {
            let common = self.reach[one].holds(number) && self.reach[other].holds(number);
            if common && !bases.iter().any(|base| self.reach[*base].holds(number)) {
                bases.push(number);
            }
        }
        bases
    }
}

/// A set of commits by number.
#[derive(Clone, Default)]
struct Reach(Vec<u64>);

impl Reach {
    fn insert(&mut self, number: usize) {
        self.0.resize(self.0.len().max(number / 64 + 1), 0);
        self.0[number / 64] |= 1 << (number % 64);
    }

    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, more)| *own |= more);
    }

    fn holds(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}
