//! Places where a crash is tried. Outside tests they do nothing.

/// Dies here, as by `kill -9`, if a test asks for it.
#[cfg(test)]
pub(super) fn point(name: &str) {
    if std::env::var("COUNTERSIGN_TEST_FAULT").as_deref() == Ok(name) {
        let pid = std::process::id().to_string();
        let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
        unreachable!("killed at {name}");
    }
}

/// Does nothing.
#[cfg(not(test))]
pub(super) fn point(_name: &str) {}
