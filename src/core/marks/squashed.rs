//! The seals of agents in a message that `git merge --squash` joined: it indents what it joins by four spaces.
//!
//! Such a block proves nothing, as the commit is another; it says whose work was squashed. Anything less than a whole block is
//! prose: a person may write about seals.

use std::collections::BTreeSet;

use crate::core::id::Id;
use crate::core::seal;

/// Spaces before each line that a squash joins (`git merge --squash` writes the messages as git-log(1) shows them).
const INDENT: &[u8] = b"    ";

/// A whole block.
pub(super) struct SquashedSeal {
    /// The agent that it names.
    pub(super) agent: Id,
    /// Whether it is an author's: one with a role is another step's.
    is_author: bool,
}

/// The agents whose seals as authors a squash has joined in a message.
pub fn squashed_authors(message: &[u8]) -> BTreeSet<Id> {
    let mut squashed = Squashed::default();
    let blocks = message.split(|byte| *byte == b'\n').filter_map(|line| squashed.line(line));
    blocks.filter(|block| block.is_author).map(|block| block.agent).collect()
}

/// Reads lines one after the other.
#[derive(Default)]
pub(super) struct Squashed {
    open: Option<SquashedSeal>,
}

impl Squashed {
    /// Reads a line. Where it closes a whole block, returns it.
    pub(super) fn line(&mut self, line: &[u8]) -> Option<SquashedSeal> {
        let indented = line.strip_prefix(INDENT).map(<[u8]>::trim_ascii);
        let (key, value) = indented.and_then(key_and_value).unwrap_or_default();
        let block = self.open.take();
        if key == seal::AGENT_KEY.as_bytes() {
            self.open = Id::parse(value).map(|agent| SquashedSeal { agent, is_author: true });
            return None;
        }
        let inner = [seal::ROLE_KEY, seal::MODEL_KEY, seal::SESSION_KEY, seal::TASK_KEY];
        if inner.iter().any(|inner| key == inner.as_bytes()) {
            let is_role = key == seal::ROLE_KEY.as_bytes();
            self.open = block.map(|block| SquashedSeal { is_author: block.is_author && !is_role, ..block });
            return None;
        }
        block.filter(|_| key == seal::SEAL_KEY.as_bytes() && seal::parse_seal_value(value).is_ok())
    }
}

fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.windows(2).position(|pair| pair == b": ")?;
    Some((line.get(..colon)?, line.get(colon.saturating_add(2)..)?))
}
