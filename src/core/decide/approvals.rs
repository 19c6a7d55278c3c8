//! Whether the persons that a rule asks for have approved exactly what would land: all findings about approvals of commits.
//!
//! Persons are counted, for each commit, and each once. Nobody approves what they made: the person who signed an unsealed commit, and the
//! one whom its author field names; of what lands in the place of approved commits, those commits' makers. The owner of an agent may
//! approve its work ("the agent proposes, a person approves"), unless the rule asks for somebody `independent`, who has no part in it at
//! all. A service carries and does not author, so what it makes is approved only by what it stands for.

use std::collections::BTreeSet;

use super::approval_set::{ApprovalSet, Approver, Objection};
use super::hint::{Hint, ref_word};
use super::unreadable::{self, Unreadable};
use super::{Code, Doubt, Findings, RuleContext, Standing, Subject, submitter, vouching};
use crate::core::facts::{CommitFacts, JudgedCommit, MergeFact, RefTarget, Sought};
use crate::core::id::Id;
use crate::core::landing::{Landing, MadeBy};
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::policy::{Approvals, Principal, PrincipalKind, Whose};
use crate::core::report::word;

/// Judges what one rule wants approved in one update.
pub(super) fn judge(
    context: &RuleContext<'_>,
    sought: Option<&Sought>,
    approvals: Option<&ApprovalSet<'_>>,
    findings: &mut Findings<'_>,
) {
    let Some(asks) = &context.rule.approvals else { return };
    vouching::warn_of_unknown_makers(context, findings);
    if let RefTarget::Unattributed(kind) = context.update.target {
        let subject = Subject::Ref(context.update.name.to_vec());
        let detail = format!("it leads to a {kind}, which nobody can approve");
        let hint = "commit the content and push the commit".to_owned();
        return findings.add(context.rule, Code::ApprovalMissing, subject, detail, hint);
    }
    let (Some(sought), Some(approvals)) = (sought, approvals) else { return };
    for judged in &sought.commits {
        match context.facts.commits.get(&judged.id) {
            Some(commit) => ApprovalCheck { context, asks, approvals, judged, commit }.judge(findings),
            None => {
                findings.doubt(Some(context.rule), &Doubt::Unreadable(format!("commit {} was not examined", judged.id)))
            }
        }
    }
}

/// Judges a commit among more than approvals are counted for. No record is about any of them, so that none stands in the place of what
/// was approved, and all that is left to find is whether somebody would have to approve it.
pub(super) fn judge_among_many(context: &RuleContext<'_>, judged: &JudgedCommit, findings: &mut Findings<'_>) {
    let Some(asks) = &context.rule.approvals else { return };
    let Some(commit) = context.facts.commits.get(&judged.id) else {
        let doubt = Doubt::Unreadable(format!("commit {} was not examined", judged.id));
        return findings.doubt(Some(context.rule), &doubt);
    };
    let landing = Landing::default();
    let approvals = ApprovalSet::new(context, &landing);
    let check = ApprovalCheck { context, asks, approvals: &approvals, judged, commit };
    if let Some(Unreadable { code, detail, hint }) = unreadable::unreadable(commit, context.update.base) {
        check.find(findings, code, detail, hint);
    } else if check.is_asked_for() {
        let most = limits::COMMITS;
        let doubt = format!("work that has to be approved is among more than {most} new commits");
        findings.doubt(Some(context.rule), &Doubt::Limit(doubt));
    }
}

/// One commit, and what is asked of it.
struct ApprovalCheck<'b> {
    context: &'b RuleContext<'b>,
    asks: &'b Approvals,
    approvals: &'b ApprovalSet<'b>,
    judged: &'b JudgedCommit,
    commit: &'b CommitFacts,
}

