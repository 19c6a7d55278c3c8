//! Pushes of many refs. Making them takes longer than deciding them, so they are run by name only.

use std::fmt::Write as _;
use std::path::Path;

use crate::Row;
use crate::cost::Watched;
use crate::lab::{Lab, Project};
use crate::timing::show;

/// Refs of a push that is as large as one may be.
const REFS: usize = 100_000;

pub fn hundred_thousand(lab: &Lab) -> Vec<Row> {
    let project = lab.history(25_000, 10);
    let commits = commits(lab, &project);
    let tags = annotated_tags(lab, &project.server(), &commits[0]);
    let rows = vec![
        row(lab, &project, "100,000 new tags of one commit", &lines(REFS, "tags", &|_| &commits[0])),
        row(lab, &project, "100,000 new annotated tags", &lines(REFS, "tags", &|number| &tags[number])),
        row(
            lab,
            &project,
            "100,000 new branches at stored commits",
            &lines(REFS, "heads", &|number| &commits[number % commits.len()]),
        ),
    ];
    std::fs::remove_dir_all(&project.directory).unwrap();
    rows
}

pub fn fifty_branches(lab: &Lab) -> Vec<Row> {
    let project = lab.history(32_000, 32_000);
    let commits = commits(lab, &project);
    let input = lines(50, "heads", &|number| &commits[number * 600]);
    let rows = vec![row(lab, &project, "50 new branches at stored commits, 32,000 refs", &input)];
    std::fs::remove_dir_all(&project.directory).unwrap();
    rows
}

fn commits(lab: &Lab, project: &Project) -> Vec<String> {
    lab.git(&project.server(), &["rev-list", "main"]).lines().map(str::to_owned).collect()
}

/// One run of the hook, on these lines. It begins with a ledger of its own.
fn row(lab: &Lab, project: &Project, what: &str, input: &str) -> Row {
    let _ = std::fs::remove_dir_all(project.directory.join("ledger"));
    let policy = project.directory.join("policy-refs.toml");
    let text = std::fs::read_to_string(project.policy()).unwrap();
    std::fs::write(&policy, format!("{text}{TAGS}")).unwrap();
    let run = lab.ref_run(project, input).with_policy(policy);
    let watched = Watched::run(lab.hook(&run, &[]));
    assert!(watched.status.success(), "the hook refused {what}");
    Row {
        work: format!("pre-receive, {what}"),
        target: "under 64 MiB, within 30 s",
        measured: watched.memory(),
        ours: show(watched.took),
        peer: "anonymous memory, looked at each millisecond".into(),
    }
}

/// What governs the tags.
const TAGS: &str = "\n[[rule]]\nname = \"tags\"\nrefs = [\"refs/tags/**\"]\nidentity = \"agents\"\n";

/// Makes tags of a commit that no ref names. Returns their ids.
fn annotated_tags(lab: &Lab, server: &Path, commit: &str) -> Vec<String> {
    let marks = server.join("tag-marks");
    let export = format!("--export-marks={}", marks.display());
    lab.import(server, &[&export], |input| {
        for number in 0..REFS {
            writeln!(input, "tag v{number}\nmark :{}\nfrom {commit}", number + 1).unwrap();
            writeln!(input, "tagger A <a@acme.dev> 1600000000 +0000\ndata 2\nx").unwrap();
        }
    });
    let mut forget = lab.command("sh", server);
    forget.args(["-c", "git for-each-ref --format='delete %(refname)' refs/tags | git update-ref --stdin"]);
    lab.run(forget);
    let text = std::fs::read_to_string(marks).unwrap();
    let mut ids = vec![String::new(); REFS];
    for line in text.lines() {
        let (mark, id) = line.strip_prefix(':').unwrap().split_once(' ').unwrap();
        ids[mark.parse::<usize>().unwrap() - 1] = id.to_owned();
    }
    ids
}

/// New refs, in the lines that git gives to the hook.
fn lines<'a>(count: usize, place: &str, value: &dyn Fn(usize) -> &'a String) -> String {
    let mut lines = String::new();
    for number in 0..count {
        writeln!(lines, "{} {} refs/{place}/v{number}", "0".repeat(40), value(number)).unwrap();
    }
    lines
}
