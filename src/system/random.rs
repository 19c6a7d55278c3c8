//! Randomness.

use std::io::Read as _;

use super::{Failure, Result};

/// A key's secret, from the operating system's generator.
pub(crate) fn random_seed() -> Result<[u8; 32]> {
    let failed = |error: std::io::Error| Failure::new(format!("the system gives no random bytes: {error}"));
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut seed)).map_err(failed)?;
    Ok(seed)
}
