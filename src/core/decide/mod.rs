//! Facts to verdict. Pure and total: everything it depends on is an argument, and every input has an answer.
//!
//! Each file holds one rule with its findings and tests. Rules see one update, or one commit of one update, at a time and
//! only add findings, so neither the order of rules nor that of commits can matter, and knowing less never accepts more.

mod approval_set;
mod approvals;
mod approver;
mod code;
mod finding;
mod frozen;
mod grants;
mod hint;
mod identity;
mod marks;
mod movement;
mod orders;
mod overridden;
mod protected;
mod records;
mod standing;
mod submitter;
mod tags;
mod unreadable;
mod vouching;

#[cfg(test)]
pub(crate) mod story;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use approval_set::ApprovalSet;
pub use approver::approver;
pub use code::{Area, Code};
pub use finding::{
    Finding, Landed, Outcome, Overridden, Reasons, RefVerdict, RuleName, Severity, Subject, Undecided, Verdict,
    WhoseWork,
};
pub use grants::{CommitLimit, commit_limits, counted_commits, received_commits};
pub use marks::{MarkWeight, mark_weight};
pub use standing::{ApprovedBy, Standing};
pub use submitter::{principal as submitting_principal, pushing_service};

use crate::core::digest::Digest;
use crate::core::facts::{CommitFacts, Doubt, Facts, Judged, SignatureFact, TagFacts, Update};
use crate::core::limits;
use crate::core::marks::Mark;
use crate::core::oid::Oid;
use crate::core::policy::{Mode, Policy, Principal, PrincipalKind, Rule};

/// Seconds since 1970 in UTC at which the push is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

/// Decides one push.
pub fn decide(policy: &Policy, facts: &Facts, now: Timestamp) -> Verdict {
    let mut verdicts = Verdicts::of(facts.updates.len());
    for update in &facts.updates {
        verdicts.judge(&UpdateContext { policy, facts, update, now }, None);
    }
    verdicts.finish()
}

/// The decision on a push as it is made, one update after the other: what is known of one need not be kept until the last.
pub struct Verdicts {
    /// Findings that are kept.
    kept: usize,
    refs: Vec<RefVerdict>,
}

impl Verdicts {
    /// Before the first of so many updates.
    pub fn of(updates: usize) -> Self {
        Self { kept: 0, refs: Vec::with_capacity(updates) }
    }

    /// Begins the next one, whose commits are judged some at a time.
    pub fn begin(&self) -> PartialVerdict {
        let room = limits::FINDINGS.saturating_sub(self.kept).min(limits::FINDINGS_OF_A_REF);
        PartialVerdict { collected: Collected { room, ..Collected::default() }, passes: vec![0] }
    }

    /// Decides the next one, or what is left of one that was begun. Of the facts, nothing is looked at but what the update is about.
    pub fn judge(&mut self, context: &UpdateContext<'_>, begun: Option<PartialVerdict>) -> Said {
        let verdict = judge_update(context, begun.unwrap_or_else(|| self.begin()));
        self.kept = self.kept.saturating_add(verdict.findings.len());
        let said = if verdict.is_plain() { Said::Nothing } else { Said::Something };
        self.refs.push(verdict);
        said
    }

    /// The decision on all of them.
    pub fn finish(mut self) -> Verdict {
        self.refs.sort_by(|a, b| a.name.cmp(&b.name));
        Verdict { refs: self.refs }
    }
}

/// Whether there is anything to say of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is accepted, with nothing found.
    Nothing,
    /// There is.
    Something,
}

/// An update some of whose commits have been judged: more than can be known at once.
pub struct PartialVerdict {
    collected: Collected,
    /// Commits that were judged in each pass over what is new.
    passes: Vec<usize>,
}

impl PartialVerdict {
    /// Says that what follows goes over the new commits again, for other rules.
    pub fn pass(&mut self) {
        self.passes.push(0);
    }

