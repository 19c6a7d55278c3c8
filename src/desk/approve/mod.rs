//! `countersign approve`: look at exactly what would land, sign exactly that, deliver it. And `countersign attest`: the same for what somebody
//! approved in a forge's pages, signed by a service.

pub(crate) mod attest;
mod changes;
mod compose;
mod deliver;
mod key;
mod list;
mod remote;
mod shown;
mod withdraw;

use std::path::PathBuf;

use clap::Args;

use crate::core::approval::{Approval, ApprovalPlace, Attested, Decision};
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::core::id::{Id, RepositoryName};
use crate::core::policy::{Policy, Span};
use crate::desk::check::full_name;
use crate::desk::clone::{Local, TrackedRefs, desk_failure, settings};
use crate::desk::who::trace_of_agent;
use crate::gate::engine::{EngineError, repository_name};
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::system::{Configuration, Exit, Failure, Result, now, print};
use compose::{Terms, Work};
use key::{Approver, WordKey};
use remote::Remote;
use shown::Answer;
use withdraw::Wanted;

#[derive(Args)]
pub(crate) struct Arguments {
    /// A branch of the remote, a revision of this clone, or a range whose left side is the merge base
    #[arg(value_name = "BRANCH|RANGE", required_unless_present = "list")]
    what: Option<String>,
    /// The ref that the commits may land on: a full name, or a branch; several get an approval each
    #[arg(long = "for", value_name = "REF", required_unless_present = "list")]
    targets: Vec<String>,
    /// The key to sign with, a file: by default git's user.signingkey
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long the approval counts: a number of m, h, d or w
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span)]
    expires: Span,
    /// Sign, as a service, that the person with this account of a forge approved there
    #[arg(long, value_name = "ACCOUNT", requires_all = ["service", "key", "request"], conflicts_with = "list")]
    attest: Option<String>,
    /// The service that attests it
    #[arg(long, value_name = "ID", requires = "attest", value_parser = service)]
    service: Option<Id>,
    /// Where they approved: the path of the request's URL in the forge
    #[arg(long, value_name = "ID", requires = "attest")]
    request: Option<String>,
    /// What else to say, in the record for everybody to read
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Store the record in this clone and push nothing
    #[arg(long, conflicts_with = "out")]
    no_push: bool,
    /// Write the record to a file and store nothing
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not ask: what is printed has been looked at elsewhere
    #[arg(long)]
    yes: bool,
    /// Take your approval of a branch back, or the one that --list names by these digits
    #[arg(long, conflicts_with = "list")]
    withdraw: bool,
    /// List the approvals that there are, and what waits for yours
    #[arg(long, conflicts_with_all = ["what", "comment", "no_push", "out", "yes"])]
    list: bool,
    /// A policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    /// The remote that has the branch, the target and the approvals
    #[arg(long, default_value = "origin")]
    remote: String,
}

fn span(text: &str) -> std::result::Result<Span, String> {
    Span::parse(text).ok_or_else(|| "write a number of m, h, d or w, such as 7d".to_owned())
}

fn service(text: &str) -> std::result::Result<Id, String> {
    Id::parse(text.as_bytes()).ok_or_else(|| "write the id of a service, as in [services.ID]".to_owned())
}

/// Who is asked and by which rules.
struct ApprovalContext {
    local: Local,
    policy: Policy,
    repository: RepositoryName,
    settings: crate::gate::engine::Settings,
}

