//! The approvals that are about one ref update: which hold, what each covers, and why others do not count.
//!
//! An approval holds while its key is one of the person it names and neither revoked nor retired, it is for this ref and this repository, it
//! is issued by now and has not expired, and that person has not withdrawn it. A rule may ask more of it: whose it is, how old it may be,
//! and that somebody touched the hardware key that signed it. It grants nothing but itself: who pushes still needs leave to push. What a
//! service attests counts only under a rule that lists the service, and nobody touched anything for it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code, Landed, RuleContext, Timestamp, approver};
use crate::core::approval::{Approval, Attested, Decision, VerifiedApproval, withdraws};
use crate::core::facts::{ApprovalFact, SignatureFact};
use crate::core::landing::{Carried, Coverage, Landing, MadeBy, NearMiss, Use, coverage, near, stand_ins};
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::policy::{Approvals, KeyStatus, Principal, PrincipalKind};
use crate::core::ssh::Presence;

/// Every approval of one update, as one rule sees it.
pub(super) struct ApprovalSet<'a> {
    valid: Vec<ValidApproval<'a>>,
    /// Merges that a person signed as an approval of what they bring in.
    merges: Vec<SignedMerge<'a>>,
    void: Vec<VoidApproval<'a>>,
    landing: &'a Landing,
    now: Timestamp,
}

struct ValidApproval<'a> {
    person: &'a Principal,
    approval: &'a VerifiedApproval,
    used: Use,
    coverage: Coverage,
    stand_ins: BTreeMap<Oid, BTreeSet<Oid>>,
    /// Whether it says the truth about the commits that it names.
    is_borne_out: bool,
}

impl ValidApproval<'_> {
    /// What a commit carries of the commits that it names, where it is known to be true of them: they are new themselves, or in the
    /// repository.
    fn carried(&self, commit: Oid, landing: &Landing) -> Option<&Carried> {
        let carried = self.coverage.by_content.get(&commit)?;
        let known = self.is_borne_out || carried.stands_for.iter().all(|id| landing.new.contains_key(id));
        known.then_some(carried)
    }
}

struct SignedMerge<'a> {
    person: &'a Principal,
    presence: Option<Presence>,
    brings: &'a BTreeSet<Oid>,
}

/// An approval that counts for nothing.
struct VoidApproval<'a> {
    approval: &'a Approval,
    objection: Objection,
    /// What it would cover.
    coverage: Coverage,
    stand_ins: BTreeMap<Oid, BTreeSet<Oid>>,
}

/// A person whose approval covers a commit.
pub(super) struct Approver<'a> {
    pub(super) person: &'a Principal,
    /// The person, and at whose word.
    pub(super) by: String,
}

/// Why an approval does not count for a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Objection {
    pub(super) code: Code,
    pub(super) words: String,
}

impl Objection {
    pub(super) fn new(code: Code, words: String) -> Self {
        Self { code, words }
    }

    /// What was closest to counting comes first.
    pub(super) fn rank(&self) -> u8 {
        self.code.rank()
    }
}

impl<'a> ApprovalSet<'a> {
    /// Counts what there is for a landing on a ref.
    pub(super) fn new(context: &RuleContext<'a>, landing: &'a Landing) -> Self {
        let mut approvals = Self { valid: Vec::new(), merges: Vec::new(), void: Vec::new(), landing, now: context.now };
        let records = context.facts.approvals.get(&*context.update.name).map(Vec::as_slice).unwrap_or_default();
        for fact in records {
            approvals.add(context, fact, records);
        }
        approvals.merges = signed_merges(context, landing);
        approvals
    }

