//! Who made a commit, and whether the rule accepts that: all findings about identity.
//!
//! Every seal of a commit must hold, and the first names the maker: later ones are other steps of a pipeline. Without a seal it is whoever
//! signed the commit. A person who signs may say to have taken an agent's work over (`Countersign-Drafted`), and then answers for it. A
//! mark of an agent proves nothing; it says that silence is not enough. A key is judged by when the seal or signature was first received,
//! never by a date that its signer wrote.

use super::hint::{AgentKey, Commands, Hint, lost_hooks};
use super::unreadable::{self, Unreadable};
use super::{ApprovalSet, Code, Findings, RuleContext, Subject, Timestamp, grants};
use crate::core::commit::TrailerFault;
use crate::core::digest::Digest;
use crate::core::facts::{CommitFacts, JudgedCommit, MergeFact, ObjectForm, SealFact, SignatureFact};
use crate::core::grant;
use crate::core::marks::{Mark, MarkKind};
use crate::core::oid::Oid;
use crate::core::policy::{Glob, Identity, LetterCase, Permission, Principal, PrincipalKind};
use crate::core::seal;
use crate::core::signature::{KeyName, SigningKey};
use crate::core::ssh::{PublicKey, VerifiedCertificate};

/// Days before a review date on which pushes begin to warn: two weeks, for the owner to look at the agent.
const REVIEW_NOTICE_DAYS: i64 = 14;

/// Judges one commit under one rule.
pub(super) fn judge(
    context: &RuleContext<'_>,
    judged: &JudgedCommit,
    commit: &CommitFacts,
    approvals: Option<&ApprovalSet<'_>>,
    findings: &mut Findings<'_>,
) {
    if context.rule.identity == Identity::None && !context.rule.restricts_agents() {
        return;
    }
    IdentityCheck { context, judged, commit, approvals, findings }.judge();
}

/// Who made the commit, as far as it is proven.
enum Maker<'a> {
    /// A registered agent, by its author's seal or its own signature over the commit.
    Agent(&'a Principal),
    /// A person who signed and says which agent drafted it.
    Adopted,
    /// A person who signed it.
    Person,
    /// A service that signed it, or that the server says made it.
    Service(&'a Principal),
    /// Nobody: there is nothing, or nothing that counts.
    Unproven(Fault),
    /// Findings have been made already.
    Faulty,
}

/// What somebody made with an SSH key.
struct Signed<'s> {
    by: SigningKey<'s>,
    digest: Digest,
    /// The task that a seal names, or that it names none; `None` for what is no seal.
    task: Option<Option<&'s str>>,
}

/// What is wrong with the proof, told only where one is asked for.
struct Fault {
    code: Code,
    detail: String,
    hint: String,
}

struct IdentityCheck<'b, 'd, 'u> {
    context: &'b RuleContext<'b>,
    judged: &'b JudgedCommit,
    commit: &'b CommitFacts,
    approvals: Option<&'b ApprovalSet<'b>>,
    findings: &'d mut Findings<'u>,
}

impl<'b> IdentityCheck<'b, '_, '_> {
    fn judge(&mut self) {
        if let Some(Unreadable { code, detail, hint }) = unreadable::unreadable(self.commit, self.context.update.base) {
            self.find(code, detail, hint);
        }
        if self.commit.form != ObjectForm::Canonical {
            return;
        }
        match self.maker() {
            Maker::Faulty => {}
            Maker::Agent(agent) => self.allowed(agent),
            Maker::Adopted => self.adopted(),
            Maker::Person => self.unmarked(),
            Maker::Service(service) => self.service(service),
            Maker::Unproven(fault) => self.unproven(fault),
        }
    }

