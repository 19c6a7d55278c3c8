//! The ref updates of a push, as git hands them to hooks (githooks(5)).

use std::collections::{BTreeSet, HashSet};
use std::io::Read;
use std::sync::Arc;

use thiserror::Error;

use crate::core::limits;
use crate::core::objects::ReadError;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::submitter::push_cert::CertifiedUpdate;
use crate::store::Refs;

/// What a push would do to one ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefUpdate {
    /// The full name, of which every part of a decision has the same copy.
    pub(crate) name: Arc<[u8]>,
    pub(crate) old: Option<Oid>,
    pub(crate) new: Option<Oid>,
    /// What the client says it was before, where that is not so.
    pub(crate) claimed: Option<Option<Oid>>,
}

/// All updates of one push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Push {
    pub(crate) updates: Vec<RefUpdate>,
    pub(crate) format: ObjectFormat,
}

/// Why the hook's input is not a push.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum PushError {
    #[error("standard input cannot be read: {0}")]
    Input(String),
    #[error("line {0} of standard input is not `old new ref`")]
    Line(usize),
    #[error("line {0} of standard input ends without a line feed")]
    Cut(usize),
    #[error("line {0} of standard input names a ref a second time")]
    Repeated(usize),
    #[error("line {0} of standard input mixes SHA-1 and SHA-256 ids")]
    Mixed(usize),
    #[error("line {0} of standard input moves a ref from nothing to nothing")]
    Nothing(usize),
    #[error("the hook's arguments are not a ref and its two values")]
    Arguments,
    #[error("more than {} refs in one push", limits::REF_UPDATES)]
    TooMany,
}

impl Push {
    /// Reads the lines of pre-receive. No line is a push of nothing.
    pub(crate) fn read(input: &mut dyn Read) -> Result<(Self, Vec<u8>), PushError> {
        let mut bytes = Vec::new();
        // A ref name is at most 4096 bytes (PATH_MAX); the cap is far above what the count allows in practice.
        let cap = u64::try_from(limits::REF_UPDATES).unwrap_or(u64::MAX).saturating_mul(4096);
        input.take(cap).read_to_end(&mut bytes).map_err(|error| PushError::Input(error.to_string()))?;
        Self::parse(&bytes).map(|push| (push, bytes))
    }

    /// The push by the names of the refs that would move: git follows symbolic refs, so a rule for the ref behind one must hold
    /// whatever name it is pushed under.
    pub(crate) fn resolved(mut self, refs: &Refs) -> Result<Self, ReadError> {
        for update in &mut self.updates {
            if let Some(name) = refs.resolve_symbolic(&update.name)? {
                update.name = name.into();
            }
        }
        self.updates.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        // Git takes two names of one ref in one push only where both say the same (builtin/receive-pack.c).
        self.updates.dedup();
        let repeated = self.updates.windows(2).find(|pair| matches!(pair, [a, b] if a.name == b.name));
        match repeated.and_then(<[RefUpdate]>::first) {
            Some(update) => {
                let name = String::from_utf8_lossy(&update.name).into_owned();
                Err(ReadError::Refs(format!("{name} is pushed under two names, to two values")))
            }
            None => Ok(self),
        }
    }

    /// The updates as a certificate of the push lists them.
    pub(crate) fn certifiable(&self) -> BTreeSet<CertifiedUpdate> {
        self.updates.iter().map(|update| (update.name.to_vec(), update.old, update.new)).collect()
    }

    /// The push by the values that its refs have, before they move. Git hands on what the client says, and refuses the one update whose
    /// word is not so after hooks have run.
    pub(crate) fn at_stored_values(mut self, refs: &Refs) -> Result<Self, ReadError> {
        for update in &mut self.updates {
            let before = refs.value_of(&update.name)?;
            update.claimed = (update.old != before).then_some(update.old);
            update.old = before;
        }
        Ok(self)
    }