impl<'b> ApprovalCheck<'b> {
    fn judge(&self, findings: &mut Findings<'_>) {
        // Where identity looks at it too, this is found once. It need not: other refs may have been judged by who made it.
        if let Some(Unreadable { code, detail, hint }) = unreadable::unreadable(self.commit, self.context.update.base) {
            return self.find(findings, code, detail, hint);
        }
        self.say_whose_work_it_is(findings);
        if !self.is_asked_for() {
            return;
        }
        let makers = match self.makers() {
            Ok(makers) => makers,
            Err(objection) => return self.refuse(findings, 0, vec![objection]),
        };
        if let Some((detail, hint)) = vouching::unknown_maker(self.context, &makers) {
            return self.find(findings, Code::UnsignedCommit, detail, hint);
        }
        let mut for_it: BTreeSet<&Id> = BTreeSet::new();
        let mut objections: Vec<Objection> = Vec::new();
        for approver in self.approvals.approvers(self.commit.id, self.asks, self.made_by()) {
            match self.eligible(&approver, &makers) {
                Ok(()) => {
                    for_it.insert(&approver.person.id);
                }
                Err(objection) => objections.push(objection),
            }
        }
        if for_it.len() >= self.asks.count {
            return;
        }
        objections.extend(self.approvals.objections(self.commit.id, self.asks, self.made_by()));
        self.refuse(findings, for_it.len(), objections);
    }