    fn add(&mut self, context: &RuleContext<'a>, fact: &'a ApprovalFact, records: &'a [ApprovalFact]) {
        // What is no record says nothing: storing it is refused, and nobody can tell what it would be about.
        let Some(approval) = fact.approval() else { return };
        let used = fact.used;
        let covers = coverage(approval.approval(), self.landing, used);
        let stand_ins = stand_ins(approval.approval(), self.landing);
        match valid_approver(context, fact, approval, records) {
            Ok(person) => {
                let is_borne_out = fact.is_borne_out;
                self.valid.push(ValidApproval { person, approval, used, coverage: covers, stand_ins, is_borne_out });
            }
            Err(objection) => {
                self.void.push(VoidApproval { approval: approval.approval(), objection, coverage: covers, stand_ins });
            }
        }
    }

    /// What a commit carries of approved ones, where it is made of them by rebase, squash or merge.
    pub(super) fn carried(&self, commit: Oid) -> Option<&Carried> {
        self.valid.iter().find_map(|valid| valid.carried(commit, self.landing))
    }

    /// The approvals in whose commits' place a commit stands, with those commits. Approvals that count for nothing, or no more, tell whose
    /// work it is all the same: neither taking one back nor landing it makes the work anybody else's.
    pub(super) fn stand_ins(&self, commit: Oid) -> impl Iterator<Item = (&'a Approval, &BTreeSet<Oid>)> {
        let valid = self.valid.iter().map(|valid| (valid.approval.approval(), &valid.stand_ins));
        let void = self.void.iter().map(|void| (void.approval, &void.stand_ins));
        valid.chain(void).filter_map(move |(approval, stand_ins)| {
            let place = stand_ins.get(&commit)?;
            place.iter().any(|id| !self.landing.new.contains_key(id)).then_some((approval, place))
        })
    }

