//! `countersign approve`: look at exactly what would land, sign exactly that, deliver it. And `countersign attest`: the same for what somebody
//! approved in a forge's pages, signed by a service.

pub(crate) mod attest;
mod changes;
mod compose;
pub(crate) mod deliver;
mod key;
mod list;
mod remote;
mod shown;
mod withdraw;

use std::path::PathBuf;

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
pub(crate) use key::{find_key, sign_statement};
pub(crate) use shown::{Asks, confirm};

use compose::{Terms, Work};
use key::{Approver, WordKey};
pub(in crate::desk) use remote::Remote;
use shown::Answer;
use withdraw::Wanted;

/// What is approved, by which key, and where the record goes.
pub(crate) struct Request {
    /// A branch of the remote, a revision of this clone, or a range whose left side is the merge base
    pub(crate) what: Option<String>,
    /// The ref that the commits may land on: a full name, or a branch; several get an approval each
    pub(crate) targets: Vec<String>,
    /// The key to sign with, a file: by default git's user.signingkey
    pub(crate) key: Option<PathBuf>,
    /// How long the approval counts: a number of m, h, d or w
    pub(crate) expires: Span,
    /// Whose approval in a forge is attested instead, with the key of a service
    pub(crate) attest: Option<Attest>,
    /// What else to say, in the record for everybody to read
    pub(crate) comment: Option<String>,
    /// Store the record in this clone and push nothing
    pub(crate) no_push: bool,
    /// Write the record to a file and store nothing
    pub(crate) out: Option<PathBuf>,
    /// Do not ask: what is printed has been looked at elsewhere
    pub(crate) yes: bool,
    /// Take your approval of a branch back, or the one that --list names by these digits
    pub(crate) withdraw: bool,
    /// List the approvals that there are, and what waits for yours
    pub(crate) list: bool,
    /// A policy instead of the configured one; all given hold together
    pub(crate) policies: Vec<PolicyArg>,
    /// The remote that has the branch, the target and the approvals
    pub(crate) remote: String,
}

/// An approval that somebody gave in a forge.
pub(crate) struct Attest {
    /// The account, as the forge writes it
    pub(crate) account: String,
    /// The service that attests it
    pub(crate) service: Id,
    /// Where they approved: the path of the request's URL in the forge
    pub(crate) request: String,
}

/// Who is asked and by which rules.
struct ApprovalContext {
    local: Local,
    policy: Policy,
    repository: RepositoryName,
    settings: crate::gate::engine::Settings,
}

pub(crate) fn run(request: &Request) -> Result {
    if let Some(mark) = trace_of_agent(&Configuration::load()?).filter(|_| !request.list) {
        return Err(Failure::new(format!("{} is set, so an agent may be running this; only a person approves", mark))
            .hint("a person runs it in a terminal of their own"));
    }
    let context = open(&request.policies, &request.remote)?;
    let targets: Vec<String> = request.targets.iter().map(|name| full_name(name)).collect();
    let remote = Remote::read(&request.remote)?;
    if request.list {
        remote.fetch_everything()?;
        return list::run(&context, &remote, &targets, request.key.as_deref());
    }
    let approver = approver(request, &context.policy)?;
    let what = request.what.as_deref().unwrap_or_default();
    remote.fetch(ends(what).1, &targets)?;
    let mut approvals = Vec::new();
    let mut text = String::new();
    let mut works = Vec::new();
    for target in &targets {
        let approval = if request.withdraw {
            let approval = {
                let wanted = Wanted { what, target, expires: request.expires };
                withdraw::approval(&context, &remote, &approver, wanted)?
            };
            text += &withdraw::text(&context, &approval, &approver);
            approval
        } else {
            let work = Work::find(&context, &remote, what, target)?;
            let said = Said { expires: request.expires, comment: request.comment.clone() };
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
    } else if request.yes {
        print(&text)?;
        shown::refuse_unattended()?;
    } else {
        shown::present(&text)?;
        let verb = if request.withdraw { "Withdraw" } else { "Approve" };
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
        signed.push((place_of(&approval)?.to_string(), approver.sign(&approval)?));
    }
    match (&request.out, request.no_push) {
        (Some(file), _) => deliver::to_file(file, &signed)?,
        (None, true) => deliver::to_clone(&signed, &request.remote)?,
        (None, false) => deliver::to_remote(&signed, &request.remote)?,
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
fn approver<'a>(request: &Request, policy: &'a Policy) -> Result<Approver<'a>> {
    match (&request.attest, &request.key) {
        (Some(Attest { account, service, request }), Some(key)) => {
            let attested =
                Attested { service: service.to_string(), account: account.clone(), request: request.clone() };
            Approver::attested(&WordKey::open(service, key, policy)?, attested, policy)
        }
        (_, key) => Approver::find(key.as_deref(), policy),
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
