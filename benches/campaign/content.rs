//! What a commit holds, how the next one changes it, and the trees of it, odd ones among them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use countersign::core::oid::Oid;

use crate::random::{NAMES, Random};
use crate::repository::{Kind, Repository};

/// A file, a link or a submodule; the mode as its tree spells it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct File {
    mode: &'static str,
    id: Oid,
}

/// The files of one commit by path, and which directories are odd.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content {
    files: BTreeMap<Vec<u8>, File>,
    odd: BTreeMap<Vec<u8>, &'static str>,
}

/// Something that git would not have written: at this path, of this kind. What is odd about a file goes with its content.
pub type Oddity = (Vec<u8>, &'static str);

/// Modes that some tool wrote once, or nobody.
const ODD_MODES: [&str; 8] = ["100664", "100600", "100640", "100777", "0100644", "120777", "160755", "644"];

/// What may be odd about a directory. [`distort`] makes it so.
const ODD_DIRECTORIES: [&str; 19] = [
    "unsorted",
    "an entry twice",
    "a name twice",
    "a file named as a directory",
    "an empty subtree",
    "a padded directory mode",
    ".git",
    ".GIT",
    "git~1",
    ".git and a space",
    ".git on HFS+",
    "a backslash before .git",
    "a link named .gitmodules",
    "..",
    "no name",
    "a slash in a name",
    "a null id",
    "a cut entry",
    "a mode that is no number",
];

/// Directories below each other that are a few too many for us, and not for git.
const DEEP: usize = 520;

impl Content {
    pub fn first(repository: &mut Repository, random: &mut Random) -> Self {
        let mut content = Self::default();
        for _ in 0..30 {
            content.add(repository, random);
        }
        content
    }

    /// What is odd about it.
    pub fn oddities(&self) -> BTreeSet<Oddity> {
        let modes = self.files.iter().filter(|(_, file)| ODD_MODES.contains(&file.mode));
        let modes = modes.map(|(path, file)| ([path, &b"\0"[..], file.id.as_bytes()].concat(), file.mode));
        let deep = self.files.keys().filter(|path| path.iter().filter(|byte| **byte == b'/').count() >= DEEP);
        let deep = deep.map(|path| (path.clone(), "deep"));
        let stands = |path: &Vec<u8>| path.is_empty() || self.files.keys().any(|file| is_under(file, path));
        let odd = self.odd.iter().filter(|(path, _)| stands(path)).map(|(path, kind)| (path.clone(), *kind));
        odd.chain(modes).chain(deep).collect()
    }

    /// Changes something, as people do.
    pub fn change(&mut self, repository: &mut Repository, random: &mut Random) {
        for _ in 0..1 + random.below(2) {
            let Some(path) = self.some_path(random) else { return self.add(repository, random) };
            match random.below(24) {
                0..=12 => self.edit(&path, repository, random),
                13..=15 => self.add(repository, random),
                16 | 17 => drop(self.files.remove(&path)),
                18 | 19 => self.rename(&path, repository, random),
                20 => self.rename_directory(&path, random),
                21 => self.change_mode(&path),
                22 => self.change_type(&path, repository, random),
                _ => self.copy(&path, random),
            }
        }
    }

    /// Makes something odd, one thing at a time, or all right again.
    pub fn distort(&mut self, repository: &mut Repository, random: &mut Random) {
        self.odd.clear();
        self.files.values_mut().filter(|file| ODD_MODES.contains(&file.mode)).for_each(|file| file.mode = "100644");
        self.files.retain(|path, _| path.len() < DEEP);
        let path = self.some_path(random).unwrap_or_default();
        if random.one_in(2) {
            return;
        }
        if random.one_in(4) {
            let file = self.files.get_mut(&path);
            file.into_iter().for_each(|file| file.mode = *random.pick(&ODD_MODES));
        } else if random.one_in(200) {
            let id = repository.add(Kind::Blob, b"deep\n".to_vec());
            self.put([b"d/".repeat(DEEP), b"f".to_vec()].concat(), File { mode: "100644", id });
        } else {
            let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            self.odd.insert(path[..end].to_vec(), *random.pick(&ODD_DIRECTORIES));
        }
    }

    /// What `theirs` did to `base`, done to `self` where it left the base as it was.
    pub fn merge(&mut self, base: &Self, theirs: &Self) {
        let paths: BTreeSet<&Vec<u8>> = base.files.keys().chain(theirs.files.keys()).collect();
        for path in paths {
            let (old, new) = (base.files.get(path), theirs.files.get(path));
            if old != new && self.files.get(path) == old {
                match new {
                    Some(file) => self.put(path.clone(), *file),
                    None => drop(self.files.remove(path)),
                }
            }
        }
    }

    fn some_path(&self, random: &mut Random) -> Option<Vec<u8>> {
        let position = random.below(self.files.len().max(1));
        self.files.keys().nth(position).cloned()
    }

    /// Puts a file where it can be: no directory is a file too.
    fn put(&mut self, path: Vec<u8>, file: File) {
        self.files.retain(|other, _| !is_under(other, &path) && !is_under(&path, other));
        self.files.insert(path, file);
    }

    fn add(&mut self, repository: &mut Repository, random: &mut Random) {
        let depth = if random.one_in(40) { 40 } else { 1 + random.below(3) };
        let names: Vec<&[u8]> = (0..depth).map(|_| *random.pick(&NAMES)).collect();
        let lines: Vec<String> = (0..8 + random.below(8)).map(|_| format!("line {}\n", random.below(1000))).collect();
        let mut text = lines.concat().into_bytes();
        if random.one_in(10) {
            text[3] = 0;
        }
        let id = repository.add(Kind::Blob, text);
        self.put(names.join(&b'/'), File { mode: "100644", id });
    }

    fn edit(&mut self, path: &[u8], repository: &mut Repository, random: &mut Random) {
        let Some(file) = self.files.get_mut(path) else { return };
        let Some(text) = repository.texts.get(&file.id) else { return };
        let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let place = random.below(lines.len().max(1));
        let line = format!("line {} is new\n", random.below(1000)).into_bytes();
        match random.below(5) {
            0 => lines.insert(place, line),
            1 if lines.len() > 1 => drop(lines.remove(place)),
            2 if lines.last().is_some_and(|last| !last.ends_with(b"\n")) => lines.push(b"\n".to_vec()),
            2 if random.one_in(3) => lines.push(b"no end".to_vec()),
            3 if random.one_in(6) => lines.iter_mut().for_each(|line| line.insert(line.len().saturating_sub(1), b'\r')),
            _ => lines.iter_mut().skip(place).take(1).for_each(|old| old.clone_from(&line)),
        }
        file.id = repository.add(Kind::Blob, lines.concat());
    }

    fn rename(&mut self, path: &[u8], repository: &mut Repository, random: &mut Random) {
        let Some(file) = self.files.remove(path) else { return };
        let mut to = if random.one_in(2) { path.to_vec() } else { random.pick(&NAMES).to_vec() };
        to.extend_from_slice(b"-moved");
        self.put(to.clone(), file);
        if random.one_in(3) {
            self.edit(&to, repository, random);
        }
    }

    fn rename_directory(&mut self, path: &[u8], random: &mut Random) {
        let Some(end) = path.iter().position(|byte| *byte == b'/') else { return };
        let (from, to) = (&path[..=end], [random.pick(&NAMES), &b"-dir/"[..]].concat());
        let moved: Vec<(Vec<u8>, File)> = self.files.extract_if(.., |path, _| path.starts_with(from)).collect();
        for (path, file) in moved {
            self.put([&to, &path[from.len()..]].concat(), file);
        }
    }

    fn copy(&mut self, path: &[u8], random: &mut Random) {
        let Some(file) = self.files.get(path).copied() else { return };
        self.put([random.pick(&NAMES), &b"-copy"[..]].concat(), file);
    }

    fn change_mode(&mut self, path: &[u8]) {
        let Some(file) = self.files.get_mut(path) else { return };
        file.mode = match file.mode {
            "100644" => "100755",
            "100755" => "100644",
            other => other,
        };
    }

    fn change_type(&mut self, path: &[u8], repository: &mut Repository, random: &mut Random) {
        match random.below(4) {
            0 => {
                let id = repository.add(Kind::Blob, random.pick(&NAMES).to_vec());
                self.put(path.to_vec(), File { mode: "120000", id });
            }
            1 => {
                let digit = 1 + random.below(9);
                let id = Oid::parse(digit.to_string().repeat(2 * repository.format.id_len()).as_bytes()).unwrap();
                self.put(path.to_vec(), File { mode: "160000", id });
            }
            // A file becomes a directory.
            2 => {
                if let Some(file) = self.files.remove(path) {
                    self.put([path, b"/a"].concat(), file);
                }
            }
            // A directory becomes a file.
            _ => {
                let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
                if let Some(file) = self.files.remove(path) {
                    self.put(path[..end].to_vec(), file);
                }
            }
        }
    }

    /// The tree of it, whose parts are added to the repository.
    pub fn tree(&self, repository: &mut Repository) -> Oid {
        self.directory(b"", repository)
    }

    fn directory(&self, prefix: &[u8], repository: &mut Repository) -> Oid {
        let mut entries: Vec<Entry> = Vec::new();
        let mut from = Bound::Included(prefix.to_vec());
        while let Some((path, file)) = self.files.range((from, Bound::Unbounded)).next() {
            let Some(rest) = path.strip_prefix(prefix) else { break };
            match rest.iter().position(|byte| *byte == b'/') {
                None => {
                    entries.push(Entry::new(file.mode, rest, file.id.as_bytes()));
                    from = Bound::Excluded(path.clone());
                }
                Some(slash) => {
                    let below = &path[..=prefix.len() + slash];
                    let tree = self.directory(below, repository);
                    entries.push(Entry::new("40000", &rest[..slash], tree.as_bytes()));
                    // The first path after all that begin so: a slash is followed by `0`.
                    from = Bound::Included([&below[..below.len() - 1], b"0"].concat());
                }
            }
        }
        entries.sort_by_key(Entry::order);
        let cut = match self.odd.get(prefix.strip_suffix(b"/").unwrap_or(prefix)) {
            Some(kind) => distort(kind, &mut entries, repository),
            None => 0,
        };
        let mut raw: Vec<u8> = entries.iter().flat_map(Entry::raw).collect();
        raw.truncate(raw.len() - cut);
        repository.add(Kind::Tree, raw)
    }
}

fn is_under(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
}

struct Entry {
    mode: Vec<u8>,
    name: Vec<u8>,
    id: Vec<u8>,
}

impl Entry {
    fn new(mode: &str, name: &[u8], id: &[u8]) -> Self {
        Self { mode: mode.as_bytes().to_vec(), name: name.to_vec(), id: id.to_vec() }
    }

    /// Git orders directories as if their names ended in a slash.
    fn order(&self) -> Vec<u8> {
        [&self.name[..], if self.mode.ends_with(b"40000") { b"/" } else { b"" }].concat()
    }

    fn raw(&self) -> Vec<u8> {
        [&self.mode, &b" "[..], &self.name, b"\0", &self.id].concat()
    }
}

/// Makes a directory odd, always in the same way. Returns how many bytes are missing at its end.
fn distort(kind: &str, entries: &mut Vec<Entry>, repository: &mut Repository) -> usize {
    let blob = repository.add(Kind::Blob, b"odd\n".to_vec());
    let empty = repository.add(Kind::Tree, Vec::new());
    let full = repository.add(Kind::Tree, Entry::new("100644", b"x", blob.as_bytes()).raw());
    let null = vec![0; repository.format.id_len()];
    let mut add = |mode: &str, name: &[u8], id: &[u8]| {
        entries.push(Entry::new(mode, name, id));
        entries.sort_by_key(Entry::order);
    };
    match kind {
        "unsorted" => {
            add("100644", b"0", blob.as_bytes());
            entries.reverse();
            if entries.len() == 1 {
                entries.insert(0, Entry::new("100644", b"z", blob.as_bytes()));
            }
        }
        "an entry twice" => {
            add("100644", b"twice", blob.as_bytes());
            add("100644", b"twice", blob.as_bytes());
        }
        "a name twice" => {
            add("100644", b"twice", blob.as_bytes());
            add("100755", b"twice", blob.as_bytes());
        }
        "a file named as a directory" => {
            add("100644", b"both", blob.as_bytes());
            add("100644", b"both.c", blob.as_bytes());
            add("40000", b"both", full.as_bytes());
        }
        "an empty subtree" => add("40000", b"empty", empty.as_bytes()),
        "a padded directory mode" => add("040000", b"padded", full.as_bytes()),
        ".git" => add("100644", b".git", blob.as_bytes()),
        ".GIT" => add("40000", b".GIT", full.as_bytes()),
        "git~1" => add("40000", b"git~1", full.as_bytes()),
        ".git and a space" => add("40000", b".git ", full.as_bytes()),
        ".git on HFS+" => add("40000", ".g\u{200c}it".as_bytes(), full.as_bytes()),
        "a backslash before .git" => add("100644", b"x\\.git", blob.as_bytes()),
        "a link named .gitmodules" => add("120000", b".gitmodules", blob.as_bytes()),
        ".." => add("40000", b"..", full.as_bytes()),
        "no name" => add("100644", b"", blob.as_bytes()),
        "a slash in a name" => add("100644", b"x/y", blob.as_bytes()),
        "a null id" => add("100644", b"null", &null),
        "a mode that is no number" => add("10064x", b"mode", blob.as_bytes()),
        "a cut entry" => {
            add("100644", b"zz", blob.as_bytes());
            return 5;
        }
        other => unreachable!("{other}"),
    }
    0
}
