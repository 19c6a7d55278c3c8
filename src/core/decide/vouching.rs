//! `unsigned-commit` where everyone's work is to be approved and no rule asks who made it: nobody approves what they made, and
//! without a seal or signature nobody knows who that is.

use super::hint::Hint;
use super::{Code, Findings, RuleContext, Subject};
use crate::core::digest::Digest;
use crate::core::facts::{CommitFacts, SignatureFact};
use crate::core::policy::{Principal, PrincipalKind};
use crate::core::seal;
use crate::core::signature::SigningKey;

/// Says at each push that such commits are refused.
pub(super) fn warn_of_unknown_makers(context: &RuleContext<'_>, findings: &mut Findings<'_>) {
    let Some(problem) = context.policy.tolerated_in(context.rule) else { return };
    let subject = Subject::Ref(context.update.name.to_vec());
    let hint = format!("ask an admin to {} ({}:{})", problem.fix, problem.at.file, problem.at.line);
    findings.notice(context.rule, Code::UnsignedCommit, subject, problem.message, hint);
}

/// Why the makers of a commit are not known where the rule needs to know them, with what to do about it.
pub(super) fn unknown_maker(context: &RuleContext<'_>, makers: &[&CommitFacts]) -> Option<(String, String)> {
    context.policy.tolerated_in(context.rule)?;
    let unknown = makers.iter().find(|commit| !maker_is_vouched_for(context, commit))?;
    let detail = format!(
        "nobody vouches for the maker of {}: it is neither sealed by a registered agent nor signed by anybody registered, and \
         everyone's work is to be approved by somebody else",
        unknown.id.short()
    );
    let hint = Hint::new().run(
        "sign it with your registered SSH key, and have it approved under its new id",
        ["git config gpg.format ssh".to_owned(), "git commit --amend --no-edit -S".to_owned()],
    );
    Some((detail, hint.text()))
}

/// Whether a registered principal says that it made the commit: an agent by the author's seal, anybody by a signature, or a
/// service for which the server speaks.
fn maker_is_vouched_for(context: &RuleContext<'_>, commit: &CommitFacts) -> bool {
    let holder = |key: SigningKey<'_>, digest: Digest| -> Option<&Principal> {
        let policy = context.policy;
        let is_good = policy.ssh_objection(key, context.received(digest)).is_none();
        policy.by_signer(key).filter(|one| is_good && policy.registers(context.rule, one))
    };
    if let Some(author) = commit.seals.as_ref().ok().and_then(|seals| seals.first()) {
        let seal::SealOutcome::Holds(seal) = &author.outcome else { return false };
        return holder(seal.signer(), seal.digest())
            .is_some_and(|one| one.kind == PrincipalKind::Agent && one.id == author.agent);
    }
    match &commit.signature {
        SignatureFact::Good(signature) => {
            let (policy, received) = (context.policy, context.received(signature.digest()));
            let signer = policy.by_signer(signature.key()).filter(|one| policy.registers(context.rule, one));
            signer.is_some() && policy.objection(signature, received, context.now).is_none()
        }
        SignatureFact::None | SignatureFact::Unsupported(_) | SignatureFact::Foreign(_) | SignatureFact::Bad { .. } => {
            context.standing().service(commit).is_some()
        }
    }
}

#[cfg(test)]
mod tests;
