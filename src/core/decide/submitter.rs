//! `submitter-unknown` and `submitter-not-allowed`: who pushes, and whether the rule accepts pushes of theirs.

use super::hint::Hint;
use super::{Code, Findings, RuleContext, Subject, Timestamp};
use crate::core::facts::{Judged, JudgedCommit, RefTarget};
use crate::core::grant;
use crate::core::policy::{KeyStatus, Policy, Principal, PrincipalKind, Rule};
use crate::core::ssh::PublicKey;
use crate::core::submitter::{Said, Submitter, Via, Who};

/// Judges who pushes, under one rule. A rule about the ref asks for every move of it; one about paths, where a new commit
/// touches them.
pub(super) fn judge(context: &RuleContext<'_>, judged: &Judged, findings: &mut Findings<'_>) {
    let Some(allowed) = &context.rule.submitters else { return };
    let touching = judged.sought.as_ref().and_then(|sought| sought.commits.first());
    let unattributed = matches!(context.update.target, RefTarget::Unattributed(_));
    if context.rule.is_path_rule() && touching.is_none() && !unattributed {
        return;
    }
    let why = why(context.rule, touching);
    let submitter = match known(context) {
        Known::Unasked => return,
        Known::Unknown(reason) => {
            let detail = format!("{why} only {} may push, and nobody knows who pushes: {reason}", allowed.text());
            return find(context, findings, Code::SubmitterUnknown, detail, unknown_hint(context, &reason));
        }
        Known::Principal(submitter) => submitter,
    };
    let ask = format!("push it to a branch that you may push to, and ask one of {} to push it here", allowed.text());
    if !allowed.ids.contains(&submitter.id) {
        let noun = submitter.kind.noun();
        let detail = format!("{why} only {} may push, and {noun} {} pushes", allowed.text(), submitter.id);
        return find(context, findings, Code::SubmitterNotAllowed, detail, ask);
    }
    if let Some(date) = submitter.review_by.filter(|date| date.is_past(context.now)) {
        let detail = format!("{} was to be reviewed by {date} and is suspended", submitter.id);
        let owner = submitter.owner.as_ref().map_or("an admin", |owner| owner.as_str());
        let hint = format!(
            "ask {owner}, its owner, to review it and an admin to move review-by ({}:{})",
            submitter.at.file, submitter.at.line
        );
        find(context, findings, Code::SubmitterNotAllowed, detail, hint);
    }
}

/// What the rule is about, in words that come before "only".
fn why(rule: &Rule, touching: Option<&JudgedCommit>) -> String {
    match touching.and_then(|commit| commit.touched.as_ref()) {
        Some(path) => format!("of what touches {:?}", String::from_utf8_lossy(path)),
        None if rule.is_path_rule() => "of what may touch its paths".to_owned(),
        None => "here".to_owned(),
    }
}

fn find(context: &RuleContext<'_>, findings: &mut Findings<'_>, code: Code, detail: String, hint: String) {
    let subject = Subject::Ref(context.update.name.to_vec());
    findings.add(context.rule, code, subject, detail, hint);
}

fn unknown_hint(context: &RuleContext<'_>, reason: &str) -> String {
    match &context.facts.submitter {
        Submitter::Said(Said { who: Who::Account(account), .. }) => {
            format!("ask an admin to add accounts = [{account:?}] to whoever that is in the policy")
        }
        Submitter::Said(Said { who: Who::Certificate(_, Some(account)), .. }) => {
            format!("ask an admin to add accounts = [{account:?}] to whoever that is in the policy")
        }
        Submitter::Said(Said { who: Who::Key(key), .. }) => {
            format!("ask an admin to register the key {} for whoever that is", key.fingerprint())
        }
        Submitter::Said(Said { who: Who::Certificate(certificate, None), .. }) => format!(
            "ask one of the issuers of {:?} for a grant that is in force, or an admin to make COUNTERSIGN_USER the session's account",
            certificate.key_id()
        ),
        Submitter::Unnamed => {
            let install = "countersign install --server REPO.git --policy FILE --submitter KIND";
            let words = "ask an admin to install the hook again, and to say what kind of server this is";
            Hint::new().run(words, [install.to_owned()]).text()
        }
        Submitter::Unknown(_) if reason.contains("SSH_USER_AUTH") => {
            "ask an admin for `ExposeAuthInfo yes` in sshd_config, or for your account in authorized_keys as \
             environment=\"COUNTERSIGN_USER=...\""
                .to_owned()
        }
        Submitter::Unknown(_) | Submitter::Unasked => {
            let push = "push by a way of the server that says who you are, such as ssh or https with a login";
            if reason.contains("certificate") {
                let signed = context.commands().push("--signed ");
                Hint::new().run(&format!("{push}; or sign the push"), [signed]).text()
            } else {
                push.to_owned()
            }
        }
    }
}

