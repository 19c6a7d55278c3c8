//! A whole history signed with OpenPGP, judged under `identity = "everyone"`, beside `git verify-commit` and beside verification alone.
//!
//! The commits are those of a repository, each signed anew by a key that stands for the one that signed it there: whose signature it is, and
//! which commits have none, is real, and the certificates are made up, since few of the real ones can be had. Or all of it is made up, and
//! signed by 40 people.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use countersign::core::commit::Commit;
use countersign::core::oid::ObjectFormat;
use countersign::core::openpgp::{Certificate, ClaimedSignature};

use crate::keyring::Keyring;

/// Kinds of keys in turn, as people have them.
const KINDS: [&str; 5] = ["ed25519", "rsa4096", "ed25519", "rsa2048", "nistp256"];

/// Signers that stand for all there are.
const SIGNERS: u64 = 40;

/// One signer in so many is not registered, and one signature in so many is of another message.
const UNREGISTERED: u64 = 10;
const BROKEN: usize = 97;

struct Lab {
    folder: tempfile::TempDir,
    /// Everybody's keys, and the certificates of those who are registered.
    ring: Keyring,
    known: Keyring,
    keys: Vec<String>,
    certificates: Vec<Certificate>,
}

/// A signed history, and what of it is signed.
struct History {
    repository: PathBuf,
    tip: String,
    ids: Vec<String>,
    signed: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Judges the history of a repository, or one of so many commits that is made up.
pub fn run(what: &str) -> ExitCode {
    let lab = Lab::new();
    let start = Instant::now();
    let history = match what.parse::<usize>() {
        Ok(commits) => lab.signed(&lab.made_up(commits), &|_, raw| Some(hash(author(raw)))),
        Err(_) => lab.signed(Path::new(what), &by_whom),
    };
    let (commits, signed) = (history.ids.len(), history.signed.len());
    println!(
        "{commits} commits, {signed} of them signed with OpenPGP, made in {:.0} s\n",
        start.elapsed().as_secs_f64()
    );

    let (good, by_git) = timed(|| lab.verified_by_git(&history));
    let (bare, alone) = timed(|| lab.verified_alone(&history));
    lab.install(&history);
    let (refused, with) = timed(|| lab.judged(&history));
    let ours = commits - refused;
    println!("| what | good signatures | seconds |\n|---|---|---|");
    println!("| `git verify-commit` | {good} | {by_git:.2} |");
    println!("| verification alone, in one thread | {bare} | {alone:.3} |");
    println!("| the hook, under `identity = \"everyone\"` | {ours} | {with:.3} |");
    println!("\nThe decision takes {:.2} times the verification alone.", with / alone);
    if good == ours && good == bare { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}

/// Who signed a commit, as a number; `None` where it is not signed with OpenPGP.
fn by_whom(commit: &Commit<'_>, _: &[u8]) -> Option<u64> {
    let armor = &commit.signature.as_ref()?.armor;
    let claimed = armor.starts_with(b"-----BEGIN PGP ").then(|| ClaimedSignature::from_armor(armor))?;
    claimed.ok().map(|claimed| hash(claimed.issuer().to_string().as_bytes()))
}

fn author(raw: &[u8]) -> &[u8] {
    let line = raw.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"author ")).unwrap();
    &line[..line.iter().position(|byte| *byte == b'>').unwrap()]
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let (ring, known) = (Keyring::new(folder.path().join("g")), Keyring::new(folder.path().join("k")));
        std::fs::create_dir_all(folder.path().join("home")).unwrap();
        std::fs::create_dir_all(folder.path().join("keys")).unwrap();
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        let mut policy = "version = 1\nrepository = \"acme/payments\"\n".to_owned();
        for number in 0..SIGNERS {
            let kind = KINDS[usize::try_from(number).unwrap() % KINDS.len()];
            let key = ring.key(&format!("P{number} <p{number}@x>"), kind, "sign", &[]);
            if number % UNREGISTERED != 0 {
                let armored = ring.certificate(&key);
                assert!(known.run(&["--import"], armored.as_bytes()).status.success());
                std::fs::write(folder.path().join(format!("keys/p{number}.asc")), &armored).unwrap();
                policy += &format!("[people.p{number}]\nopenpgp = [\"keys/p{number}.asc\"]\n");
                certificates.push(Certificate::parse(armored.trim().as_bytes()).unwrap());
            }
            keys.push(key);
        }
        policy += "[[rule]]\nname = \"all\"\nrefs = [\"refs/heads/**\"]\nidentity = \"everyone\"\nmarks = \"ignore\"\n";
        std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
        Self { folder, ring, known, keys, certificates }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.path("home")).env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    fn git(&self, directory: &Path, words: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = self.command("git", directory);
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "git {words:?}");
            output.stdout
        })
    }

    /// A line of commits by 40 people.
    fn made_up(&self, commits: usize) -> PathBuf {
        let source = self.path("source.git");
        self.git(self.folder.path(), &["init", "-q", "--bare", "-b", "main", "source.git"], b"");
        let mut stream = Vec::new();
        for number in 0..commits {
            let (who, when) = (number * 7 % 40, 1_600_000_000 + number);
            write!(stream, "commit refs/heads/main\nauthor P{who} <p{who}@x> {when} +0000\n").unwrap();
            write!(stream, "committer P{who} <p{who}@x> {when} +0000\ndata 5\nWork\n").unwrap();
            write!(stream, "M 644 inline src/f{}\ndata 8\n{number:08}\n", number % 100).unwrap();
        }
        self.git(&source, &["fast-import", "--quiet"], &stream);
        source
    }

    /// The history of a repository's HEAD, or of its largest branch, signed anew.
    fn signed(&self, source: &Path, whose: &dyn Fn(&Commit<'_>, &[u8]) -> Option<u64>) -> History {
        let source = source.canonicalize().unwrap();
        let repository = self.path("signed.git");
        self.git(self.folder.path(), &["init", "-q", "--bare", "signed.git"], b"");
        let objects = String::from_utf8(self.git(&source, &["rev-parse", "--git-path", "objects"], b"")).unwrap();
        let objects = source.join(objects.trim());
        std::fs::write(repository.join("objects/info/alternates"), format!("{}\n", objects.display())).unwrap();
        let listed = self.git(&source, &["rev-list", "--topo-order", "--reverse", "HEAD"], b"");
        let all = self.git(&source, &["cat-file", "--batch"], &listed);
        let mut history = History { repository, tip: String::new(), ids: Vec::new(), signed: Vec::new() };
        let (mut rest, mut new): (&[u8], HashMap<String, String>) = (&all, HashMap::new());
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            let (old, size) =
                (head.split(' ').next().unwrap(), head.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
            let raw = &rest[end + 1..end + 1 + size];
            rest = &rest[end + 2 + size..];
            let signer = Commit::parse(raw, ObjectFormat::Sha1).ok().and_then(|commit| whose(&commit, raw));
            let payload = with_parents(&without_signature(raw), &new);
            let id = self.store(&mut history, payload, signer);
            new.insert(old.to_owned(), id.clone());
            history.tip.clone_from(&id);
            history.ids.push(id);
        }
        history
    }

    /// Signs what a commit says and stores it. Some are changed afterwards.
    fn store(&self, history: &mut History, payload: Vec<u8>, signer: Option<u64>) -> String {
        let raw = match signer {
            None => payload,
            Some(signer) => {
                let key = &self.keys[usize::try_from(signer % SIGNERS).unwrap()];
                let armor = self.ring.sign(key, &payload, &["--digest-algo", "SHA512"]);
                let mut said = payload;
                if history.signed.len() % BROKEN == BROKEN - 1 {
                    said.extend(b"And more\n");
                }
                let raw = with_signature(&said, &armor);
                history.signed.push((said, armor));
                raw
            }
        };
        let id = self.git(&history.repository, &["hash-object", "-t", "commit", "-w", "--literally", "--stdin"], &raw);
        String::from_utf8(id).unwrap().trim().to_owned()
    }

    fn verified_by_git(&self, history: &History) -> usize {
        let mut good = 0;
        for ids in history.ids.chunks(1000) {
            let mut command = self.command("git", &history.repository);
            command.env("GNUPGHOME", &self.known.home).args(["verify-commit", "--raw"]).args(ids);
            let said = command.output().unwrap().stderr;
            good += String::from_utf8_lossy(&said).matches("[GNUPG:] GOODSIG ").count();
        }
        good
    }

    fn verified_alone(&self, history: &History) -> usize {
        let verifies = |(payload, armor): &&(Vec<u8>, Vec<u8>)| {
            let Ok(claimed) = ClaimedSignature::from_armor(armor) else { return false };
            let meant = self.certificates.iter().find(|one| one.keys().any(|key| claimed.issuer().names(key)));
            meant.is_some_and(|certificate| claimed.verify(certificate, payload).is_ok())
        };
        history.signed.iter().filter(verifies).count()
    }

    /// Has the hook of the repository that holds the history decide on a push of it. Returns how many commits are refused.
    fn judged(&self, history: &History) -> usize {
        let hook = history.repository.join("hooks/pre-receive");
        let mut command = self.command(hook.to_str().unwrap(), &history.repository);
        command.env("GIT_DIR", &history.repository).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let line = format!("{} {} refs/heads/main\n", "0".repeat(history.tip.len()), history.tip);
        child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // `countersign: refused refs/heads/main: 12 findings in 34 commits`
        let count =
            said.split(": refused refs/heads/main: ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        assert!(output.status.success() || count.is_some(), "{said}");
        count.unwrap_or(0)
    }

    fn install(&self, history: &History) {
        let mut command = self.command(env!("CARGO_BIN_EXE_countersign"), self.folder.path());
        command.args(["install", "--server", history.repository.to_str().unwrap()]);
        let output = command.args(["--policy", self.path("policy.toml").to_str().unwrap()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn without_signature(raw: &[u8]) -> Vec<u8> {
    let end = raw.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let (mut kept, mut inside) = (Vec::new(), false);
    for line in raw[..=end].split_inclusive(|byte| *byte == b'\n') {
        inside = line.starts_with(b"gpgsig") || (inside && line.starts_with(b" "));
        if !inside {
            kept.extend(line);
        }
    }
    kept.extend(&raw[end + 1..]);
    kept
}

fn with_parents(payload: &[u8], new: &HashMap<String, String>) -> Vec<u8> {
    let end = payload.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let mut said = Vec::new();
    for line in payload[..=end].split_inclusive(|byte| *byte == b'\n') {
        let parent = line.strip_prefix(b"parent ").map(|id| String::from_utf8_lossy(id.trim_ascii_end()).into_owned());
        match parent.and_then(|old| new.get(&old)) {
            Some(id) => writeln!(said, "parent {id}").unwrap(),
            None => said.extend(line),
        }
    }
    said.extend(&payload[end + 1..]);
    said
}

fn with_signature(payload: &[u8], armor: &[u8]) -> Vec<u8> {
    let end = payload.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let folded = String::from_utf8_lossy(armor).trim_end().replace('\n', "\n ");
    [&payload[..=end], b"gpgsig ", folded.as_bytes(), b"\n", &payload[end + 1..]].concat()
}
