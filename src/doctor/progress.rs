//! How far a checkup is.

use std::io::{IsTerminal as _, Write as _};

/// Says on a terminal how far it is.
pub(super) struct Progress {
    all: usize,
    shown: bool,
}

impl Progress {
    pub(super) fn new(all: usize) -> Self {
        Self { all, shown: std::io::stderr().is_terminal() && all > 100 }
    }

    pub(super) fn at(&self, number: usize) {
        if self.shown && number.is_multiple_of(50) {
            // Nothing depends on whether anybody sees it.
            let _ = write!(std::io::stderr(), "\r{number} of {} repositories", self.all);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
