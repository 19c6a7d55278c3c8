//! Which approvals a withdrawal takes back: every one by the same person for the same ref and repository that was issued before it and
//! names any of its commits, by id, or by change and message. So an approval of a part, or from before a rebase, does not come back.
//! What a service attests that somebody took back is what the same service attested: of what the person signed, the person decides.

use std::collections::HashSet;

use super::statement::{Approval, Decision};

/// Whether a record takes an approval back: it is a withdrawal by the same person, or by the service that attested the approval, for the
/// same ref, issued later, and names one of the approval's commits, by id or by change and message. Whose key signed it is for the caller to ask. It holds as long as it is stored.
pub fn withdraws(record: &Approval, approval: &Approval) -> bool {
    let same = record.repository == approval.repository
        && record.name == approval.name
        && record.approver == approval.approver
        && record.attested.as_ref().is_none_or(|by| approval.is_attested_by(&by.service));
    if record.decision != Decision::Withdraw || !same || record.issued <= approval.issued {
        return false;
    }
    let ids: HashSet<_> = record.commits.iter().map(|commit| commit.id.0).collect();
    let contents: HashSet<_> = record.commits.iter().map(|commit| (commit.change.0, commit.message.0)).collect();
    let named = |commit: &super::ApprovedCommit| {
        ids.contains(&commit.id.0) || contents.contains(&(commit.change.0, commit.message.0))
    };
    approval.commits.iter().any(named)
}

#[cfg(test)]
mod tests {
    use super::super::Attested;
    use super::super::tests::{approval, id};
    use super::*;
    use crate::core::canonical::{Sha256, Time};
    use crate::core::decide::Timestamp;
    use crate::core::digest::Digest;

    #[test]
    fn an_earlier_approval_of_any_of_its_commits_is_taken_back() {
        let approved = approval();
        let later = Time(Timestamp(approved.issued.0.0 + 1));
        let withdrawal = Approval { decision: Decision::Withdraw, issued: later, ..approved.clone() };
        assert!(withdraws(&withdrawal, &approved));
        let shorter = Approval { commits: approved.commits[..1].to_vec(), head: id(1), ..approved.clone() };
        assert!(withdraws(&withdrawal, &shorter));
        let mut rebased = shorter.clone();
        rebased.commits[0].id = id(7);
        assert!(withdraws(&withdrawal, &rebased), "by change and message");
        let mut other = rebased.clone();
        other.commits[0].message = Sha256(Digest::of(b"other"));
        for (record, approval) in [
            (&withdrawal, &other),
            (&approved, &approved),
            (&Approval { issued: approved.issued, ..withdrawal.clone() }, &approved),
            (&Approval { approver: "bob".into(), ..withdrawal.clone() }, &approved),
            (&Approval { name: "refs/heads/other".into(), ..withdrawal.clone() }, &approved),
            (&Approval { repository: "acme/other".into(), ..withdrawal.clone() }, &approved),
        ] {
            assert!(!withdraws(record, approval));
        }
        let by = |service: &str| {
            let attested = Attested { service: service.into(), account: "alice-ng".into(), request: "acme/x/1".into() };
            Some(attested)
        };
        let attested = Approval { attested: by("forge"), ..approved.clone() };
        let taken_back = |service: &str| Approval { attested: by(service), ..withdrawal.clone() };
        assert!(withdraws(&withdrawal, &attested), "the person takes back what was said of them");
        assert!(withdraws(&taken_back("forge"), &attested));
        assert!(!withdraws(&taken_back("other"), &attested));
        assert!(!withdraws(&taken_back("forge"), &approved), "what the person signed is the person's");
    }
}
