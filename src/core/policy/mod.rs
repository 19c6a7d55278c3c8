//! The policy: raw TOML with places, then a valid policy with every reference resolved. POLICY.md is its reference.

mod advice;
mod approvals;
mod automaton;
mod builtin_classes;
mod cases;
mod certificates;
mod date;
mod dependents;
mod describe;
mod diff;
mod glob;
mod grants;
mod load;
mod marks;
mod orders;
mod plain_names;
mod principals;
mod problem;
mod reach;
mod reader;
mod rehearsed;
mod rules;
mod search;
mod starter;
mod submitters;
mod tolerated;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use approvals::{Approvals, Span, Whose};
pub use cases::{Case, Expected, Proof, Step};
pub use date::Date;
pub use dependents::{Dependent, dependents};
pub use diff::{Direction, PolicyDifference, diff};
pub use glob::{Below, Glob, GlobError, LetterCase};
pub use grants::{AgentField, Exchange, Issuer, Issuing};
pub use load::{Include, Loaded, Source, check_self_protection, load};
pub use orders::{OrderTerms, OverrideTerms};
pub use principals::{KeyObjection, KeyStatus, Principal, PrincipalKind};
pub use problem::{Location, Problem, Weight};
pub use reach::{Inclusion, inclusion};
pub use rules::{AgentsAllowed, Identity, Marks, Mode, Permission, Rule, Since};
pub use starter::{Proposal, ProposedKey, Starter, starter};
pub use submitters::Submitters;

use grants::Grants;
use tolerated::Tolerated;

use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::grant;
use crate::core::id::{Id, RepositoryName};
use crate::core::marks::Catalogue;
use crate::core::openpgp::{self, Certificate, Unusable};
use crate::core::order::Orders;
use crate::core::signature::{KeyName, ObjectSignature, SigningKey};
use crate::core::ssh::{PublicKey, VerifiedCertificate};

/// What happens where a ref moved with no decision: an admin moved it, or a hook was off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutOfBand {
    /// It is written down, and nobody is told: a mirror fetches what was decided elsewhere.
    Mirror,
    /// It is written down.
    #[default]
    Record,
    /// It is refused where a hook sees it, and nothing may be pushed to the ref until an admin has said that it is right.
    Refuse,
}

/// One or several policies that hold together. Only [`load()`] makes one.
#[derive(Clone, Debug)]
pub struct Policy {
    digest: Digest,
    repository: Option<RepositoryName>,
    /// The first of the policies that refuses refs which neither its own rules nor those of earlier ones match.
    refuses_unmatched: Option<usize>,
    out_of_band: OutOfBand,
    /// The built-in rows about AI marks with its own, where it has any.
    marks: Option<Catalogue>,
    /// The day up to which each of the policies given together knows the built-in rows, where it names one.
    marks_dates: BTreeMap<usize, Date>,
    /// Every file that was read, with the policy it belongs to.
    files: Vec<(String, usize)>,
    rules: Vec<Rule>,
    principals: BTreeMap<Id, Principal>,
    keys: BTreeMap<PublicKey, Id>,
    /// Every key of every OpenPGP certificate, with whose it is and which of theirs.
    certificates: BTreeMap<openpgp::Fingerprint, (Id, usize)>,
    /// Accounts in lower case, as written, and whose they are.
    accounts: BTreeMap<String, (String, Id)>,
    revoked: BTreeSet<KeyName>,
    retired: BTreeMap<KeyName, Date>,
    /// What each of the policies given together says about orders, where it does.
    orders: BTreeMap<usize, OrderTerms>,
    grants: Grants,
    /// What people have ordered since: freezes, and grants that are taken back.
    ordered: Orders,
    tolerated: Vec<Tolerated>,
}

impl Policy {
    /// The digest of everything the policy was read from: what pins it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The name that seals are bound to, where the policy says it.
    pub fn repository(&self) -> Option<&RepositoryName> {
        self.repository.as_ref()
    }

    /// The rows about AI marks: those in the binary, and those of its own files. Rows of any of the policies given together count
    /// for the rules of all.
    pub fn marks(&self) -> &Catalogue {
        self.marks.as_ref().unwrap_or_else(|| Catalogue::builtin())
    }

    /// Whether a ref is refused because no rule matches it. Rules of a later policy open nothing that an earlier one closed.
    pub fn refuses_unmatched(&self, name: &[u8]) -> bool {
        let governs = |rule: &&Rule| rule.mode != Mode::Off && !rule.is_path_rule() && rule.matches_ref(name);
        self.refuses_unmatched.is_some_and(|layer| !self.rules.iter().filter(governs).any(|rule| rule.layer <= layer))
    }

