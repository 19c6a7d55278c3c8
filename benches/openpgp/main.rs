//! Our reading of OpenPGP against GnuPG and Sequoia: `cargo bench --bench openpgp -- [SIGNATURES] [REPOSITORY]`.
//!
//! Not in CI. 1,000 signatures by default, of keys of every kind, over made-up documents or over the commits of a repository, good ones
//! and such as were changed somewhere. Whatever counts here must count for `gpg --verify` and for `sqv`; ends with 1 where one does
//! not. Only where a character was changed, `sqv` may say no: it wants numbers to say just the bits that they have, which GitHub's
//! signatures do not. What counts there alone is listed with our reason. With a repository, its own signatures are read too, whoever made them.
//!
//! `cargo bench --bench openpgp -- history COMMITS|REPOSITORY` judges a whole history (`history.rs`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::print_stdout
)]
// A binary has no outside, and its modules share what they like.
#![allow(unreachable_pub, missing_docs)]

mod history;
#[path = "../../tests/integration/keyring.rs"]
mod keyring;
#[allow(dead_code)] // What the campaign alone needs.
#[path = "../../tests/integration/oracles/random.rs"]
mod random;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use countersign::core::commit::Commit;
use countersign::core::decide::Timestamp;
use countersign::core::oid::ObjectFormat;
use countersign::core::openpgp::{Certificate, ClaimedSignature};
use keyring::Keyring;
use random::Random;

/// Keys of the laboratory: what GnuPG is asked for, and what becomes of them.
const KEYS: [(&str, &[&str]); 10] = [
    ("ed25519", &[]),
    ("rsa2048", &[]),
    ("rsa4096", &[]),
    ("nistp256", &[]),
    ("nistp384", &[]),
    ("nistp521", &[]),
    ("rsa1024", &[]),
    ("brainpoolP256r1", &[]),
    ("dsa2048", &[]),
    ("rsa3072", &["--cert-digest-algo", "SHA1"]),
];

/// What signatures are made with.
const OPTIONS: [&[&str]; 6] = [
    &["--digest-algo", "SHA512"],
    &["--digest-algo", "SHA512"],
    &["--digest-algo", "SHA1", "--allow-weak-digest-algos"],
    &["--textmode", "--digest-algo", "SHA512"],
    &["--sig-notation", "!x@acme.dev=1", "--digest-algo", "SHA512"],
    &["--default-sig-expire", "1d", "--digest-algo", "SHA512"],
];

/// A change that may leave all that is signed as it was.
const CHARACTER: &str = "a character, and no checksum";

struct Key {
    name: String,
    fingerprint: String,
    certificate: Result<Certificate, String>,
    file: std::path::PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let [word, what] = arguments.as_slice()
        && word == "history"
    {
        return history::run(what);
    }
    let count: usize = arguments.first().map_or(1000, |text| text.parse().expect("SIGNATURES"));
    let documents = arguments.get(1).map(|path| commits(Path::new(path)));
    if let Some(commits) = &documents {
        read_all(commits);
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let ring = Keyring::new(folder.path().join("g"));
    let keys: Vec<Key> = KEYS.iter().map(|(kind, more)| key(&ring, folder.path(), kind, more)).collect();
    let (mut random, start) = (Random(1), Instant::now());
    let mut tally: BTreeMap<(String, String, String), (usize, String)> = BTreeMap::new();
    let mut wrong = 0;
    for number in 0..count {
        let key = &keys[random.below(keys.len())];
        let document = match &documents {
            Some(commits) if !commits.is_empty() => commits[random.below(commits.len())].0.clone(),
            _ => format!("tree {number}\n\nword {}\n", random.below(1000)).into_bytes(),
        };
        let usable = OPTIONS.iter().filter(|options| key.name.starts_with("rsa") || !options.contains(&"SHA1"));
        let usable: Vec<_> = usable.collect();
        let options = usable[random.below(usable.len())];
        let signature = ring.sign(&key.fingerprint, &document, options);
        let (what, signature, document) = change(&mut random, signature, document);
        let (ours, why) = ours(key, &signature, &document);
        let gpg = ring.verdict(folder.path(), &signature, &document);
        let sqv = sqv(key, folder.path());
        let counts = |verdict: &str| verdict == "GOODSIG";
        if ours && !(counts(&gpg) && (sqv || what == CHARACTER)) {
            wrong += 1;
        }
        let row = (format!("{gpg}, sqv {}", if sqv { "yes" } else { "no" }), why, what.to_owned());
        let entry = tally.entry(row).or_insert((0, format!("{} {}", key.name, options.join(" "))));
        entry.0 += 1;
    }
    println!("| times | gpg and sqv | ours | changed | first |\n|---|---|---|---|---|");
    for ((others, ours, what), (times, first)) in &tally {
        println!("| {times} | {others} | {ours} | {what} | {first} |");
    }
    println!(
        "\n{count} signatures in {:.0} s: {wrong} count here and not for both others",
        start.elapsed().as_secs_f64()
    );
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn key(ring: &Keyring, folder: &Path, kind: &str, more: &[&str]) -> Key {
    let name = format!("{kind} {}", more.join(" ")).trim().to_owned();
    let fingerprint = ring.key(&format!("{name} <a@x>"), kind, "sign", more);
    let armored = ring.certificate(&fingerprint);
    let file = folder.join(format!("{fingerprint}.asc"));
    std::fs::write(&file, &armored).unwrap();
    let certificate = Certificate::parse(armored.trim().as_bytes()).map_err(|error| error.to_string());
    Key { name, fingerprint, certificate, file }
}

/// Whether it counts here, and if not, why.
fn ours(key: &Key, signature: &[u8], document: &[u8]) -> (bool, String) {
    let judged = || -> Result<(), String> {
        let certificate = key.certificate.as_ref().map_err(|why| format!("certificate: {why}"))?;
        let claimed = ClaimedSignature::from_armor(signature).map_err(|error| error.to_string())?;
        let verified = claimed.verify(certificate, document).map_err(|error| error.to_string())?;
        if verified.expires().is_some_and(|end| end <= now()) {
            return Err("it has ended".to_owned());
        }
        certificate.status(verified.key(), now()).map_err(|error| format!("key: {error}"))
    };
    match judged() {
        Ok(()) => (true, "counts".to_owned()),
        Err(why) => (false, why),
    }
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_secs()).unwrap())
}