    /// The commits whose makers made this one: itself, or what it stands for; one with a message of its own is its signer's too.
    fn makers(&self) -> Result<Vec<&'b CommitFacts>, Objection> {
        let Some(carried) = self.approvals.carried(self.commit.id) else { return Ok(vec![self.commit]) };
        let commit = |id: &Oid| {
            let words = || format!("it stands for {}, which is not in this repository", id.short());
            self.context.facts.commits.get(id).ok_or_else(|| Objection::new(Code::ApprovalVoid, words()))
        };
        let own = (carried.has_own_message && self.service().is_none()).then_some(Ok(self.commit));
        carried.stands_for.iter().map(commit).chain(own).collect()
    }

    /// What a person lands in the place of agents' commits stays theirs, and must say so.
    fn say_whose_work_it_is(&self, findings: &mut Findings<'_>) {
        if self.service().is_some()
            || self.commit.is_sealed()
            || self.signer_of(self.commit, PrincipalKind::Agent).is_some()
        {
            return;
        }
        let mut agents: BTreeSet<String> = BTreeSet::new();
        for (approval, place) in self.approvals.stand_ins(self.commit.id) {
            let approved: Option<Vec<&CommitFacts>> =
                place.iter().map(|id| self.context.facts.commits.get(id)).collect();
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
        self.find(findings, Code::UnsealedAgentCommit, detail, hint.text());
    }

    /// The agents whose work a commit is, by its seals, its signature or what a person said who adopted it.
    fn agents_of(&self, commit: &CommitFacts) -> Vec<String> {
        let sealed = commit.seals.iter().flatten().map(|seal| seal.agent.to_string());
        let drafted = commit.drafted.iter().map(ToString::to_string);
        let signer = self.signer_of(commit, PrincipalKind::Agent).map(|agent| agent.id.to_string());
        sealed.chain(drafted).chain(signer).collect()
    }

    /// Whether the rule wants this commit approved.
    fn is_asked_for(&self) -> bool {
        if let Some(service) = self.service() {
            // What it merges and adds nothing to is judged where it comes from.
            return !self.context.rule.services.contains(&service.id) && self.commit.merge != MergeFact::AddsNothing;
        }
        self.asks.whose == Whose::Everyone || self.is_agents_work()
    }

    fn is_agents_work(&self) -> bool {
        let sealed = self.commit.seals.as_ref().map_or(true, |seals| !seals.is_empty());
        let marked = self.context.mark(&self.commit.marks).is_some();
        let marked = marked || self.context.unreadable(self.commit.unreadable_encoding.as_ref()).is_some();
        let signed = self.context.claimed_agent(&self.commit.signature).is_some();
        sealed || marked || signed || !self.commit.drafted.is_empty()
    }

    fn service(&self) -> Option<&'b Principal> {
        self.standing().service(self.commit)
    }

    fn made_by(&self) -> MadeBy {
        if self.service().is_some() { MadeBy::Service } else { MadeBy::Somebody }
    }

    fn standing(&self) -> Standing<'b> {
        self.context.standing()
    }

    fn signer_of(&self, commit: &CommitFacts, kind: PrincipalKind) -> Option<&'b Principal> {
        self.standing().signer(commit, kind)
    }

    /// Whether this person's approval counts for this commit.
    fn eligible(&self, approver: &Approver<'_>, makers: &[&CommitFacts]) -> Result<(), Objection> {
        let (person, by) = (&approver.person.id, &approver.by);
        let words = |how: &str| format!("{by} approved it and {how}, and the rule asks for somebody independent");
        if self.asks.independent {
            match submitter::stands_behind(self.context, approver.person) {
                Ok(None) => {}
                Ok(Some(how)) => return Err(Objection::new(Code::NotDistinct, words(how))),
                Err(reason) => {
                    let words = format!("the rule asks for somebody independent of who pushes, and {reason}");
                    return Err(Objection::new(Code::SubmitterUnknown, words));
                }
            }
        }
        for commit in makers {
            if self.standing().makers(commit).contains(person) {
                let words = format!("{by} approved it and made it");
                return Err(Objection::new(Code::ApproverNotDistinct, words));
            }
            let behind = self.standing().behind(commit, person).or_else(|| self.standing().behind(self.commit, person));
            if let Some(how) = behind.filter(|_| self.asks.independent) {
                return Err(Objection::new(Code::NotDistinct, words(&how)));
            }
        }
        Ok(())
    }

    fn refuse(&self, findings: &mut Findings<'_>, count: usize, mut objections: Vec<Objection>) {
        let asked = self.asks.count;
        let noun = if asked == 1 { "approval" } else { "approvals" };
        let mut detail = format!("{} has {count} of {asked} {noun}", self.whose_work());
        objections.sort_by(|a, b| (a.rank(), &a.words).cmp(&(b.rank(), &b.words)));
        objections.dedup();
        for objection in objections.iter().take(3) {
            detail = format!("{detail}; {}", objection.words);
        }
        let code = objections.first().map_or(Code::ApprovalMissing, |objection| objection.code);
        let hint = self.hint();
        self.find(findings, code, detail, hint);
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
        match self
            .signer_of(self.commit, PrincipalKind::Agent)
            .or_else(|| self.signer_of(self.commit, PrincipalKind::Person))
        {
            Some(signer) => format!("{}'s work", signer.id),
            None => "it".to_owned(),
        }
    }

    /// How to get what is missing, for the one who pushes.
    fn hint(&self) -> String {
        let commands = self.context.commands();
        let Some(tip) = commands.tip() else { return String::new() };
        let (branch, target) = (format!("review-{}", tip.short()), ref_word(&self.context.update.name));
        let from = self.asks.from_text();
        let people = match self.asks.count {
            1 if self.asks.from.iter().any(|person| person.as_str() == from) => format!("{from} approves"),
            1 => format!("a person in {from} approves"),
            count => format!("{count} people in {from} approve"),
        };
        let push = format!("git push origin {}:refs/heads/{branch}", tip.abbreviated());
        // A policy that says the name tells it to whoever approves.
        let name = commands.name().filter(|_| self.context.policy.repository().is_none());
        let policy = self.context.facts.policy.as_deref().map_or_else(|| "FILE".to_owned(), word);
        let setup = name.into_iter().chain([format!("git config countersign.policy {policy}")]);
        Hint::new()
            .run("put it on a branch of its own", [push])
            .run("in a clone that does not know the server's policy, name it or a copy of it first", setup)
            .run(&format!("{people} it, and then push again"), [format!("countersign approve {branch} --for {target}")])
            .text()
    }

    fn find(&self, findings: &mut Findings<'_>, code: Code, detail: String, hint: String) {
        let detail = match &self.judged.touched {
            Some(path) => format!("{detail} (it touches {:?})", String::from_utf8_lossy(path)),
            None => detail,
        };
        let CommitFacts { id, summary, position, .. } = self.commit;
        let subject = Subject::Commit { id: *id, summary: summary.clone(), position: *position };
        findings.add(self.context.rule, code, subject, detail, hint);
    }
}

