//! The policy that `countersign init` writes.

use crate::core::id::RepositoryName;

/// A policy that locks nobody out: what shows an AI agent's hand is sealed, main is neither forced nor deleted, and people go
/// on as before.
///
/// It names the repository that it is for, if it is for one only.
pub fn starter(repository: Option<&RepositoryName>) -> String {
    let named = repository.map_or_else(
        || "# It names no `repository`, so it serves many: each is called by its path, or as `countersign install` is told.".to_owned(),
        |name| format!("repository = \"{name}\""),
    );
    format!(
        r#"# A countersign policy. `countersign policy check` names every mistake; `countersign explain main` says it in words.
version = 1
{named}

# Every agent has its own key and a person who answers for it. `countersign agent add ID --owner YOU` makes the key and
# prints the lines for here.
#
# [people.alice]
# name = "Alice Ng"
# emails = ["alice@example.org"]
# keys = ["ssh-ed25519 AAAA..."]
#
# [agents.claude-code]
# tool = "claude-code"
# owner = "alice"
# keys = ["ssh-ed25519 AAAA..."]

# Whatever shows AI authorship is sealed by a registered agent. Begin with mode = "warn" to see before refusing.
[[rule]]
name = "branches"
refs = ["refs/heads/**"]
identity = "agents"

# main keeps its history.
[[rule]]
name = "main"
refs = ["refs/heads/main"]
force-push = "deny"
delete = "deny"
"#
    )
}
