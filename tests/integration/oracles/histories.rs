//! Generated histories whose last commits are to be merged: edits, renames, moves of directories, modes, links, binary files, and
//! branches that merged each other before. Seeded, so that a number names a case again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Random;

/// What a tree holds: mode and content, or for a submodule its commit.
type Files = BTreeMap<String, (&'static str, Vec<u8>)>;

const FILE: &str = "100644";
const SCRIPT: &str = "100755";
const LINK: &str = "120000";
const MODULE: &str = "160000";

const DIRECTORIES: [&str; 8] = ["", "src/", "src/core/", "src/net/", "lib/", "docs/", "tests/", "lib/deep/er/"];
const NAMES: [&str; 14] = [
    "main.c", "util.c", "mod.rs", "README", "index.js", "parse.c", "Makefile", "a", "b", "c.txt", "data.bin", "z",
    "lib", "src",
];
/// Lines as in programs, some of which stand many times in one file.
const COMMON: [&str; 8] = ["}\n", "\n", "    return 0;\n", "    }\n", "{\n", "    break;\n", "end\n", "/*\n"];

/// One history for all its commits.
struct Line {
    files: Files,
    mark: usize,
}

/// Two commits to be merged, of one generated history.
#[derive(Clone, Copy, Debug)]
pub struct Merge {
    number: usize,
}

impl Merge {
    /// The arguments with which git merges what [`Merge::input`] lists.
    pub const BY_GIT: [&str; 5] = ["merge-tree", "--write-tree", "--stdin", "--name-only", "--messages"];

    /// The refs of both sides.
    pub fn sides(self) -> [String; 2] {
        ["ours", "theirs"].map(|side| format!("refs/heads/m{}/{side}", self.number))
    }

    /// What git says of each merge: the tree, where it is clean. It ends early where git dies of a failed assertion, as 2.47 does.
    ///
    /// Git calls some merges clean of which it says CONFLICT: a rename that collides with the same file, and loses a side's change.
    pub fn outcomes(said: &[u8]) -> Vec<Option<String>> {
        let mut fields = said.split(|byte| *byte == 0).map(|field| std::str::from_utf8(field).unwrap_or_default());
        let mut outcomes = Vec::new();
        while let Some(outcome) = Self::outcome(&mut fields) {
            outcomes.push(outcome);
        }
        outcomes
    }

    fn outcome<'f>(fields: &mut impl Iterator<Item = &'f str>) -> Option<Option<String>> {
        let status = fields.next().filter(|status| !status.is_empty())?;
        let tree = fields.next()?;
        while !fields.next()?.is_empty() {}
        let mut collides = false;
        while let Some(paths) = fields.next().filter(|paths| !paths.is_empty()) {
            let kind = fields.nth(paths.parse().ok()?)?;
            collides |= kind == "CONFLICT (rename involved in collision)";
            fields.next()?;
        }
        Some((status == "1" && !collides).then(|| tree.to_owned()))
    }
}

/// Writes histories as a stream for `git fast-import`.
pub struct Histories {
    random: Random,
    mark: usize,
    seconds: usize,
    id_length: usize,
    word: usize,
    stream: Vec<u8>,
}

impl Histories {
    /// `id_length` is that of the repository's ids, in hexadecimal digits.
    pub fn new(seed: u64, id_length: usize) -> Self {
        Self { random: Random(seed), mark: 0, seconds: 1_600_000_000, id_length, word: 0, stream: Vec::new() }
    }

