//! Updates that bring more commits than facts are kept of: they are examined and judged some at a time, once for all rules that look at
//! the same, and what is remembered of each is its id and what was received with it.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use super::approvals::{Ends, over};
use super::subtraction::Subtracted;
use super::{COMMITS_AT_ONCE, FactReader, Look};
use crate::core::decide::{PartialVerdict, UpdateContext};
use crate::core::facts::{Doubt, Judged, JudgedCommit, Movement, Sought, Update};
use crate::core::landing::carries;
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::policy::{Identity, Mode, Policy, Rule};
use crate::core::scope::{Requirement, is_judged_at, judged_commits};
use crate::core::tree::{MainlineCommit, NewCommits, WalkLimits, mainline, mainline_end, on_mainline};
use crate::gate::examine::walk_doubt;
use crate::gate::received::{Maker, Received};

/// What is known of updates with many commits.
#[derive(Default)]
pub(super) struct Many {
    /// Whether the update that is looked at gains many.
    gains: bool,
    /// What its rules still have to look at.
    passes: Vec<Pass>,
    /// What earlier updates brought, and the refs that they move: judged by the rules of those.
    judged: Vec<(Arc<[u8]>, Rc<NewCommits>)>,
    received: Received,
}

/// One look at all that is new beyond the same.
struct Pass {
    /// The walk that hides it.
    hidden: usize,
    /// Who looks, by the positions of their rules.
    asked: Vec<(usize, Requirement)>,
}

impl Many {
    /// Before an update that gains so many commits.
    pub(super) fn begin(&mut self, gained: usize) {
        self.gains = gained > limits::COMMITS;
        self.passes.clear();
    }

    /// Whether the update gains more than is kept.
    pub(super) fn gains(&self) -> bool {
        self.gains
    }

    /// What other updates of the push have been judged by as far as `rule` asks. As between two pushes, it is not new: where it was
    /// refused, so is the push.
    pub(super) fn judged(&self, policy: &Policy, rule: &Rule, requirement: Requirement) -> Vec<Rc<NewCommits>> {
        let counts = |(name, _): &&(Arc<[u8]>, Rc<NewCommits>)| is_judged_at(policy, rule, requirement, name);
        self.judged.iter().filter(counts).map(|(_, new)| Rc::clone(new)).collect()
    }

    /// Whether something was received with an update.
    pub(super) fn has_received(&self, name: &[u8]) -> bool {
        self.received.holds(name)
    }

    pub(super) fn into_received(self) -> Received {
        self.received
    }
}