    /// Parses `old SP new SP ref LF` lines.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, PushError> {
        let mut push = Self { updates: Vec::new(), format: ObjectFormat::Sha1 };
        let mut names: HashSet<&[u8]> = HashSet::new();
        for (position, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let number = position + 1;
            if number > limits::REF_UPDATES {
                return Err(PushError::TooMany);
            }
            let line = line.strip_suffix(b"\n").ok_or(PushError::Cut(number))?;
            let mut words = line.splitn(3, |byte| *byte == b' ');
            let (Some(old), Some(new), Some(name)) = (words.next(), words.next(), words.next()) else {
                return Err(PushError::Line(number));
            };
            let update = RefUpdate::new(name, old, new).ok_or(PushError::Line(number))?;
            if old.len() != new.len() || (position > 0 && old.len() != push.format.id_len() * 2) {
                return Err(PushError::Mixed(number));
            }
            push.format = if old.len() == 64 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
            if update.old.is_none() && update.new.is_none() {
                return Err(PushError::Nothing(number));
            }
            if !names.insert(name) {
                return Err(PushError::Repeated(number));
            }
            push.updates.push(update);
        }
        Ok(push)
    }

    /// Parses the `localref SP localoid SP remoteref SP remoteoid LF` lines of pre-push.
    pub(crate) fn parse_pre_push(bytes: &[u8]) -> Result<Self, PushError> {
        let mut lines = Vec::with_capacity(bytes.len());
        for (position, line) in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
            let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            let [_, local, name, remote] = words.as_slice() else { return Err(PushError::Line(position + 1)) };
            lines.extend([*remote, b" ", local, b" ", name, b"\n"].concat());
        }
        Self::parse(&lines)
    }

    /// The one update of the `update` hook, from its three arguments.
    pub(crate) fn of_update(name: &[u8], old: &[u8], new: &[u8]) -> Result<Self, PushError> {
        // Each argument must be whole by itself before they stand in one line.
        RefUpdate::new(name, old, new).ok_or(PushError::Arguments)?;
        Self::parse(&[old, b" ", new, b" ", name, b"\n"].concat()).map_err(|_| PushError::Arguments)
    }
}

impl RefUpdate {
    fn new(name: &[u8], old: &[u8], new: &[u8]) -> Option<Self> {
        // Git checks names before hooks run (git-check-ref-format(1)); what could break a line or a path is refused again.
        let plain = name.starts_with(b"refs/")
            && name.len() <= limits::REF_BYTES
            && !name.iter().any(|byte| byte.is_ascii_control() || *byte == b' ');
        let update =
            Self { name: name.into(), old: Oid::parse_nullable(old)?, new: Oid::parse_nullable(new)?, claimed: None };
        plain.then_some(update)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3b18e512dba79e4c8300dd08aeb37f8e728b8dad";
    const NULL: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn every_malformed_line_is_an_error() {
        let ok = Push::parse(format!("{NULL} {A} refs/heads/main\n{A} {NULL} refs/tags/x\n").as_bytes()).unwrap();
        assert_eq!(ok.updates.len(), 2);
        assert_eq!((ok.updates[0].old, ok.updates[1].new), (None, None));
        assert_eq!(Push::parse(b"").unwrap().updates, []);
        for (input, error) in [
            (format!("{NULL} {A} refs/heads/main"), PushError::Cut(1)),
            (format!("{NULL} {A}\n"), PushError::Line(1)),
            ("\n".to_owned(), PushError::Line(1)),
            (format!("{NULL} {A} main\n"), PushError::Line(1)),
            (format!("{NULL} junk refs/heads/x\n"), PushError::Line(1)),
            (format!("{NULL} {A} refs/heads/a b\n"), PushError::Line(1)),
            (format!("{NULL} {} refs/heads/x\n", A.to_uppercase()), PushError::Line(1)),
            (format!("{NULL} {NULL} refs/heads/x\n"), PushError::Nothing(1)),
            (format!("{NULL} {A} refs/heads/x\n{A} {NULL} refs/heads/x\n"), PushError::Repeated(2)),
            (format!("{NULL} {} refs/heads/x\n", "a".repeat(64)), PushError::Mixed(1)),
            (format!("{NULL} {A} refs/heads/x\n{0} {0} refs/heads/y\n", "a".repeat(64)), PushError::Mixed(2)),
        ] {
            assert_eq!(Push::parse(input.as_bytes()), Err(error), "{input:?}");
        }
    }
}
