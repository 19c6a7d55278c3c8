//! `countersign policy`: what is wrong with a policy, its digest, and what another asks less.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::audit::log::Place;
use crate::audit::period::Period;
use crate::audit::{marks as policy_marks, rehearsal, replay};
use crate::core::policy::{self, Case, Direction, Loaded, PolicyDifference, Problem, Source};
use crate::core::report::escape;
use crate::core::text::plural;
use crate::desk::clone::Local;
use crate::gate::policy_source::{PolicyArg, PolicyError, PolicyReader};
use crate::gate::ref_values::{RefValues, StoredRefs};
use crate::system::{Exit, Failure, OnDisk as _, Result, disk, now, print, say, say_fix};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Report every problem of a policy with its line and its fix; exit 1 if it would not load
    Check(Check),
    /// Print the digest that pins a policy
    Digest(Files),
    /// Print every line that hangs on a person, an agent or a service, as before she leaves; exit 1 if there is any
    HangsOn(HangsOn),
    /// Judge the pushes that a file of cases tells of, as the gate would; exit 1 if one is not judged as it expects
    Test(Test),
    /// Say what a new policy asks less than the old one, and what more; exit 1 if anything is weaker
    Diff(Two),
}

#[derive(Args)]
struct Files {
    /// Policy files that hold together, the organisation's first
    #[arg(value_name = "FILE", default_value = ".countersign/policy.toml")]
    files: Vec<PathBuf>,
}

#[derive(Args)]
struct HangsOn {
    /// The id of the person, agent or service
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    files: Files,
}

#[derive(Args)]
struct Check {
    /// Policies that hold together, the organisation's first
    #[arg(value_name = "FILE|ref:REF:PATH", default_value = ".countersign/policy.toml")]
    policies: Vec<PolicyArg>,
    /// Say which marks of agents the last commits of every ref bear, and what the policy would make of work like it
    #[arg(long)]
    marks: bool,
    /// A server's repository instead of the one around the current directory
    #[arg(long, value_name = "REPO.git", requires = "marks")]
    server: Option<PathBuf>,
}

#[derive(Args)]
struct Test {
    /// The cases (POLICY.md, "Test a policy")
    #[arg(value_name = "FILE")]
    cases: PathBuf,
    /// Policies that hold together, the organisation's first; without any, the policy.toml beside the cases
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// How to print
    #[arg(long, default_value = "text")]
    format: Format,
}

#[derive(Args)]
struct Two {
    /// The policy as it is
    #[arg(value_name = "OLD: FILE|ref:REF:PATH")]
    old: PolicyArg,
    /// The policy as it would be
    #[arg(value_name = "NEW: FILE|ref:REF:PATH")]
    new: PolicyArg,
    /// How to print
    #[arg(long, default_value = "text")]
    format: Format,
    /// Also say what the new policy would have made of the pushes that a server accepted, since so long ago
    #[arg(long, value_name = "SPAN|TIME", requires = "server")]
    replay: Option<String>,
    /// The server's repository whose ledger and objects tell
    #[arg(long, value_name = "REPO.git", requires = "replay")]
    server: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Check(arguments) => check(&arguments),
        Command::Digest(files) => {
            let Some(loaded) = load(&files)? else { return Ok(Exit::Rejected) };
            print(&format!("sha256:{}\n", loaded.policy.digest()))?;
            Ok(Exit::Accepted)
        }
        Command::HangsOn(HangsOn { id, files }) => hangs_on(&id, &files),
        Command::Test(arguments) => test(&arguments),
        Command::Diff(two) => compare(&two),
    }
}

/// Lists what hangs on somebody in the files of a policy that loads.
fn hangs_on(id: &str, files: &Files) -> Result {
    let Some(loaded) = load(files)? else { return Ok(Exit::Rejected) };
    let mut texts = Vec::new();
    for path in policy_files(files, &loaded) {
        let text = disk::read_to_string(&path);
        let text = text.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        texts.push((path.display().to_string(), text));
    }
    let found = policy::dependents(&texts, id);
    if found.is_empty() {
        print(&format!("nothing hangs on {}\n", escape(id.as_bytes(), 100)))?;
        return Ok(Exit::Accepted);
    }
    for one in &found {
        let (at, line) = (&one.at, one.at.line);
        let through = if one.names == id { String::new() } else { format!(", through {}", one.names) };
        print(&format!(
            "{}:{line}: {}{}\n",
            at.file,
            escape(one.key.as_bytes(), 200),
            escape(through.as_bytes(), 200)
        ))?;
    }
    print(&format!(
        "{} {} on {}\n",
        plural(found.len(), "line"),
        if found.len() == 1 { "hangs" } else { "hang" },
        escape(id.as_bytes(), 100)
    ))?;
    Ok(Exit::Rejected)
}

/// The files of a policy, those that it includes among them.
fn policy_files(files: &Files, loaded: &Loaded) -> BTreeSet<PathBuf> {
    let mut all: BTreeSet<PathBuf> = files.files.iter().cloned().collect();
    let names = (0..files.files.len()).flat_map(|layer| loaded.policy.files(layer));
    for name in names {
        for beside in files.files.iter().filter_map(|file| file.parent()) {
            all.extend(Some(beside.join(name)).filter(|path| path.on_disk().is_file()));
        }
    }
    all
}

