//! Whether the persons that a rule asks for have approved exactly what would land: all findings about approvals of commits.

use std::collections::BTreeSet;

use super::again::{self, Unreadable};
use super::ballot::{Ballot, Objection, Voter};
use super::hint::{Hint, ref_word};
use super::{Bench, Code, Docket, Doubt, Subject, submitter, vouching};
use crate::core::commit::Address;
use crate::core::facts::{CommitFacts, JudgedCommit, MergeFact, SignatureFact, Sought, Target};
use crate::core::id::Id;
use crate::core::oid::Oid;
use crate::core::policy::{Approvals, Kind, Principal, Whose};
use crate::core::report::word;

/// Judges what one rule wants approved in one update.
pub(super) fn judge(bench: &Bench<'_>, sought: Option<&Sought>, ballot: Option<&Ballot<'_>>, docket: &mut Docket<'_>) {
    let Some(asks) = &bench.rule.approvals else { return };
    vouching::tell(bench, docket);
    if let Target::Unattributed(kind) = docket.update.target {
        let subject = Subject::Ref(docket.update.name.clone());
        let detail = format!("it leads to a {kind}, which nobody can approve");
        let hint = "commit the content and push the commit".to_owned();
        return docket.find(bench.rule, Code::ApprovalMissing, subject, detail, hint);
    }
    let (Some(sought), Some(ballot)) = (sought, ballot) else { return };
    for judged in &sought.commits {
        match bench.facts.commits.get(&judged.id) {
            Some(commit) => Poll { bench, asks, ballot, judged, commit }.judge(docket),
            None => {
                docket.doubt(Some(bench.rule), &Doubt::Unreadable(format!("commit {} was not examined", judged.id)))
            }
        }
    }
}

/// One commit, and what is asked of it.
struct Poll<'b> {
    bench: &'b Bench<'b>,
    asks: &'b Approvals,
    ballot: &'b Ballot<'b>,
    judged: &'b JudgedCommit,
    commit: &'b CommitFacts,
}

impl<'b> Poll<'b> {
    fn judge(&self, docket: &mut Docket<'_>) {
        // Where identity looks at it too, this is found once. It need not: other refs may have been judged by who made it.
        if let Some(Unreadable { code, detail, hint }) = again::unreadable(self.commit, docket.update.base) {
            return self.find(docket, code, detail, hint);
        }
        self.say_whose_work_it_is(docket);
        if !self.is_asked_for() {
            return;
        }
        let makers = match self.makers() {
            Ok(makers) => makers,
            Err(objection) => return self.refuse(docket, 0, vec![objection]),
        };
        if let Some((detail, hint)) = vouching::objection(self.bench, &makers) {
            return self.find(docket, Code::UnsignedCommit, detail, hint);
        }
        let mut for_it: BTreeSet<&Id> = BTreeSet::new();
        let mut objections: Vec<Objection> = Vec::new();
        for voter in self.ballot.voters(self.commit.id, self.asks, self.service().is_some()) {
            match self.eligible(&voter, &makers) {
                Ok(()) => {
                    for_it.insert(&voter.person.id);
                }
                Err(objection) => objections.push(objection),
            }
        }
        if for_it.len() >= self.asks.count {
            return;
        }
        objections.extend(self.ballot.objections(self.commit.id, self.asks, self.service().is_some()));
        self.refuse(docket, for_it.len(), objections);
    }

