//! `malformed-tag`, and who made an annotated tag.

use super::hint::Hint;
use super::{Code, Findings, RuleContext, Subject};
use crate::core::facts::{MALFORMED_TAG, ObjectForm, RefTarget, SignatureFact, TagFacts};
use crate::core::id::Id;
use crate::core::policy::{Identity, KeyObjection, PrincipalKind};
use crate::core::report::word;

/// Judges the tags of one update, and what stands where a commit should, under one rule.
pub(super) fn judge(context: &RuleContext<'_>, findings: &mut Findings<'_>) {
    if let RefTarget::Unattributed(MALFORMED_TAG) = context.update.target {
        return unreadable(context, findings);
    }
    if context.rule.identity == Identity::None || context.rule.is_path_rule() {
        return;
    }
    for (depth, id) in context.update.tags.iter().enumerate() {
        let Some(tag) = context.facts.tags.get(id) else { continue };
        let position = if depth == 0 { TagDepth::Outermost } else { TagDepth::Nested };
        judge_tag(context, tag, position, findings);
    }
    if let (RefTarget::Unattributed(kind), Identity::Everyone) = (context.update.target, context.rule.identity) {
        let subject = Subject::Ref(context.update.name.to_vec());
        let detail = format!("it leads to a {kind}, which has no author");
        findings.add(
            context.rule,
            Code::RefDenied,
            subject,
            detail,
            "commit the content and push the commit".to_owned(),
        );
    }
}

/// Nobody can say which commits a tag without a single reading leads to, so each rule that looks at commits refuses it.
fn unreadable(context: &RuleContext<'_>, findings: &mut Findings<'_>) {
    if !context.rule.looks_at_commits() {
        return;
    }
    let malformed = context.update.tags.iter().filter_map(|id| context.facts.tags.get(id));
    for tag in malformed.filter(|tag| tag.form != ObjectForm::Canonical) {
        judge_tag(context, tag, TagDepth::Nested, findings);
    }
}

/// Only the outermost tag has a ref whose name it must bear.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TagDepth {
    Outermost,
    Nested,
}

fn judge_tag(context: &RuleContext<'_>, tag: &TagFacts, position: TagDepth, findings: &mut Findings<'_>) {
    let subject = Subject::Tag { id: tag.id, name: tag.name.clone() };
    let name = String::from_utf8_lossy(&tag.name).into_owned();
    if let ObjectForm::Malformed(reason) = &tag.form {
        let detail = format!("the tag has no single reading: {reason}");
        let hint = retag("make the tag again, of the commit that it is to name", position, tag, context);
        return findings.add(context.rule, Code::MalformedTag, subject, detail, hint);
    }
    let ref_name = context.update.name.strip_prefix(b"refs/tags/");
    if position == TagDepth::Outermost && ref_name.is_some_and(|wanted| wanted != tag.name) {
        let detail = format!("the tag object is named \"{name}\", not what the ref is named");
        let hint = retag("make the tag under the name it is pushed as", position, tag, context);
        findings.add(context.rule, Code::MalformedTag, subject.clone(), detail, hint);
    }
    match signer(context, tag) {
        Signer::Accepted => {}
        Signer::NotAllowed(agent) => {
            let detail = format!("{agent} signed it, whose work is not accepted here");
            findings.add(context.rule, Code::AgentNotAllowed, subject, detail, "have a person sign the tag".to_owned());
        }
        Signer::Unproven(code, detail) => {
            let hint = retag("sign the tag with a registered SSH key", position, tag, context);
            match context.mark(&tag.marks) {
                Some(mark) => {
                    let detail = format!("it bears the mark of {} (\"{}\"): {detail}", mark.agent, mark.line);
                    findings.add(context.rule, Code::UnsealedAgentCommit, subject, detail, hint);
                }
                // A signature of an agent's key that does not verify is never nothing.
                None if context.rule.identity == Identity::Everyone || code == Code::BadSeal => {
                    findings.add(context.rule, code, subject, detail, hint);
                }
                None => {
                    if let Some((_, detail)) = context.faint_mark(&tag.marks) {
                        findings.notice(context.rule, Code::UnsealedAgentCommit, subject, detail, hint);
                    }
                }
            }
        }
    }
}

/// Makes a tag again, and signs it.
fn retag(words: &str, position: TagDepth, tag: &TagFacts, context: &RuleContext<'_>) -> String {
    let pushed_as = context.update.name.strip_prefix(b"refs/tags/").filter(|_| position == TagDepth::Outermost);
    let name = word(&String::from_utf8_lossy(pushed_as.unwrap_or(&tag.name)));
    let commit = match context.update.target {
        RefTarget::Commit(id) => id.abbreviated(),
        RefTarget::Unattributed(_) | RefTarget::Nothing => "COMMIT".to_owned(),
    };
    Hint::new().run(words, [format!("git tag -s -f {name} {commit}")]).text()
}

enum Signer<'a> {
    Accepted,
    NotAllowed(&'a Id),
    Unproven(Code, String),
}

