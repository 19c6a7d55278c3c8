//! What the ledger says: entries as canonical JSON, one encoding each.

use serde::{Deserialize, Serialize};

use super::place::Place;
use crate::core::canonical::{CanonicalOid, RefName, Sha256, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;

/// The version of the format that this program writes; it reads all before.
pub(super) const VERSION: u32 = 3;

/// The kind of an entry that raises the version.
pub(super) const RAISED: &str = "written by a newer version";

/// One entry. Its JSON is compact, with the keys in the order of these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    /// The first entry: whose ledger this is, and the key that signs it.
    Opened(Opened),
    /// From the next record on the log is of a later version. An earlier program does not know the kind, and says its name.
    #[serde(rename = "written by a newer version")]
    Raised(Raised),
    /// The directory that the ledger is kept for.
    Placed(Placed),
    /// Another key signs from this record on.
    Rekeyed(Rekeyed),
    /// The log goes on from another, which was closed.
    Continues(Continues),
    /// What was received in a log before.
    Carried(Carried),
    /// Approvals that count as landed, though no entry says that they did.
    Spent(Presumed),
    /// An admin says that these have not landed: such an entry before says nothing of them any more.
    Unspent(Presumed),
    /// An admin says that the clock is right: times go on from here.
    Clock(Clock),
    /// Refs as they were found and taken for right: at install, and where an admin says so again.
    Refs(Found),
    /// A decision on a push.
    Decided(Decided),
    /// More of the decision that stands before it, where one record does not hold it.
    Continued(Continued),
    /// Refs of an accepted decision moved.
    Committed(Settled),
    /// Refs of an accepted decision did not move.
    Aborted(Settled),
    /// Refs moved and no decision explains it.
    Unexplained(Unexplained),
    /// An admin has put an order into a store of the server.
    Ordered(Ordered),
    /// Moves that were accepted in spite of findings in a log before.
    Overrode(Overrode),
    /// Refused pushes that were counted and not recorded one by one.
    Suppressed(Suppressed),
    /// What a crash left of an entry was cut off.
    Recovered(Recovered),
}

/// See [`Entry::Opened`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// When.
    pub time: Time,
    /// The version of the format in which a log begins, 1.
    pub version: u32,
    /// The repository's name.
    pub repository: String,
    /// The ledger's public key, as a line of a `.pub` file.
    pub key: String,
}

/// See [`Entry::Raised`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raised {
    /// When.
    pub time: Time,
    /// The version.
    pub version: u32,
}

/// See [`Entry::Placed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// When.
    pub time: Time,
    /// How it is known.
    pub how: How,
    /// The directory.
    pub place: Place,
}

/// How a ledger knows the directory that it is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It was the first, or the one before by another name or number.
    Seen,
    /// An admin said that the one before was moved there, or restored.
    Moved,
    /// An admin said that it is a copy of the one before. The log of that one goes on elsewhere, under the key before.
    Copied,
}

/// See [`Entry::Rekeyed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rekeyed {
    /// When.
    pub time: Time,
    /// The public key, as a line of a `.pub` file.
    pub key: String,
    /// The signature of the key before over that line: an SSHSIG blob in base64, of its own namespace.
    pub signature: String,
}

/// See [`Entry::Continues`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continues {
    /// When.
    pub time: Time,
    /// The number of this generation; the first log of a ledger is of generation 0.
    pub generation: u64,
    /// The entries of the one before.
    pub size: u64,
    /// The root over them.
    pub root: Sha256,
    /// The signature of its last record, an SSHSIG blob in base64.
    pub signature: String,
}

/// See [`Entry::Carried`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// When it was written here.
    pub time: Time,
    /// What was received.
    pub receipts: Vec<Receipt>,
    /// The commits that were made under grants, each with the digest of a certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<GrantUse>,
}

/// The digest of a certificate, and a commit that was received under it or one below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantUse(pub Sha256, pub CanonicalOid);

/// The digest of a seal, a signature or an approval's statement; when it was first received; and where an approval landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt(pub Sha256, pub Time, pub Option<CanonicalOid>);

/// See [`Entry::Spent`] and [`Entry::Unspent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presumed {
    /// When.
    pub time: Time,
    /// The digests of their statements.
    pub approvals: Vec<Sha256>,
}

/// See [`Entry::Clock`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// What the clock says, which may be before the entry before.
    pub time: Time,
}

/// See [`Entry::Refs`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// When.
    pub time: Time,
    /// Names and values. A value of `null` says that the ref is known to be gone.
    pub refs: Vec<(RefName, Option<CanonicalOid>)>,
}