/// Who pushes, as far as a rule can know.
pub(super) enum Known<'a> {
    /// It is not asked on a desk.
    Unasked,
    /// Nobody knows, and why.
    Unknown(String),
    /// This principal.
    Principal(&'a Principal),
}

/// Who pushes, as far as the rule knows them.
pub(super) fn known<'a>(context: &RuleContext<'a>) -> Known<'a> {
    match &context.facts.submitter {
        Submitter::Unasked => Known::Unasked,
        Submitter::Unnamed => Known::Unknown("the hook was not told what kind of server this is".to_owned()),
        Submitter::Unknown(reason) => Known::Unknown(reason.clone()),
        Submitter::Said(said) => match principal(context.policy, &said.who, context.now) {
            Ok(principal) if context.policy.registers(context.rule, principal) => Known::Principal(principal),
            Ok(principal) => Known::Unknown(format!("{} is registered in a policy given later only", principal.id)),
            Err(reason) => Known::Unknown(reason),
        },
    }
}

/// The principal that the server names.
///
/// # Errors
/// Why nobody is meant, in words.
pub fn principal<'p>(policy: &'p Policy, who: &Who, now: Timestamp) -> Result<&'p Principal, String> {
    match who {
        Who::Account(account) => by_account(policy, account),
        Who::Key(key) => by_key(policy, key, now),
        Who::Certificate(certificate, account) => {
            if !policy.is_granted(certificate) {
                return by_key(policy, certificate.key(), now);
            }
            match (grant::judge(policy, certificate, now), account) {
                (Ok(granted), _) => Ok(granted.agent()),
                // What is no grant of anybody's says as little as it did before there were any.
                (Err(_), Some(account)) if grant::holder(policy, certificate).is_none() => by_account(policy, account),
                (Err(objection), _) => Err(objection.to_string()),
            }
        }
    }
}

fn by_account<'p>(policy: &'p Policy, account: &str) -> Result<&'p Principal, String> {
    policy.by_account(account).ok_or_else(|| format!("nobody has the account {account:?}"))
}

fn by_key<'p>(policy: &'p Policy, key: &PublicKey, now: Timestamp) -> Result<&'p Principal, String> {
    match (policy.by_key(key), policy.key_status(key, now)) {
        (None, _) => Err(format!("nobody has registered the key {}", key.fingerprint())),
        (Some(_), KeyStatus::Revoked) => Err(format!("the key {} is revoked", key.fingerprint())),
        (Some(_), KeyStatus::Retired) => Err(format!("the key {} is retired", key.fingerprint())),
        (Some(principal), KeyStatus::Good) => Ok(principal),
    }
}

/// Why a person who pushes cannot be the somebody else that `independent` asks for; `None` where they can. What the hook was
/// never told counts for nobody: `independent` excludes the submitter where there is one to know.
pub(super) fn stands_behind(context: &RuleContext<'_>, person: &Principal) -> Result<Option<&'static str>, String> {
    if matches!(context.facts.submitter, Submitter::Unnamed) {
        return Ok(None);
    }
    match known(context) {
        Known::Unasked => Ok(None),
        Known::Unknown(reason) => Err(reason),
        Known::Principal(submitter) => {
            let own = submitter.kind == PrincipalKind::Person && submitter.id == person.id;
            Ok(own.then_some("pushes it"))
        }
    }
}

/// The service whose commits need no signature in this push: a forge's own, where it pushes for somebody, or where it pushes.
pub fn pushing_service<'p>(policy: &'p Policy, submitter: &Submitter, now: Timestamp) -> Option<&'p Principal> {
    let (Submitter::Said(said), Some(service)) = (submitter, policy.unsigned_service()) else { return None };
    let pushes = || principal(policy, &said.who, now).is_ok_and(|one| one.id == service.id);
    (said.via == Via::Forge || pushes()).then_some(service)
}

#[cfg(test)]
mod tests;
