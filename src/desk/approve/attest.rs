//! `countersign attest`: what a forge's event says of approvals becomes records, signed by a service and delivered by push.
//!
//! It reads the event that a web hook received, and where it is at hand what the forge's API answered when it was asked who approves the
//! request now. It asks nobody itself but the remote, through git: whoever received the event has checked that it is the forge's.

use std::io::Read as _;
use std::path::PathBuf;

use crate::core::approval::{Approval, ApprovalPlace, Attested, Decision};
use crate::core::forge::{Event, Forge, Reviews, reviews};
use crate::core::id::Id;
use crate::core::limits;
use crate::core::policy::Span;
use crate::core::report::escape;
use crate::desk::approve::compose::Work;
use crate::desk::approve::key::{Approver, WordKey};
use crate::desk::approve::{
    ApprovalContext, Remote, Said, approved, check, deliver, list, open, place_of, shown, withdraw,
};
use crate::desk::check::full_name;
use crate::gate::policy_source::PolicyArg;
use crate::system::{Exit, Failure, Result, print};

/// What is attested, and with what.
pub(crate) struct Request {
    /// Whose event it is
    pub(crate) forge: Forge,
    /// The service that attests
    pub(crate) service: Id,
    /// The service's SSH key, a file
    pub(crate) key: PathBuf,
    /// The event, as the forge sent it; without it, standard input
    pub(crate) event: Option<PathBuf>,
    /// What the forge's API answers about who approves the request now
    pub(crate) reviews: Option<PathBuf>,
    /// How long an approval counts
    pub(crate) expires: Span,
    /// What the forge calls the repository, where that is not its name in the policy
    pub(crate) project: Option<String>,
    /// A policy instead of the configured one; all given hold together
    pub(crate) policies: Vec<PolicyArg>,
    /// The remote that has the branches and the approvals
    pub(crate) remote: String,
}

pub(crate) fn run(request: &Request) -> Result {
    let forge = request.forge;
    let event = Event::parse(forge, &event_bytes(request)?)
        .map_err(|error| Failure::new(format!("the event cannot be read: {error}")))?;
    let reviews = request.reviews.as_ref().map(|file| read_reviews(forge, file)).transpose()?;
    let context = open(&request.policies, &request.remote)?;
    check_repository(request, &context, &event)?;
    let remote = Remote::read(&request.remote)?;
    let target = full_name(&event.target);
    let head = remote.leading_to(event.head);
    remote.fetch_with_approvals(&[target.as_str()].into_iter().chain(head).collect::<Vec<_>>())?;
    let key = WordKey::open(&request.service, &request.key, &context.policy)?;
    let attesting = Attesting { request, context: &context, key, event: &event, reviews: reviews.as_ref() };
    let mut records = attesting.taken_back()?;
    let refused = match attesting.approval(&remote, &target)? {
        Ruling::Counts(approver, approval) => {
            put_after(&mut records, approver, *approval)?;
            None
        }
        Ruling::NoApproval => None,
        Ruling::CountsForNothing(why) => Some(why),
    };
    let mut signed = Vec::with_capacity(records.len());
    for (approver, record) in &records {
        print(&shown::heading(record, approver))?;
        signed.push((place_of(record)?.to_string(), approver.sign(record)?));
    }
    if !signed.is_empty() {
        deliver::to_remote(&signed, &request.remote)?;
    }
    match refused {
        // What counts for nothing is no mistake of whoever sent the event.
        Some(why) => {
            let hint = why.hint.as_ref().map_or_else(String::new, |hint| format!("{hint}\n"));
            print(&format!("Not attested: {}\n{hint}", why.message))?;
            Ok(Exit::Rejected)
        }
        None => {
            if signed.is_empty() {
                print("Nothing to attest: no approval is given or taken back by it.\n")?;
            }
            Ok(Exit::Accepted)
        }
    }
}

/// Adds an approval to what takes earlier ones back. It is issued no earlier, so that none of them takes it back too, and takes the place of
/// one that was in its own.
fn put_after<'a>(
    records: &mut Vec<(Approver<'a>, Approval)>,
    approver: Approver<'a>,
    mut approval: Approval,
) -> Result<()> {
    let place = place_of(&approval)?;
    let latest = records.iter().map(|(_, record)| record.issued).chain([approval.issued]).max();
    approval.issued = latest.unwrap_or(approval.issued);
    records.retain(|(_, record)| ApprovalPlace::of(record).as_ref() != Some(&place));
    records.push((approver, approval));
    Ok(())
}

