//! The measurements, one function per budget.

use std::path::Path;
use std::time::Duration;

use countersign::core::commit::{Commit, parse_trailers};
use countersign::core::digest::Digest;
use countersign::core::id::RepositoryName;
use countersign::core::objects::Trees as _;
use countersign::core::oid::{ObjectFormat, Oid};
use countersign::core::seal::{self, Root, SealOutcome, SealSubject};
use countersign::core::tree::{changes, digest};
use countersign::store::{GitDir, Objects, Quarantine};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::Row;
use crate::cost::Watched;
use crate::lab::{HookRun, Lab, Project, binary, size};
use crate::timing::{ratio, show, side_by_side, timed};

/// Processes started in one turn by the shell.
const LOOPS: u32 = 100;

pub fn empty_decision(lab: &Lab) -> Vec<Row> {
    let project = lab.one();
    let run = lab.deleting_run(project);
    let script = format!("i=0; while [ $i -lt {LOOPS} ]; do \"$@\" <\"$INPUT\" || exit; i=$((i + 1)); done");
    let turn = |words: &[&str]| {
        let mut command = lab.command("sh", &project.server());
        command.args(["-c", &script, "loop"]).args(words).env("INPUT", &run.input).env("GIT_DIR", ".");
        timed(|| lab.run(command)) / LOOPS
    };
    let policy = project.policy().display().to_string();
    let ledger = run.ledger.display().to_string();
    let hook = [binary(), "hook", "pre-receive", "--policy", &policy, "--ledger", &ledger];
    let (ours, peer) = side_by_side(9, || turn(&hook), || turn(&["/bin/true"]));
    vec![Row {
        work: "pre-receive, empty decision, small repository".into(),
        target: "at most 2x /bin/true plus 3 ms",
        measured: format!("2x and {}", show_over(ours, peer * 2)),
        ours: show(ours),
        peer: format!("{} to spawn /bin/true from the same shell", show(peer)),
    }]
}

/// What `ours` takes beyond `allowed`.
fn show_over(ours: Duration, allowed: Duration) -> String {
    if ours <= allowed { "nothing".to_owned() } else { show(ours - allowed) }
}

pub fn sealed_commits(lab: &Lab) -> Vec<Row> {
    const SIGNED: u32 = 50;
    let project = lab.thousand();
    let run = lab.hook_run(project, "refs/heads/main", Some(&project.old));
    let (directory, commits) = ssh_signed(lab, SIGNED);
    let verify = || {
        let mut command = lab.command("git", &directory);
        command.arg("verify-commit").args(&commits).stderr(std::process::Stdio::null());
        timed(|| assert!(command.status().unwrap().success())) * 1_000 / SIGNED
    };
    let (ours, peer) = side_by_side(5, || hook_time(lab, &run), verify);
    vec![Row {
        work: "pre-receive, 1,000 sealed commits, path rules".into(),
        target: "at least 100x faster than git verify-commit",
        measured: format!("{:.0}x", ratio(peer, ours)),
        ours: show(ours),
        peer: format!("{} for git verify-commit over 1,000 (20 times the time of {SIGNED})", show(peer)),
    }]
}

pub fn approvals(lab: &Lab) -> Vec<Row> {
    const UNRELATED: usize = 10_000;
    let project = lab.thousand();
    // The ledger of the other rows holds their pushes; one made now knows the records as found.
    let _ = std::fs::remove_dir_all(project.directory.join("ledger"));
    let [with, without] = crate::approvals::store(lab, project, UNRELATED);
    let run = lab.hook_run(project, "refs/heads/main", Some(&project.old));
    let (with, without) = (run.with_policy(with), run.with_policy(without));
    // Whoever stores a record pays for finding it again; the first look at 10,000 at once is not what is measured.
    let first = hook_time(lab, &with);
    // No push of these ends, so that each begins with the same ledger.
    let kept = project.directory.join("ledger-kept");
    copy(lab, &run.ledger, &kept);
    let from_kept = |run: &HookRun| {
        copy(lab, &kept, &run.ledger);
        hook_time(lab, run)
    };
    let (ours, peer) = side_by_side(21, || from_kept(&with), || from_kept(&without));
    vec![Row {
        work: format!(
            "pre-receive, 1,000 sealed commits covered by 10 approvals, beside {UNRELATED} others for the ref"
        ),
        target: "at most 1.20x the same without approvals",
        measured: format!("{:.2}x", ratio(ours, peer)),
        ours: format!("{} ({} when all records are new)", show(ours), show(first)),
        peer: format!("{} without [rule.approvals]", show(peer)),
    }]
}

