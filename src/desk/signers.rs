//! Who signed the commits of recent history, for the starter policy: with their keys where this desk knows them from somewhere else.
//!
//! A signature shows a key, and says nothing of whose it is. So no key is taken from a signature alone: an SSH key counts as known where
//! `gpg.ssh.allowedSignersFile` lists it, an OpenPGP one where GnuPG's keyring has its certificate; and only where what it signed verifies.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use crate::core::commit::{Commit, RawSignature};
use crate::core::oid::Oid;
use crate::core::openpgp::{self, Certificate};
use crate::core::policy::{Proposal, ProposedKey};
use crate::core::ssh::{ClaimedSignature, PublicKey};
use crate::desk::clone::Local;
use crate::desk::who::expand_home;
use crate::system::Result;
use crate::system::process::{config, git};

/// Commits that are looked at.
const RECENT: usize = 2000;

/// Signers that are told of.
const MOST: usize = 100;

/// A key, as signatures name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Ssh(PublicKey),
    /// The digits of a fingerprint or a key id.
    OpenPgp(String),
}

/// What a key signed.
#[derive(Default)]
struct Signer {
    commits: usize,
    /// Whether it signed what others wrote, and nothing of its own: as a forge does.
    authors: BTreeMap<(String, String), usize>,
    committers: BTreeSet<String>,
    /// Some of the signatures, to verify with what is found.
    samples: Vec<RawSignature>,
}

/// Signatures that are verified of each key.
const SAMPLES: usize = 5;

/// The signers of the last commits of HEAD; none where there is no history.
pub(crate) fn recent() -> Result<Vec<Proposal>> {
    let listed = git(&["rev-list", &format!("--max-count={RECENT}"), "HEAD"]).line().unwrap_or_default();
    let ids: Vec<Oid> = listed.lines().filter_map(|line| Oid::parse(line.as_bytes())).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let local = Local::open()?;
    let mut signers: BTreeMap<Named, Signer> = BTreeMap::new();
    for id in ids {
        let Ok(raw) = local.objects.commit(id) else { continue };
        let Ok(commit) = Commit::parse(&raw, local.objects.format()) else { continue };
        let Some((signature, key)) = commit.signature.as_ref().and_then(|one| Some((one, named(one)?))) else {
            continue;
        };
        let signer = signers.entry(key).or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        signer.commits += 1;
        *signer.authors.entry((text(commit.author.name), text(commit.author.email))).or_default() += 1;
        signer.committers.insert(text(commit.committer.email));
        if signer.samples.len() < SAMPLES {
            signer.samples.push(signature.clone());
        }
    }
    let mut signers: Vec<(Named, Signer)> = signers.into_iter().collect();
    signers.sort_by_key(|(_, signer)| std::cmp::Reverse(signer.commits));
    signers.truncate(MOST);
    let allowed = allowed_signers()?;
    Ok(signers.into_iter().filter_map(|(key, signer)| proposal(&key, signer, &allowed)).collect())
}

fn named(signature: &RawSignature) -> Option<Named> {
    if signature.armor.starts_with(b"-----BEGIN PGP ") {
        let claimed = openpgp::ClaimedSignature::from_armor(&signature.armor).ok()?;
        return Some(Named::OpenPgp(claimed.issuer().to_string()));
    }
    let claimed = ClaimedSignature::from_armor(&signature.armor).ok()?;
    let key = claimed.key().clone();
    claimed.verify("git", &signature.payload).ok().map(|_| Named::Ssh(key))
}

