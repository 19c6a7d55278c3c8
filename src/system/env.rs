//! What this process was given: its words, its environment, its own program.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

pub(crate) fn var_os(name: impl AsRef<OsStr>) -> Option<OsString> {
    std::env::var_os(name)
}

pub(crate) fn args_os() -> Vec<OsString> {
    std::env::args_os().collect()
}

pub(crate) fn current_exe() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

pub(crate) fn home_dir() -> Option<PathBuf> {
    std::env::home_dir()
}
