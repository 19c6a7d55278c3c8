//! `malformed-tag`, and who made an annotated tag.

use super::hint::Hint;
use super::{Bench, Code, Docket, Subject};
use crate::core::facts::{Form, MALFORMED_TAG, SignatureFact, TagFacts, Target};
use crate::core::id::Id;
use crate::core::policy::{Identity, Kind, Standing};
use crate::core::report::word;

/// Judges the tags of one update, and what stands where a commit should, under one rule.
pub(super) fn judge(bench: &Bench<'_>, docket: &mut Docket<'_>) {
    if let Target::Unattributed(MALFORMED_TAG) = docket.update.target {
        return unreadable(bench, docket);
    }
    if bench.rule.identity == Identity::None || bench.rule.is_path_rule() {
        return;
    }
    for (depth, id) in docket.update.tags.iter().enumerate() {
        let Some(tag) = bench.facts.tags.get(id) else { continue };
        let position = if depth == 0 { Position::Outermost } else { Position::Nested };
        judge_tag(bench, tag, position, docket);
    }
    if let (Target::Unattributed(kind), Identity::Everyone) = (docket.update.target, bench.rule.identity) {
        let subject = Subject::Ref(docket.update.name.clone());
        let detail = format!("it leads to a {kind}, which has no author");
        docket.find(bench.rule, Code::RefDenied, subject, detail, "commit the content and push the commit".to_owned());
    }
}

/// Nobody can say which commits a tag without a single reading leads to, so each rule that looks at commits refuses it.
fn unreadable(bench: &Bench<'_>, docket: &mut Docket<'_>) {
    if !bench.rule.looks_at_commits() {
        return;
    }
    let malformed = docket.update.tags.iter().filter_map(|id| bench.facts.tags.get(id));
    for tag in malformed.filter(|tag| tag.form != Form::Canonical) {
        judge_tag(bench, tag, Position::Nested, docket);
    }
}

/// Only the outermost tag has a ref whose name it must bear.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Outermost,
    Nested,
}

fn judge_tag(bench: &Bench<'_>, tag: &TagFacts, position: Position, docket: &mut Docket<'_>) {
    let subject = Subject::Tag { id: tag.id, name: tag.name.clone() };
    let name = String::from_utf8_lossy(&tag.name).into_owned();
    if let Form::Malformed(reason) = &tag.form {
        let detail = format!("the tag has no single reading: {reason}");
        let hint = retag("make the tag again, of the commit that it is to name", position, tag, docket);
        return docket.find(bench.rule, Code::MalformedTag, subject, detail, hint);
    }
    let ref_name = docket.update.name.strip_prefix(b"refs/tags/");
    if position == Position::Outermost && ref_name.is_some_and(|wanted| wanted != tag.name) {
        let detail = format!("the tag object is named \"{name}\", not what the ref is named");
        let hint = retag("make the tag under the name it is pushed as", position, tag, docket);
        docket.find(bench.rule, Code::MalformedTag, subject.clone(), detail, hint);
    }
    match signer(bench, tag) {
        Signer::Accepted => {}
        Signer::NotAllowed(agent) => {
            let detail = format!("{agent} signed it, whose work is not accepted here");
            docket.find(bench.rule, Code::AgentNotAllowed, subject, detail, "have a person sign the tag".to_owned());
        }
        Signer::Unproven(code, detail) => {
            let hint = retag("sign the tag with a registered SSH key", position, tag, docket);
            match bench.mark(&tag.marks) {
                Some(mark) => {
                    let detail = format!("it bears the mark of {} (\"{}\"): {detail}", mark.agent, mark.line);
                    docket.find(bench.rule, Code::UnsealedAgentCommit, subject, detail, hint);
                }
                // A signature of an agent's key that does not verify is never nothing.
                None if bench.rule.identity == Identity::Everyone || code == Code::BadSeal => {
                    docket.find(bench.rule, code, subject, detail, hint);
                }
                None => {
                    if let Some((_, detail)) = bench.faint_mark(&tag.marks) {
                        docket.notice(bench.rule, Code::UnsealedAgentCommit, subject, detail, hint);
                    }
                }
            }
        }
    }
}

/// Makes a tag again, and signs it.
fn retag(words: &str, position: Position, tag: &TagFacts, docket: &Docket<'_>) -> String {
    let pushed_as = docket.update.name.strip_prefix(b"refs/tags/").filter(|_| position == Position::Outermost);
    let name = word(&String::from_utf8_lossy(pushed_as.unwrap_or(&tag.name)));
    let commit = match docket.update.target {
        Target::Commit(id) => id.abbreviated(),
        Target::Unattributed(_) | Target::Nothing => "COMMIT".to_owned(),
    };
    Hint::new().run(words, [format!("git tag -s -f {name} {commit}")]).text()
}

enum Signer<'a> {
    Accepted,
    NotAllowed(&'a Id),
    Unproven(Code, String),
}

fn signer<'a>(bench: &Bench<'a>, tag: &TagFacts) -> Signer<'a> {
    let (key, received) = match &tag.signature {
        SignatureFact::Good(signature) => (signature.key(), bench.received(signature.digest())),
        SignatureFact::None => return Signer::Unproven(Code::UnsignedCommit, "the tag is not signed".to_owned()),
        SignatureFact::Unsupported(kind) => {
            let detail = format!("its {kind} signature is not supported; sign with SSH");
            return Signer::Unproven(Code::UnsignedCommit, detail);
        }
        SignatureFact::Bad { reason, .. } => {
            let agent = bench.claimed_agent(&tag.signature);
            let code = if agent.is_some() { Code::BadSeal } else { Code::BadSignature };
            let whose = agent.map_or_else(|| "its".to_owned(), |agent| format!("{}'s", agent.id));
            return Signer::Unproven(code, format!("{whose} signature does not verify: {reason}"));
        }
    };
    let holder = bench.policy.by_key(key).filter(|holder| bench.policy.registers(bench.rule, holder));
    let fingerprint = key.fingerprint();
    match (holder, bench.policy.key_standing(key, received)) {
        (Some(agent), Standing::Revoked | Standing::Retired) if agent.kind == Kind::Agent => {
            Signer::Unproven(Code::AgentRevoked, format!("it is signed with the revoked key {fingerprint}"))
        }
        (_, Standing::Revoked | Standing::Retired) => {
            Signer::Unproven(Code::UnknownSigner, format!("it is signed with the revoked key {fingerprint}"))
        }
        (None, Standing::Good) => Signer::Unproven(
            Code::UnknownSigner,
            format!("it is signed with {fingerprint}, which nobody has registered"),
        ),
        (Some(holder), Standing::Good) => match holder.kind {
            Kind::Agent if holder.review_by.as_ref().is_some_and(|date| date.is_past(received)) => {
                Signer::Unproven(Code::AgentSuspended, format!("{} is suspended", holder.id))
            }
            Kind::Agent if !bench.rule.agents.contains(holder) => Signer::NotAllowed(&holder.id),
            Kind::Agent | Kind::Service | Kind::Person => Signer::Accepted,
        },
    }
}