/// Judges cases.
fn test(arguments: &Test) -> Result {
    let Test { cases: file, policies, format } = arguments;
    let files = if policies.is_empty() { vec![file.with_file_name("policy.toml")] } else { policies.clone() };
    let Some(loaded) = load(&Files { files })? else { return Ok(Exit::Rejected) };
    let name = file.display().to_string();
    let text = disk::read_to_string(file).map_err(|error| Failure::new(format!("{name}: {error}")))?;
    let cases = match Case::read(&Source { name, text }, &loaded.policy) {
        Ok(cases) => cases,
        Err(problems) => {
            tell(&problems);
            return Ok(Exit::Undecided);
        }
    };
    let performed = rehearsal::perform(&loaded.policy, &cases)?;
    print(&match format {
        Format::Text => rehearsal::text(&cases, &performed),
        Format::Json => rehearsal::json(&cases, &performed),
    })?;
    Ok(if performed.iter().all(|one| one.holds) { Exit::Accepted } else { Exit::Rejected })
}

fn compare(two: &Two) -> Result {
    let reads_repository = [&two.old, &two.new].iter().any(|one| matches!(one, PolicyArg::InRepository(_)));
    let local = if reads_repository { Some(Local::open()?) } else { None };
    let refs = local.as_ref().map(|local| StoredRefs { refs: &local.refs, objects: &local.objects });
    let repository =
        local.as_ref().zip(refs.as_ref()).map(|(local, refs)| -> (_, &dyn RefValues) { (&local.objects, refs) });
    let reader = PolicyReader { repository };
    let unloaded =
        |one: &PolicyArg| Failure::new(format!("the policy {one} does not load, so there is nothing to compare"));
    let load = |one: &PolicyArg| read(&reader, std::slice::from_ref(one))?.ok_or_else(|| unloaded(one));
    let (old, new) = (load(&two.old)?.policy, load(&two.new)?.policy);
    if tell(&new.problems_if_new(Some(old.digest()))) {
        return Err(unloaded(&two.new));
    }
    let differences = policy::diff(&old, &new);
    let weaker = differences.iter().any(|one| one.direction == Direction::Weaker);
    print(&match two.format {
        Format::Text => text(&differences),
        Format::Json => json(&differences),
    })?;
    if let (Some(since), Some(server)) = (&two.replay, &two.server) {
        print(&replay::impact(
            &Place { servers: vec![server.clone()], ledger: None },
            &two.new,
            &Period { since: since.clone(), until: None },
        )?)?;
    }
    Ok(if weaker { Exit::Rejected } else { Exit::Accepted })
}

fn text(differences: &[PolicyDifference]) -> String {
    let mut text = String::new();
    for one in differences {
        let line = format!("{}: {}", one.about, one.message);
        text += &format!("{:<8}  {}\n", one.direction.word(), escape(line.as_bytes(), 600));
    }
    let count = |direction| differences.iter().filter(|one| one.direction == direction).count();
    let [weaker, stricter, changed] = [Direction::Weaker, Direction::Stricter, Direction::Changed].map(count);
    text + &format!("{weaker} weaker, {stricter} stricter, {changed} changed\n")
}

fn json(differences: &[PolicyDifference]) -> String {
    let one = |one: &PolicyDifference| {
        serde_json::json!({
            "direction": one.direction.word(), "about": one.about, "message": one.message,
        })
    };
    let weaker = differences.iter().any(|one| one.direction == Direction::Weaker);
    let differences: Vec<_> = differences.iter().map(one).collect();
    format!("{}\n", serde_json::json!({ "schema": 1, "weaker": weaker, "differences": differences }))
}

fn check(arguments: &Check) -> Result {
    let Check { policies, marks, server } = arguments;
    let reads_repository = *marks || policies.iter().any(|one| matches!(one, PolicyArg::InRepository(_)));
    let local = match server {
        Some(server) => Some(policy_marks::server(server)?),
        None if reads_repository => Some(Local::open()?),
        None => None,
    };
    let refs = local.as_ref().map(|local| StoredRefs { refs: &local.refs, objects: &local.objects });
    let repository =
        local.as_ref().zip(refs.as_ref()).map(|(local, refs)| -> (_, &dyn RefValues) { (&local.objects, refs) });
    let Some(loaded) = read(&PolicyReader { repository }, policies)? else { return Ok(Exit::Rejected) };
    let problems = loaded.policy.problems_if_new(None);
    let warnings = [loaded.warnings, loaded.policy.advice(now()?)].concat();
    tell(&warnings);
    if tell(&problems) {
        return Ok(Exit::Rejected);
    }
    let (rules, warnings) = (loaded.policy.rules().len(), warnings.len());
    print(&format!(
        "the policy is valid: {}, {}, digest sha256:{}\n",
        plural(rules, "rule"),
        plural(warnings, "warning"),
        loaded.policy.digest()
    ))?;
    if let Some(local) = local.as_ref().filter(|_| *marks) {
        print(&policy_marks::survey(local, &loaded.policy, now()?)?)?;
    }
    Ok(Exit::Accepted)
}

/// Loads the policy; says every problem and returns nothing where it has errors.
fn load(files: &Files) -> Result<Option<Loaded>> {
    let arguments: Vec<PolicyArg> = files.files.iter().cloned().map(PolicyArg::File).collect();
    read(&PolicyReader { repository: None }, &arguments)
}

fn read(reader: &PolicyReader<'_>, arguments: &[PolicyArg]) -> Result<Option<Loaded>> {
    match reader.load(arguments) {
        Ok(loaded) => Ok(Some(loaded)),
        Err(PolicyError::Invalid(problems)) => {
            tell(&problems);
            Ok(None)
        }
        Err(error) => Err(Failure::new(error).hint("a starter policy is written by:\ncountersign init")),
    }
}

/// Says each problem with its fix. Whether there are any.
fn tell(problems: &[Problem]) -> bool {
    for problem in problems {
        say(&problem.to_string());
        say_fix(problem);
    }
    !problems.is_empty()
}