    /// Judges the commits that the rules of the update look at, and nothing else about it. Who approved them is not asked: what a rule
    /// wants approved is over a limit.
    pub fn judge(&mut self, context: &UpdateContext<'_>) {
        let UpdateContext { policy, facts, update, now } = *context;
        let mut findings = Findings { context: *context, collected: std::mem::take(&mut self.collected) };
        let mut commits: BTreeSet<Oid> = BTreeSet::new();
        for judged in &update.judged {
            let Some(rule) = policy.rules().get(judged.rule) else { continue };
            let context = RuleContext { policy, facts, update, rule, now };
            judge_commits(&context, judged, None, &mut findings);
            let sought = judged.sought.iter().flat_map(|sought| &sought.commits);
            for commit in sought.clone() {
                approvals::judge_among_many(&context, commit, &mut findings);
            }
            commits.extend(judged.commits.iter().chain(sought).map(|commit| commit.id));
        }
        self.collected = findings.collected;
        // What is only counted is not found again among other commits.
        self.collected.known.retain(|_, place| place.is_some());
        if let Some(judged) = self.passes.last_mut() {
            *judged = judged.saturating_add(commits.len());
        }
    }

    /// The commits that findings are about which are kept.
    pub fn told(&self) -> BTreeSet<Oid> {
        let commit = |finding: &Finding| match &finding.subject {
            Subject::Commit { id, .. } => Some(*id),
            Subject::Ref(_) | Subject::Tag { .. } => None,
        };
        self.collected.findings.iter().filter_map(commit).collect()
    }
}

fn judge_update(context: &UpdateContext<'_>, begun: PartialVerdict) -> RefVerdict {
    let UpdateContext { policy, facts, update, now } = *context;
    let PartialVerdict { collected, passes } = begun;
    let mut findings = Findings { context: *context, collected };
    protected::judge(context, &mut findings);
    records::judge(context, &mut findings);
    frozen::judge(context, &mut findings);
    grants::judge(context, &mut findings);
    if let Some(doubt) = &update.doubt {
        findings.doubt(None, doubt);
    }
    let mut commits = BTreeSet::new();
    for judged in &update.judged {
        let Some(rule) = policy.rules().get(judged.rule) else { continue };
        let sought = judged.sought.iter().flat_map(|sought| &sought.commits);
        commits.extend(judged.commits.iter().chain(sought).map(|commit| commit.id));
        judge_rule(&RuleContext { policy, facts, update, rule, now }, judged, &mut findings);
    }
    overridden::judge(context, &mut findings);
    // Passes go over the same commits, but for what each subtracts.
    findings.into_verdict(passes.into_iter().fold(commits.len(), usize::max))
}

fn judge_rule(context: &RuleContext<'_>, judged: &Judged, findings: &mut Findings<'_>) {
    if let Some(doubt) = &judged.doubt {
        findings.doubt(Some(context.rule), doubt);
    }
    movement::judge(context, findings);
    submitter::judge(context, judged, findings);
    tags::judge(context, findings);
    let landing = judged.sought.as_ref().and_then(|sought| context.update.landings.get(sought.landing));
    let approvals = landing.map(|landing| ApprovalSet::new(context, landing));
    findings.collected.landed.extend(approvals.iter().flat_map(ApprovalSet::landed));
    judge_commits(context, judged, approvals.as_ref(), findings);
    approvals::judge(context, judged.sought.as_ref(), approvals.as_ref(), findings);
}

/// Judges who made each commit.
fn judge_commits(
    context: &RuleContext<'_>,
    judged: &Judged,
    approvals: Option<&ApprovalSet<'_>>,
    findings: &mut Findings<'_>,
) {
    for commit in &judged.commits {
        match context.facts.commits.get(&commit.id) {
            Some(facts) => identity::judge(context, commit, facts, approvals, findings),
            None => {
                findings.doubt(Some(context.rule), &Doubt::Unreadable(format!("commit {} was not examined", commit.id)))
            }
        }
    }
}

/// One ref update, and all that its judgement depends on.
#[derive(Clone, Copy)]
pub struct UpdateContext<'a> {
    /// What is asked.
    pub policy: &'a Policy,
    /// What is known.
    pub facts: &'a Facts,
    /// The update.
    pub update: &'a Update,
    /// When it is judged.
    pub now: Timestamp,
}