    /// The stream so far.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.stream)
    }

    /// Adds one history.
    pub fn add(&mut self, number: usize) -> Merge {
        let files = self.first_files();
        let mut base = Line { files: Files::new(), mark: 0 };
        self.commit(number, &mut base, files, &[]);
        let (mut ours, mut theirs) = (self.side(number, &base), self.side(number, &base));
        // Each round, the branches merge each other.
        let rounds = match self.random.below(20) {
            0..12 => 0,
            12..17 => 1,
            17..19 => 2,
            _ => 3,
        };
        for _ in 0..rounds {
            let (tips, bases) = ((ours.mark, theirs.mark), base.files.clone());
            let by_ours = self.resolved(&bases, &ours.files, &theirs.files);
            let by_theirs =
                if self.random.one_in(3) { self.resolved(&bases, &theirs.files, &ours.files) } else { by_ours.clone() };
            self.commit(number, &mut ours, by_ours, &[tips.0, tips.1]);
            self.commit(number, &mut theirs, by_theirs, &[tips.1, tips.0]);
            base.files.clone_from(&ours.files);
            if !self.random.one_in(8) {
                ours = self.side(number, &ours);
            }
            theirs = self.side(number, &theirs);
        }
        for (name, mark) in [("ours", ours.mark), ("theirs", theirs.mark)] {
            writeln!(self, "reset refs/heads/m{number}/{name}\nfrom :{mark}\n").unwrap();
        }
        Merge { number }
    }

    fn side(&mut self, number: usize, from: &Line) -> Line {
        let mut line = Line { files: from.files.clone(), mark: from.mark };
        for _ in 0..1 + self.random.below(3) {
            let mut files = line.files.clone();
            for _ in 0..1 + self.random.below(3) {
                self.change(&mut files);
            }
            let parent = [line.mark];
            self.commit(number, &mut line, files, &parent);
        }
        line
    }

    /// A merge as a person may have made it: whole files, of either side where both changed one.
    fn resolved(&mut self, base: &Files, ours: &Files, theirs: &Files) -> Files {
        let mut files = ours.clone();
        let paths: Vec<&String> = base.keys().chain(theirs.keys()).collect();
        for path in paths {
            let both = ours.get(path) != base.get(path);
            if theirs.get(path) != base.get(path) && (!both || self.random.one_in(2)) {
                match theirs.get(path) {
                    Some(file) => put(&mut files, path.clone(), file.clone()),
                    None => drop(files.remove(path)),
                }
            }
        }
        files
    }

    fn first_files(&mut self) -> Files {
        let mut files = Files::new();
        for _ in 0..3 + self.random.below(14) {
            let path = self.path();
            let file = self.new_file();
            put(&mut files, path, file);
        }
        files
    }

    fn path(&mut self) -> String {
        format!("{}{}", self.random.pick(&DIRECTORIES), self.random.pick(&NAMES))
    }

    fn new_file(&mut self) -> (&'static str, Vec<u8>) {
        match self.random.below(24) {
            0 => (LINK, self.random.pick(&NAMES).as_bytes().to_vec()),
            1 => (MODULE, (1 + self.random.below(5)).to_string().repeat(self.id_length).into_bytes()),
            2 => (FILE, self.binary()),
            3 => (FILE, Vec::new()),
            4 => (SCRIPT, self.text()),
            // The same content more than once.
            5 => (FILE, b"license\nas is\nno warranty\n".repeat(2)),
            _ => (FILE, self.text()),
        }
    }

    fn binary(&mut self) -> Vec<u8> {
        let length = 100 + self.random.below(2000);
        let mut bytes: Vec<u8> = (0..length).map(|_| u8::try_from(self.random.below(256)).unwrap()).collect();
        bytes[0] = 0;
        bytes
    }

    fn text(&mut self) -> Vec<u8> {
        let count = if self.random.one_in(4) { 1 + self.random.below(6) } else { 5 + self.random.below(60) };
        let mut text: Vec<u8> = (0..count).flat_map(|_| self.line()).collect();
        if self.random.one_in(12) {
            text.pop();
        }
        text
    }

    fn line(&mut self) -> Vec<u8> {
        if self.random.one_in(4) {
            return self.random.pick(&COMMON).as_bytes().to_vec();
        }
        self.word += 1;
        let ending = if self.random.one_in(40) { "\r\n" } else { "\n" };
        format!("    call_{}({}, {});{ending}", self.word % 977, self.random.below(10), self.word).into_bytes()
    }

    /// Does to a tree what a developer does in one step.
    fn change(&mut self, files: &mut Files) {
        let known: Vec<String> = files.keys().cloned().collect();
        if known.is_empty() {
            let path = self.path();
            let file = self.new_file();
            return put(files, path, file);
        }
        let path = self.random.pick(&known).clone();
        match self.random.below(40) {
            0..20 => self.edit(files, &path),
            20..23 => {
                let path = self.path();
                let file = self.new_file();
                put(files, path, file);
            }
            23..25 => drop(files.remove(&path)),
            25..29 => {
                let to = self.moved(&path);
                if let Some(file) = files.remove(&path) {
                    put(files, to, file);
                }
            }
            29..33 => {
                self.edit(files, &path);
                let to = self.moved(&path);
                if let Some(file) = files.remove(&path) {
                    put(files, to, file);
                }
            }
            33 => {
                let Some((directory, _)) = path.rsplit_once('/') else { return };
                let to = self.random.pick(&["moved", "src/moved", "lib", "src/net"]);
                let whole = format!("{directory}/");
                for old in known.iter().filter(|old| old.starts_with(&whole)) {
                    let Some(mut file) = files.remove(old) else { continue };
                    if self.random.one_in(5) {
                        self.edit_file(&mut file);
                    }
                    put(files, format!("{to}/{}", old.strip_prefix(&whole).unwrap()), file);
                }
            }
            34 => {
                if let Some((mode @ (FILE | SCRIPT), _)) = files.get_mut(&path) {
                    *mode = if *mode == FILE { SCRIPT } else { FILE };
                }
            }
            35 => {
                let link = (LINK, self.random.pick(&NAMES).as_bytes().to_vec());
                put(files, path, link);
            }
            36 => {
                if let Some(file) = files.get(&path).cloned() {
                    let mut file = file;
                    self.edit_file(&mut file);
                    let to = self.moved(&path);
                    put(files, to, file);
                }
            }
            37 => {
                // A file becomes a directory.
                if let Some(file) = files.remove(&path) {
                    put(files, format!("{path}/inner"), file);
                }
            }
            38 => {
                let to = self.random.pick(&known).clone();
                if let (Some(one), Some(other)) = (files.remove(&path), files.remove(&to)) {
                    files.insert(path, other);
                    files.insert(to, one);
                }
            }
            _ => {
                let file = self.new_file();
                put(files, path, file);
            }
        }
    }

    /// Another name for a file: often only another directory, or only another name.
    fn moved(&mut self, path: &str) -> String {
        let (directory, name) = path.rsplit_once('/').map_or(("", path), |(one, other)| (one, other));
        match self.random.below(3) {
            0 => format!("{}{name}", self.random.pick(&DIRECTORIES)),
            1 if directory.is_empty() => (*self.random.pick(&NAMES)).to_owned(),
            1 => format!("{directory}/{}", self.random.pick(&NAMES)),
            _ => self.path(),
        }
    }

    fn edit(&mut self, files: &mut Files, path: &str) {
        if let Some(file) = files.get_mut(path) {
            self.edit_file(file);
        }
    }

    fn edit_file(&mut self, file: &mut (&'static str, Vec<u8>)) {
        let (mode, content) = file;
        match *mode {
            MODULE => *content = (1 + self.random.below(5)).to_string().repeat(self.id_length).into_bytes(),
            LINK => *content = self.random.pick(&NAMES).as_bytes().to_vec(),
            _ if content.first() == Some(&0) => {
                let at = 1 + self.random.below(content.len() - 1);
                content[at] ^= 1;
            }
            _ => self.edit_text(content),
        }
    }

    fn edit_text(&mut self, content: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> = content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        for _ in 0..1 + self.random.below(3) {
            let at = self.random.below(lines.len() + 1);
            let end = (at + 1 + self.random.below(4)).min(lines.len());
            match self.random.below(10) {
                0..4 => {
                    let new: Vec<Vec<u8>> = (0..1 + self.random.below(4)).map(|_| self.line()).collect();
                    lines.splice(at..end, new);
                }
                4..7 => {
                    let new: Vec<Vec<u8>> = (0..1 + self.random.below(5)).map(|_| self.line()).collect();
                    lines.splice(at..at, new);
                }
                7 => drop(lines.drain(at..end)),
                8 => {
                    // A block once more, as is or elsewhere.
                    let block = lines[at..end].to_vec();
                    let to = self.random.below(lines.len() + 1);
                    lines.splice(to..to, block);
                }
                _ => {
                    let block: Vec<Vec<u8>> = lines.drain(at..end).collect();
                    let to = self.random.below(lines.len() + 1);
                    lines.splice(to..to, block);
                }
            }
        }
        *content = lines.concat();
    }

    fn commit(&mut self, number: usize, line: &mut Line, files: Files, parents: &[usize]) {
        self.mark += 1;
        // Some of the same second: a script makes commits so.
        self.seconds += self.random.below(3);
        let (mark, seconds) = (self.mark, self.seconds);
        writeln!(self, "commit refs/heads/m{number}/made\nmark :{mark}\ncommitter A <a@x.dev> {seconds} +0000\ndata 0")
            .unwrap();
        for (index, parent) in parents.iter().enumerate() {
            let word = if index == 0 { "from" } else { "merge" };
            writeln!(self, "{word} :{parent}").unwrap();
        }
        if parents.is_empty() {
            writeln!(self, "deleteall").unwrap();
        }
        for path in line.files.keys().filter(|path| !files.contains_key(*path)) {
            writeln!(self, "D {path}").unwrap();
        }
        for (path, file) in &files {
            if line.files.get(path) == Some(file) {
                continue;
            }
            match file {
                (MODULE, id) => {
                    let id = String::from_utf8_lossy(id);
                    writeln!(self, "M {MODULE} {id} {path}").unwrap();
                }
                (mode, content) => {
                    writeln!(self, "M {mode} inline {path}\ndata {}", content.len()).unwrap();
                    self.stream.extend_from_slice(content);
                    self.stream.push(b'\n');
                }
            }
        }
        *line = Line { files, mark };
    }
}

impl std::fmt::Write for Histories {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.stream.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Puts a file where neither a file nor a directory may stay in its way.
fn put(files: &mut Files, path: String, file: (&'static str, Vec<u8>)) {
    let under = |path: &str, directory: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
    files.retain(|other, _| !under(other, &path) && !under(&path, other));
    files.insert(path, file);
}