    /// The persons whose approval covers a commit. What a service made is covered only by its content.
    pub(super) fn approvers(&self, commit: Oid, asks: &Approvals, made_by: MadeBy) -> Vec<Approver<'a>> {
        let covers = |valid: &&ValidApproval<'_>| match made_by {
            MadeBy::Service => valid.carried(commit, self.landing).is_some(),
            MadeBy::Somebody => valid.coverage.contains(commit) && self.uncovered_reviewer(valid, commit).is_none(),
        };
        let valid = self.valid.iter().filter(covers).filter(|valid| self.condition_unmet(valid, asks).is_none());
        let merges = self.merges.iter().filter(|merge| {
            let counts = asks.signed_merge && merge.brings.contains(&commit) && asks.from.contains(&merge.person.id);
            counts && presence_missing(merge.presence, asks).is_none()
        });
        let valid = valid.map(|valid| Approver { person: valid.person, by: valid.approval.approval().by() });
        let merges = merges.map(|merge| Approver { person: merge.person, by: merge.person.id.to_string() });
        valid.chain(merges).collect()
    }

    /// Who is said below the message of a commit to have reviewed it, and has no approval that covers it.
    fn uncovered_reviewer<'v>(&self, valid: &'v ValidApproval<'_>, commit: Oid) -> Option<&'v Vec<u8>> {
        if valid.coverage.by_id.contains(&commit) {
            return None;
        }
        let approves = |address: &Vec<u8>| {
            let own = |email: &String| email.as_bytes().eq_ignore_ascii_case(address);
            let covering = self.valid.iter().filter(|valid| valid.coverage.contains(commit));
            covering.into_iter().any(|valid| valid.person.emails.iter().any(own))
        };
        valid.coverage.by_content.get(&commit)?.reviewers.iter().find(|address| !approves(address))
    }

    /// Why approvals that are about a commit do not count.
    pub(super) fn objections(&self, commit: Oid, asks: &Approvals, made_by: MadeBy) -> Vec<Objection> {
        let mut objections = Vec::new();
        for valid in &self.valid {
            let approval = valid.approval.approval();
            if valid.coverage.contains(commit) {
                objections.extend(self.condition_unmet(valid, asks));
                if made_by == MadeBy::Service && !valid.coverage.by_content.contains_key(&commit) {
                    let words = format!("{} approved it, but a service carries and does not author", approval.by());
                    objections.push(Objection::new(Code::ApprovalVoid, words));
                } else if let Some(address) =
                    self.uncovered_reviewer(valid, commit).filter(|_| made_by == MadeBy::Somebody)
                {
                    let words = format!(
                        "{} approved it, but below its message it says that {:?} reviewed it, whose approval does not cover it",
                        approval.by(),
                        String::from_utf8_lossy(address)
                    );
                    objections.push(Objection::new(Code::ApprovalVoid, words));
                } else if made_by == MadeBy::Service && valid.carried(commit, self.landing).is_none() {
                    let words = format!(
                        "the record of {} names commits that are not here or not as it says, and a service made this of them",
                        approval.by()
                    );
                    objections.push(Objection::new(Code::ApprovalVoid, words));
                }
            } else if let Some(near) = near(approval, self.landing, valid.used, commit) {
                objections.push(Objection::new(Code::ApprovalVoid, near_words(approval, &near)));
            }
        }
        for void in &self.void {
            let about =
                void.coverage.contains(commit) || near(void.approval, self.landing, Use::Fresh, commit).is_some();
            objections.extend(about.then(|| void.objection.clone()));
        }
        objections
    }

    /// Why a valid approval does not count under what a rule asks.
    fn condition_unmet(&self, valid: &ValidApproval<'_>, asks: &Approvals) -> Option<Objection> {
        let said = valid.approval.approval();
        let by = said.by();
        if !asks.from.contains(&valid.person.id) {
            let words = format!("{by} approved it, whose approval the rule does not ask for");
            return Some(Objection::new(Code::ApproverNotAllowed, words));
        }
        let presence = valid.approval.signature().presence();
        let missing = match &said.attested {
            None => presence_missing(presence, asks),
            Some(_) => asks.asks_for_a_touch().then_some("in a forge, where nobody touches a hardware key"),
        };
        if let Some(words) = missing {
            return Some(Objection::new(Code::PresenceMissing, format!("{by} approved it {words}")));
        }
        let age = self.now.0.saturating_sub(said.issued.0.0);
        let limit = asks.max_age.filter(|limit| age > limit.seconds)?;
        let words = format!("{by} approved it on {}, more than {limit} ago", said.issued);
        Some(Objection::new(Code::ApprovalExpired, words))
    }

    /// The approvals that land with the update.
    pub(super) fn landed(&self) -> impl Iterator<Item = Landed> + '_ {
        let landed = self.valid.iter().filter(|valid| valid.used == Use::Fresh && !valid.coverage.is_empty());
        landed.map(|valid| Landed {
            approver: valid.person.id.clone(),
            attested: valid.approval.approval().attested.as_ref().map(|attested| attested.service.clone()),
            digest: valid.approval.digest(),
        })
    }
}

/// The person whose approval this is, if it counts for anything.
fn valid_approver<'a>(
    context: &RuleContext<'a>,
    fact: &ApprovalFact,
    approval: &VerifiedApproval,
    records: &[ApprovalFact],
) -> Result<&'a Principal, Objection> {
    let (policy, key) = (context.policy, approval.signature().key());
    let said = approval.approval();
    let noun = said.noun();
    let void = |words: String| Err(Objection::new(Code::ApprovalVoid, words));
    let person = holder(context, approval)?;
    if let Some(attested) = said.attested.as_ref().filter(|attested| !counts_word_of(context, attested)) {
        let words =
            format!("{noun} does not count, as the rule takes nobody's approval at the word of {}", attested.service);
        return Err(Objection::new(Code::ApproverNotAllowed, words));
    }
    if policy.key_status(key, context.received(approval.signature().digest())) != KeyStatus::Good {
        return void(format!("{noun} is signed with the revoked key {}", key.fingerprint()));
    }
    let named = context.facts.repository.as_ref().is_some_and(|own| own.as_str() == said.repository);
    if !named || said.name.as_bytes() != &*context.update.name || !fact.place.is_by(said) {
        return void(format!("{noun} is for {} of {}", said.name, said.repository));
    }
    if said.decision == Decision::Withdraw {
        return void(format!("{} withdrew the approval on {}", said.by(), said.issued));
    }
    let taken_back = records
        .iter()
        .filter_map(ApprovalFact::approval)
        .find(|other| withdraws(other.approval(), said) && holder(context, other).is_ok());
    if let Some(withdrawal) = taken_back.map(VerifiedApproval::approval) {
        return void(format!("{} withdrew the approval on {}", withdrawal.by(), withdrawal.issued));
    }
    if said.issued.0.0 > context.now.0.saturating_add(limits::CLOCK_SKEW) {
        return void(format!("{noun} is issued in the future, on {}", said.issued));
    }
    if said.expires.0 < context.now {
        return Err(Objection::new(Code::ApprovalExpired, format!("{noun} expired on {}", said.expires)));
    }
    Ok(person)
}