/// See [`Entry::Decided`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// When, which is the time of receipt of all it accepts. Never before that of an earlier entry.
    pub time: Time,
    /// What the clock said, where it said an earlier time than the entry before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Time>,
    /// The number that it had in the generation before, where it is written again because refs of it may still move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<u64>,
    /// What became of the push. Where the gate only observes, every push is accepted, and the updates say what was found.
    pub outcome: Outcome,
    /// The digest of the policy in force; `null` where it could not be loaded.
    pub policy: Option<Sha256>,
    /// The version of the program that decided.
    pub version: String,
    /// Who pushed, as far as the server says.
    pub submitter: Option<String>,
    /// Why nothing could be decided at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The digest of the freezes that were in force, where there were any: when refs move they are looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freezes: Option<Sha256>,
    /// The ref updates.
    pub updates: Vec<UpdateRecord>,
    /// How many entries of kind `continued` belong to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub continued: u32,
}

/// See [`Entry::Continued`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continued {
    /// The number of the entry that it continues.
    pub decision: u64,
    /// More ref updates, or more work on one that was begun.
    pub updates: Vec<UpdateRecord>,
}

/// What a push would do to one ref, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateRecord {
    /// The full name of the ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// Its value before.
    pub old: Option<CanonicalOid>,
    /// Its value after.
    pub new: Option<CanonicalOid>,
    /// How many distinct commits were judged.
    pub commits: u64,
    /// What became of this update.
    pub outcome: Outcome,
    /// The findings, those of observing rules among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingRecord>,
    /// How many more findings there were, by the digest of their text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// What an enforcing rule accepted, by whom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub work: Vec<Work>,
    /// The approvals that landed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<LandedApproval>,
    /// The order that it stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderRecord>,
    /// The orders by which it is accepted in spite of findings. They are spent once the ref has moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<OverrideRecord>,
}

/// What an order says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRecord {
    /// The word for it.
    pub order: String,
    /// Of whom, as it stands in the order.
    pub subject: String,
    /// By whom, as it stands there.
    pub by: String,
    /// Why, escaped.
    pub reason: String,
    /// When it was signed.
    pub issued: Time,
    /// When it ends by itself.
    pub expires: Option<Time>,
    /// The digest of the statement; `null` of an admin's own.
    pub digest: Option<Sha256>,
}

/// One person's order by which a move is accepted in spite of findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideRecord {
    /// The id of the person.
    pub by: String,
    /// The digest of the statement.
    pub digest: Sha256,
    /// The codes of findings that it passes over.
    pub codes: Vec<String>,
    /// Why, escaped.
    pub reason: String,
}

/// See [`Entry::Ordered`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordered {
    /// When.
    pub time: Time,
    /// The order.
    pub order: OrderRecord,
}

/// See [`Entry::Overrode`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrode {
    /// When it was written here.
    pub time: Time,
    /// The moves.
    pub moves: Vec<OverriddenMove>,
}

/// A move that was accepted in spite of findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverriddenMove {
    /// The full name of the ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// When it was decided.
    pub time: Time,
    /// Its value before.
    pub old: Option<CanonicalOid>,
    /// Its value after.
    pub new: Option<CanonicalOid>,
    /// By which orders.
    pub overrides: Vec<OverrideRecord>,
}

/// An approval that landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LandedApproval {
    /// The id of the person.
    pub approver: String,
    /// The service at whose word it is the person's; absent where the person signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<String>,
    /// The digest of the statement.
    pub digest: Sha256,
}

impl LandedApproval {
    /// Whose it is, in words.
    pub fn by(&self) -> String {
        match &self.attested {
            None => self.approver.clone(),
            Some(service) => format!("{} (attested by {service})", self.approver),
        }
    }

    /// Whose it is, in one word: as the last part of its ref.
    pub fn word(&self) -> String {
        match &self.attested {
            None => self.approver.clone(),
            Some(service) => format!("{}@{service}", self.approver),
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingRecord {
    /// Its stable code, or `undecided`.
    pub code: String,
    /// `error`, `warning` or `observed`.
    pub severity: String,
    /// The rule, as `name (file:line)`; `null` for a protection that needs none.
    pub rule: Option<String>,
    /// The commit or tag that it is about; `null` for the ref.
    pub object: Option<CanonicalOid>,
    /// Who is said to have made the object: a claim.
    pub author: Option<String>,
    /// What is wrong, escaped and capped.
    pub detail: String,
}

impl FindingRecord {
    /// The digest of the JSON of several, by which an update says which it leaves out.
    pub fn digest(findings: &[Self]) -> Sha256 {
        Sha256(Digest::of(serde_json::to_string(findings).unwrap_or_default().as_bytes()))
    }
}

/// Findings that were left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// How many.
    pub findings: u64,
    /// The digest of their JSON.
    pub digest: Sha256,
    /// How many of each kind. Where an earlier update of the decision has left out as many, with the same digest, these are its. Earlier
    /// programs did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<LeftOutKind>,
}

/// How many findings of a kind were left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOutKind {
    /// As in [`FindingRecord`].
    pub severity: String,
    /// As in [`FindingRecord`].
    pub code: String,
    /// As in [`FindingRecord`], or [`OTHERS`].
    pub rule: Option<String>,
    /// As in [`FindingRecord`], or [`OTHERS`].
    pub author: Option<String>,
    /// How many.
    pub findings: u64,
}

/// What stands in the place of rules and authors that are not told apart.
pub const OTHERS: &str = "(others)";

/// What one key signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The id of the principal.
    pub principal: String,
    /// The fingerprint of the key.
    pub key: String,
    /// The grant under which it signed: its own certificate first, then each above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grant: Vec<GrantLink>,
    /// Each commit with the digest of the SSHSIG blob of the seal or signature on it.
    pub commits: Vec<(CanonicalOid, Sha256)>,
}

