//! Randomness.

use super::{Failure, Result};

/// A key's secret, from the operating system's generator.
pub(crate) fn random_seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::new(format!("the system gives no random bytes: {error}")))?;
    Ok(seed)
}