impl FactReader<'_> {
    /// Whether these would be more commits than facts are kept of.
    pub(super) fn is_many(&self, new: &NewCommits) -> bool {
        let known = &self.facts.commits;
        let room = limits::COMMITS.saturating_sub(known.len());
        new.len() > limits::COMMITS
            || (new.len() > room && new.iter().filter(|id| !known.contains_key(id)).count() > room)
    }

    /// Leaves what is new beyond a walk to [`FactReader::judge_many`].
    pub(super) fn put_off(&mut self, hidden: Option<usize>, rule: usize, asks: Requirement) -> Result<(), Doubt> {
        let hidden = hidden.filter(|_| self.look == Look::Everywhere).ok_or_else(|| over(limits::COMMITS))?;
        match self.many.passes.iter_mut().find(|pass| pass.hidden == hidden) {
            Some(pass) => pass.asked.push((rule, asks)),
            None => self.many.passes.push(Pass { hidden, asked: vec![(rule, asks)] }),
        }
        Ok(())
    }

    /// Judges what was left.
    pub(super) fn judge_many(&mut self, facts: &mut Update, ends: Ends, begun: &mut PartialVerdict) {
        let mut judged: Vec<Rc<NewCommits>> = Vec::new();
        for pass in std::mem::take(&mut self.many.passes) {
            begun.pass();
            match self.look_through(facts, ends, &pass, begun) {
                Ok(new) if pass.asked.iter().any(|(_, asks)| *asks == Requirement::Identity) => judged.push(new),
                Ok(_) => {}
                Err(doubt) => {
                    for judged in
                        facts.judged.iter_mut().filter(|one| pass.asked.iter().any(|(rule, _)| *rule == one.rule))
                    {
                        *judged = Judged { doubt: Some(doubt.clone()), ..Judged::nothing(judged.rule) };
                    }
                }
            }
        }
        if !judged.is_empty() {
            self.many.judged.extend(judged.into_iter().map(|new| (Arc::clone(&facts.name), new)));
            // Walks for the updates that come do not find it again.
            self.subtraction.walks = Subtracted::new(self.history);
        }
    }

    fn look_through(
        &mut self,
        facts: &mut Update,
        ends: Ends,
        pass: &Pass,
        begun: &mut PartialVerdict,
    ) -> Result<Rc<NewCommits>, Doubt> {
        let new = Rc::new(self.new_beyond(pass.hidden, ends)?);
        let unsigned = self.may_be_unsigned(facts, ends, &new)?;
        self.context.session.expects(new.len());
        // All of one size: what is told of a commit depends on whether it is alone.
        let size = new.len().div_ceil(new.len().div_ceil(COMMITS_AT_ONCE).max(1)).max(1);
        for start in (0..new.len()).step_by(size) {
            let places = start..new.len().min(start.saturating_add(size));
            let ids: Vec<Oid> = places.filter_map(|place| new.at(place)).collect();
            let known: BTreeSet<Oid> = ids.iter().copied().filter(|id| self.facts.commits.contains_key(id)).collect();
            self.examine_each(ids.iter().copied(), Some(&new))?;
            self.place_some(&ids, &new, &unsigned);
            self.examine_service_merges(ids.iter().copied(), &new)?;
            let some = ids.iter().filter_map(|id| self.facts.commits.get(id));
            if carries(some, self.policy) && self.has_records(&facts.name)? {
                return Err(over(limits::COMMITS));
            }
            self.judge_some(facts, pass, &ids, begun)?;
            let kept: BTreeSet<Oid> = begun.told().into_iter().chain(known).chain(first_sought(facts)).collect();
            self.forget(ids.into_iter().filter(|id| !kept.contains(id)));
        }
        self.many.received.finish().map_err(not_kept)?;
        Ok(new)
    }

    /// Says where commits stand, and which of them are a service's that need not be signed.
    fn place_some(&mut self, ids: &[Oid], new: &NewCommits, unsigned: &[bool]) {
        for id in ids {
            let (Some(place), Some(commit)) = (new.place(*id), self.facts.commits.get_mut(id)) else { continue };
            commit.position = place;
            if unsigned.get(place).copied().unwrap_or(false) {
                self.attribute(*id);
            }
        }
    }

    /// Judges some commits by the rules of a pass, and keeps what was received.
    fn judge_some(
        &mut self,
        facts: &mut Update,
        pass: &Pass,
        ids: &[Oid],
        begun: &mut PartialVerdict,
    ) -> Result<(), Doubt> {
        let policy = self.policy;
        let mut received: BTreeSet<Oid> = BTreeSet::new();
        let before: Vec<Option<JudgedCommit>> =
            facts.judged.iter().map(|judged| sought_first(judged).cloned()).collect();
        for judged in &mut facts.judged {
            let Some(rule) = policy.rules().get(judged.rule) else { continue };
            for (_, asks) in pass.asked.iter().filter(|(asking, _)| *asking == judged.rule) {
                let commits = judged_commits(rule, judged.rule, ids.iter().copied(), &self.facts.commits);
                match asks {
                    Requirement::Identity => {
                        if rule.mode == Mode::Enforce && rule.identity != Identity::None {
                            received.extend(commits.iter().map(|commit| commit.id));
                        }
                        judged.commits = commits;
                    }
                    Requirement::Approvals => {
                        if let Some(sought) = &mut judged.sought {
                            sought.commits = commits;
                        }
                    }
                }
            }
        }
        if received.iter().any(|id| self.is_counted(*id)) {
            // How many a grant has left is told of all that a push brings.
            return Err(over(limits::COMMITS));
        }
        let now = self.context.now;
        begun.judge(&UpdateContext { policy, facts: &self.facts, update: facts, now });
        for (judged, before) in facts.judged.iter_mut().zip(before) {
            judged.commits.clear();
            // Who may push asks for the first that touches its paths, and who approves has been asked.
            let submitters = policy.rules().get(judged.rule).is_some_and(|rule| rule.approvals.is_none());
            if let Some(Sought { commits, .. }) = &mut judged.sought {
                let first = before.or_else(|| commits.first().cloned());
                *commits = first.filter(|_| submitters).into_iter().collect();
            }
        }
        self.receive(&facts.name, received)
    }

    fn receive(&mut self, name: &Arc<[u8]>, commits: BTreeSet<Oid>) -> Result<(), Doubt> {
        for id in commits {
            let Some(commit) = self.facts.commits.get(&id) else { continue };
            for (key, digest) in commit.received() {
                let file = || self.context.memory.scratch();
                let kept = self.many.received.add(name, (id, digest), || Maker::of(self.policy, key), file);
                kept.map_err(not_kept)?;
            }
        }
        Ok(())
    }

    /// Drops what is known of commits that have been judged.
    pub(super) fn forget(&mut self, ids: impl Iterator<Item = Oid>) {
        for id in ids {
            let Some(commit) = self.facts.commits.remove(&id) else { continue };
            for (_, digest) in commit.received() {
                self.facts.receipts.remove(&digest);
            }
        }
    }

    /// For each place, whether its commit is a service's where nobody signed it.
    fn may_be_unsigned(&self, facts: &Update, ends: Ends, new: &NewCommits) -> Result<Vec<bool>, Doubt> {
        if self.pushing_service.is_none() {
            return Ok(Vec::new());
        }
        if self.many.gains() && facts.movement == Movement::Forward {
            let mut marks = vec![false; new.len()];
            for step in self.line_since_old(facts, ends)? {
                if let Some(mark) = new.place(step.commit).and_then(|place| marks.get_mut(place)) {
                    *mark = true;
                }
            }
            return Ok(marks);
        }
        let end = match (facts.movement, ends.old) {
            (Movement::Forward, Some(old)) => Some(old),
            _ => mainline_end(self.history, new, WalkLimits::PUSH).map_err(walk_doubt)?,
        };
        Ok(on_mainline(new, ends.tip, end))
    }

    /// The mainline down to the old value, where the update gains many.
    pub(super) fn line_since_old(&self, facts: &Update, ends: Ends) -> Result<Vec<MainlineCommit>, Doubt> {
        let Some(old) = ends.old.filter(|_| self.pushing_service.is_some() && facts.movement == Movement::Forward)
        else {
            return Ok(Vec::new());
        };
        let gained = self.new_commits(ends.tip, &[old], usize::MAX)?;
        Ok(mainline(&gained, ends.tip, Some(old)))
    }
}

fn not_kept(error: std::io::Error) -> Doubt {
    Doubt::Unreadable(format!("what is to be recorded cannot be kept: {error}"))
}

fn sought_first(judged: &Judged) -> Option<&JudgedCommit> {
    judged.sought.as_ref().and_then(|sought| sought.commits.first())
}

fn first_sought(facts: &Update) -> impl Iterator<Item = Oid> {
    facts.judged.iter().filter_map(sought_first).map(|commit| commit.id)
}