fn event_bytes(request: &Request) -> Result<Vec<u8>> {
    let Some(file) = &request.event else { return capped(&mut std::io::stdin().lock(), "standard input") };
    capped(&mut open_file(file)?, &file.display().to_string())
}

fn read_reviews(forge: Forge, file: &PathBuf) -> Result<Reviews> {
    let json = capped(&mut open_file(file)?, &file.display().to_string())?;
    reviews(forge, &json).map_err(|error| Failure::new(format!("{} cannot be read: {error}", file.display())))
}

fn open_file(file: &PathBuf) -> Result<std::fs::File> {
    std::fs::File::open(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))
}

/// All there is, or one byte more than may be.
fn capped(input: &mut dyn std::io::Read, name: &str) -> Result<Vec<u8>> {
    let most = u64::try_from(limits::EVENT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    input.take(most).read_to_end(&mut bytes).map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
    Ok(bytes)
}

/// An event of another repository says nothing here, even where commits are the same.
fn check_repository(request: &Request, context: &ApprovalContext, event: &Event) -> Result<()> {
    let is_named = match &request.project {
        Some(project) => *project == event.repository,
        None => event.repository.to_lowercase() == context.repository.as_str(),
    };
    if is_named {
        return Ok(());
    }
    let (named, own) = (escape(event.repository.as_bytes(), 200), &context.repository);
    Err(Failure::new(format!("the event is about the repository {named}, and this is {own}"))
        .hint("where the forge calls this repository so, say it with --project PATH"))
}

struct Attesting<'a> {
    request: &'a Request,
    context: &'a ApprovalContext,
    key: WordKey,
    event: &'a Event,
    reviews: Option<&'a Reviews>,
}

/// What becomes of what an event says.
enum Ruling<'a> {
    /// An approval that counts.
    Counts(Approver<'a>, Box<Approval>),
    /// It says of no approval.
    NoApproval,
    /// One that would count for nothing, and why.
    CountsForNothing(Failure),
}

impl<'a> Attesting<'a> {
    fn approver(&self, account: &str) -> Result<Approver<'a>> {
        let attested = Attested {
            service: self.request.service.to_string(),
            account: account.to_owned(),
            request: self.event.request.clone(),
        };
        Approver::attested(&self.key, attested, &self.context.policy)
    }

    /// What the event lets the service attest, if it is anything.
    fn approval(&self, remote: &Remote, target: &str) -> Result<Ruling<'a>> {
        let account = match self.event.approval(self.reviews) {
            Ok(Some(account)) => account,
            Ok(None) => return Ok(Ruling::NoApproval),
            Err(why) => return Ok(Ruling::CountsForNothing(Failure::new(why))),
        };
        let head = self.event.head;
        if remote.leading_to(head).is_none() {
            let message = format!("the request has moved since: no ref of the remote is at {}", head.short());
            return Ok(Ruling::CountsForNothing(Failure::new(message)));
        }
        let approver = match self.approver(account) {
            Ok(approver) => approver,
            Err(why) => return Ok(Ruling::CountsForNothing(why)),
        };
        let work = Work::find(self.context, remote, &head.to_string(), target)?;
        if let Err(why) = check(self.context, &work, target, &approver) {
            return Ok(Ruling::CountsForNothing(why));
        }
        let said = Said { expires: self.request.expires, comment: None };
        let approval = approved(self.context, &work, target, &approver, said)?;
        Ok(Ruling::Counts(approver, Box::new(approval)))
    }

    /// What takes back what was attested of the request before, and holds no more.
    fn taken_back(&self) -> Result<Vec<(Approver<'a>, Approval)>> {
        let mut found = Vec::new();
        for (_, approval) in list::records_of(self.context, self.request.service.as_str())? {
            let Some(attested) = &approval.attested else { continue };
            let is_of_request = attested.request == self.event.request && approval.decision == Decision::Approve;
            let over = self.event.takes_back(&attested.account, approval.head.0, self.reviews);
            if !is_of_request || !over || approval.repository != self.context.repository.as_str() {
                continue;
            }
            // Of an account that is nobody's now, nothing counts any more.
            let person = self.context.policy.by_account(&attested.account);
            if person.is_none_or(|person| person.id.as_str() != approval.approver) {
                continue;
            }
            let approver = self.approver(&attested.account)?;
            let record = withdraw::withdrawal(self.context, &approver, &approval, self.request.expires)?;
            found.push((approver, record));
        }
        Ok(found)
    }
}