    /// The files of one of the policies given together, as reports name them, the including ones first.
    pub fn files(&self, layer: usize) -> impl Iterator<Item = &str> {
        self.files.iter().filter(move |(_, own)| *own == layer).map(|(name, _)| name.as_str())
    }

    /// All rules, in the order of the files.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The principal of this id.
    pub fn principal(&self, id: &Id) -> Option<&Principal> {
        self.principals.get(id)
    }

    /// The principal of this name, where it is an id at all.
    pub fn principal_named(&self, name: &str) -> Option<&Principal> {
        self.principals.get(&Id::parse(name.as_bytes())?)
    }

    /// All principals.
    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.principals.values()
    }

    /// The one principal that has this key.
    pub fn by_key(&self, key: &PublicKey) -> Option<&Principal> {
        self.principals.get(self.keys.get(key)?)
    }

    /// The one principal whose key signed an object.
    pub fn by_signer(&self, key: SigningKey<'_>) -> Option<&Principal> {
        match key {
            SigningKey::Ssh(key) => self.by_key(key),
            SigningKey::Certified(certificate) => self.by_certificate(certificate),
            SigningKey::OpenPgp(key) => self.certificate(key).map(|(holder, _)| holder),
        }
    }

    /// Whose an SSH certificate is: what a person or service signs with a key of theirs is theirs, whatever certificate comes with it; else the
    /// agent's, for which an issuer of it signed the certificate, whether it holds or not.
    fn by_certificate(&self, certificate: &VerifiedCertificate) -> Option<&Principal> {
        let holder = self.by_key(certificate.key());
        match holder.filter(|holder| holder.kind != PrincipalKind::Agent) {
            Some(holder) => Some(holder),
            None => grant::holder(self, certificate).or(holder),
        }
    }

    /// Whether what came in a certificate is judged by it. Whoever has registered the key needs none, but for an agent for which an issuer
    /// of it signed the certificate.
    pub fn is_granted(&self, certificate: &VerifiedCertificate) -> bool {
        match self.by_key(certificate.key()) {
            None => true,
            Some(holder) => holder.kind == PrincipalKind::Agent && grant::holder(self, certificate).is_some(),
        }
    }

    /// The certificate that holds a key, and whose it is.
    fn certificate(&self, key: &openpgp::Fingerprint) -> Option<(&Principal, &Certificate)> {
        let (id, position) = self.certificates.get(key)?;
        let holder = self.principals.get(id)?;
        Some((holder, holder.certificates.get(*position)?))
    }

    /// The certificates that hold a key which a signature may mean, each once for each such key.
    pub fn certificates_of<'a>(
        &'a self,
        issuer: &'a openpgp::Issuer,
    ) -> impl Iterator<Item = (&'a Principal, &'a Certificate)> {
        let meant: Vec<&openpgp::Fingerprint> = match issuer {
            openpgp::Issuer::Fingerprint(key) => vec![key],
            openpgp::Issuer::KeyId(_) => self.certificates.keys().filter(|key| issuer.names(key)).collect(),
        };
        meant.into_iter().filter_map(|key| self.certificate(key))
    }

    /// The one principal that the git server calls so.
    pub fn by_account(&self, account: &str) -> Option<&Principal> {
        let (_, id) = self.accounts.get(&account.to_lowercase()).filter(|(own, _)| own == account)?;
        self.principals.get(id)
    }

    /// The service whose commits a forge makes unsigned.
    pub fn unsigned_service(&self) -> Option<&Principal> {
        self.principals.values().find(|principal| principal.unsigned)
    }

    /// Whether an enforcing rule asks who pushes.
    pub fn asks_for_submitter(&self) -> bool {
        self.rules.iter().any(|rule| rule.mode == Mode::Enforce && rule.submitters.is_some())
    }

    /// Whether an enforcing rule wants somebody independent of who pushes.
    pub fn asks_for_independence(&self) -> bool {
        let asks = |rule: &Rule| rule.approvals.as_ref().is_some_and(|approvals| approvals.independent);
        self.rules.iter().any(|rule| rule.mode == Mode::Enforce && asks(rule))
    }

    /// Whether what the key signed counts, if it was first received at `received`.
    pub fn key_status(&self, key: &PublicKey, received: Timestamp) -> KeyStatus {
        if self.is_listed(key) {
            return KeyStatus::Revoked;
        }
        self.listed_status(&KeyName::Ssh(key.fingerprint()), received)
    }

    /// What the lists of revoked and retired keys say of one.
    fn listed_status(&self, key: &KeyName, received: Timestamp) -> KeyStatus {
        match self.retired.get(key) {
            _ if self.revoked.contains(key) => KeyStatus::Revoked,
            Some(date) if date.is_past(received) => KeyStatus::Retired,
            _ => KeyStatus::Good,
        }
    }

    /// Why a signature over an object does not count, if it was first received at `received` and it is `now`. That of a certificate's key
    /// does where the key may sign by the certificate as the policy holds it, then or now: an exported certificate often says
    /// nothing of the time before it was last prolonged.
    pub fn objection(&self, signature: &ObjectSignature, received: Timestamp, now: Timestamp) -> Option<KeyObjection> {
        let key = match signature.key() {
            key @ (SigningKey::Ssh(_) | SigningKey::Certified(_)) => return self.ssh_objection(key, received),
            SigningKey::OpenPgp(key) => key,
        };
        let (_, certificate) = self.certificate(key)?;
        let names = [key, certificate.fingerprint()].map(|name| KeyName::OpenPgp(name.clone()));
        let listed = || names.iter().find_map(|name| self.listed_status(name, received).objection());
        let ended = || signature.expires().filter(|end| *end <= received).map(Unusable::Expired);
        let by_certificate = || certificate.status(key, received).or_else(|_| certificate.status(key, now)).err();
        listed().or_else(|| ended().or_else(by_certificate).map(KeyObjection::Unusable))
    }

    /// Why what an SSH key signed does not count, if it was first received at `received`: a seal, or a signature over an object.
    pub fn ssh_objection(&self, key: SigningKey<'_>, received: Timestamp) -> Option<KeyObjection> {
        match key {
            SigningKey::Ssh(key) => self.key_status(key, received).objection(),
            SigningKey::Certified(certificate) if self.is_granted(certificate) => {
                grant::judge(self, certificate, received).err().map(KeyObjection::Grant)
            }
            SigningKey::Certified(certificate) => self.key_status(certificate.key(), received).objection(),
            SigningKey::OpenPgp(_) => None,
        }
    }

    /// The same policy with what people have ordered since, as far as it decides whether a grant holds.
    pub fn with_orders(mut self, ordered: Orders) -> Self {
        self.ordered = ordered;
        self
    }

    /// What people have ordered, where it was asked for ([`Policy::with_orders`]).
    pub fn ordered(&self) -> &Orders {
        &self.ordered
    }

    /// Whether it matters when something that the key signed was first received.
    pub fn asks_for_receipt(&self, key: SigningKey<'_>) -> bool {
        let ends = match key {
            SigningKey::Ssh(_) => false,
            SigningKey::Certified(_) => true,
            SigningKey::OpenPgp(key) => self.certificate(key).is_some_and(|(_, certificate)| certificate.ends()),
        };
        ends || self.retired.contains_key(&key.name())
            || self.by_signer(key).is_some_and(|holder| holder.review_by.is_some())
    }

    /// Whether any rule does more than observe.
    pub fn enforces(&self) -> bool {
        self.rules.iter().any(|rule| rule.mode > Mode::Observe) || self.refuses_unmatched.is_some()
    }

    /// Whether an enforcing rule asks for approvals, which land once.
    pub fn spends_approvals(&self) -> bool {
        self.rules.iter().any(|rule| rule.mode == Mode::Enforce && rule.approvals.is_some())
    }

    /// What happens where a ref moved with no decision.
    pub fn out_of_band(&self) -> OutOfBand {
        self.out_of_band
    }

    /// Whether a rule knows a principal. A policy given later adds principals for its own rules, never for those of one
    /// given before it.
    pub fn registers(&self, rule: &Rule, principal: &Principal) -> bool {
        principal.layer <= rule.layer
    }

    /// The registered agent that a mark of `tool` most likely is: the one of that id, or the first of that tool.
    pub fn agent_for_tool(&self, tool: &str) -> Option<&Principal> {
        let agents = || self.principals.values().filter(|principal| principal.kind == PrincipalKind::Agent);
        let named = agents().find(|agent| agent.id.as_str() == tool);
        named.or_else(|| agents().find(|agent| agent.tool.as_ref().is_some_and(|own| own.as_str() == tool)))
    }

    /// Whether one agent only is an instance of a tool or called like it.
    pub fn is_one_agent(&self, tool: &str) -> bool {
        let meant = |one: &&Principal| {
            let of_tool = one.id.as_str() == tool || one.tool.as_ref().is_some_and(|own| own.as_str() == tool);
            one.kind == PrincipalKind::Agent && of_tool
        };
        self.principals.values().filter(meant).count() == 1
    }

    /// A rule that governs a ref whose name some file system takes for this one, where it does not govern this one.
    pub fn case_alias(&self, name: &[u8]) -> Option<&Rule> {
        let governs =
            |rule: &&Rule| rule.mode == Mode::Enforce && !rule.matches_ref(name) && rule.matches_ref_folded(name);
        self.rules.iter().find(governs)
    }
}
