//! Time: a decision that takes too long refuses the push and says how far it came. A slow disk or a huge push never hangs a
//! server, whose own limits might end the hook in another way than by refusing.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::session::{Posture, Session};
use crate::system::{process, threads};

/// What a hook is doing.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    Reading,
    Ledger,
    Deciding,
    Recording,
}

const WORDS: [&str; 4] =
    ["reading the push", "opening the repository and its ledger", "looking at the commits", "recording the decision"];

impl Stage {
    /// Its place in [`WORDS`].
    pub(super) fn place(self) -> usize {
        match self {
            Self::Reading => 0,
            Self::Ledger => 1,
            Self::Deciding => 2,
            Self::Recording => 3,
        }
    }
}

/// What happens when the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The push is refused.
    Refuse,
    /// Nothing is refused by it: a hook that observes, or that runs when the refs have moved.
    Pass,
}

impl Over {
    pub(super) fn of(posture: Posture) -> Self {
        match posture {
            Posture::Enforce => Self::Refuse,
            Posture::Observe => Self::Pass,
        }
    }
}

/// Writes down why a push was not decided.
pub(super) type Record = Box<dyn Fn(&str) + Send + Sync>;

/// Time for the last words, which a pusher that reads nothing may hold up, and for the record of them, which a disk may.
const LAST_WORDS: Duration = Duration::from_millis(700);

impl Session {
    /// Says what is done from here on.
    pub(crate) fn reached(&self, stage: Stage) {
        self.stage.store(stage.place(), Ordering::Relaxed);
    }

    /// Counts one commit more.
    pub(crate) fn examined(&self) {
        self.examined.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that so many commits are to be examined from here on.
    pub(crate) fn expects(&self, commits: usize) {
        let examined = self.examined.load(Ordering::Relaxed);
        self.expected.fetch_max(examined.saturating_add(commits), Ordering::Relaxed);
    }

    /// Says what happens when the time is over, now that it is known.
    pub(crate) fn when_over(&self, over: Over) {
        self.refuses.store(over == Over::Refuse, Ordering::Relaxed);
    }

    /// Says how what was not decided in time is recorded.
    pub(crate) fn record_with(&self, record: Record) {
        let _ = self.record.set(record);
    }

    /// Ends this process after `seconds`, unless it has ended or become another program by then.
    pub(crate) fn end_after(self: &Arc<Self>, seconds: u64) {
        let session = Arc::clone(self);
        let watch = move || {
            threads::sleep(Duration::from_secs(seconds));
            session.is_over.store(true, Ordering::SeqCst);
            let refuses = session.refuses.load(Ordering::Relaxed);
            let (done, told) = mpsc::channel();
            let speaker = Arc::clone(&session);
            let last_words = threads::spawn(move || {
                let reason = speaker.reason(seconds);
                if refuses {
                    let (words, needed) = speaker.needs(seconds);
                    speaker.say(&format!(
                        "error: [limit-exceeded] {reason}; nothing is accepted that is not decided\n\
                         hint: push in smaller parts; {words} by installing the hook again:\n\
                         hint: countersign install --server REPO.git --policy FILE --deadline {needed}"
                    ));
                }
                if let Some(record) = speaker.record.get() {
                    record(&reason);
                }
                let _ = done.send(());
            });
            if last_words.is_ok() {
                let _ = told.recv_timeout(LAST_WORDS);
            }
            process::exit(if refuses { 2 } else { session.pass().into() });
        };
        // Where no thread can be started the server's own limits are left.
        let _ = threads::spawn(watch);
    }

    /// Returns if there is time left. What is decided after it was said that it was not does not count.
    pub(crate) fn still_in_time(&self) {
        while self.is_over.load(Ordering::SeqCst) {
            threads::sleep(LAST_WORDS);
        }
    }

    fn reason(&self, seconds: u64) -> String {
        let doing = WORDS.get(self.stage.load(Ordering::Relaxed)).copied().unwrap_or_default();
        let (examined, expected) = self.progress();
        let of = if expected > examined { format!(" of {expected}") } else { String::new() };
        format!("not decided within {seconds} s: {doing}, {examined}{of} commits examined")
    }

    fn progress(&self) -> (usize, usize) {
        (self.examined.load(Ordering::Relaxed), self.expected.load(Ordering::Relaxed))
    }

    /// How an admin gives the push the time that it needs, and how many seconds these are, as far as it came.
    fn needs(&self, seconds: u64) -> (String, String) {
        let (examined, expected) = self.progress();
        let needed = u128::from(seconds).saturating_mul(to_wide(expected)).checked_div(to_wide(examined));
        let needed = needed.filter(|_| expected > examined).and_then(|seconds| u64::try_from(seconds).ok());
        match needed {
            // Half as much again, for what is read once more and for a day on which the disk is slow; in minutes.
            Some(needed) => {
                let needed = needed.saturating_add(needed / 2).div_ceil(60).saturating_mul(60);
                let words = format!("an admin can let an import of {expected} commits through");
                (words, needed.to_string())
            }
            None => ("an admin can give it more time".to_owned(), "SECONDS".to_owned()),
        }
    }
}

fn to_wide(number: usize) -> u128 {
    u128::try_from(number).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_time_that_an_import_needs() {
        let session = Session::on_desk();
        assert_eq!(session.needs(30), ("an admin can give it more time".to_owned(), "SECONDS".to_owned()));
        session.expects(1_000_000);
        assert_eq!(session.needs(30).1, "SECONDS");
        (0..100_000).for_each(|_| session.examined());
        let (words, needed) = session.needs(30);
        assert_eq!((words.as_str(), needed.as_str()), ("an admin can let an import of 1000000 commits through", "480"));
        assert!(session.reason(30).ends_with("100000 of 1000000 commits examined"), "{}", session.reason(30));
    }
}
