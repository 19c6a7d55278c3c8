//! The bytes that a seal signs (FORMAT.md, "What is signed").

use crate::core::digest::Digest;
use crate::core::id::{Id, RepositoryName};
use crate::core::oid::Oid;

/// Whether the commit has no parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// It has none.
    Yes,
    /// It has at least one.
    No,
}

impl Root {
    /// Whether a commit with these parents has none.
    pub fn of(parents: &[Oid]) -> Self {
        if parents.is_empty() { Self::Yes } else { Self::No }
    }
}

/// Everything that a seal binds.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// The repository that the commit is for.
    pub repository: &'a RepositoryName,
    /// The agent that seals.
    pub agent: &'a Id,
    /// The step it performed; `None` for the author.
    pub role: Option<&'a Id>,
    /// The change of the commit against its first parent.
    pub change: Digest,
    /// The value of the commit's author header.
    pub author: &'a [u8],
    /// The parents after the first.
    pub merges: &'a [Oid],
    /// Whether there is no parent.
    pub root: Root,
    /// The message above the seal's own line.
    pub message: Digest,
}

impl Payload<'_> {
    /// The one encoding. No value can hold a line feed: ids cannot, and an author header ends at one.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        let mut line = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        };
        line(super::NAMESPACE, b"");
        line("repository: ", self.repository.as_str().as_bytes());
        line("agent: ", self.agent.as_str().as_bytes());
        line("role: ", self.role.map_or(super::AUTHOR, Id::as_str).as_bytes());
        line("change: sha256:", self.change.to_string().as_bytes());
        line("author: ", self.author);
        if !self.merges.is_empty() {
            let merges: Vec<String> = self.merges.iter().map(Oid::to_string).collect();
            line("merges: ", merges.join(" ").as_bytes());
        }
        if self.root == Root::Yes {
            line("root: ", b"yes");
        }
        line("message: sha256:", self.message.to_string().as_bytes());
        bytes
    }
}