pub(crate) fn run(arguments: Arguments) -> Result {
    if let Some(mark) = trace_of_agent(&Configuration::load()?).filter(|_| !arguments.list) {
        return Err(Failure::new(format!("{} is set, so an agent may be running this; only a person approves", mark))
            .hint("a person runs it in a terminal of their own"));
    }
    let context = open(&arguments.policies, &arguments.remote)?;
    let targets: Vec<String> = arguments.targets.iter().map(|name| full_name(name)).collect();
    let remote = Remote::read(&arguments.remote)?;
    if arguments.list {
        remote.fetch_everything()?;
        return list::run(&context, &remote, &targets, arguments.key.as_deref());
    }
    let approver = approver(&arguments, &context.policy)?;
    let what = arguments.what.as_deref().unwrap_or_default();
    remote.fetch(ends(what).1, &targets)?;
    let mut approvals = Vec::new();
    let mut text = String::new();
    let mut works = Vec::new();
    for target in &targets {
        let approval = if arguments.withdraw {
            let approval = {
                let wanted = Wanted { what, target, expires: arguments.expires };
                withdraw::approval(&context, &remote, &approver, wanted)?
            };
            text += &withdraw::text(&context, &approval, &approver);
            approval
        } else {
            let work = Work::find(&context, &remote, what, target)?;
            let said = Said { expires: arguments.expires, comment: arguments.comment.clone() };
            check(&context, &work, target, &approver)?;
            let approval = approved(&context, &work, target, &approver, said)?;
            text += &shown::text(&context, &work, &approval, &approver)?;
            works.push(work);
            approval
        };
        approvals.push(approval);
    }
    if approver.attested.is_some() {
        // Whoever approved has looked at it in the forge.
        print(&text)?;
    } else if arguments.yes {
        print(&text)?;
        shown::refuse_unattended()?;
    } else {
        shown::present(&text)?;
        let verb = if arguments.withdraw { "Withdraw" } else { "Approve" };
        let mut answer = shown::ask(verb)?;
        while answer == Answer::InFull {
            let full: Result<String> =
                works.iter().map(|work| changes::in_full(work, &context.local.objects)).collect();
            shown::present(&full?)?;
            answer = shown::ask(verb)?;
        }
        if answer == Answer::No {
            return Err(Failure::new("nothing is signed").hint("answer y to sign"));
        }
    }
    let mut signed = Vec::new();
    for approval in approvals {
        signed.push((place_of(&approval)?, approver.sign(&approval)?));
    }
    match (&arguments.out, arguments.no_push) {
        (Some(file), _) => deliver::to_file(file, &signed)?,
        (None, true) => deliver::to_clone(&signed, &arguments.remote)?,
        (None, false) => deliver::to_remote(&signed, &arguments.remote)?,
    }
    Ok(Exit::Accepted)
}

/// The two sides of a range; one revision is the right side alone.
fn ends(what: &str) -> (Option<&str>, &str) {
    match what.split_once("..") {
        Some((left, right)) => (Some(left), if right.is_empty() { "HEAD" } else { right }),
        None => (None, what),
    }
}

/// Whose approval it is: that of the person at the desk, or that which a service attests.
fn approver<'a>(arguments: &Arguments, policy: &'a Policy) -> Result<Approver<'a>> {
    let Arguments { attest, service, request, key, .. } = arguments;
    match (attest, service, request, key) {
        (Some(account), Some(service), Some(request), Some(key)) => {
            let attested =
                Attested { service: service.to_string(), account: account.clone(), request: request.clone() };
            Approver::attested(&WordKey::open(service, key, policy)?, attested, policy)
        }
        _ => Approver::find(key.as_deref(), policy),
    }
}

/// What the approver says besides.
struct Said {
    expires: Span,
    comment: Option<String>,
}

/// Refuses what nobody should sign for, and what would count for nothing.
fn check(context: &ApprovalContext, work: &Work, target: &str, approver: &Approver<'_>) -> Result<()> {
    work.check(&context.policy)?;
    work.check_that_it_counts(&context.policy, target, (&approver.person.id, approver.means()))
}

/// The approval of what was found.
fn approved(
    context: &ApprovalContext,
    work: &Work,
    target: &str,
    approver: &Approver<'_>,
    said: Said,
) -> Result<Approval> {
    let Said { expires, comment } = said;
    let (issued, attested) = (now()?, approver.attested.clone());
    let terms = Terms { approver: approver.person.id.clone(), attested, issued, expires, comment };
    let mut approval = work.approval(context, target, terms)?;
    // A record counts only if it is issued later than the one in its place and no earlier than what takes it back, and a second can hold all.
    let before =
        list::issued(context, &place_of(&approval)?).map(|before| Time(Timestamp(before.0.0.saturating_add(1))));
    let taken_back = list::records_by(context, target, &approver.person.id)?.into_iter().map(|(_, record)| record);
    let taken_back = taken_back.filter(|record| record.decision == Decision::Withdraw).map(|record| record.issued);
    approval.issued = taken_back.chain(before).chain([approval.issued]).max().unwrap_or(approval.issued);
    Ok(approval)
}

fn place_of(approval: &Approval) -> Result<ApprovalPlace> {
    ApprovalPlace::of(approval).ok_or_else(|| Failure::new("the approval names nobody"))
}

fn open(policies: &[PolicyArg], remote: &str) -> Result<ApprovalContext> {
    let local = Local::open()?;
    let settings = settings(policies, None)?;
    if settings.policies.is_empty() {
        return Err(desk_failure(&EngineError::NoPolicy));
    }
    let refs = TrackedRefs { local: &local, remote: remote.to_owned() };
    let reader = PolicyReader { repository: Some((&local.objects, &refs)) };
    let policy = reader.load(&settings.policies).map_err(|error| desk_failure(&error.into()))?.policy;
    let repository = repository_name(&settings, &policy).map_err(|error| desk_failure(&error))?;
    Ok(ApprovalContext { local, policy, repository, settings })
}
