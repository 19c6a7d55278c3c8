//! OpenSSH key revocation lists (PROTOCOL.krl), as `ssh-keygen -k` writes them, read strictly.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::certificate::VerifiedCertificate;
use super::key::PublicKey;
use super::wire::WireReader;

/// How a list begins (`KRL_MAGIC`).
pub const MAGIC: &[u8] = b"SSHKRL\n\0";

/// The version of the format (`KRL_FORMAT_VERSION`).
const VERSION: u32 = 1;

/// Bits of one bitmap of serials, as OpenSSH bounds them.
const BITMAP_BYTES: usize = 0x10_0000 / 8;

/// Why bytes are no list that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KrlError {
    /// It begins otherwise.
    #[error("it is no OpenSSH key revocation list, as ssh-keygen -k writes it")]
    Magic,
    /// Another version.
    #[error("it is of format version {0}, and 1 is known")]
    Version(u32),
    /// A field is cut, empty, out of order or followed by something.
    #[error("its encoding is not canonical")]
    Encoding,
    /// It is signed, which nothing verifies.
    #[error("it is signed, and nothing here verifies that: make it without a signature")]
    Signed,
    /// It names keys by SHA-1.
    #[error(
        "it names keys by their SHA-1 fingerprints: make it with the keys themselves, or with `hash:` lines of SHA256"
    )]
    Sha1,
    /// A kind of section that is not known.
    #[error("it holds a section of kind {0}, which is not known here")]
    Section(u8),
    /// The key of an authority is not accepted.
    #[error("it names an authority whose key is not accepted")]
    Authority,
    /// An extension that must be understood.
    #[error("it holds the critical extension {0:?}, which is not known here")]
    Extension(String),
}

/// What a list revokes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Krl {
    certificates: Vec<Certificates>,
    /// The encodings of keys.
    keys: BTreeSet<Vec<u8>>,
    /// Their digests.
    sha256: BTreeSet<[u8; 32]>,
}

/// Certificates of one authority that are revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Certificates {
    /// The authority; `None` for every one.
    authority: Option<PublicKey>,
    /// First and last serial of each range.
    serials: Vec<(u64, u64)>,
    key_ids: BTreeSet<Vec<u8>>,
}

impl Krl {
    /// Reads a list.
    ///
    /// # Errors
    /// [`KrlError`] for whatever is not understood: nobody can say what it revokes.
    pub fn parse(bytes: &[u8]) -> Result<Self, KrlError> {
        let cut = || KrlError::Encoding;
        let mut reader = WireReader(bytes);
        reader.tag(MAGIC).ok_or(KrlError::Magic)?;
        match reader.uint32().ok_or_else(cut)? {
            VERSION => {}
            other => return Err(KrlError::Version(other)),
        }
        // Its number, the date on which it was made, and flags, of which none is defined.
        let (_, _, flags) = (reader.uint64(), reader.uint64(), reader.uint64().ok_or_else(cut)?);
        let (reserved, _comment) = (reader.string().ok_or_else(cut)?, reader.string().ok_or_else(cut)?);
        if flags != 0 || !reserved.is_empty() {
            return Err(KrlError::Encoding);
        }
        let mut list = Self::default();
        while !reader.0.is_empty() {
            let (kind, data) = (reader.byte().ok_or_else(cut)?, reader.string().ok_or_else(cut)?);
            match kind {
                1 => list.certificates.push(certificates(data)?),
                2 => each(data, |key| list.keys.insert(key.to_vec()))?,
                3 => return Err(KrlError::Sha1),
                4 => return Err(KrlError::Signed),
                5 => {
                    let mut sound = true;
                    each(data, |digest| match digest.try_into() {
                        Ok(digest) => list.sha256.insert(digest),
                        Err(_) => std::mem::replace(&mut sound, false),
                    })?;
                    sound.then_some(()).ok_or_else(cut)?;
                }
                255 => extension(data)?,
                other => return Err(KrlError::Section(other)),
            }
        }
        Ok(list)
    }

    /// Whether a key is revoked itself.
    pub fn revokes_key(&self, key: &PublicKey) -> bool {
        let digest: [u8; 32] = Sha256::digest(key.blob()).into();
        self.keys.contains(key.blob()) || self.sha256.contains(&digest)
    }

    /// Whether a certificate is revoked: itself, its key, or whoever issued it.
    pub fn revokes(&self, certificate: &VerifiedCertificate) -> bool {
        let listed = |one: &Certificates| {
            let of = one.authority.as_ref().is_none_or(|authority| authority == certificate.issuer());
            let serial = certificate.serial();
            of && (one.serials.iter().any(|(first, last)| (*first..=*last).contains(&serial))
                || one.key_ids.contains(certificate.key_id().as_bytes()))
        };
        self.revokes_key(certificate.key())
            || self.revokes_key(certificate.issuer())
            || self.certificates.iter().any(listed)
    }

