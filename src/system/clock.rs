//! The clock.

use super::{Failure, Result};
use crate::core::decide::Timestamp;

/// This moment, to see how long something takes.
pub(crate) fn started() -> std::time::Instant {
    std::time::Instant::now()
}

/// The time now.
pub(crate) fn now() -> Result<Timestamp> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    seconds.map(Timestamp).ok_or_else(|| Failure::new("the clock of this machine shows a time before 1970"))
}
