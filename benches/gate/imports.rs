//! Imports: pushes of whole histories into an empty repository. Run by name only.

use std::path::Path;

use countersign::core::digest::Digest;
use countersign::core::id::{Id, RepositoryName};
use countersign::core::objects::{Contents as _, ObjectKind};
use countersign::core::oid::{ObjectFormat, Oid};
use countersign::core::seal::{self, BlockHead, Payload, Root, SealValue};
use countersign::core::ssh::PrivateKey;
use countersign::store::{GitDir, Objects, Quarantine};

use crate::Row;
use crate::cost::Watched;
use crate::lab::{Lab, Project, size};
use crate::timing::show;

const AUTHOR: &str = "A <a@acme.dev> 1600000000 +0000";

/// Of as many commits as `COUNTERSIGN_BENCH_IMPORT` says.
pub fn import(lab: &Lab) -> Vec<Row> {
    rows(lab, size("COUNTERSIGN_BENCH_IMPORT", 100_000))
}

pub fn million(lab: &Lab) -> Vec<Row> {
    rows(lab, 1_000_000)
}

fn rows(lab: &Lab, commits: usize) -> Vec<Row> {
    let unsigned = row(lab, commits, "unsigned", &|_, message, _| message);
    let agent = Id::parse(b"claude-code").unwrap();
    let repository = RepositoryName::parse(b"acme/payments").unwrap();
    let key = PrivateKey::from_seed(&[7; 32]).unwrap();
    let sealed = row(lab, commits, "sealed", &|number, message, change| {
        let head = BlockHead { agent: &agent, role: None, model: None, session: None, task: None }.to_text();
        let above = format!("{message}\n{head}");
        let payload = Payload {
            repository: &repository,
            agent: &agent,
            role: None,
            change,
            author: AUTHOR.as_bytes(),
            merges: &[],
            root: if number == 0 { Root::Yes } else { Root::No },
            message: Digest::of(above.as_bytes()),
        };
        let signature = key.sign(seal::NAMESPACE, &payload.to_bytes());
        let value = SealValue { change, message: Digest::of(above.as_bytes()), signature };
        format!("{above}{}", seal::seal_line(&value))
    });
    vec![unsigned, sealed]
}

/// What a commit says, by its number, its plain message and its change.
type Words<'w> = &'w dyn Fn(usize, String, Digest) -> String;

fn row(lab: &Lab, commits: usize, what: &str, words: Words<'_>) -> Row {
    let project = lab.empty_project(&format!("import-{commits}-{what}"));
    make(lab, &project, commits, words);
    let policy = std::fs::read_to_string(project.policy()).unwrap();
    let key = PrivateKey::from_seed(&[7; 32]).unwrap().public().to_line();
    let registered = policy.lines().map(|line| match line.starts_with("keys = ") {
        true => format!("keys = [\"{key}\"]\n"),
        false => format!("{line}\n"),
    });
    std::fs::write(project.policy(), registered.collect::<String>()).unwrap();
    let run = lab.import_run(&project);
    let log = run.ledger.join("log");
    let bytes = |path: &Path| std::fs::metadata(path).unwrap().len();
    let before = bytes(&log);
    let mut hook = lab.hook(&run, &[]);
    hook.args(["--deadline", "900"]);
    let watched = Watched::run(hook);
    assert!(watched.status.success(), "the hook refused an import");
    let grown = bytes(&log) - before;
    let each = watched.took.mul_f64(100_000.0 / commits as f64);
    let row = Row {
        work: format!("import of {commits} {what} commits"),
        target: "under 64 MiB",
        measured: watched.memory(),
        ours: format!("{}, {} for 100,000 commits", show(watched.took), show(each)),
        peer: format!("the ledger grew by {:.1} bytes a commit", grown as f64 / commits as f64),
    };
    std::fs::remove_dir_all(&project.directory).unwrap();
    row
}

/// A linear history in the clone in which every commit changes one of 50 files.
fn make(lab: &Lab, project: &Project, commits: usize, words: Words<'_>) {
    const FILES: usize = 50;
    let dir = GitDir::at(&project.clone_dir().join(".git")).unwrap();
    let objects = Objects::open(&dir, &Quarantine::default(), ObjectFormat::Sha1).unwrap();
    let contents: Vec<String> = (0..97).map(|number| format!("{number:04}\n")).collect();
    let blobs: Vec<Oid> =
        contents.iter().map(|content| objects.id_of(ObjectKind::Blob, content.as_bytes()).unwrap()).collect();
    lab.import(&project.clone_dir(), &[], |input| {
        for content in &contents {
            write!(input, "blob\ndata {}\n{content}\n", content.len()).unwrap();
        }
        for number in 0..commits {
            let (file, turn) = (number % FILES, number / FILES);
            let new = blobs[turn % blobs.len()];
            let (mode, old, letter) = match turn.checked_sub(1) {
                Some(before) => ("100644", blobs[before % blobs.len()].to_string(), 'M'),
                None => ("000000", "0".repeat(40), 'A'),
            };
            let path = format!("src/part/f{file:02}");
            let raw = format!("countersign-change-v1\0:{mode} 100644 {old} {new} {letter}\0{path}\0");
            let message = words(number, format!("Work {number}\n"), Digest::of(raw.as_bytes()));
            writeln!(input, "commit refs/heads/main\nauthor {AUTHOR}\ncommitter {AUTHOR}").unwrap();
            writeln!(input, "data {}\n{message}M 644 {new} {path}", message.len()).unwrap();
        }
    });
}
