//! Printers of one verdict. They choose words and layout; they cannot change the verdict.

mod escape;
mod github;
mod gitlab;
mod json;
mod junit;
mod remarks;
mod sarif;
mod text;

#[cfg(test)]
mod tests;

pub use escape::{Characters, escape, unescaped, word};
pub use github::github;
pub use gitlab::gitlab;
pub use json::{SCHEMA, json};
pub use junit::junit;
pub use sarif::sarif;
pub use text::{Audience, text};
