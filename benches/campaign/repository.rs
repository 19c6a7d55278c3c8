//! A repository made of any bytes: objects go into a pack that git indexes as it does one that is pushed.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use countersign::core::oid::{ObjectFormat, Oid};
use countersign::store::{GitDir, Objects, Quarantine};
use tempfile::TempDir;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

/// How the objects lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In the pack as it was made, without deltas.
    Whole,
    /// As git packs them, with deltas.
    Deltas,
    Loose,
}

pub struct Repository {
    directory: TempDir,
    pub format: ObjectFormat,
    pending: Vec<(Kind, Vec<u8>)>,
    known: HashSet<Oid>,
    /// The content of every blob, for the next edit.
    pub texts: HashMap<Oid, Vec<u8>>,
}

impl Repository {
    pub fn new(format: ObjectFormat) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["home", "made.git"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let (pending, known, texts) = Default::default();
        let repository = Self { directory, format, pending, known, texts };
        let name = if format == ObjectFormat::Sha1 { "sha1" } else { "sha256" };
        repository.git(&["init", "-q", "--bare", "--object-format", name, "-b", "main", "."]);
        repository
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("made.git")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        isolated(&self.path(), &self.directory.path().join("home"), arguments)
    }

    /// Runs git to its end; it must succeed.
    pub fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.command(arguments).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        output.stdout
    }

    /// Runs git with input, which may be more than a pipe holds. `None` where it fails.
    pub fn git_with(&self, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
        let path = self.directory.path().join("input");
        std::fs::write(&path, input).unwrap();
        let output = self.command(arguments).stdin(std::fs::File::open(path).unwrap()).output().unwrap();
        output.status.success().then_some(output.stdout)
    }

    /// Adds an object, which is there after the next [`Repository::store`]. Returns its id.
    pub fn add(&mut self, kind: Kind, raw: Vec<u8>) -> Oid {
        let name = match kind {
            Kind::Commit => "commit",
            Kind::Tree => "tree",
            Kind::Blob => "blob",
            Kind::Tag => "tag",
        };
        let id = self.hash(&[format!("{name} {}\0", raw.len()).as_bytes(), &raw]);
        let id = Oid::from_bytes(&id).unwrap();
        if self.known.insert(id) {
            if kind == Kind::Blob {
                self.texts.insert(id, raw.clone());
            }
            self.pending.push((kind, raw));
        }
        id
    }

    fn hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        let kind = if self.format == ObjectFormat::Sha1 { gix::hash::Kind::Sha1 } else { gix::hash::Kind::Sha256 };
        let mut hasher = gix::hash::hasher(kind);
        parts.iter().for_each(|part| hasher.update(part));
        hasher.try_finalize().unwrap().as_bytes().to_vec()
    }

    /// Hands git all that was added, as gitformat-pack(5) has it. Git computes the ids itself.
    pub fn store(&mut self, layout: Layout) {
        self.add(Kind::Tree, Vec::new());
        let count = u32::try_from(self.pending.len()).unwrap();
        let mut pack = [b"PACK".as_slice(), &2_u32.to_be_bytes(), &count.to_be_bytes()].concat();
        for (kind, raw) in self.pending.drain(..) {
            let kind = match kind {
                Kind::Commit => 1,
                Kind::Tree => 2,
                Kind::Blob => 3,
                Kind::Tag => 4,
            };
            entry_header(kind, raw.len(), &mut pack);
            stored(&raw, &mut pack);
        }
        pack.extend(self.hash(&[&pack]));
        let arguments: &[&str] = match layout {
            Layout::Loose => &["unpack-objects", "-q"],
            Layout::Whole | Layout::Deltas => &["index-pack", "--stdin"],
        };
        self.git_with(arguments, &pack).expect("git takes the pack");
        if layout == Layout::Deltas {
            self.git(&["repack", "-q", "-a", "-d", "-f", "--keep-unreachable"]);
        }
    }

    /// Leaves it on disk. Returns where it is.
    pub fn keep(self) -> PathBuf {
        self.directory.keep().join("made.git")
    }

    /// The id of the tree without entries, which is stored too.
    pub fn empty_tree(&self) -> Oid {
        Oid::from_bytes(&self.hash(&[b"tree 0\0"])).unwrap()
    }

    pub fn objects(&self) -> (Objects, GitDir) {
        let dir = GitDir::at(&self.path()).unwrap();
        (Objects::open(&dir, &Quarantine::default(), self.format).unwrap(), dir)
    }
}

