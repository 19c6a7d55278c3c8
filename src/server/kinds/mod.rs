//! The layouts of hooks, one file each.

pub(super) mod config;
pub(super) mod ghes;
pub(super) mod gitolite;
