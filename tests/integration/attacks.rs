//! What an attacker tries, pushed for real. Each attack is refused with its code, and where there is one, its
//! harmless twin is accepted.

mod hooks;
mod laundering;
mod marks;
mod objects;
mod paths;
mod policies;
mod refs;
mod reports;
mod rollback;
mod seals;
mod tags;

use countersign::core::oid::Oid;

use crate::world::{Pushed, World};

/// A rule on all branches and tags that asks who made every commit.
const EVERYONE: &str = r#"
[[rule]]
name = "all"
refs = ["refs/heads/**", "refs/tags/**"]
identity = "everyone"
"#;

/// A message that shows an agent's work.
const MARKED: &str = "Add retry\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

impl World {
    /// Pushes HEAD to main.
    fn push_main(&self) -> Pushed {
        self.push(&["HEAD:refs/heads/main"])
    }

    /// Makes the clone what the server's main is, and drops what was tried before.
    fn back_to_main(&self) {
        self.git(&["fetch", "-q", "origin"]);
        self.git(&["reset", "-q", "--hard", "origin/main"]);
        self.git(&["clean", "-qfd"]);
    }
}

/// One entry of a raw tree.
pub fn raw_entry(mode: &str, name: &[u8], id: &str) -> Vec<u8> {
    let id = Oid::parse(id.as_bytes()).unwrap();
    [mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat()
}
