//! How far a long walk is.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// A walk over more than this is told of from its start; any other once it has taken as long.
const MANY: usize = 100;
const PATIENCE: Duration = Duration::from_millis(500);

/// Between two lines.
const PAUSE: Duration = Duration::from_millis(100);

/// Says on a terminal how far a walk is, once it takes a while, and leaves nothing there. Where standard error is no terminal it says
/// nothing.
pub(crate) struct Progress {
    /// What is counted, and how many of it there are, where that is known.
    what: &'static str,
    all: Option<usize>,
    is_terminal: bool,
    /// When the next line is due.
    due: Cell<Instant>,
    said: Cell<bool>,
}

impl Progress {
    pub(crate) fn new(what: &'static str, all: Option<usize>) -> Self {
        let patience = if all.is_some_and(|all| all > MANY) { Duration::ZERO } else { PATIENCE };
        let due = Cell::new(Instant::now() + patience);
        Self { what, all, is_terminal: std::io::stderr().is_terminal(), due, said: Cell::new(false) }
    }

    /// So many are done.
    pub(crate) fn at(&self, number: impl std::fmt::Display) {
        if !self.is_terminal || Instant::now() < self.due.get() {
            return;
        }
        self.due.set(Instant::now() + PAUSE);
        self.said.set(true);
        let of = self.all.map(|all| format!(" of {all}")).unwrap_or_default();
        // Nothing depends on whether anybody sees it.
        let _ = write!(std::io::stderr(), "\r{number}{of} {}\u{1b}[K", self.what);
    }

    /// Takes the line away, for another to be said.
    pub(crate) fn clear(&self) {
        if self.said.replace(false) {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