/// One certificate of a grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantLink {
    /// Its name, `agent:serial` by its own word.
    pub name: String,
    /// The digest of the certificate.
    pub certificate: Sha256,
}

/// See [`Entry::Committed`] and [`Entry::Aborted`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// When.
    pub time: Time,
    /// The number of the decision's entry.
    pub decision: u64,
    /// The refs.
    pub refs: Vec<RefName>,
    /// How it is known.
    pub by: Witness,
}

/// What tells that refs moved or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// Git said so, in post-receive.
    PostReceive,
    /// Git said so, in reference-transaction.
    ReferenceTransaction,
    /// A later run saw the refs.
    Refs,
}

/// See [`Entry::Unexplained`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unexplained {
    /// When it was seen, which may be long after it happened.
    pub time: Time,
    /// The refs that moved.
    pub refs: Vec<Moved>,
    /// What saw it.
    pub by: Witness,
}

/// One ref that moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// The full name of the ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The value that the ledger knew.
    pub from: Option<CanonicalOid>,
    /// The value that was found.
    pub to: Option<CanonicalOid>,
}

/// See [`Entry::Suppressed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppressed {
    /// When they were written down.
    pub time: Time,
    /// Who pushed, as far as the server says.
    pub submitter: Option<String>,
    /// The hour in which they were refused, by its start.
    pub hour: Time,
    /// How many.
    pub refused: u64,
}

/// See [`Entry::Recovered`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    /// When it was seen.
    pub time: Time,
    /// Bytes that were cut off.
    pub cut: u64,
    /// The digest of those bytes.
    pub digest: Sha256,
}

/// What became of a push or an update, as [`crate::core::decide::Outcome`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It may go ahead.
    Accepted,
    /// Policy refuses it.
    Rejected,
    /// No decision was possible.
    Undecided,
}

impl Entry {
    /// What was decided of each ref, where it says so.
    pub fn updates(&self) -> &[UpdateRecord] {
        match self {
            Self::Decided(decided) => &decided.updates,
            Self::Continued(continued) => &continued.updates,
            Self::Opened(_)
            | Self::Raised(_)
            | Self::Placed(_)
            | Self::Rekeyed(_)
            | Self::Continues(_)
            | Self::Carried(_)
            | Self::Spent(_)
            | Self::Unspent(_)
            | Self::Clock(_)
            | Self::Refs(_)
            | Self::Committed(_)
            | Self::Aborted(_)
            | Self::Unexplained(_)
            | Self::Suppressed(_)
            | Self::Recovered(_)
            | Self::Ordered(_)
            | Self::Overrode(_) => &[],
        }
    }

    /// The canonical JSON.
    ///
    /// # Errors
    /// None that these types can cause; the library's signature has one.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// When it was written; `None` for a continuation, which has the time of what it continues.
    pub fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Opened(entry) => Some(entry.time),
            Self::Raised(entry) => Some(entry.time),
            Self::Placed(entry) => Some(entry.time),
            Self::Rekeyed(entry) => Some(entry.time),
            Self::Continues(entry) => Some(entry.time),
            Self::Carried(entry) => Some(entry.time),
            Self::Spent(entry) | Self::Unspent(entry) => Some(entry.time),
            Self::Clock(entry) => Some(entry.time),
            Self::Refs(entry) => Some(entry.time),
            Self::Decided(entry) => Some(entry.time),
            Self::Continued(_) => None,
            Self::Committed(entry) | Self::Aborted(entry) => Some(entry.time),
            Self::Unexplained(entry) => Some(entry.time),
            Self::Ordered(entry) => Some(entry.time),
            Self::Overrode(entry) => Some(entry.time),
            Self::Suppressed(entry) => Some(entry.time),
            Self::Recovered(entry) => Some(entry.time),
        }
        .map(|time| time.0)
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_errors() {
        let good = r#"{"kind":"recovered","time":"2026-11-24T03:11:04Z","cut":3,"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#;
        let entry: Entry = serde_json::from_str(good).unwrap();
        assert_eq!(entry.to_json().unwrap(), good);
        let more = good.replace("\"cut\"", "\"more\":1,\"cut\"");
        assert!(serde_json::from_str::<Entry>(&more).is_err());
    }
}