/// What is to be said of one key; `None` where a certificate is at hand and none of the signatures is its.
fn proposal(key: &Named, signer: Signer, allowed: &BTreeMap<PublicKey, String>) -> Option<Proposal> {
    let mut whose = None;
    let proposed = match key {
        Named::Ssh(key) => match allowed.get(key) {
            Some(principal) => {
                let called = signer.authors.keys().find(|(_, email)| email == principal);
                let name = called.map_or(principal, |(name, _)| name);
                whose = Some((name.clone(), principal.clone()));
                ProposedKey::Ssh(key.to_line())
            }
            None => ProposedKey::UnknownSsh(key.fingerprint().to_string()),
        },
        Named::OpenPgp(digits) => match exported(digits) {
            Some((text, certificate)) => {
                let verifies = |sample: &RawSignature| {
                    let claimed = openpgp::ClaimedSignature::from_armor(&sample.armor);
                    claimed.is_ok_and(|claimed| claimed.verify(&certificate, &sample.payload).is_ok())
                };
                if !signer.samples.iter().any(verifies) {
                    return None;
                }
                whose = certificate.names().next().map(|name| name_and_address(&name));
                ProposedKey::OpenPgp { fingerprint: certificate.fingerprint().to_string(), text }
            }
            None => ProposedKey::UnknownOpenPgp(digits.clone()),
        },
    };
    let is_forge = is_forge(&signer);
    let Signer { commits, authors, committers, .. } = signer;
    let forge = committers.into_iter().next().filter(|_| is_forge).map(|email| (email.clone(), email));
    // What vouches for a key says whose it is; the commits only claim it.
    let claimed = authors.into_iter().max_by_key(|(_, count)| *count).map(|(whose, _)| whose);
    let (name, email) = whose.or(forge).or(claimed)?;
    Some(Proposal { key: proposed, commits, name, email, is_forge })
}

/// The parts of `Alice Ng <alice@acme.dev>`.
fn name_and_address(text: &str) -> (String, String) {
    match text.split_once('<').and_then(|(name, rest)| Some((name.trim(), rest.split_once('>')?.0))) {
        Some((name, email)) => (if name.is_empty() { email } else { name }.to_owned(), email.to_owned()),
        None => (text.to_owned(), text.to_owned()),
    }
}

/// Whether a key signs as a forge's does: commits by several people that one committer made, who is none of them.
fn is_forge(signer: &Signer) -> bool {
    let emails: BTreeSet<&str> = signer.authors.keys().map(|(_, email)| email.as_str()).collect();
    let own = signer.committers.iter().any(|committer| emails.contains(committer.as_str()));
    let known = ["noreply@github.com", "noreply@gitlab.com", "noreply@codeberg.org"];
    signer.committers.iter().any(|email| known.contains(&email.as_str()))
        || (!own && signer.committers.len() == 1 && emails.len() > 1)
}

/// The keys that the person's file of allowed signers lists, with whose they are (ssh-keygen(1), ALLOWED SIGNERS).
fn allowed_signers() -> Result<BTreeMap<PublicKey, String>> {
    let Some(file) = config("gpg.ssh.allowedSignersFile")? else { return Ok(BTreeMap::new()) };
    let text = std::fs::read_to_string(expand_home(&file)).unwrap_or_default();
    // A principal, options, and the key, which begins with its type.
    let key = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let start = words
            .iter()
            .position(|word| word.starts_with("ssh-") || word.starts_with("sk-") || word.starts_with("ecdsa-"))?;
        let authority = words.get(1..start)?.iter().any(|word| word.to_ascii_lowercase().contains("cert-authority"));
        let line = words.get(start..)?.join(" ");
        let principal = words.first()?.split(',').next()?.to_owned();
        PublicKey::parse_line(&line).ok().filter(|_| !authority).map(|(key, _)| (key, principal))
    };
    Ok(text.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(key).collect())
}

/// The certificate that GnuPG's keyring has of a key, in the form in which a policy names it.
fn exported(digits: &str) -> Option<(String, Certificate)> {
    let program = config("gpg.openpgp.program").ok()?.or(config("gpg.program").ok()?);
    let mut command = Command::new(program.map_or_else(|| "gpg".into(), |program| expand_home(&program)));
    command.args(["--batch", "--no-tty", "--quiet", "--armor", "--export-options", "export-minimal", "--export"]);
    let output = command.arg(format!("0x{digits}")).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let certificate = Certificate::parse(text.trim().as_bytes()).ok()?;
    Some((text.trim().to_owned() + "\n", certificate))
}
