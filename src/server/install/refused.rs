//! What cannot be protected, while the rest is.

use std::path::{Path, PathBuf};

use super::about;
use super::one::namesakes;
use crate::server::Install;
use crate::server::targets::Target;
use crate::system::users::Owner;
use crate::system::{Exit, Failure, Result, say};

/// What was done, and what could not be.
pub(super) struct Refused {
    /// Whether the first failure ends all.
    is_strict: bool,
    done: usize,
    failures: Vec<(PathBuf, Failure)>,
    /// What failed for other owners: they have said why.
    others: Vec<Failure>,
}

impl Refused {
    pub(super) fn new(arguments: &Install, targets: &[Target]) -> Self {
        let given = matches!(targets, [only] if only.root.is_none());
        Self { is_strict: arguments.all_or_nothing || given, done: 0, failures: Vec::new(), others: Vec::new() }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// What came of one step for one place; `None` where it failed and the others go on.
    pub(super) fn take<T>(&mut self, place: &Path, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(failure) if self.is_strict => Err(about(place, failure)),
            Err(failure) => {
                self.failures.push((place.to_owned(), failure));
                Ok(None)
            }
        }
    }

    pub(super) fn is_anything_done(&self) -> bool {
        self.done > 0
    }

    /// Counts one that is done.
    pub(super) fn count(&mut self) {
        self.done += 1;
    }

    /// Adds what failed for other owners, of so many that were asked.
    pub(super) fn add_others(&mut self, failures: Vec<Failure>, asked: usize) {
        self.done += asked.saturating_sub(failures.len());
        self.others.extend(failures);
    }

    /// Takes out those that would be called like a repository of another owner: neither owner can be asked about both.
    pub(super) fn take_out_namesakes(&mut self, targets: &mut Vec<Target>) -> Result<()> {
        let mut left = Vec::with_capacity(targets.len());
        for target in targets.drain(..) {
            let strange = target.namesake.as_ref().zip(target.name.as_ref()).filter(|(other, _)| {
                matches!((Owner::of(&target.path), Owner::of(other)), (Ok(own), Ok(other)) if own != other)
            });
            let refused = strange.map_or(Ok(()), |(other, name)| Err(namesakes(name, other)));
            if self.take(&target.path, refused)?.is_some() {
                left.push(target);
            }
        }
        *targets = left;
        Ok(())
    }

    /// Names what is not protected. What fails alike everywhere is said once, and nothing is done then.
    pub(super) fn end(self) -> Result {
        let Self { failures, others, done, .. } = self;
        let all = || failures.iter().map(|(_, failure)| failure).chain(&others);
        if let Some(first) = all().next().filter(|first| done == 0 && all().all(|other| other == *first)) {
            return Err(match failures.as_slice() {
                [(place, _)] => about(place, first.clone()),
                _ => first.clone(),
            });
        }
        let count = failures.len();
        for (place, failure) in failures {
            say(&about(&place, failure).to_string());
        }
        others.iter().for_each(|failure| say(&failure.to_string()));
        match (count, others.is_empty()) {
            (0, true) => return Ok(Exit::Accepted),
            (0, false) => {}
            (1, _) => say("error: 1 repository is not protected as was asked, and all others are: see above"),
            (count, _) => say(&format!("error: {count} repositories are not protected as was asked: see above")),
        }
        Ok(Exit::Rejected)
    }
}
