//! What the approver sees before signing. All of it comes from others, so all of it is escaped.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use crate::core::approval::{Approval, Decision};
use crate::core::facts::CommitFacts;
use crate::core::policy::{Mode, Policy};
use crate::core::report::escape;
use crate::desk::approve::compose::{Work, asking, signer};
use crate::desk::approve::key::Approver;
use crate::desk::approve::{ApprovalContext, changes, list};
use crate::gate::examine::touches;
use crate::system::process::git;
use crate::system::{Failure, Result, disk, env, print, process, say, stdout};

/// Who says what, with which key and until when.
pub(super) fn heading(approval: &Approval, approver: &Approver<'_>) -> String {
    let verb = if approval.decision == Decision::Approve { "approves" } else { "withdraws the approval of" };
    let count = approval.commits.len();
    let where_given = approval.attested.as_ref().map_or_else(String::new, |attested| {
        let [account, request] = [&attested.account, &attested.request].map(|text| escape(text.as_bytes(), 200));
        format!("account {account}\nrequest {request}\n")
    });
    format!(
        "{} {verb} {count} commit{} for {} of {}\n{where_given}key     {}\nexpires {}\n",
        approval.by(),
        if count == 1 { "" } else { "s" },
        escape(approval.name.as_bytes(), 200),
        approval.repository,
        approver.public.fingerprint(),
        approval.expires,
    )
}

/// The whole text.
pub(super) fn text(
    context: &ApprovalContext,
    work: &Work,
    approval: &Approval,
    approver: &Approver<'_>,
) -> Result<String> {
    let mut text = heading(approval, approver);
    text += &sensitive(context, work, &approval.name);
    text += "\n";
    for commit in &work.commits {
        text += &format!(
            "{} {}\n        {}\n",
            commit.id.short(),
            escape(&commit.summary, 100),
            maker(&context.policy, commit)
        );
    }
    text += &format!("\n{}", changes::summary(work, &context.local.objects)?);
    text += &asked(context, approval);
    text += "\nAny other commit, and any change to the content, message or order of these, voids it.\n";
    Ok(text)
}

/// The paths that rules of their own protect come first.
fn sensitive(context: &ApprovalContext, work: &Work, target: &str) -> String {
    let mut classes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let rules =
        context.policy.rules().iter().filter(|rule| rule.matches_ref(target.as_bytes()) && rule.mode != Mode::Off);
    for rule in rules.filter(|rule| rule.is_path_rule()) {
        let paths = work
            .changes
            .iter()
            .filter(|change| touches(rule, change.as_difference()))
            .map(|change| escape(&change.path, 200));
        classes.entry(&rule.name).or_default().extend(paths);
    }
    let mut text = String::new();
    for (rule, paths) in classes.iter().filter(|(_, paths)| !paths.is_empty()) {
        text += &format!("\nsensitive, by rule \"{}\":\n", escape(rule.as_bytes(), 80));
        paths.iter().for_each(|path| text += &format!("  {path}\n"));
    }
    text
}

fn maker(policy: &Policy, commit: &CommitFacts) -> String {
    let author = escape(commit.author.as_bytes(), 100);
    let seals: Vec<String> = commit
        .seals
        .iter()
        .flatten()
        .map(|seal| match &seal.role {
            None => format!("sealed by {}", seal.agent),
            Some(role) => format!("{} as {role}", seal.agent),
        })
        .collect();
    if !seals.is_empty() {
        return format!("{author}, {}", seals.join(", "));
    }
    let signed = signer(policy, commit)
        .map_or_else(String::new, |signer| format!(", signed by {} {}", signer.kind.noun(), signer.id));
    match (commit.drafted.first(), commit.marks.first()) {
        (Some(agent), _) => format!("{author}{signed}, drafted by {agent}"),
        (None, Some(mark)) => {
            format!("{author}{signed}, NOT SEALED, though it bears the mark of {}", escape(mark.agent.as_bytes(), 80))
        }
        (None, None) => format!("{author}{signed}"),
    }
}

