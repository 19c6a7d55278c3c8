//! Printers of one verdict. They choose words and layout; they cannot change the verdict.

mod escape;
mod json;
mod text;

#[cfg(test)]
mod tests;

pub use escape::{Characters, escape, unescaped, word};
pub use json::{SCHEMA, json};
pub use text::{Audience, text};