/// The same, under one rule.
#[derive(Clone, Copy)]
struct RuleContext<'a> {
    policy: &'a Policy,
    facts: &'a Facts,
    update: &'a Update,
    rule: &'a Rule,
    now: Timestamp,
}

impl<'a> RuleContext<'a> {
    /// Without the rule.
    fn whole(&self) -> UpdateContext<'a> {
        let Self { policy, facts, update, rule: _, now } = *self;
        UpdateContext { policy, facts, update, now }
    }

    fn standing(&self) -> Standing<'a> {
        Standing { policy: self.policy, rule: self.rule }
    }

    /// The agent whose key a signature says to be made with, whether it verifies or not.
    fn claimed_agent(&self, signature: &SignatureFact) -> Option<&'a Principal> {
        let holder = signature.claimed_holder(self.policy);
        holder.filter(|one| one.kind == PrincipalKind::Agent && self.policy.registers(self.rule, one))
    }

    /// The commands that hints are made of.
    fn commands(&self) -> hint::Commands<'a> {
        hint::Commands { policy: self.policy, facts: self.facts, update: self.update }
    }

    /// When something that was signed was first received: before this push, or with it.
    fn received(&self, digest: Digest) -> Timestamp {
        self.facts.receipts.get(&digest).copied().unwrap_or(self.now)
    }
}

/// Collects the findings of one update. What several rules find alike is one finding.
struct Findings<'a> {
    context: UpdateContext<'a>,
    collected: Collected,
}

/// What was found so far.
#[derive(Default)]
struct Collected {
    /// Findings of each severity that are kept; of more, the number.
    room: usize,
    findings: Vec<Finding>,
    /// Where each finding is kept, or that it is only counted.
    known: HashMap<u64, Option<usize>>,
    kept: BTreeMap<Severity, usize>,
    more: BTreeMap<(Severity, Code, WhoseWork, Option<RuleName>), usize>,
    undecided: Vec<Undecided>,
    /// Approvals that land with the update.
    landed: BTreeSet<Landed>,
    /// By which orders it is accepted in spite of what was found.
    overridden: Vec<Overridden>,
}

