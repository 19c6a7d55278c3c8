//! A certificate and those above it, read into what they grant together.

use std::cell::RefCell;
use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use super::scope::{Dimension, Excess, Scope, ScopeError};
use super::{LINKS, PARENT, SCOPE};
use crate::core::digest::Digest;
use crate::core::ssh::{CertificateError, ClaimedCertificate, VerifiedCertificate, single_string};

/// Critical options that sshd enforces at login and that say nothing of what is signed.
const TOLERATED: [&str; 2] = ["force-command", "source-address"];

/// What ends the names of extensions that mean something here.
const OURS: &str = "@countersign";

/// Grants remembered by each thread.
const RECENT_GRANTS: usize = 16;

thread_local! {
    /// Grants read last: the same certificate always says the same, so nothing but time depends on this.
    static RECENT: RefCell<Vec<Reading>> = const { RefCell::new(Vec::new()) };
}

/// What came of reading the certificate of a digest.
type Reading = (Digest, Result<Grant, GrantFault>);

/// Why a certificate is no grant, whatever a policy says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GrantFault {
    /// It asks for something that is not known.
    #[error("its critical option {0:?} is not known here; source-address and force-command are")]
    CriticalOption(String),
    /// An extension of ours that this version does not know.
    #[error("its extension {0:?} is not known by this version")]
    Extension(String),
    /// It cannot be named.
    #[error("its serial is 0, so it cannot be revoked by its name; issue it with a serial (ssh-keygen -z)")]
    Serial,
    /// sshd takes it for everybody's.
    #[error("it names no principal, which sshd takes for all of them; issue it with the agent's (ssh-keygen -n)")]
    NoPrincipals,
    /// The scope cannot be read.
    #[error("{0}")]
    Scope(#[from] ScopeError),
    /// The data of the extension is not one string.
    #[error("the data of its extension {0} is not one string, as ssh-keygen -O extension:NAME=TEXT writes it")]
    Data(&'static str),
    /// The parent is no certificate.
    #[error("the certificate above it cannot be read: {0}")]
    Parent(CertificateError),
    /// The parent did not issue it.
    #[error("it was not issued by the key of the certificate above it")]
    NotIssuedByParent,
    /// The chain is too long.
    #[error("it is more than {LINKS} certificates deep")]
    TooDeep,
    /// A link goes further than the one above.
    #[error("it goes further than the certificate above it: {0}")]
    Wider(Excess),
}

/// One certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The certificate.
    pub certificate: VerifiedCertificate,
    /// What it is for, where it says so.
    pub scope: Option<Scope>,
}

/// A chain of certificates, each of which grants no more than the one above. Copies share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant(Arc<Vec<Link>>);

impl Grant {
    /// Reads what a certificate grants.
    ///
    /// # Errors
    /// [`GrantFault`].
    pub fn of(certificate: &VerifiedCertificate) -> Result<Self, GrantFault> {
        let digest = certificate.digest();
        let known = RECENT.with_borrow(|recent| recent.iter().find(|(own, _)| *own == digest).cloned());
        if let Some((_, known)) = known {
            return known;
        }
        let read = read(certificate).map(|links| Self(Arc::new(links)));
        RECENT.with_borrow_mut(|recent| {
            if recent.len() >= RECENT_GRANTS {
                recent.clear();
            }
            recent.push((digest, read.clone()));
        });
        read
    }

    /// Its certificates, its own first and that of a person or an authority last.
    pub fn links(&self) -> &[Link] {
        &self.0
    }

    /// Its own certificate.
    pub fn certificate(&self) -> Option<&VerifiedCertificate> {
        self.0.first().map(|link| &link.certificate)
    }
}

fn read(certificate: &VerifiedCertificate) -> Result<Vec<Link>, GrantFault> {
    let mut links = vec![link(certificate)?];
    let mut lowest = certificate.clone();
    while let Some(above) = parent(&lowest)? {
        if links.len() >= LINKS {
            return Err(GrantFault::TooDeep);
        }
        if above.key() != lowest.issuer() {
            return Err(GrantFault::NotIssuedByParent);
        }
        let own = link(&above)?;
        if let Some(below) = links.last() {
            within(below, &own).map_err(GrantFault::Wider)?;
        }
        links.push(own);
        lowest = above;
    }
    Ok(links)
}

fn link(certificate: &VerifiedCertificate) -> Result<Link, GrantFault> {
    let critical = certificate.critical_options().iter();
    if let Some((name, _)) = critical.clone().find(|(name, _)| !TOLERATED.contains(&name.as_str())) {
        return Err(GrantFault::CriticalOption(name.clone()));
    }
    let ours = certificate.extensions().iter().filter(|(name, _)| name.ends_with(OURS));
    if let Some((name, _)) = ours.clone().find(|(name, _)| ![SCOPE, PARENT].contains(&name.as_str())) {
        return Err(GrantFault::Extension(name.clone()));
    }
    if certificate.serial() == 0 {
        return Err(GrantFault::Serial);
    }
    if certificate.principals().is_empty() {
        return Err(GrantFault::NoPrincipals);
    }
    let scope = certificate.extension(SCOPE).map(|data| single_string(data).ok_or(GrantFault::Data(SCOPE)));
    let scope = scope.transpose()?.map(Scope::parse).transpose()?;
    Ok(Link { certificate: certificate.clone(), scope })
}

/// The certificate of the agent that issued this one, verified.
fn parent(certificate: &VerifiedCertificate) -> Result<Option<VerifiedCertificate>, GrantFault> {
    let Some(data) = certificate.extension(PARENT) else { return Ok(None) };
    let base64 = single_string(data).ok_or(GrantFault::Data(PARENT))?;
    let unreadable = || GrantFault::Parent(CertificateError::Line);
    let base64 = std::str::from_utf8(base64).map_err(|_| unreadable())?;
    let blob = Base64::decode_vec(base64).map_err(|_| unreadable())?;
    let claimed = ClaimedCertificate::from_blob(&blob).map_err(GrantFault::Parent)?;
    claimed.verify().map(Some).map_err(GrantFault::Parent)
}

/// Whether a link is a subset of the one above.
fn within(below: &Link, above: &Link) -> Result<(), Excess> {
    let unlimited = Scope::default();
    let (own, other) = (below.scope.as_ref().unwrap_or(&unlimited), above.scope.as_ref().unwrap_or(&unlimited));
    other.delegates_to(own)?;
    own.within(other)?;
    let (own, other) = (&below.certificate, &above.certificate);
    if own.valid_after() < other.valid_after() || own.valid_before() > other.valid_before() {
        let detail = "is not within that of the certificate above".to_owned();
        return Err(Excess { dimension: Dimension::Window, detail });
    }
    Ok(())
}