/// What a token did not say, in words that follow "approved it".
fn presence_missing(presence: Option<Presence>, asks: &Approvals) -> Option<&'static str> {
    if !asks.asks_for_a_touch() {
        None
    } else if presence.is_none() {
        Some("with a key that is not in a hardware token")
    } else if !presence.is_some_and(|presence| presence.user_present) {
        Some("with a hardware key that nobody touched")
    } else if asks.verification && !presence.is_some_and(|presence| presence.user_verified) {
        Some("with a hardware key that did not verify who touched it")
    } else {
        None
    }
}

/// The mainline merges by which their signers approve what they bring in.
fn signed_merges<'a>(context: &RuleContext<'a>, landing: &'a Landing) -> Vec<SignedMerge<'a>> {
    let Some(repository) = &context.facts.repository else { return Vec::new() };
    let mut merges = Vec::new();
    for step in &landing.steps {
        let (Some(brought), Some(commit)) = (&step.merge, context.facts.commits.get(&step.commit)) else { continue };
        let SignatureFact::Good(signature) = &commit.signature else { continue };
        let says = commit.approves.iter().any(|one| one.repository == *repository && *one.name == *context.update.name);
        let (policy, received) = (context.policy, context.received(signature.digest()));
        let person = context.standing().signer(commit, PrincipalKind::Person);
        let good = policy.objection(signature, received, context.now).is_none();
        if let Some(person) = person.filter(|_| says && good) {
            merges.push(SignedMerge { person, presence: signature.presence(), brings: &brought.commits });
        }
    }
    merges
}

/// Whose approval a record is, as far as the rule knows.
fn holder<'a>(context: &RuleContext<'a>, record: &VerifiedApproval) -> Result<&'a Principal, Objection> {
    let knows = |one: &Principal| context.policy.registers(context.rule, one);
    approver::counted(context.policy, &knows, (record.approval(), record.signature().key()))
}

/// Whether the rule takes a service's word for approvals. One that asks for none takes nobody's.
fn counts_word_of(context: &RuleContext<'_>, attested: &Attested) -> bool {
    let asks = context.rule.approvals.as_ref();
    asks.is_some_and(|asks| asks.attested.iter().any(|service| service.as_str() == attested.service))
}