impl Findings<'_> {
    /// Adds a finding of a rule, as severe as its mode says.
    fn add(&mut self, rule: &Rule, code: Code, subject: Subject, detail: String, hint: String) {
        self.insert(Severity::of(rule.mode), vec![RuleName::of(rule)], code, subject, [detail, hint]);
    }

    /// Adds a finding that refuses nothing under any rule. A silent rule has none.
    fn notice(&mut self, rule: &Rule, code: Code, subject: Subject, detail: String, hint: String) {
        if Severity::of(rule.mode) > Severity::Observed {
            self.insert(Severity::Notice, vec![RuleName::of(rule)], code, subject, [detail, hint]);
        }
    }

    /// Adds a finding that no rule had to ask for.
    fn protect(&mut self, code: Code, detail: String, hint: String) {
        let subject = Subject::Ref(self.context.update.name.to_vec());
        self.insert(Severity::Error, Vec::new(), code, subject, [detail, hint]);
    }

    /// The same, about something that the update brings.
    fn protect_from(&mut self, code: Code, subject: Subject, detail: String, hint: String) {
        self.insert(Severity::Error, Vec::new(), code, subject, [detail, hint]);
    }

    fn insert(&mut self, severity: Severity, rules: Vec<RuleName>, code: Code, subject: Subject, words: [String; 2]) {
        let [detail, hint] = words;
        let UpdateContext { policy, facts, .. } = self.context;
        let agent = match &subject {
            Subject::Commit { id, .. } => facts.commits.get(id).and_then(|commit| agent_of(policy, commit)),
            Subject::Tag { id, .. } => facts.tags.get(id).and_then(|tag| agent_of_tag(policy, tag)),
            Subject::Ref(_) => None,
        };
        let finding = Finding { code, severity, subject, agent, rules, detail, hint };
        let Collected { room, findings, known, kept, more, .. } = &mut self.collected;
        match known.get(&finding.likeness()) {
            Some(Some(known)) => {
                let rules = findings.get_mut(*known).map(|known| &mut known.rules);
                let new = rules.filter(|rules| !finding.rules.iter().all(|rule| rules.contains(rule)));
                new.into_iter().for_each(|rules| rules.extend(finding.rules.iter().cloned()));
            }
            Some(None) => {}
            None => {
                let kept = kept.entry(finding.severity).or_default();
                if *kept >= *room {
                    known.insert(finding.likeness(), None);
                    let counted = more.keys().map(|(_, _, whose, _)| whose);
                    let whose = WhoseWork::tell_apart(counted, finding.agent.as_deref());
                    let rule = finding.rules.into_iter().next();
                    *more.entry((finding.severity, finding.code, whose, rule)).or_default() += 1;
                    return;
                }
                *kept += 1;
                known.insert(finding.likeness(), Some(findings.len()));
                findings.push(finding);
            }
        }
    }

    /// Adds something that could not be found out. Only a rule in observe mode lets it pass.
    fn doubt(&mut self, rule: Option<&Rule>, doubt: &Doubt) {
        let severity = rule.map_or(Severity::Error, |rule| Severity::of(rule.mode));
        match doubt {
            Doubt::Unreadable(reason) => {
                let undecided = Undecided { severity, rule: rule.map(RuleName::of), reason: reason.clone() };
                self.collected.undecided.push(undecided);
            }
            Doubt::Limit(reason) => {
                let subject = Subject::Ref(self.context.update.name.to_vec());
                let hint = "push in smaller parts, or ask an admin to import the history with the hook off".to_owned();
                let rules = rule.map(RuleName::of).into_iter().collect();
                self.insert(severity, rules, Code::LimitExceeded, subject, [reason.clone(), hint]);
            }
        }
    }

    fn into_verdict(self, commits: usize) -> RefVerdict {
        let Update { name, old, new, .. } = self.context.update;
        let Collected { mut findings, more, undecided, landed, overridden, .. } = self.collected;
        for finding in &mut findings {
            finding.rules.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        }
        findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        let reasons = Reasons { findings, more, undecided, landed: landed.into_iter().collect(), overridden };
        RefVerdict { name: Arc::clone(name), old: *old, new: *new, commits, reasons: reasons.boxed() }
    }
}

/// The agent whose work a commit shows to be, by its first seal, the key of its signature, its first mark or who adopted it.
fn agent_of(policy: &Policy, commit: &CommitFacts) -> Option<String> {
    let seal = commit.seals.as_ref().ok().and_then(|seals| seals.first());
    let drafted = || commit.drafted.first().map(ToString::to_string);
    seal.map(|seal| seal.agent.to_string()).or_else(|| shown(policy, &commit.signature, &commit.marks)).or_else(drafted)
}

fn agent_of_tag(policy: &Policy, tag: &TagFacts) -> Option<String> {
    shown(policy, &tag.signature, &tag.marks)
}

fn shown(policy: &Policy, signature: &SignatureFact, marks: &[Mark]) -> Option<String> {
    let signer = signature.claimed_holder(policy).filter(|one| one.kind == PrincipalKind::Agent);
    // Of several agents of one tool, the mark says only which tool.
    let registered = |mark: &Mark| policy.agent_for_tool(&mark.agent).filter(|_| policy.is_one_agent(&mark.agent));
    let marked =
        || marks.first().map(|mark| registered(mark).map_or_else(|| mark.agent.clone(), |one| one.id.to_string()));
    signer.map(|signer| signer.id.to_string()).or_else(marked)
}

impl Severity {
    /// How severe a finding of a rule in this mode is.
    fn of(mode: Mode) -> Self {
        match mode {
            Mode::Enforce => Self::Error,
            Mode::Warn => Self::Warning,
            Mode::Observe | Mode::Off => Self::Observed,
        }
    }
}
