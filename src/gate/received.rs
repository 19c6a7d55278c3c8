//! Which seals and signatures came with updates of many commits, until they are recorded: in a file without a name, which goes with the
//! process, however that ends.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Error, Result, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use crate::core::canonical::{CanonicalOid, Sha256};
use crate::core::digest::Digest;
use crate::core::grant::{self, Grant};
use crate::core::oid::Oid;
use crate::core::policy::Policy;
use crate::core::report::escape;
use crate::core::signature::SigningKey;
use crate::ledger::{GrantLink, Work};

/// Receipts in one piece of work. An entry of the ledger holds one with all it needs besides.
const PIECE: u64 = 480;

/// What was received, update by update.
#[derive(Default)]
pub(crate) struct Received {
    file: Option<BufWriter<File>>,
    makers: Vec<Maker>,
    /// Where the receipts of each update stand.
    updates: Vec<(Arc<[u8]>, Range<u64>)>,
    count: u64,
    failed: Cell<bool>,
}

impl Received {
    /// Keeps one: a commit, and the digest of the seal or signature. `maker` says whose key it is, `open` makes the file; where there
    /// is none, nothing is to be recorded.
    pub(crate) fn add(
        &mut self,
        name: &Arc<[u8]>,
        (id, digest): (Oid, Digest),
        maker: impl FnOnce() -> Maker,
        open: impl FnOnce() -> Option<Result<File>>,
    ) -> Result<()> {
        if self.file.is_none() {
            let Some(file) = open().transpose()? else { return Ok(()) };
            self.file = Some(BufWriter::with_capacity(1 << 16, file));
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let maker = maker();
        let number = match self.makers.iter().position(|known| *known == maker) {
            Some(known) => known,
            None => {
                self.makers.push(maker);
                self.makers.len() - 1
            }
        };
        let too_many = |_| Error::other("too many keys");
        file.write_all(&u32::try_from(number).map_err(too_many)?.to_be_bytes())?;
        file.write_all(digest.as_bytes())?;
        let mut raw = [0; Receipt::ID];
        if let Some(part) = raw.get_mut(..id.as_bytes().len()) {
            part.copy_from_slice(id.as_bytes());
        }
        file.write_all(&[u8::try_from(id.as_bytes().len()).unwrap_or(0)])?;
        file.write_all(&raw)?;
        self.count = self.count.saturating_add(1);
        match self.updates.last_mut().filter(|(last, _)| last == name) {
            Some((_, range)) => range.end = self.count,
            None => self.updates.push((Arc::clone(name), self.count.saturating_sub(1)..self.count)),
        }
        Ok(())
    }

    /// Whether something was received with an update.
    pub(crate) fn holds(&self, name: &[u8]) -> bool {
        self.updates.iter().any(|(own, _)| **own == *name)
    }

    /// Writes down what is still to be written, before it is read.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }

    /// What came with an update, some of it at a time.
    pub(crate) fn of(&self, name: &[u8]) -> impl Iterator<Item = Vec<Work>> {
        let range = self.updates.iter().find(|(own, _)| **own == *name).map_or(0..0, |(_, range)| range.clone());
        let size = usize::try_from(PIECE).unwrap_or(usize::MAX);
        let starts = range.clone().step_by(size);
        starts.map_while(move |start| {
            let piece = self.piece(start..range.end.min(start.saturating_add(PIECE)));
            self.failed.set(self.failed.get() || piece.is_err());
            piece.ok()
        })
    }

    /// Whether something could not be read again.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    fn piece(&self, range: Range<u64>) -> Result<Vec<Work>> {
        let file = self.file.as_ref().ok_or_else(|| Error::other("nothing was received"))?.get_ref();
        let count = usize::try_from(range.end.saturating_sub(range.start)).map_err(Error::other)?;
        let mut raw = vec![0; count.saturating_mul(Receipt::BYTES)];
        let size = u64::try_from(Receipt::BYTES).map_err(Error::other)?;
        file.read_exact_at(&mut raw, range.start.saturating_mul(size))?;
        let mut makers: BTreeMap<usize, Vec<(CanonicalOid, Sha256)>> = BTreeMap::new();
        for receipt in raw.chunks_exact(Receipt::BYTES) {
            let Receipt { maker, id, digest } =
                Receipt::read(receipt).ok_or_else(|| Error::other("what was kept is not what was written"))?;
            makers.entry(maker).or_default().push((CanonicalOid(id), Sha256(digest)));
        }
        let work = |(maker, commits)| {
            let Maker { principal, key, grant } = self.makers.get(maker).cloned()?;
            Some(Work { principal, key, grant, commits })
        };
        makers.into_iter().map(work).collect::<Option<_>>().ok_or_else(|| Error::other("a key is unknown"))
    }
}