    /// A line for each thing that it revokes, by which two lists are compared.
    pub fn lines(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for Certificates { authority, serials, key_ids } in &self.certificates {
            let of = authority.as_ref().map_or("any authority".to_owned(), |key| key.fingerprint().to_string());
            lines.extend(serials.iter().map(|(first, last)| format!("serials {first} to {last} of {of}")));
            lines.extend(key_ids.iter().map(|id| format!("key id {:?} of {of}", String::from_utf8_lossy(id))));
        }
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        lines.extend(self.keys.iter().map(|key| format!("the key of digest {}", hex(&Sha256::digest(key)))));
        lines.extend(self.sha256.iter().map(|digest| format!("the key of digest {}", hex(digest))));
        lines
    }
}

/// Every string of a section.
fn each<'a>(data: &'a [u8], mut take: impl FnMut(&'a [u8]) -> bool) -> Result<(), KrlError> {
    let mut reader = WireReader(data);
    while !reader.0.is_empty() {
        let item = reader.string().filter(|item| !item.is_empty()).ok_or(KrlError::Encoding)?;
        let _ = take(item);
    }
    Ok(())
}

fn certificates(data: &[u8]) -> Result<Certificates, KrlError> {
    let cut = || KrlError::Encoding;
    let mut reader = WireReader(data);
    let (authority, reserved) = (reader.string().ok_or_else(cut)?, reader.string().ok_or_else(cut)?);
    if !reserved.is_empty() {
        return Err(KrlError::Encoding);
    }
    let authority = (!authority.is_empty()).then(|| PublicKey::from_blob(authority).map_err(|_| KrlError::Authority));
    let mut certificates = Certificates { authority: authority.transpose()?, ..Certificates::default() };
    while !reader.0.is_empty() {
        let (kind, data) = (reader.byte().ok_or_else(cut)?, reader.string().ok_or_else(cut)?);
        let mut part = WireReader(data);
        match kind {
            0x20 => {
                while !part.0.is_empty() {
                    let serial = part.uint64().ok_or_else(cut)?;
                    certificates.serials.push((serial, serial));
                }
            }
            0x21 => {
                let (first, last) = (part.uint64().ok_or_else(cut)?, part.uint64().ok_or_else(cut)?);
                if part.end().is_none() || first > last {
                    return Err(KrlError::Encoding);
                }
                certificates.serials.push((first, last));
            }
            0x22 => bitmap(part, &mut certificates.serials)?,
            0x23 => each(data, |id| certificates.key_ids.insert(id.to_vec()))?,
            0x39 => extension(data)?,
            other => return Err(KrlError::Section(other)),
        }
    }
    Ok(certificates)
}

/// Serials by bits, the lowest last, from an offset on.
fn bitmap(mut part: WireReader<'_>, serials: &mut Vec<(u64, u64)>) -> Result<(), KrlError> {
    let cut = || KrlError::Encoding;
    let offset = part.uint64().ok_or_else(cut)?;
    let bits = part.positive_mpint().map_err(|_| KrlError::Encoding)?;
    if part.end().is_none() || bits.len() > BITMAP_BYTES {
        return Err(KrlError::Encoding);
    }
    let mut open: Option<(u64, u64)> = None;
    for (place, byte) in (0_u64..).zip(bits.iter().rev()) {
        for bit in (0_u64..8).filter(|bit| byte >> bit & 1 == 1) {
            let serial = offset.checked_add(place * 8 + bit).ok_or_else(cut)?;
            match &mut open {
                Some((_, last)) if last.checked_add(1) == Some(serial) => *last = serial,
                _ => serials.extend(open.replace((serial, serial))),
            }
        }
    }
    serials.extend(open);
    Ok(())
}