/// Puts a copy of a directory in the place of another.
fn copy(lab: &Lab, from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let mut copying = lab.command("cp", &lab.path(""));
    copying.arg("-r").args([from, to]);
    lab.run(copying);
}

/// Commits signed by git with an SSH key.
fn ssh_signed(lab: &Lab, count: u32) -> (std::path::PathBuf, Vec<String>) {
    let directory = lab.path("signed");
    std::fs::create_dir(&directory).unwrap();
    lab.git(&directory, &["init", "-q", "-b", "main"]);
    let mut keygen = lab.command("ssh-keygen", &directory);
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", "key"]);
    lab.run(keygen);
    let public = std::fs::read_to_string(directory.join("key.pub")).unwrap();
    std::fs::write(directory.join("allowed"), format!("alice@acme.dev {public}")).unwrap();
    let allowed = directory.join("allowed").display().to_string();
    let key = directory.join("key").display().to_string();
    for (name, value) in
        [("gpg.format", "ssh"), ("user.signingkey", key.as_str()), ("gpg.ssh.allowedSignersFile", &allowed)]
    {
        lab.git(&directory, &["config", name, value]);
    }
    let tree = lab.git(&directory, &["write-tree"]);
    let sign = |number| lab.git(&directory, &["commit-tree", "-S", "-m", &format!("Work {number}"), &tree]);
    let commits = (0..count).map(sign).collect();
    (directory, commits)
}

/// One run of the hook, which must accept.
fn hook_time(lab: &Lab, run: &HookRun) -> Duration {
    let mut command = lab.hook(run, &[]);
    timed(|| assert!(command.status().unwrap().success(), "the hook refused"))
}

pub fn verification(lab: &Lab) -> Vec<Row> {
    let project = lab.thousand();
    let dir = GitDir::at(&project.clone_dir().join(".git")).unwrap();
    let open = || Objects::open(&dir, &Quarantine::default(), ObjectFormat::Sha1).unwrap();
    let range = format!("{}..{}", project.old, project.new);
    let list = |more: &[&str]| -> Vec<Oid> {
        let arguments = [&["rev-list", "--reverse"], more, &[&range]].concat();
        let listed = lab.git(&project.clone_dir(), &arguments);
        listed.lines().map(|line| Oid::parse(line.as_bytes()).unwrap()).collect()
    };
    let commits = list(&[]);
    // The commits and trees that git itself needs to show what each commit changes.
    let objects = list(&["--objects", "--filter=blob:none", "--no-object-names"]);
    let (trees, _): (Vec<Oid>, Vec<Oid>) = objects.iter().partition(|id| !commits.contains(id));

    let key = countersign::core::ssh::PrivateKey::from_seed(&[7; 32]).unwrap();
    let blob = key.public().blob();
    let point = VerifyingKey::from_bytes(blob[blob.len() - 32..].try_into().unwrap()).unwrap();
    // What an SSHSIG signs: about as many bytes as here, whatever the message.
    let signed = [7; 120];
    let signature = raw_signature(&signed);
    let number = u32::try_from(commits.len()).unwrap();
    let peer = || {
        let store = open();
        timed(|| {
            for id in &commits {
                std::hint::black_box(store.commit(*id).unwrap());
                point.verify_strict(std::hint::black_box(&signed), &signature).unwrap();
            }
            for id in &trees {
                std::hint::black_box(store.tree(*id).unwrap());
            }
        }) / number
    };
    let ours = || {
        let store = open();
        timed(|| commits.iter().for_each(|id| verify_commit(&store, *id))) / number
    };
    let (ours, peer) = side_by_side(9, ours, peer);
    vec![Row {
        work: "verification, per sealed commit, in process".into(),
        target: "at most 1.5x one verify_strict plus object reads",
        measured: format!("{:.2}x", ratio(ours, peer)),
        ours: show(ours),
        peer: show(peer),
    }]
}

/// A signature over `signed` with the key whose seed is seven 32 times.
fn raw_signature(signed: &[u8]) -> Signature {
    use ed25519_dalek::Signer as _;
    ed25519_dalek::SigningKey::from_bytes(&[7; 32]).sign(signed)
}