    fn maker(&mut self) -> Maker<'b> {
        let signer = self.signer();
        match &self.commit.seals {
            // A squash by a forge joins messages, so trailers may stand anywhere in it, and seals of what it joined.
            Err(_) if matches!(signer, Maker::Service(_)) => signer,
            Ok(_) if matches!(signer, Maker::Service(_)) && !self.commit.is_sealed() => signer,
            Err(fault) if fault.reason == TrailerFault::TooMany => {
                self.find(Code::LimitExceeded, fault.to_string(), "remove trailers that nobody needs".to_owned());
                Maker::Faulty
            }
            Err(fault) => {
                // `sign` makes a new block at the end of the message and keeps every line that is not one of ours.
                let hint = self.commands().seal(None).and(self.commands().adopt("or a person who changed the work"));
                let words = "or, where no agent made it, reword it so that no line begins with Countersign-";
                let hint = hint.run(words, ["git commit --amend".to_owned()]);
                self.find(Code::MalformedTrailers, fault.to_string(), hint.text());
                Maker::Faulty
            }
            Ok(seals) if seals.is_empty() => signer,
            Ok(seals) => self.sealed(seals),
        }
    }

    /// Every seal must hold; the first names the maker.
    fn sealed(&mut self, seals: &'b [SealFact]) -> Maker<'b> {
        let mut maker = None;
        let mut faulty = false;
        for fact in seals {
            match self.seal_holder(fact) {
                Ok(agent) => maker = maker.or(Some(agent)),
                Err(fault) => {
                    faulty = true;
                    self.find(fault.code, fault.detail, fault.hint);
                }
            }
        }
        match maker {
            Some(agent) if !faulty => Maker::Agent(agent),
            _ => Maker::Faulty,
        }
    }

    fn seal_holder(&self, fact: &SealFact) -> Result<&'b Principal, Fault> {
        let name = &fact.agent;
        let whose = fact.role.as_ref().map_or_else(|| format!("{name}'s seal"), |role| format!("{name}'s {role} seal"));
        match &fact.outcome {
            seal::SealOutcome::Bad(reason) => Err(Fault {
                code: Code::BadSeal,
                detail: format!("{whose} does not verify: {reason}"),
                hint: self.commands().seal(Some(name.as_str())).text(),
            }),
            seal::SealOutcome::Stale(stale) => Err(Fault {
                code: Code::StaleSeal,
                detail: format!("{whose} is authentic, but {stale} changed after sealing"),
                hint: self.seal_or_adopt(name.as_str()).text(),
            }),
            seal::SealOutcome::Holds(seal) => {
                let signed = Signed { by: seal.signer(), digest: seal.digest(), task: Some(fact.task.as_deref()) };
                self.agent_of(name.as_str(), &signed, &whose)
            }
        }
    }

    /// The registered agent that signed, which must be `name`, judged at the time when its work was first received.
    fn agent_of(&self, name: &str, signed: &Signed<'_>, whose: &str) -> Result<&'b Principal, Fault> {
        match signed.by {
            SigningKey::Certified(certificate) if self.context.policy.is_granted(certificate) => {
                self.under_grant(name, (signed, certificate), whose)
            }
            SigningKey::Certified(certificate) => self.agent_with_key(name, certificate.key(), signed.digest, whose),
            SigningKey::Ssh(key) => self.agent_with_key(name, key, signed.digest, whose),
            SigningKey::OpenPgp(key) => Err(Fault {
                code: Code::UnknownAgent,
                detail: format!("{whose} was made with the OpenPGP key {key}, and agents seal with SSH keys"),
                hint: self.commands().register(name, AgentKey::Known).text(),
            }),
        }
    }

    /// The agent that a grant lets sign, as far as the grant reaches.
    fn under_grant(
        &self,
        name: &str,
        (signed, certificate): (&Signed<'_>, &VerifiedCertificate),
        whose: &str,
    ) -> Result<&'b Principal, Fault> {
        let (context, received) = (self.context, self.context.received(signed.digest));
        let fault = |code: Code, words: String| {
            let hint = context.commands().grant(name, code);
            Fault {
                code,
                detail: format!("{whose}: the grant {} {words}", grant::name(certificate)),
                hint: hint.text(),
            }
        };
        let granted = grant::judge(context.policy, certificate, received)
            .map_err(|objection| fault(objection.code, objection.detail))?;
        let agent = granted.agent();
        if agent.id.as_str() != name {
            return Err(fault(Code::SharedKey, format!("is {}'s", agent.id)));
        }
        if !context.policy.registers(context.rule, agent) {
            return Err(fault(
                Code::UnknownAgent,
                "is of an agent that is registered in a policy given later only".to_owned(),
            ));
        }
        let further = |excess: grant::Excess| fault(Code::GrantOutOfScope, format!("does not reach here: {excess}"));
        let is_first = !context.facts.receipts.contains_key(&signed.digest);
        if is_first || grants::binds_mover(&context.whole(), agent) {
            let place = granted.refuses_place(context.facts.repository.as_ref(), &context.update.name);
            place.map_or(Ok(()), |excess| Err(further(excess)))?;
        }
        let path = self.commit.outside.iter().find(|(digest, _)| is_first && *digest == certificate.digest());
        path.and_then(|(_, path)| granted.refuses_path(path)).map_or(Ok(()), |excess| Err(further(excess)))?;
        let task = signed.task.and_then(|task| granted.refuses_task(task));
        task.map_or(Ok(()), |excess| Err(further(excess)))?;
        for (what, own, asked) in [
            ("task", granted.task(), &context.rule.tasks),
            ("environment", granted.environment(), &context.rule.environments),
        ] {
            let Some(asked) = asked else { continue };
            let matches = |text: &str| asked.iter().any(|glob| glob.matches(text.as_bytes(), LetterCase::Exact));
            if !own.is_some_and(matches) {
                let own = own.map_or_else(|| "none".to_owned(), |own| format!("\"{own}\""));
                let asked: Vec<&str> = asked.iter().map(Glob::as_str).collect();
                let words = format!("is for {what} {own}, and the rule asks for one of {}", asked.join(", "));
                return Err(fault(Code::GrantOutOfScope, words));
            }
        }
        for above in granted.above() {
            self.in_service(above, received.min(context.now))?;
        }
        self.in_service(agent, received.min(context.now))
    }

    /// The registered agent that holds `key`, which must be `name`, judged at the time when its work was first received.
    fn agent_with_key(&self, name: &str, key: &PublicKey, digest: Digest, whose: &str) -> Result<&'b Principal, Fault> {
        let (policy, received) = (self.context.policy, self.context.received(digest));
        let fingerprint = key.fingerprint();
        if let Some(objection) = policy.key_status(key, received).objection() {
            let words = objection.words(&KeyName::Ssh(fingerprint));
            return Err(Fault {
                code: Code::AgentRevoked,
                detail: format!("{whose} was made with {words}"),
                hint: self.commands().register(name, AgentKey::New).text(),
            });
        }
        let holder = policy.by_key(key).filter(|principal| policy.registers(self.context.rule, principal));
        match holder {
            Some(holder) if holder.kind != PrincipalKind::Agent || holder.id.as_str() != name => Err(Fault {
                code: Code::SharedKey,
                detail: format!("{whose} was made with a key of {} {}", holder.kind.noun(), holder.id),
                hint: self.commands().register(name, AgentKey::New).text(),
            }),
            Some(agent) if self.context.rule.asks_for_grants() => Err(Fault {
                code: Code::AgentNotAllowed,
                detail: format!("{whose} was made with a standing key, and agents work here under a grant"),
                hint: self.commands().grant(agent.id.as_str(), Code::AgentNotAllowed).text(),
            }),
            Some(agent) => self.in_service(agent, received.min(self.context.now)),
            None => Err(Fault {
                code: Code::UnknownAgent,
                detail: format!("{whose} was made with the key {fingerprint}, which no agent has registered as {name}"),
                hint: self.commands().register(name, AgentKey::Known).text(),
            }),
        }
    }

    fn in_service(&self, agent: &'b Principal, received: Timestamp) -> Result<&'b Principal, Fault> {
        match &agent.review_by {
            Some(date) if date.is_past(received) => Err(Fault {
                code: Code::AgentSuspended,
                detail: format!("{} was to be reviewed by {date} and is suspended", agent.id),
                hint: format!(
                    "ask {}, its owner, to review it and an admin to move review-by ({}:{})",
                    agent.owner.as_ref().map_or("an admin", |owner| owner.as_str()),
                    agent.at.file,
                    agent.at.line
                ),
            }),
            _ => Ok(agent),
        }
    }

    /// Who signed the commit as a whole, where no seal stands.
    fn signer(&self) -> Maker<'b> {
        let signature = match &self.commit.signature {
            SignatureFact::Good(signature) => signature,
            SignatureFact::None => {
                return match self.context.standing().service(self.commit) {
                    Some(service) => Maker::Service(service),
                    None => Maker::Unproven(self.unsigned("it is not signed".to_owned())),
                };
            }
            SignatureFact::Unsupported(kind) => {
                let detail = format!("its {kind} signature is not supported; sign with SSH or OpenPGP");
                return Maker::Unproven(self.unsigned(detail));
            }
            SignatureFact::Foreign(issuer) => {
                let detail = format!("it is signed with the OpenPGP key {issuer}, which nobody has registered");
                return self.unknown_signer(detail);
            }
            SignatureFact::Bad { reason, .. } => {
                if let Some(agent) = self.context.claimed_agent(&self.commit.signature) {
                    let detail = format!("{}'s signature does not verify: {reason}", agent.id);
                    let hint = self.commands().seal(Some(agent.id.as_str())).text();
                    return Maker::Unproven(Fault { code: Code::BadSeal, detail, hint });
                }
                let detail = format!("its signature does not verify: {reason}");
                let hint = self.commands().sign_as_person(self.commit.id).text();
                return Maker::Unproven(Fault { code: Code::BadSignature, detail, hint });
            }
        };
        let policy = self.context.policy;
        let received = self.context.received(signature.digest());
        let holder = policy.by_signer(signature.key()).filter(|one| policy.registers(self.context.rule, one));
        let name = signature.key().name();
        let objection = policy.objection(signature, received, self.context.now);
        match (holder, objection) {
            (Some(agent), _) if agent.kind == PrincipalKind::Agent => {
                let signed = Signed { by: signature.key(), digest: signature.digest(), task: None };
                match self.agent_of(agent.id.as_str(), &signed, &format!("{}'s signature", agent.id)) {
                    Ok(agent) => Maker::Agent(agent),
                    Err(fault) => Maker::Unproven(fault),
                }
            }
            (_, Some(objection)) => self.unknown_signer(format!("it is signed with {}", objection.words(&name))),
            (None, None) => self.unknown_signer(format!("it is signed with {name}, which nobody has registered")),
            (Some(service), None) if service.kind == PrincipalKind::Service => Maker::Service(service),
            (Some(_), None) if self.commit.drafted.is_empty() => Maker::Person,
            (Some(_), None) => Maker::Adopted,
        }
    }

    fn unknown_signer(&self, detail: String) -> Maker<'b> {
        let sign = self.commands().sign_as_person(self.commit.id);
        let hint = Hint::new().say("ask an admin to register your key, or sign with one that is").and(sign).text();
        Maker::Unproven(Fault { code: Code::UnknownSigner, detail, hint })
    }

    fn unsigned(&self, detail: String) -> Fault {
        let hint = self.commands().sign_as_person(self.commit.id).text();
        Fault { code: Code::UnsignedCommit, detail, hint }
    }

    /// The agent is who it says; may it work here?
    fn allowed(&mut self, agent: &Principal) {
        if self.context.rule.agents.contains(agent) {
            return self.review_nears(agent);
        }
        let code = if self.judged.touched.is_some() { Code::PathDenied } else { Code::AgentNotAllowed };
        let detail = format!("{}'s work is not accepted here", agent.id);
        let hint = match &self.judged.touched {
            Some(_) => "leave that path to an agent or person the rule accepts".to_owned(),
            None => self.commands().explain(&format!("push it to a ref that accepts the work of {}", agent.id)).text(),
        };
        self.find(code, detail, hint);
    }

    /// Two weeks before an agent is suspended, every push of its work says so.
    fn review_nears(&mut self, agent: &Principal) {
        let Some(date) = agent
            .review_by
            .filter(|date| date.is_within(REVIEW_NOTICE_DAYS, self.context.now) && !date.is_past(self.context.now))
        else {
            return;
        };
        let owner = agent.owner.as_ref().map_or("its owner", |owner| owner.as_str());
        let detail = format!("{} is to be reviewed by {date}, and suspended after that day", agent.id);
        let hint =
            format!("ask {owner} to review it and an admin to move review-by ({}:{})", agent.at.file, agent.at.line);
        let (rule, subject) = (self.context.rule, Subject::Ref(self.context.update.name.to_vec()));
        self.findings.notice(rule, Code::AgentSuspended, subject, detail, hint);
    }

    fn adopted(&mut self) {
        if self.context.rule.adopted == Permission::Deny {
            let hint = "have the agent make and seal the change itself".to_owned();
            self.find(Code::AgentNotAllowed, "adopted agents' work is not accepted here".to_owned(), hint);
        }
    }

    /// A person signed: fine, unless the commit shows that an agent made it.
    fn unmarked(&mut self) {
        if let Some(mark) = self.mark() {
            let detail = format!("it bears the mark of {} (\"{}\") but a person's signature", mark.agent, mark.line);
            let hint = self.seal_or_adopt(&mark.agent);
            self.find(Code::UnsealedAgentCommit, detail, hint.text());
        } else {
            self.unreadable();
        }
        self.faint_marks();
    }

    /// A service carries what others made: a merge that adds nothing, or approved commits in another form. Unless the rule lists
    /// it, what it carries is judged in its place.
    fn service(&mut self, service: &Principal) {
        let listed = self.context.rule.services.contains(&service.id);
        if listed || self.commit.merge == MergeFact::AddsNothing {
            return;
        }
        if let Some(carried) = self.approvals.and_then(|approvals| approvals.carried(self.commit.id)) {
            return carried.stands_for.iter().for_each(|id| self.carried(service, *id));
        }
        let detail = format!("service {} made it, but carries work that it did not author", service.id);
        let merge = || "merge instead of squashing, so that the sealed commits arrive as they are".to_owned();
        let names_agents = self.commit.seals.is_err() || !self.commit.drafted.is_empty();
        if self.mark().is_none() && self.unreadable() {
            return;
        }
        if self.mark().is_some() {
            self.find(Code::UnsealedAgentCommit, detail, merge());
        } else if self.context.rule.identity == Identity::Everyone {
            let hint =
                format!("merge without squashing, or ask an admin to list {} in the rule's services", service.id);
            self.find(Code::UnknownSigner, detail, hint);
        } else if names_agents {
            self.find(Code::UnsealedAgentCommit, detail, merge());
        }
    }

    /// Judges an approved commit that a service has made another of.
    fn carried(&mut self, service: &Principal, id: Oid) {
        match self.context.facts.commits.get(&id) {
            Some(commit) => {
                let (context, judged) = (self.context, self.judged);
                IdentityCheck { context, judged, commit, approvals: None, findings: &mut *self.findings }.judge();
            }
            None => {
                let detail = format!("service {} carries {}, which is not in this repository", service.id, id.short());
                let hint = "push the branch that was approved as well".to_owned();
                self.find(Code::UnknownSigner, detail, hint);
            }
        }
    }

    /// Nobody is proven to have made it. Does the rule ask?
    fn unproven(&mut self, fault: Fault) {
        self.faint_marks();
        // What an agent's own key made is the agent's work, whatever else it shows.
        let agents_key = matches!(
            fault.code,
            Code::AgentRevoked
                | Code::AgentSuspended
                | Code::AgentNotAllowed
                | Code::SharedKey
                | Code::BadSeal
                | Code::GrantExpired
                | Code::GrantOutOfScope
                | Code::GrantRevoked
                | Code::GrantUnknownIssuer
        );
        if agents_key {
            return self.find(fault.code, fault.detail, fault.hint);
        }
        if let Some(agent) = self.commit.drafted.first() {
            let detail =
                format!("it says {agent} drafted it, but no registered person has signed it: {}", fault.detail);
            let hint = self.commands().adopt("a person").text();
            return self.find(Code::UnsealedAgentCommit, detail, hint);
        }
        if let Some(mark) = self.mark() {
            let marked = format!("it bears the mark of {} (\"{}\") and no seal", mark.agent, mark.line);
            // What is wrong with the signature comes first: it may be all that is wrong.
            let detail = match fault.code {
                Code::UnsignedCommit => marked,
                _ => format!("{}; {marked}", fault.detail),
            };
            let seal = self.commands().seal(Some(&mark.agent));
            let seal = if self.has_sealed_before() { seal.and(lost_hooks()) } else { seal };
            let hint = match mark.kind {
                MarkKind::SquashedSeal => self.commands().adopt("a person who squashed the work").and(seal),
                MarkKind::AuthorEmail
                | MarkKind::AuthorName
                | MarkKind::Subject
                | MarkKind::Trailer
                | MarkKind::Footer => seal,
            };
            return self.find(Code::UnsealedAgentCommit, detail, hint.text());
        }
        if self.unreadable() {
            return;
        }
        if self.context.rule.identity == Identity::Everyone {
            self.find(fault.code, fault.detail, fault.hint);
        }
    }

    /// The first mark that counts under this rule.
    fn mark(&self) -> Option<&'b Mark> {
        self.context.mark(&self.commit.marks)
    }

    /// Refuses a commit in an encoding that nobody can read: it shows neither that an agent made it nor that none did.
    fn unreadable(&mut self) -> bool {
        let Some(encoding) = self.context.unreadable(self.commit.unreadable_encoding.as_ref()) else { return false };
        let detail = format!("nobody can say what it shows: its encoding header names \"{encoding}\"");
        let hint = unreadable::encoding_hint(self.context.update.base);
        self.find(Code::MalformedCommit, detail, hint);
        true
    }

    /// Marks that are too unsure or too new to refuse a push still warn.
    fn faint_marks(&mut self) {
        if let Some((mark, detail)) = self.context.faint_mark(&self.commit.marks).filter(|_| self.mark().is_none()) {
            let (rule, subject) = (self.context.rule, self.subject());
            let hint = self.commands().seal(Some(&mark.agent)).text();
            self.findings.notice(rule, Code::UnsealedAgentCommit, subject, detail, hint);
        }
    }

    /// Whether its author has sealed other work.
    fn has_sealed_before(&self) -> bool {
        self.context.update.sealed_before.contains(&self.commit.author)
    }

    fn find(&mut self, code: Code, detail: String, hint: String) {
        let detail = match &self.judged.touched {
            Some(path) => format!("{detail} (it touches \"{}\")", String::from_utf8_lossy(path)),
            None => detail,
        };
        let (rule, subject) = (self.context.rule, self.subject());
        self.findings.add(rule, code, subject, detail, hint);
    }

    fn subject(&self) -> Subject {
        let CommitFacts { id, summary, position, .. } = self.commit;
        Subject::Commit { id: *id, summary: summary.clone(), position: *position }
    }

    fn commands(&self) -> Commands<'_> {
        self.context.commands()
    }

    fn seal_or_adopt(&self, agent: &str) -> Hint {
        self.commands().seal(Some(agent)).and(self.commands().adopt("or a person who changed the work"))
    }
}

#[cfg(test)]
mod tests;