fn signer<'a>(context: &RuleContext<'a>, tag: &TagFacts) -> Signer<'a> {
    let signature = match &tag.signature {
        SignatureFact::Good(signature) => signature,
        SignatureFact::None => return Signer::Unproven(Code::UnsignedCommit, "the tag is not signed".to_owned()),
        SignatureFact::Unsupported(kind) => {
            let detail = format!("its {kind} signature is not supported; sign with SSH or OpenPGP");
            return Signer::Unproven(Code::UnsignedCommit, detail);
        }
        SignatureFact::Foreign(issuer) => {
            let detail = format!("it is signed with the OpenPGP key {issuer}, which nobody has registered");
            return Signer::Unproven(Code::UnknownSigner, detail);
        }
        SignatureFact::Bad { reason, .. } => {
            let agent = context.claimed_agent(&tag.signature);
            let code = if agent.is_some() { Code::BadSeal } else { Code::BadSignature };
            let whose = agent.map_or_else(|| "its".to_owned(), |agent| format!("{}'s", agent.id));
            return Signer::Unproven(code, format!("{whose} signature does not verify: {reason}"));
        }
    };
    let (policy, received) = (context.policy, context.received(signature.digest()));
    let holder = policy.by_signer(signature.key()).filter(|holder| policy.registers(context.rule, holder));
    let name = signature.key().name();
    match (holder, policy.objection(signature, received, context.now)) {
        (Some(agent), Some(objection)) if agent.kind == PrincipalKind::Agent => {
            let code = match &objection {
                KeyObjection::Grant(objection) => objection.code,
                KeyObjection::Revoked | KeyObjection::Retired | KeyObjection::Unusable(_) => Code::AgentRevoked,
            };
            Signer::Unproven(code, format!("it is signed with {}", objection.words(&name)))
        }
        (_, Some(objection)) => {
            Signer::Unproven(Code::UnknownSigner, format!("it is signed with {}", objection.words(&name)))
        }
        (None, None) => {
            Signer::Unproven(Code::UnknownSigner, format!("it is signed with {name}, which nobody has registered"))
        }
        (Some(holder), None) => match holder.kind {
            PrincipalKind::Agent
                if holder.review_by.as_ref().is_some_and(|date| date.is_past(received.min(context.now))) =>
            {
                Signer::Unproven(Code::AgentSuspended, format!("{} is suspended", holder.id))
            }
            PrincipalKind::Agent if !context.rule.agents.contains(holder) => Signer::NotAllowed(&holder.id),
            PrincipalKind::Agent | PrincipalKind::Service | PrincipalKind::Person => Signer::Accepted,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::commit::Malformed;
    use crate::core::decide::story::*;
    use crate::core::marks::{Catalogue, MarkSource};

    /// A push of an annotated tag v1 under a rule about tags.
    fn pushed(keys: &str, signature: SignatureFact, spoil: impl FnOnce(&mut TagFacts)) -> String {
        let rules = rule("tags", keys).replace("refs/heads/**", "refs/tags/**");
        let mut tag =
            TagFacts { id: oid(90), name: b"v1".to_vec(), form: ObjectForm::Canonical, signature, marks: Vec::new() };
        spoil(&mut tag);
        Story::under(&rules)
            .moves(|update| (update.name, update.tags) = (b"refs/tags/v1".as_slice().into(), vec![tag.id]))
            .with(|facts| drop(facts.tags.insert(tag.id, tag)))
            .report()
    }

    const EVERYONE: &str = "identity = \"everyone\"";
    const AGENTS: &str = "identity = \"agents\"";

    fn marked(tag: &mut TagFacts) {
        let message = b"Release\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";
        tag.marks =
            Catalogue::builtin().find(&MarkSource { author_name: b"A", author_email: b"a@x", message, encoding: None });
    }

    #[test]
    fn a_tag_is_signed_where_everyone_shows_who_they_are() {
        insta::assert_snapshot!("by_a_person", pushed(EVERYONE, signature_by(ALICE), |_| {}));
        insta::assert_snapshot!("by_a_stranger", pushed(EVERYONE, signature_by(STRANGER), |_| {}));
        insta::assert_snapshot!("by_a_revoked_key", pushed(EVERYONE, signature_by(REVOKED), |_| {}));
        insta::assert_snapshot!("unsigned", pushed(EVERYONE, SignatureFact::None, |_| {}));
        insta::assert_snapshot!("unsigned_where_agents_are_asked", pushed(AGENTS, SignatureFact::None, |_| {}));
    }

    #[test]
    fn an_agent_s_tag_is_its_own() {
        insta::assert_snapshot!("marked", pushed(AGENTS, SignatureFact::None, marked));
        insta::assert_snapshot!("marked_and_signed", pushed(AGENTS, signature_by(CLAUDE), marked));
        insta::assert_snapshot!("broken", pushed(AGENTS, broken_signature(Some(CLAUDE)), |_| {}));
        let only_codex = "identity = \"agents\"\nagents = [\"codex\"]";
        insta::assert_snapshot!("not_accepted", pushed(only_codex, signature_by(CLAUDE), |_| {}));
        insta::assert_snapshot!("accepted", pushed(only_codex, signature_by(CODEX), |_| {}));
    }

    #[test]
    fn a_tag_says_one_thing_and_bears_the_name_of_its_ref() {
        insta::assert_snapshot!("another_name", pushed(AGENTS, SignatureFact::None, |tag| tag.name = b"v2".to_vec()));
        insta::assert_snapshot!(
            "no_reading",
            pushed(AGENTS, SignatureFact::None, |tag| tag.form = ObjectForm::Malformed(Malformed::Nul))
        );
    }
}