/// Sequoia on the files that GnuPG has just read.
fn sqv(key: &Key, folder: &Path) -> bool {
    let mut command = Command::new("sqv");
    command.arg("--keyring").arg(&key.file).args([folder.join("signature"), folder.join("document")]);
    command.output().expect("sqv is installed (Debian's package sqv)").status.success()
}

/// Changes a signature or what it is over, or nothing.
fn change(random: &mut Random, signature: Vec<u8>, mut document: Vec<u8>) -> (&'static str, Vec<u8>, Vec<u8>) {
    let text = String::from_utf8(signature).unwrap();
    let begin = "-----BEGIN PGP SIGNATURE-----\n";
    let (what, text) = match random.below(12) {
        0 => {
            let place = random.below(document.len());
            document[place] ^= 1;
            ("a bit of the document", text)
        }
        1 => ("twice", format!("{text}{text}")),
        2 => ("a line below", format!("{text}Reviewed-by: Bob\n")),
        3 => ("an unknown header", text.replacen(begin, &format!("{begin}Reviewed-by: Bob\n"), 1)),
        4 => ("a known header", text.replacen(begin, &format!("{begin}Comment: x\n"), 1)),
        5 => ("ends of lines", text.replace('\n', "\r\n")),
        6 | 7 => {
            let lines: Vec<&str> = text.lines().collect();
            let at = 2 + random.below(lines.len() - 4);
            let mut line = lines[at].as_bytes().to_vec();
            let place = random.below(line.len());
            line[place] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[random.below(64)];
            let line = String::from_utf8(line).unwrap();
            let changed: Vec<&str> =
                lines.iter().enumerate().map(|(number, own)| if number == at { line.as_str() } else { own }).collect();
            // Without its checksum, which would tell.
            let kept: Vec<&str> = changed.into_iter().filter(|line| !line.starts_with('=')).collect();
            (CHARACTER, kept.join("\n") + "\n")
        }
        _ => ("nothing", text),
    };
    (what, text.into_bytes(), document)
}

/// What each signed commit of a repository signs, and its signature.
fn commits(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let git = |words: &[&str], input: &[u8]| {
        use std::io::Write as _;
        use std::process::Stdio;
        let mut child = Command::new("git")
            .arg("-C")
            .arg(path)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap().stdout;
        writer.join().unwrap().unwrap();
        output
    };
    let ids = git(&["rev-list", "--all"], b"");
    let all = git(&["cat-file", "--batch"], &ids);
    let (mut rest, mut found) = (all.as_slice(), Vec::new());
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let size: usize = String::from_utf8_lossy(&rest[..end]).rsplit(' ').next().unwrap().parse().unwrap();
        let raw = &rest[end + 1..end + 1 + size];
        rest = &rest[end + 2 + size..];
        let Ok(commit) = Commit::parse(raw, ObjectFormat::Sha1) else { continue };
        found.extend(commit.signature.map(|signature| (signature.payload, signature.armor)));
    }
    found
}

/// Which of the signatures of a repository have a reading, whoever made them.
fn read_all(commits: &[(Vec<u8>, Vec<u8>)]) {
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for (_, armor) in commits {
        let word = if armor.starts_with(b"-----BEGIN PGP ") {
            ClaimedSignature::from_armor(armor)
                .err()
                .map_or("OpenPGP, read".to_owned(), |why| format!("OpenPGP: {why}"))
        } else {
            "another format".to_owned()
        };
        *tally.entry(word).or_default() += 1;
    }
    println!("| signatures | reading |\n|---|---|");
    tally.iter().for_each(|(word, times)| println!("| {times} | {word} |"));
    println!();
}