/// Who made something, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Maker {
    /// The id of who holds the key.
    pub(crate) principal: String,
    /// Its fingerprint.
    pub(crate) key: String,
    /// The grant that it signed under.
    pub(crate) grant: Vec<GrantLink>,
}

impl Maker {
    pub(crate) fn of(policy: &Policy, key: SigningKey<'_>) -> Self {
        let principal = policy.by_signer(key).map_or_else(|| "-".to_owned(), |holder| holder.id.to_string());
        let grant = match key {
            SigningKey::Certified(certificate) if policy.is_granted(certificate) => Grant::of(certificate).ok(),
            SigningKey::Certified(_) | SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => None,
        };
        let link = |link: &grant::Link| GrantLink {
            name: escape(grant::name(&link.certificate).as_bytes(), NAME),
            certificate: Sha256(link.certificate.digest()),
        };
        let grant = grant.iter().flat_map(Grant::links).map(link).collect();
        Self { principal, key: key.name().to_string(), grant }
    }
}

/// Characters of a grant's name that are recorded: an id, a colon and a number.
const NAME: usize = 100;

/// One, as it is kept.
struct Receipt {
    maker: usize,
    id: Oid,
    digest: Digest,
}

impl Receipt {
    const ID: usize = 32;
    const BYTES: usize = 4 + 32 + 1 + Self::ID;

    fn read(raw: &[u8]) -> Option<Self> {
        let (maker, rest) = raw.split_first_chunk::<4>()?;
        let (digest, rest) = rest.split_first_chunk::<32>()?;
        let (length, id) = rest.split_first()?;
        Some(Self {
            maker: usize::try_from(u32::from_be_bytes(*maker)).ok()?,
            id: Oid::from_bytes(id.get(..usize::from(*length))?)?,
            digest: Digest::from_bytes(*digest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_is_read_again_update_by_update() {
        let oid = |number: u64| Oid::from_bytes(&Digest::of(&number.to_be_bytes()).as_bytes()[..20]).unwrap();
        let seal = |number: u64| Digest::of(format!("seal {number}").as_bytes());
        let names: [Arc<[u8]>; 2] = [b"refs/heads/a".as_slice().into(), b"refs/heads/b".as_slice().into()];
        let mut received = Received::default();
        for number in 0..1_500 {
            let name = &names[usize::from(number >= 1_000)];
            let maker =
                || Maker { principal: format!("agent-{}", number % 3), key: "SHA256:x".to_owned(), grant: Vec::new() };
            received.add(name, (oid(number), seal(number)), maker, || Some(tempfile::tempfile())).unwrap();
        }
        received.finish().unwrap();
        let numbers = |name: &[u8]| {
            let mut all: Vec<u64> = Vec::new();
            for piece in received.of(name) {
                assert!(piece.iter().map(|work| work.commits.len()).sum::<usize>() <= 480);
                for work in piece {
                    for (id, digest) in work.commits {
                        let number = (0..1_500).find(|number| oid(*number) == id.0).unwrap();
                        assert_eq!((digest.0, &work.principal), (seal(number), &format!("agent-{}", number % 3)));
                        all.push(number);
                    }
                }
            }
            all.sort_unstable();
            all
        };
        assert_eq!(numbers(&names[0]), (0..1_000).collect::<Vec<_>>());
        assert_eq!(numbers(&names[1]), (1_000..1_500).collect::<Vec<_>>());
        assert_eq!(numbers(b"refs/heads/c"), Vec::<u64>::new());
        assert!(received.holds(&names[0]) && !received.holds(b"refs/heads/c") && !received.has_failed());
    }

    #[test]
    fn where_nothing_is_recorded_nothing_is_kept() {
        let id = Oid::from_bytes(&[1; 20]).unwrap();
        let mut received = Received::default();
        let name: Arc<[u8]> = b"refs/heads/a".as_slice().into();
        received.add(&name, (id, Digest::of(b"")), || unreachable!("nobody asks who made it"), || None).unwrap();
        assert!(!received.holds(&name));
    }
}