/// Type and size of a pack entry: four bits, then seven a byte, the lowest first.
fn entry_header(kind: u8, size: usize, pack: &mut Vec<u8>) {
    let low = |bits: usize| u8::try_from(size & bits).unwrap();
    let (mut byte, mut rest) = (kind << 4 | low(0x0f), size >> 4);
    while rest > 0 {
        pack.push(byte | 0x80);
        byte = u8::try_from(rest & 0x7f).unwrap();
        rest >>= 7;
    }
    pack.push(byte);
}

/// Bytes as a zlib stream that stores them (RFC 1950, RFC 1951 section 3.2.4).
fn stored(raw: &[u8], pack: &mut Vec<u8>) {
    pack.extend([0x78, 0x01]);
    let mut blocks = raw.chunks(0xffff).peekable();
    if raw.is_empty() {
        pack.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        pack.push(u8::from(blocks.peek().is_none()));
        pack.extend(length.to_le_bytes());
        pack.extend((!length).to_le_bytes());
        pack.extend(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in raw {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    pack.extend((b << 16 | a).to_be_bytes());
}

/// A git that answers one question after another.
pub struct Answering {
    command: Box<dyn Fn() -> Command>,
    running: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

impl Answering {
    pub fn new(repository: &Repository, arguments: &[&str]) -> Self {
        let (path, home) = (repository.path(), repository.directory.path().join("home"));
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let command = move || {
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            isolated(&path, &home, &words)
        };
        Self { command: Box::new(command), running: None }
    }

    /// Asks, and reads with `read`. `None` where git dies of the question; the next one starts it again.
    pub fn ask<T>(&mut self, question: &str, read: impl Fn(&mut BufReader<ChildStdout>) -> Option<T>) -> Option<T> {
        let running = self.running.take();
        let (mut child, mut input, mut output) = running.unwrap_or_else(|| {
            let mut child = (self.command)().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            (child, input, BufReader::new(output))
        });
        let asked = input.write_all(question.as_bytes()).and_then(|()| input.flush()).is_ok();
        let answer = if asked { read(&mut output) } else { None };
        if answer.is_some() {
            self.running = Some((child, input, output));
        } else {
            drop(input);
            child.wait().unwrap();
        }
        answer
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some((mut child, input, _)) = self.running.take() {
            drop(input);
            // It may still have something to say, which nobody reads.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Everything up to a line that git echoes, because it is no question.
pub fn until(marker: &[u8], output: &mut BufReader<ChildStdout>) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    while !answer.ends_with(marker) {
        if output.read_until(b'\n', &mut answer).ok()? == 0 {
            return None;
        }
    }
    answer.truncate(answer.len() - marker.len());
    Some(answer)
}

/// An object as `git cat-file --batch` shows it.
pub fn object(output: &mut BufReader<ChildStdout>) -> Option<Vec<u8>> {
    let mut line = String::new();
    output.read_line(&mut line).ok()?;
    let size: usize = line.trim_end().rsplit_once(' ')?.1.parse().ok()?;
    let mut raw = vec![0; size + 1];
    output.read_exact(&mut raw).ok()?;
    raw.pop();
    Some(raw)
}

/// Git with nothing of the user's but PATH.
fn isolated(path: &Path, home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(path).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", home).env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::null()).stderr(Stdio::null());
    command
}
