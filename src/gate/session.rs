//! What holds for one run of a hook, from before it reads anything to its end: whether it may refuse, how its lines begin, how far it
//! has come, and the hook that was there before ours.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, OnceLock};

use super::chain::Chained;
use super::deadline::{Over, Record, Stage};
use crate::system::{Exit, Failure, Result, process, say_lines};

/// Whether a hook may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posture {
    Enforce,
    /// Nothing is refused, whatever happens.
    Observe,
}

impl Posture {
    pub(crate) fn of_observing(observes: bool) -> Self {
        if observes { Self::Observe } else { Self::Enforce }
    }
}

/// One run of a hook. What ends it early, a deadline or a bug, asks it how.
pub(crate) struct Session {
    posture: Posture,
    /// What every line to the pusher begins with, for the server to show it.
    prefix: &'static str,
    /// The hook before ours, before its input is known.
    pub(super) present: Option<PathBuf>,
    /// The same with its input.
    pub(super) ready: OnceLock<Chained>,
    pub(super) stage: AtomicUsize,
    pub(super) examined: AtomicUsize,
    /// Commits that are to be examined in all, where they are many.
    pub(super) expected: AtomicUsize,
    /// Whether the push is refused when the time is over.
    pub(super) refuses: AtomicBool,
    pub(super) is_over: AtomicBool,
    pub(super) record: OnceLock<Record>,
}

impl Session {
    /// Begins a run at a server. From here on neither a bug nor time decides otherwise than the posture says.
    pub(crate) fn begin(posture: Posture, prefix: &'static str, present: Option<PathBuf>) -> Arc<Self> {
        let session = Arc::new(Self { present, ..Self::new(posture, prefix) });
        let on_panic = Arc::clone(&session);
        std::panic::set_hook(Box::new(move |panic| {
            on_panic.say(&crate::system::bug(panic));
            let code = if on_panic.observes() { on_panic.pass() } else { 2 };
            process::exit(code.into());
        }));
        session
    }

    /// A run on a desk: nobody waits for it, and nothing ends it early.
    pub(crate) fn on_desk() -> Self {
        Self::new(Posture::Enforce, "")
    }

    fn new(posture: Posture, prefix: &'static str) -> Self {
        Self {
            posture,
            prefix,
            present: None,
            ready: OnceLock::new(),
            stage: AtomicUsize::new(Stage::Reading.place()),
            examined: AtomicUsize::new(0),
            expected: AtomicUsize::new(0),
            refuses: AtomicBool::new(Over::of(posture) == Over::Refuse),
            is_over: AtomicBool::new(false),
            record: OnceLock::new(),
        }
    }

    pub(crate) fn observes(&self) -> bool {
        self.posture == Posture::Observe
    }

    /// Writes lines for whoever pushes.
    pub(crate) fn say(&self, lines: &str) {
        say_lines(self.prefix, lines);
    }

    /// How the hook ends: a failure is said.
    pub(crate) fn end(&self, result: Result) -> Result {
        result.or_else(|failure: Failure| {
            self.say(&failure.to_string());
            Ok(Exit::Undecided)
        })
    }
}