/// Everything between a commit's id and a verified seal.
fn verify_commit(store: &Objects, id: Oid) {
    let raw = store.commit(id).unwrap();
    let commit = Commit::parse(&raw, ObjectFormat::Sha1).unwrap();
    let parent = store.commit(commit.parents[0]).unwrap();
    let parent_tree = Commit::parse(&parent, ObjectFormat::Sha1).unwrap().tree;
    let change = digest(&changes(store, Some(parent_tree), commit.tree).unwrap(), commit.tree.format());
    let trailers = parse_trailers(commit.message).unwrap();
    let subject = SealSubject {
        repository: &RepositoryName::parse(b"acme/payments").unwrap(),
        author: commit.author.raw,
        merges: &[],
        root: Root::No,
        change,
        message: Digest::of(&commit.message[..trailers.blocks[0].covered]),
    };
    assert!(matches!(seal::verify(&trailers.blocks[0].claim, &subject), SealOutcome::Holds(_)));
}

pub fn large_history(lab: &Lab) -> Vec<Row> {
    let commits = size("COUNTERSIGN_BENCH_COMMITS", 100_000);
    let refs = size("COUNTERSIGN_BENCH_REFS", 10_000);
    let (large, small) = (lab.history(commits, refs), lab.history(100, 10));
    let row = |work: &str, name: &str, old: fn(&Project) -> Option<&str>| {
        let run = |project: &Project| lab.hook_run(project, name, old(project));
        let (large_run, small_run) = (run(&large), run(&small));
        let (ours, peer) = side_by_side(41, || hook_time(lab, &large_run), || hook_time(lab, &small_run));
        Row {
            work: format!("{work} of {commits} commits, {refs} refs"),
            target: "at most 1.5x the small repository",
            measured: format!("{:.2}x", ratio(ours, peer)),
            ours: show(ours),
            peer: format!("{} on 100 commits, 10 refs", show(peer)),
        }
    };
    let rows = vec![
        row("1 new commit on the main branch", "refs/heads/main", |project| Some(&project.old)),
        row("1 new commit on a new branch", "refs/heads/topic", |_| None),
    ];
    std::fs::remove_dir_all(&large.directory).unwrap();
    rows
}

pub fn whole_push(lab: &Lab) -> Vec<Row> {
    let row = |project: &Project, work: &str, target: &'static str| {
        let (ours, peer) =
            side_by_side(11, || push_time(lab, project, Hooks::Installed), || push_time(lab, project, Hooks::None));
        Row {
            work: work.into(),
            target,
            measured: format!("{:.2}x", ratio(ours, peer)),
            ours: format!("{} with the hook", show(ours)),
            peer: format!("{} without", show(peer)),
        }
    };
    vec![
        row(lab.one(), "whole git push, 1 sealed commit", "at most 1.3x"),
        row(lab.thousand(), "whole git push, 1,000 sealed commits", "at most 1.25x"),
    ]
}

/// One push to a fresh copy of the server.
fn push_time(lab: &Lab, project: &Project, hooks: Hooks) -> Duration {
    let server = project.directory.join("copy.git");
    copy(lab, &project.server(), &server);
    let _ = std::fs::remove_dir_all(server.join("objects/tmp_objdir-incoming-bench"));
    let _ = std::fs::remove_dir_all(server.join("hooks"));
    if hooks == Hooks::Installed {
        let mut install = lab.command(binary(), &project.directory);
        install.args(["install", "--server", "copy.git", "--policy", "policy.toml"]);
        lab.run(install);
    }
    let mut push = lab.command("git", &project.clone_dir());
    push.args(["push", "-q"]).arg(&server).arg("main");
    timed(|| assert!(push.status().unwrap().success(), "the push was refused"))
}

/// Whether the server has hooks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hooks {
    Installed,
    None,
}

pub fn memory(lab: &Lab) -> Vec<Row> {
    let row = |project: &Project, work: &str| {
        let run = lab.hook_run(project, "refs/heads/main", Some(&project.old));
        let watched = Watched::run(lab.hook(&run, &[]));
        assert!(watched.status.success(), "the hook refused");
        Row {
            work: work.into(),
            target: "under 64 MiB",
            measured: watched.memory(),
            ours: show(watched.took),
            peer: "anonymous memory, looked at each millisecond".into(),
        }
    };
    vec![
        row(lab.thousand(), "peak memory, 1,000 sealed commits"),
        row(lab.ten_thousand(), "peak memory, 10,000 sealed commits"),
    ]
}
