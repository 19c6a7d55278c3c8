//! A time that is looked at, and the ledgers of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::audit::log::Place;
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::core::policy::{Policy, Span};
use crate::desk::clone::Local;
use crate::gate::command::PreReceive;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::ref_values::StoredRefs;
use crate::server::installed_hook;
use crate::system::{Failure, Result, now};

/// From when until when.
pub(crate) struct Period {
    /// From when on: so long ago, such as 90d or 12w, or a day or time in UTC
    pub(crate) since: String,
    /// Until when; without it, until now
    pub(crate) until: Option<String>,
}

/// A time with its ends: it begins with the first and ends before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Period {
    pub(super) fn ends(&self) -> Result<Ends> {
        // What happens in this very second has happened.
        let this_second = || now().map(|now| Timestamp(now.0.saturating_add(1)));
        let to = self.until.as_deref().map_or_else(this_second, time)?;
        let from = match Span::parse(&self.since) {
            Some(span) => Timestamp(to.0.saturating_sub(span.seconds)),
            None => time(&self.since)?,
        };
        if from >= to {
            return Err(Failure::new("this time ends before it begins")
                .hint("--since 90d, or --since 2026-09-01 --until 2026-12-01"));
        }
        Ok(Ends { from, to })
    }
}

fn time(text: &str) -> Result<Timestamp> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let wrong = || Failure::new("this is no time").hint("write 90d, 12w, 2026-11-01 or 2026-11-01T08:00:00Z");
    Time::parse(&whole).map(|time| time.0).ok_or_else(wrong)
}

impl Ends {
    pub(super) fn has(self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }

    pub(super) fn words(self) -> String {
        format!("{} to {}", day(self.from), day(self.to))
    }
}

/// The day of a time, in UTC.
pub(super) fn day(time: Timestamp) -> String {
    Time(time).to_string().chars().take(10).collect()
}

/// A repository with its ledger, and what its hook decides by.
pub(super) struct Served {
    /// Its path, or that of its ledger.
    pub(super) path: PathBuf,
    pub(super) git_dir: Option<PathBuf>,
    pub(super) ledger: PathBuf,
    pub(super) hook: Option<PreReceive>,
    pub(super) policy: Option<Rc<Policy>>,
    /// Why its policy cannot be read.
    pub(super) problem: Option<String>,
}

impl Served {
    /// Whether the hook that is there refuses anything at all.
    pub(super) fn enforces(&self) -> bool {
        let hook = self.hook.as_ref().is_some_and(|hook| !hook.observe);
        hook && self.policy.as_ref().is_some_and(|policy| policy.enforces())
    }
}

/// The repositories that are meant. Policies that several share are read once.
pub(super) fn served(place: &Place) -> Result<Vec<Served>> {
    let mut known: HashMap<String, (Option<Rc<Policy>>, Option<String>)> = HashMap::new();
    let found = place.find()?;
    found
        .into_iter()
        .map(|found| {
            let hook = found.git_dir.as_deref().and_then(installed_hook);
            let policies = hook.as_ref().map(|hook| hook.policies.clone()).unwrap_or_default();
            let in_repository = policies.iter().any(|policy| matches!(policy, PolicyArg::InRepository(_)));
            let key = format!(
                "{policies:?} {}",
                if in_repository { found.directory.display().to_string() } else { String::new() }
            );
            let git_dir = found.git_dir.clone();
            let loaded =
                known.entry(key).or_insert_with(|| policy(&policies, git_dir.as_deref().filter(|_| in_repository)));
            let (policy, problem) = loaded.clone();
            let path = found.git_dir.clone().unwrap_or_else(|| found.directory.clone());
            Ok(Served { path, git_dir: found.git_dir, ledger: found.directory, hook, policy, problem })
        })
        .collect()
}

fn policy(policies: &[PolicyArg], git_dir: Option<&Path>) -> (Option<Rc<Policy>>, Option<String>) {
    if policies.is_empty() {
        return (None, None);
    }
    let loaded = match git_dir.map(Local::of_server).transpose() {
        Err(failure) => return (None, Some(failure.message)),
        Ok(None) => PolicyReader { repository: None }.load(policies),
        Ok(Some(local)) => {
            let values = StoredRefs { refs: &local.refs, objects: &local.objects };
            PolicyReader { repository: Some((&local.objects, &values)) }.load(policies)
        }
    };
    match loaded {
        Ok(loaded) => (Some(Rc::new(loaded.policy)), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_two_ends() {
        let ends = |since: &str, until: &str| Period { since: since.into(), until: Some(until.into()) }.ends();
        let whole = ends("2026-11-01", "2026-11-03").unwrap();
        assert_eq!(whole.to.0 - whole.from.0, 2 * 86_400);
        assert_eq!(ends("2d", "2026-11-03").unwrap(), whole);
        assert_eq!(whole.words(), "2026-11-01 to 2026-11-03");
        assert!(whole.has(whole.from) && !whole.has(whole.to));
        for (since, until) in [("2026-11-03", "2026-11-01"), ("yesterday", "2026-11-01"), ("1d", "tomorrow")] {
            assert!(ends(since, until).is_err());
        }
    }
}