fn near_words(approval: &Approval, near: &NearMiss) -> String {
    let (who, noun) = (approval.by(), approval.noun());
    match near {
        NearMiss::Part { missing } => {
            format!("{who} approved it together with {}, which is not there", missing.short())
        }
        NearMiss::Content { approved, path: Some(path) } => {
            let path = String::from_utf8_lossy(path);
            format!("{who} approved it as {}, and what it does to {path:?} has changed since", approved.short())
        }
        NearMiss::Content { approved, path: None } => {
            format!("{who} approved it as {}, and its content has changed since", approved.short())
        }
        NearMiss::Message { approved } => {
            format!("{who} approved it as {}, and its message has changed since", approved.short())
        }
        NearMiss::Order => format!("{who} approved it in another order, or without the commits between"),
        NearMiss::Spent => format!("{noun} has landed before, and lands once"),
        NearMiss::Agent { agent } => format!("{who} approved it, but not the work of {agent}, who sealed it"),
        NearMiss::Merge => format!("{who} approved what it merges, and it does more than merge that"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::canonical::Time;
    use crate::core::decide::story::*;

    const SEALED: Work = (Proof::Seal(CLAUDE), true);

    /// Each spoils a good approval in one thing.
    #[test]
    fn an_approval_holds_until_it_is_spoiled() {
        type Spoil = fn(&mut Approval);
        let cases: [(&str, u8, Spoil); 9] = [
            ("good", BOB, |_| {}),
            ("withdrawn", BOB, |approval| approval.decision = Decision::Withdraw),
            ("expired", BOB, |approval| approval.expires = Time(Timestamp(NOW.0 - 1))),
            ("issued_in_the_future", BOB, |approval| approval.issued = Time(Timestamp(NOW.0 + 3_600))),
            ("of_another_ref", BOB, |approval| approval.name = "refs/heads/other".into()),
            ("of_another_repository", BOB, |approval| approval.repository = "acme/other".into()),
            ("with_another_person_s_key", CAROL, |_| {}),
            ("with_an_agent_s_key", CLAUDE, |_| {}),
            ("with_a_stranger_s_key", STRANGER, |_| {}),
        ];
        for (name, by, spoil) in cases {
            let mut approval = approval_of(0..=0);
            spoil(&mut approval);
            let story = Story::under(&approvals_rule("[\"bob\"]", "")).gains(SEALED).approved(&approval, by);
            insta::assert_snapshot!(name, story.report());
        }
    }

    #[test]
    fn a_rule_asks_whose_it_is_how_old_and_by_what_key() {
        let dan = format!("[people.dan]\nkeys = [\"{}\"]\n", hardware_key());
        for (name, from, more) in [
            ("from_bob_within_an_hour", "[\"bob\"]", "max-age = \"1h\""),
            ("from_another", "[\"carol\"]", ""),
            ("too_old", "[\"bob\"]", "max-age = \"1m\""),
            ("without_a_touch", "[\"bob\", \"dan\"]", "presence = true"),
        ] {
            let mut approval = approval_of(0..=0);
            approval.issued = Time(Timestamp(NOW.0 - 600));
            let rules = format!("{dan}{}", approvals_rule(from, more));
            insta::assert_snapshot!(name, Story::under(&rules).gains(SEALED).approved(&approval, BOB).report());
        }
    }

    #[test]
    fn what_has_landed_as_something_else_covers_nothing_any_more() {
        let landed = |used| {
            let story = Story::under(&approvals_rule("[\"bob\"]", "")).gains(SEALED);
            let record = stored(&approval_of(0..=0), BOB, used);
            story.with(|facts| drop(facts.approvals.insert(b"refs/heads/main".to_vec(), vec![record])))
        };
        insta::assert_snapshot!("landed_by_id", landed(Use::LandedById).report());
        insta::assert_snapshot!("landed_by_content", landed(Use::LandedByContent).report());
    }

    #[test]
    fn a_later_withdrawal_takes_back_what_it_names() {
        let approval = approval_of(0..=0);
        let withdrawal =
            |issued| Approval { decision: Decision::Withdraw, issued: Time(Timestamp(issued)), ..approval.clone() };
        let story = || Story::under(&approvals_rule("[\"bob\"]", "")).gains(SEALED).approved(&approval, BOB);
        insta::assert_snapshot!("taken_back", story().approved(&withdrawal(NOW.0 - 30), BOB).report());
        insta::assert_snapshot!("not_taken_back", story().approved(&withdrawal(NOW.0 - 90), BOB).report());
        insta::assert_snapshot!(
            "somebody_else_s_withdrawal",
            story().approved(&withdrawal(NOW.0 - 30), CAROL).report()
        );
    }
}
