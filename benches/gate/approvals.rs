//! Records of approvals on a server: those that cover a push, and many that do not.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use countersign::core::approval::{
    Approval, ApprovalPlace, ApprovedCommit, Decision, NAMESPACE, pre_authentication, seal_envelope,
};
use countersign::core::canonical::{CanonicalOid, Sha256, Time};
use countersign::core::commit::{Commit, message_digest};
use countersign::core::decide::Timestamp;
use countersign::core::digest::Digest;
use countersign::core::oid::{ObjectFormat, Oid};
use countersign::core::ssh::PrivateKey;
use countersign::core::tree::{changes, digest};
use countersign::store::{GitDir, Objects, Quarantine};

use crate::lab::{Lab, Project};

const TARGET: &str = "refs/heads/main";

/// Stores ten records that cover the project's new commits, and `unrelated` ones, packed. Returns two policies that differ only
/// in asking for approvals.
pub fn store(lab: &Lab, project: &Project, unrelated: usize) -> [PathBuf; 2] {
    let key = PrivateKey::from_seed(&[9; 32]).unwrap();
    let dir = GitDir::at(&project.clone_dir().join(".git")).unwrap();
    let objects = Objects::open(&dir, &Quarantine::default(), ObjectFormat::Sha1).unwrap();
    let listed =
        lab.git(&project.clone_dir(), &["rev-list", "--reverse", &format!("{}..{}", project.old, project.new)]);
    let commits: Vec<Oid> = listed.lines().map(oid).collect();
    let tree = |id| Commit::parse(&objects.commit(id).unwrap(), ObjectFormat::Sha1).unwrap().tree;
    let between = |old, new| digest(&changes(&objects, Some(tree(old)), tree(new)).unwrap(), tree(new).format());
    let approved = |pair: &[Oid]| {
        let raw = objects.commit(pair[1]).unwrap();
        let message = Commit::parse(&raw, ObjectFormat::Sha1).unwrap().message.to_vec();
        ApprovedCommit {
            id: CanonicalOid(pair[1]),
            change: Sha256(between(pair[0], pair[1])),
            message: Sha256(message_digest(&message)),
        }
    };
    let line: Vec<Oid> = std::iter::once(oid(&project.old)).chain(commits.iter().copied()).collect();
    let all: Vec<ApprovedCommit> = line.windows(2).map(approved).collect();
    let mut records: Vec<(ApprovalPlace, String)> = Vec::new();
    let mut seal = |base: Oid, change: Digest, commits: Vec<ApprovedCommit>| {
        let approval = Approval {
            decision: Decision::Approve,
            repository: "acme/payments".into(),
            name: TARGET.into(),
            base: Some(CanonicalOid(base)),
            head: commits.last().unwrap().id,
            change: Sha256(change),
            commits,
            agents: vec!["claude-code".into()],
            approver: "bob".into(),
            attested: None,
            issued: Time(Timestamp(1_700_000_000)),
            expires: Time(Timestamp(4_000_000_000)),
            policy: Sha256(Digest::of(b"policy")),
            comment: None,
        };
        let statement = approval.to_statement().unwrap();
        let signature = key.sign(NAMESPACE, &pre_authentication(statement.as_bytes()));
        let approver = countersign::core::id::Id::parse(b"bob").unwrap();
        let place = ApprovalPlace { target: TARGET.into(), change, approver, service: None };
        records.push((place, seal_envelope(&statement, &signature).unwrap()));
    };
    for (number, chunk) in all.chunks(all.len() / 10).enumerate() {
        let base = line[number * all.len() / 10];
        seal(base, between(base, chunk.last().unwrap().id.0), chunk.to_vec());
    }
    for number in 0..unrelated {
        let unlike = |what: &str| Digest::of(format!("{what} {number}").as_bytes());
        let id = oid(&unlike("commit").to_string()[..40]);
        let commit = ApprovedCommit {
            id: CanonicalOid(id),
            change: Sha256(unlike("change")),
            message: Sha256(unlike("message")),
        };
        seal(oid(&project.old), unlike("combined"), vec![commit]);
    }
    write(lab, project, records);
    policies(project, &key)
}

fn oid(text: &str) -> Oid {
    Oid::parse(text.as_bytes()).unwrap()
}

/// Writes the blobs in one pack and their refs packed.
fn write(lab: &Lab, project: &Project, mut records: Vec<(ApprovalPlace, String)>) {
    let marks = project.directory.join("record-marks");
    records.sort_by_key(|(place, _)| place.to_string());
    lab.import(&project.server(), &[&format!("--export-marks={}", marks.display())], |input| {
        for (number, (_, json)) in records.iter().enumerate() {
            writeln!(input, "blob\nmark :{}\ndata {}\n{json}", number + 1, json.len()).unwrap();
        }
    });
    let mut ids = vec![String::new(); records.len() + 1];
    for line in std::fs::read_to_string(&marks).unwrap().lines() {
        let (mark, id) = line.strip_prefix(':').unwrap().split_once(' ').unwrap();
        ids[mark.parse::<usize>().unwrap()] = id.to_owned();
    }
    let mut file = BufWriter::new(std::fs::File::create(project.server().join("packed-refs")).unwrap());
    writeln!(file, "# pack-refs with: peeled fully-peeled sorted ").unwrap();
    for (number, (place, _)) in records.iter().enumerate() {
        writeln!(file, "{} {place}", ids[number + 1]).unwrap();
    }
}

fn policies(project: &Project, key: &PrivateKey) -> [PathBuf; 2] {
    let policy = std::fs::read_to_string(project.policy()).unwrap();
    let main = "[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\nforce-push = \"deny\"\ndelete = \"deny\"\n";
    let without = format!("{policy}[people.bob]\nkeys = [\"{}\"]\n{main}", key.public().to_line());
    let with = format!("{without}[rule.approvals]\nfrom = [\"bob\"]\n");
    [("with", with), ("without", without)].map(|(name, text)| {
        let path = project.directory.join(format!("{name}-approvals.toml"));
        std::fs::write(&path, text).unwrap();
        path
    })
}