    /// The commits whose makers made this one: itself, or what it stands for; one with a message of its own is its signer's too.
    fn makers(&self) -> Result<Vec<&'b CommitFacts>, Objection> {
        let Some(carried) = self.ballot.carried(self.commit.id) else { return Ok(vec![self.commit]) };
        let commit = |id: &Oid| {
            let words = || format!("it stands for {}, which is not in this repository", id.short());
            self.bench.facts.commits.get(id).ok_or_else(|| Objection::new(Code::ApprovalVoid, words()))
        };
        let own = (carried.has_own_message && self.service().is_none()).then_some(Ok(self.commit));
        carried.stands_for.iter().map(commit).chain(own).collect()
    }

    /// What a person lands in the place of agents' commits stays theirs, and must say so.
    fn say_whose_work_it_is(&self, docket: &mut Docket<'_>) {
        if self.service().is_some() || self.commit.is_sealed() || self.signer_of(self.commit, Kind::Agent).is_some() {
            return;
        }
        let mut agents: BTreeSet<String> = BTreeSet::new();
        for (approval, place) in self.ballot.stand_ins(self.commit.id) {
            let approved: Option<Vec<&CommitFacts>> = place.iter().map(|id| self.bench.facts.commits.get(id)).collect();
            match approved {
                Some(commits) => agents.extend(commits.into_iter().flat_map(|commit| self.agents_of(commit))),
                // What cannot be looked at may all be theirs.
                None => agents.extend(approval.agents.iter().cloned()),
            }
        }
        agents.retain(|agent| !self.commit.drafted.iter().any(|drafted| drafted.as_str() == agent));
        if agents.is_empty() {
            return;
        }
        let named = agents.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
        let detail = format!("it lands the approved work of {named} and does not say so");
        let say: String = agents.iter().map(|agent| format!(" --trailer \"Countersign-Drafted: {agent}\"")).collect();
        let hint = Hint::new()
            .run("if it is the last commit, have it say so", [format!("git commit --amend --no-edit -S{say}")])
            .say("else push the approved commits as they are");
        self.find(docket, Code::UnsealedAgentCommit, detail, hint.text());
    }

    /// The agents whose work a commit is, by its seals, its signature or what a person said who adopted it.
    fn agents_of(&self, commit: &CommitFacts) -> Vec<String> {
        let sealed = commit.seals.iter().flatten().map(|seal| seal.agent.to_string());
        let drafted = commit.drafted.iter().map(ToString::to_string);
        let signer = self.signer_of(commit, Kind::Agent).map(|agent| agent.id.to_string());
        sealed.chain(drafted).chain(signer).collect()
    }

    /// Whether the rule wants this commit approved.
    fn is_asked_for(&self) -> bool {
        if let Some(service) = self.service() {
            // What it merges and adds nothing to is judged where it comes from.
            return !self.bench.rule.services.contains(&service.id) && self.commit.merge != MergeFact::AddsNothing;
        }
        self.asks.whose == Whose::Everyone || self.is_agents_work()
    }

    fn is_agents_work(&self) -> bool {
        let sealed = self.commit.seals.as_ref().map_or(true, |seals| !seals.is_empty());
        let marked = self.bench.mark(&self.commit.marks).is_some();
        let marked = marked || self.bench.unreadable(self.commit.unreadable_encoding.as_ref()).is_some();
        let signed = self.bench.claimed_agent(&self.commit.signature).is_some();
        sealed || marked || signed || !self.commit.drafted.is_empty()
    }

    fn service(&self) -> Option<&'b Principal> {
        self.bench.service_of(self.commit)
    }

    fn signer_of(&self, commit: &CommitFacts, kind: Kind) -> Option<&'b Principal> {
        let SignatureFact::Good(signature) = &commit.signature else { return None };
        let policy = self.bench.policy;
        policy.by_key(signature.key()).filter(|one| one.kind == kind && policy.registers(self.bench.rule, one))
    }

    /// Whether this person's approval counts for this commit.
    fn eligible(&self, voter: &Voter<'_>, makers: &[&CommitFacts]) -> Result<(), Objection> {
        let person = &voter.person.id;
        if self.asks.independent {
            let words =
                |how: &str| format!("{person} approved it and {how}, and the rule asks for somebody independent");
            match submitter::stands_behind(self.bench, voter.person) {
                Ok(None) => {}
                Ok(Some(how)) => return Err(Objection::new(Code::NotDistinct, words(how))),
                Err(reason) => {
                    let words = format!("the rule asks for somebody independent of who pushes, and {reason}");
                    return Err(Objection::new(Code::SubmitterUnknown, words));
                }
            }
        }
        for commit in makers {
            if self.made(commit).contains(person) {
                let words = format!("{person} approved it and made it");
                return Err(Objection::new(Code::ApproverNotDistinct, words));
            }
            let behind = self.stands_behind(commit, person).or_else(|| self.stands_behind(self.commit, person));
            if let Some(how) = behind.filter(|_| self.asks.independent) {
                let words = format!("{person} approved it and {how}, and the rule asks for somebody independent");
                return Err(Objection::new(Code::NotDistinct, words));
            }
        }
        Ok(())
    }

    /// The persons who made a commit: who signed it and whom its author field names, unless an agent sealed it.
    fn made(&self, commit: &CommitFacts) -> BTreeSet<Id> {
        if commit.seals.as_ref().is_ok_and(|seals| !seals.is_empty()) || self.signer_of(commit, Kind::Agent).is_some() {
            return BTreeSet::new();
        }
        let signer = self.signer_of(commit, Kind::Person).map(|signer| signer.id.clone());
        self.named(&commit.author).into_iter().chain(signer).collect()
    }

    /// The persons with this email address.
    fn named(&self, email: &Address) -> BTreeSet<Id> {
        let has = |own: &String| email.is(own);
        let people = self.bench.policy.principals().filter(|one| one.kind == Kind::Person);
        people.filter(|one| one.emails.iter().any(has)).map(|one| one.id.clone()).collect()
    }

    /// How a person stands behind a commit already.
    fn stands_behind(&self, commit: &CommitFacts, person: &Id) -> Option<String> {
        let sealed = commit.seals.iter().flatten().map(|seal| &seal.agent);
        let signer = self.signer_of(commit, Kind::Agent).or_else(|| self.bench.service_of(commit));
        let agents = sealed.chain(&commit.drafted).chain(signer.map(|signer| &signer.id));
        let owns = |agent: &&Id| {
            let owner = self.bench.policy.principal(agent).and_then(|agent| agent.owner.as_ref());
            owner == Some(person)
        };
        if let Some(agent) = agents.into_iter().find(owns) {
            return Some(format!("owns {agent}"));
        }
        if self.named(&commit.author).contains(person) {
            return Some("is its author".to_owned());
        }
        if self.named(&commit.committer).contains(person) {
            return Some("is its committer".to_owned());
        }
        let signed = self.signer_of(commit, Kind::Person).is_some_and(|signer| signer.id == *person);
        signed.then(|| "signed it".to_owned())
    }

    fn refuse(&self, docket: &mut Docket<'_>, count: usize, mut objections: Vec<Objection>) {
        let asked = self.asks.count;
        let noun = if asked == 1 { "approval" } else { "approvals" };
        let mut detail = format!("{} has {count} of {asked} {noun}", self.whose_work());
        objections.sort_by(|a, b| (a.rank(), &a.words).cmp(&(b.rank(), &b.words)));
        objections.dedup();
        for objection in objections.iter().take(3) {
            detail = format!("{detail}; {}", objection.words);
        }
        let code = objections.first().map_or(Code::ApprovalMissing, |objection| objection.code);
        let hint = self.hint(docket);
        self.find(docket, code, detail, hint);
    }

    fn whose_work(&self) -> String {
        if let Some(seal) = self.commit.seals.as_ref().ok().and_then(|seals| seals.first()) {
            return format!("{}'s work", seal.agent);
        }
        if let Some(agent) = self.commit.drafted.first() {
            return format!("{agent}'s adopted work");
        }
        if let Some(service) = self.service() {
            return format!("what service {} carries", service.id);
        }
        match self.signer_of(self.commit, Kind::Agent).or_else(|| self.signer_of(self.commit, Kind::Person)) {
            Some(signer) => format!("{}'s work", signer.id),
            None => "it".to_owned(),
        }
    }

    /// How to get what is missing, for the one who pushes.
    fn hint(&self, docket: &Docket<'_>) -> String {
        let commands = self.bench.commands(docket);
        let Some(tip) = commands.tip() else { return String::new() };
        let (branch, target) = (format!("review-{}", tip.short()), ref_word(&docket.update.name));
        let from = self.asks.from_text();
        let people = match self.asks.count {
            1 if self.asks.from.iter().any(|person| person.as_str() == from) => format!("{from} approves"),
            1 => format!("a person in {from} approves"),
            count => format!("{count} people in {from} approve"),
        };
        let push = format!("git push origin {}:refs/heads/{branch}", tip.abbreviated());
        // A policy that says the name tells it to whoever approves.
        let name = commands.name().filter(|_| self.bench.policy.repository().is_none());
        let policy = self.bench.facts.policy.as_deref().map_or_else(|| "FILE".to_owned(), word);
        let setup = name.into_iter().chain([format!("git config countersign.policy {policy}")]);
        Hint::new()
            .run("put it on a branch of its own", [push])
            .run("in a clone that does not know the server's policy, name it or a copy of it first", setup)
            .run(&format!("{people} it, and then push again"), [format!("countersign approve {branch} --for {target}")])
            .text()
    }

    fn find(&self, docket: &mut Docket<'_>, code: Code, detail: String, hint: String) {
        let detail = match &self.judged.touched {
            Some(path) => format!("{detail} (it touches {:?})", String::from_utf8_lossy(path)),
            None => detail,
        };
        let CommitFacts { id, summary, position, .. } = self.commit;
        let subject = Subject::Commit { id: *id, summary: summary.clone(), position: *position };
        docket.find(self.bench.rule, code, subject, detail, hint);
    }
}