#[cfg(test)]
mod tests {
    use crate::core::decide::story::*;
    use crate::core::facts::CommitFacts;

    const SEALED: Work = (Proof::Seal(CLAUDE), true);

    #[test]
    fn exactly_what_was_approved_lands() {
        let two = || Story::under(&approvals_rule("[\"bob\"]", "")).gains(SEALED).gains(SEALED);
        insta::assert_snapshot!("approved", two().approved(&approval_of(0..=1), BOB).report());
        insta::assert_snapshot!("approved_by_nobody", two().report());
        insta::assert_snapshot!("one_rides_along", two().approved(&approval_of(0..=0), BOB).report());
        insta::assert_snapshot!("a_part_lands", two().approved(&approval_of(0..=2), BOB).report());
    }

    #[test]
    fn people_are_counted_and_each_once() {
        let asked = || Story::under(&approvals_rule("[\"bob\", \"carol\"]", "count = 2")).gains(SEALED);
        let by_bob = approval_of(0..=0);
        let mut by_carol = by_bob.clone();
        by_carol.approver = "carol".into();
        insta::assert_snapshot!("two_people", asked().approved(&by_bob, BOB).approved(&by_carol, CAROL).report());
        insta::assert_snapshot!("one_person_twice", asked().approved(&by_bob, BOB).approved(&by_bob, BOB).report());
    }

    #[test]
    fn nobody_approves_what_they_made() {
        let of = |spoil: fn(&mut CommitFacts)| {
            let rules = approvals_rule("[\"bob\", \"carol\"]", "for = \"everyone\"");
            Story::under(&rules).gains_made((Proof::Signature(BOB), false), spoil).approved(&approval_of(0..=0), BOB)
        };
        insta::assert_snapshot!("its_signer", of(|_| {}).report());
        let by_alice_for_bob = |commit: &mut CommitFacts| {
            commit.signature = signature_by(ALICE);
            commit.author = b"Bob@acme.dev"[..].into();
        };
        insta::assert_snapshot!("its_author", of(by_alice_for_bob).report());
        insta::assert_snapshot!("neither", of(|commit| commit.signature = signature_by(CAROL)).report());
    }

    #[test]
    fn the_owner_of_an_agent_approves_its_work_unless_somebody_independent_is_to() {
        let mut by_alice = approval_of(0..=0);
        by_alice.approver = "alice".into();
        let asked = |more| Story::under(&approvals_rule("[\"alice\", \"bob\"]", more)).gains(SEALED);
        insta::assert_snapshot!("the_owner", asked("").approved(&by_alice, ALICE).report());
        insta::assert_snapshot!("not_independent", asked("independent = true").approved(&by_alice, ALICE).report());
        let independent = asked("independent = true").approved(&approval_of(0..=0), BOB).report();
        insta::assert_snapshot!("independent", independent);
    }

    #[test]
    fn a_person_who_lands_agents_work_says_so() {
        let of = |spoil: fn(&mut CommitFacts)| {
            let story =
                Story::under(&approvals_rule("[\"bob\"]", "")).gains_made((Proof::Signature(ALICE), false), spoil);
            let mut approval = approval_of(0..=0);
            // Another commit with the same change and message was approved.
            approval.commits[0].id.0 = oid(50);
            approval.head.0 = oid(50);
            let sealed = commit(50, SEALED);
            story.with(|facts| drop(facts.commits.insert(sealed.id, sealed))).approved(&approval, BOB)
        };
        insta::assert_snapshot!("in_silence", of(|_| {}).report());
        insta::assert_snapshot!("and_says_so", of(|commit| commit.drafted = vec![id("claude-code")]).report());
    }
}