/// What the rules of the target ask, and who has approved.
fn asked(context: &ApprovalContext, approval: &Approval) -> String {
    let mut text = String::new();
    for (rule, approvals) in asking(&context.policy, &approval.name) {
        text += &format!("\nrule \"{}\" ({}:{})\n", escape(rule.name.as_bytes(), 80), rule.at.file, rule.at.line);
        approvals.describe().iter().for_each(|sentence| text += &format!("  {sentence}\n"));
    }
    let others: Vec<String> = list::holding(context, &approval.name, approval.change.0)
        .into_iter()
        .filter(|person| *person != approval.approver)
        .collect();
    if text.is_empty() {
        text += "\nNo rule of this ref asks for approvals.\n";
    }
    if !others.is_empty() {
        text += &format!("Approved already by {}.\n", others.join(", "));
    }
    text
}

/// Prints the text, on a terminal through the person's own pager. What a repository names in its place may
/// leave something out, and is not run.
pub(super) fn present(text: &str) -> Result<()> {
    let pager = git(&["var", "GIT_PAGER"]).in_repository(Path::new("/")).line().unwrap_or_default();
    let is_own = git(&["var", "GIT_PAGER"]).line().is_ok_and(|here| here == pager);
    if !stdout().is_terminal() || !is_own || pager.is_empty() || pager == "cat" {
        return print(text);
    }
    let mut command = process::command("sh");
    command.args(["-c", &pager]).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return print(text) };
    if let Some(mut input) = child.stdin.take() {
        // A reader who has seen enough closes the pager.
        let _ = input.write_all(text.as_bytes());
    }
    let ended = child.wait().map_err(|error| Failure::new(format!("the pager failed: {error}")))?;
    // The shell says so where there is no such pager (POSIX, 2.8.2).
    if matches!(ended.code(), Some(126 | 127)) { print(text) } else { Ok(()) }
}

/// What the person at the terminal answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// First every line is to be seen.
    InFull,
}

/// Asks the person at the terminal whether to do this.
pub(super) fn ask(verb: &str) -> Result<Answer> {
    Ok(match answer_to(&format!("{verb}? [y/N] (d shows every line) "))?.trim() {
        "y" | "Y" | "yes" => Answer::Yes,
        "d" | "D" => Answer::InFull,
        _ => Answer::No,
    })
}

/// Has the person at the terminal agree to signing what was printed, or says that nobody is asked.
pub(crate) fn confirm(text: &str, verb: &str, asks: Asks) -> Result<()> {
    print(text)?;
    match asks {
        Asks::Nobody => refuse_unattended(),
        Asks::Terminal => match answer_to(&format!("{verb}? [y/N] "))?.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::new("nothing is signed").hint("answer y to sign")),
        },
    }
}

/// Whether somebody is asked before signing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Terminal,
    Nobody,
}

fn answer_to(question: &str) -> Result<String> {
    let no_terminal = |_| {
        Failure::new("there is no terminal to ask on, so nothing is signed").hint("run it in a terminal of your own")
    };
    let mut terminal = disk::open_both_ways("/dev/tty").map_err(no_terminal)?;
    terminal.write_all(question.as_bytes()).map_err(no_terminal)?;
    let mut answer = String::new();
    BufReader::new(terminal).read_line(&mut answer).map_err(no_terminal)?;
    Ok(answer)
}

/// The setting by which a person lets approvals be signed where nobody is asked.
const UNATTENDED: &str = "countersign.approve.unattended";

/// Refuses `--yes` where there is no terminal, unless the person's own configuration allows it. It keeps accidents away; an agent that has
/// the person's account can write that configuration as well.
pub(super) fn refuse_unattended() -> Result<()> {
    if disk::open_both_ways("/dev/tty").is_ok() {
        return Ok(());
    }
    let allowed = git(&["config", "--global", "--type=bool", "--get", UNATTENDED]).line().unwrap_or_default();
    if allowed == "true" {
        say(&format!(
            "countersign: signed without asking, as {UNATTENDED} allows; only presence = true in the rule keeps out an agent that has your account"
        ));
        return Ok(());
    }
    Err(Failure::new("--yes without a terminal is not allowed here, so nothing is signed").hint(format!(
        "run it in a terminal of your own; or, where nobody else has this account, allow it in your own configuration:\ngit config --global {UNATTENDED} true"
    )))
}
