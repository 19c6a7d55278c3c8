//! Grants on a desk: credentials for one task, which end with it.

mod certify;
mod issue;

pub(crate) use issue::{Over, Request, issue};