fn extension(data: &[u8]) -> Result<(), KrlError> {
    let mut reader = WireReader(data);
    let fields = (reader.string(), reader.byte(), reader.string());
    let (Some(name), Some(critical), Some(_)) = fields else { return Err(KrlError::Encoding) };
    reader.end().ok_or(KrlError::Encoding)?;
    match critical {
        0 => Ok(()),
        _ => Err(KrlError::Extension(name.escape_ascii().to_string().chars().take(64).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ssh::ClaimedCertificate;
    use crate::core::ssh::interop::{read, ssh_keygen, write};
    use crate::core::ssh::tricks::strings;

    #[allow(clippy::disallowed_methods, reason = "ssh-keygen writes files")]
    fn bytes(path: &str) -> Vec<u8> {
        std::fs::read(path).unwrap()
    }

    /// What ssh-keygen -k makes of a specification, and what ssh-keygen -Q and this say of certificates and keys.
    #[test]
    fn a_list_revokes_what_ssh_keygen_says_it_revokes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["ca", "other", "one", "two", "three", "lost"] {
            ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &path(name)], b"").unwrap();
        }
        let certify = |key: &str, ca: &str, id: &str, serial: &str| {
            let public = format!("{}.pub", path(key));
            ssh_keygen(&["-q", "-s", &path(ca), "-I", id, "-n", "a", "-z", serial, &public], b"").unwrap();
            let line = read(&format!("{}-cert.pub", path(key)));
            (ClaimedCertificate::parse_line(&line).unwrap().0.verify().unwrap(), line)
        };
        let lost = read(&format!("{}.pub", path("lost")));
        let specifications = [
            "serial: 7\n",
            "serial: 5-9\n",
            "serial: 1\nserial: 3\nserial: 5\nserial: 7\nserial: 9\nserial: 11\nserial: 70\n",
            "serial: 8\n",
            "id: claude-code\n",
            "id: other\n",
            &format!("key: {lost}"),
            &format!("sha256: {lost}"),
        ];
        let mut revoked = 0;
        for (number, specification) in specifications.iter().enumerate() {
            let (list, file) = (path(&format!("list{number}")), path(&format!("spec{number}")));
            write(std::path::Path::new(&file), specification.as_bytes());
            ssh_keygen(&["-q", "-k", "-f", &list, "-s", &format!("{}.pub", path("ca")), &file], b"").unwrap();
            let krl = Krl::parse(&bytes(&list)).unwrap_or_else(|error| panic!("{specification}: {error}"));
            for (key, ca, id, serial) in [
                ("one", "ca", "claude-code", "7"),
                ("two", "ca", "codex", "8"),
                ("three", "other", "claude-code", "7"),
                ("lost", "ca", "pi", "4"),
            ] {
                let (certificate, line) = certify(key, ca, id, serial);
                let file = write(&folder.path().join("asked-cert.pub"), line.as_bytes());
                let theirs = ssh_keygen(&["-Q", "-f", &list, &file], b"").is_err();
                assert_eq!(krl.revokes(&certificate), theirs, "{specification}: {key} {serial}");
                revoked += usize::from(theirs);
                let public = format!("{}.pub", path(key));
                let theirs = ssh_keygen(&["-Q", "-f", &list, &public], b"").is_err();
                assert_eq!(krl.revokes_key(certificate.key()), theirs, "{specification}: {key}");
            }
        }
        assert!(revoked > 6, "{revoked} certificates are revoked in all");
        let sha1 = path("sha1");
        write(std::path::Path::new(&path("spec")), format!("sha1: {lost}").as_bytes());
        ssh_keygen(&["-q", "-k", "-f", &sha1, &path("spec")], b"").unwrap();
        assert_eq!(Krl::parse(&bytes(&sha1)), Err(KrlError::Sha1));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let head = |version: u32, flags: u64, reserved: &[u8]| {
            let numbers = [&version.to_be_bytes()[..], &[0; 16], &flags.to_be_bytes()].concat();
            [MAGIC, &numbers, &strings(&[reserved, b"comment"])].concat()
        };
        let section = |kind: u8, data: &[u8]| [head(1, 0, b""), vec![kind], strings(&[data])].concat();
        let certificates =
            |kind: u8, data: &[u8]| section(1, &[strings(&[b"", b""]), vec![kind], strings(&[data])].concat());
        assert_eq!(Krl::parse(&head(1, 0, b"")), Ok(Krl::default()));
        let range = |first: u64, last: u64| [first.to_be_bytes(), last.to_be_bytes()].concat();
        assert!(Krl::parse(&certificates(0x21, &range(3, 9))).is_ok());
        for (name, bytes, error) in [
            ("nothing", Vec::new(), KrlError::Magic),
            ("a line of keys", b"ssh-ed25519 AAAA".to_vec(), KrlError::Magic),
            ("another version", head(2, 0, b""), KrlError::Version(2)),
            ("flags", head(1, 1, b""), KrlError::Encoding),
            ("a stuffed reserved field", head(1, 0, b"x"), KrlError::Encoding),
            ("a cut", head(1, 0, b"")[..30].to_vec(), KrlError::Encoding),
            ("half a section", [head(1, 0, b""), vec![2]].concat(), KrlError::Encoding),
            ("an empty key", section(2, &strings(&[b""])), KrlError::Encoding),
            ("a short digest", section(5, &strings(&[b"x"])), KrlError::Encoding),
            ("SHA-1", section(3, &strings(&[&[0; 20]])), KrlError::Sha1),
            ("a signature", section(4, b"x"), KrlError::Signed),
            ("another section", section(9, b"x"), KrlError::Section(9)),
            ("another of certificates", certificates(9, b"x"), KrlError::Section(9)),
            ("an authority that is no key", section(1, &strings(&[b"x", b""])), KrlError::Authority),
            ("a range upside down", certificates(0x21, &range(9, 3)), KrlError::Encoding),
            ("half a serial", certificates(0x20, &[0; 7]), KrlError::Encoding),
            (
                "a bitmap beyond all serials",
                certificates(0x22, &[&u64::MAX.to_be_bytes()[..], &strings(&[&[2]])].concat()),
                KrlError::Encoding,
            ),
            (
                "a critical extension",
                section(255, &[strings(&[b"new"]), vec![1], strings(&[b""])].concat()),
                KrlError::Extension("new".into()),
            ),
        ] {
            assert_eq!(Krl::parse(&bytes), Err(error), "{name}");
        }
        assert!(Krl::parse(&section(255, &[strings(&[b"new"]), vec![0], strings(&[b""])].concat())).is_ok());
    }
}
