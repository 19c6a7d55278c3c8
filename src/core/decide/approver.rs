//! Whose approval a record is: that of the person whose key signed it; or, where a service says that somebody approved in a forge's
//! pages, that of the person with the account it names, signed with a key of the service. Whether a rule counts the word of a service is
//! for the rule.

use super::Code;
use super::approval_set::Objection;
use crate::core::approval::{Approval, Attested};
use crate::core::policy::{Policy, Principal, PrincipalKind};
use crate::core::ssh::PublicKey;

/// The person whose approval a record is, among those that `knows` lets count, if the key that signed it may sign it. The signature is
/// for the caller to verify.
///
/// # Errors
/// Why it is nobody's, in words.
pub fn approver<'a>(
    policy: &'a Policy,
    knows: &dyn Fn(&Principal) -> bool,
    (said, key): (&Approval, &PublicKey),
) -> Result<&'a Principal, String> {
    let holder = policy.by_key(key).filter(|holder| knows(holder));
    let noun = said.noun();
    let Some(holder) = holder else {
        return Err(format!("{noun} is signed with {}, which nobody has registered", key.fingerprint()));
    };
    let other = || Err(format!("{noun} is signed with a key of {} {}", holder.kind.noun(), holder.id));
    match &said.attested {
        None if holder.kind == PrincipalKind::Person && holder.id.as_str() == said.approver => Ok(holder),
        None => other(),
        Some(attested) if holder.kind != PrincipalKind::Service || holder.id.as_str() != attested.service => other(),
        Some(_) if !holder.attests => {
            Err(format!("{noun} counts for nothing: the policy does not say that service {} attests", holder.id))
        }
        Some(attested) => by_account(policy, knows, (said, attested)),
    }
}

fn by_account<'a>(
    policy: &'a Policy,
    knows: &dyn Fn(&Principal) -> bool,
    (said, attested): (&Approval, &Attested),
) -> Result<&'a Principal, String> {
    let (noun, account) = (said.noun(), &attested.account);
    match policy.by_account(account).filter(|holder| knows(holder)) {
        Some(person) if person.kind == PrincipalKind::Person && person.id.as_str() == said.approver => Ok(person),
        Some(other) => {
            Err(format!("{noun} was given with the account {account:?} of {} {}", other.kind.noun(), other.id))
        }
        None => Err(format!("{noun} was given with the account {account:?}, which nobody has registered")),
    }
}

/// The same, as what a rule or the place of records says of it.
pub(super) fn counted<'a>(
    policy: &'a Policy,
    knows: &dyn Fn(&Principal) -> bool,
    record: (&Approval, &PublicKey),
) -> Result<&'a Principal, Objection> {
    approver(policy, knows, record).map_err(|words| Objection::new(Code::ApproverNotAllowed, words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::approval::Approval;
    use crate::core::decide::Severity;
    use crate::core::decide::story::*;
    use crate::core::policy::{Source, load};

    const SEALED: Work = (Proof::Seal(CLAUDE), true);

    /// A story of agent's work under a rule, whose policy knows the forge's word for bob's account, and another service.
    fn story(asks: &str) -> Story {
        story_of("attests = true", asks)
    }

    fn story_of(service: &str, asks: &str) -> Story {
        let more = format!(
            "[services.other]\nowner = \"alice\"\nkeys = [\"{}\"]\nattests = true\n",
            key(OTHER).public().to_line()
        );
        let dan = format!("[people.dan]\nkeys = [\"{}\"]\n", hardware_key());
        let rules = format!("{more}{dan}{}", approvals_rule("[\"bob\", \"dan\"]", asks));
        Story::with_policy(&rules, &|text| {
            let text = text.replace("[people.bob]\n", "[people.bob]\naccounts = [\"bob-r\"]\n");
            let text = text.replace("[agents.claude-code]\n", "[agents.claude-code]\naccounts = [\"robot\"]\n");
            text.replace("[services.forge]\n", &format!("[services.forge]\n{service}\n"))
        })
        .gains(SEALED)
    }

    const OTHER: u8 = 9;

    fn attested() -> Approval {
        let by = Attested { service: "forge".into(), account: "bob-r".into(), request: "acme/payments/17".into() };
        Approval { attested: Some(by), ..approval_of(0..=0) }
    }

    fn spoiled(spoil: impl FnMut(&mut Attested)) -> Approval {
        let mut approval = attested();
        approval.attested.iter_mut().for_each(spoil);
        approval
    }

    #[test]
    fn a_service_s_word_counts_where_the_rule_takes_it() {
        let listed = || story("attested = [\"forge\"]");
        insta::assert_snapshot!("at_its_word", listed().approved(&attested(), FORGE).report());
        insta::assert_snapshot!(
            "of_no_account",
            listed().approved(&spoiled(|by| by.account = "nobody".into()), FORGE).report()
        );
        insta::assert_snapshot!(
            "of_an_agent_s_account",
            listed().approved(&spoiled(|by| by.account = "robot".into()), FORGE).report()
        );
        insta::assert_snapshot!("with_an_agent_s_key_at_a_word", listed().approved(&attested(), CLAUDE).report());
        insta::assert_snapshot!("with_the_person_s_own_key", listed().approved(&attested(), BOB).report());
        insta::assert_snapshot!("with_another_service_s_key", listed().approved(&attested(), OTHER).report());
        let of_another = spoiled(|by| by.service = "other".into());
        insta::assert_snapshot!("of_a_service_that_is_not_listed", listed().approved(&of_another, OTHER).report());
        insta::assert_snapshot!("under_a_rule_that_lists_none", story("").approved(&attested(), FORGE).report());
        insta::assert_snapshot!(
            "of_a_service_that_does_not_attest",
            story_of("", "attested = [\"other\"]").approved(&attested(), FORGE).report()
        );
        insta::assert_snapshot!("in_the_person_s_name_alone", listed().approved(&approval_of(0..=0), FORGE).report());
    }

    #[test]
    fn a_word_is_no_touch_and_is_taken_back_by_who_gave_it() {
        let presence = story("attested = [\"forge\"]\npresence = true");
        assert_eq!(presence.approved(&attested(), FORGE).verdict().refs[0].findings[0].code, Code::PresenceMissing);
        let later = |approval: Approval| Approval {
            decision: crate::core::approval::Decision::Withdraw,
            issued: crate::core::canonical::Time(crate::core::decide::Timestamp(NOW.0 - 30)),
            ..approval
        };
        let listed = || story("attested = [\"forge\"]");
        let refused = |story: Story| story.verdict().refs[0].findings.iter().any(|one| one.severity == Severity::Error);
        assert!(refused(listed().approved(&attested(), FORGE).approved(&later(attested()), FORGE)));
        assert!(
            refused(listed().approved(&attested(), FORGE).approved(&later(approval_of(0..=0)), BOB)),
            "by the person"
        );
        let by_other = later(spoiled(|by| by.service = "other".into()));
        assert!(!refused(listed().approved(&attested(), FORGE).approved(&by_other, OTHER)));
        // What the person signed is the person's to take back, and a forged withdrawal takes nothing.
        assert!(!refused(listed().approved(&approval_of(0..=0), BOB).approved(&later(attested()), FORGE)));
        assert!(!refused(listed().approved(&attested(), FORGE).approved(&later(attested()), CLAUDE)));
    }

    #[test]
    fn a_later_policy_makes_no_earlier_one_take_anybody_s_word() {
        let line = |seed| key(seed).public().to_line();
        let first = format!(
            "version = 1\n[people.bob]\nkeys = [\"{}\"]\naccounts = [\"bob-r\"]\n[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\n\
             identity = \"agents\"\nforce-push = \"deny\"\ndelete = \"deny\"\n[rule.approvals]\nfrom = [\"bob\"]\nattested = [\"forge\"]\n",
            line(BOB)
        );
        let second =
            format!("version = 1\n[services.forge]\nowner = \"bob\"\nattests = true\nkeys = [\"{}\"]\n", line(FORGE));
        let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
        let error = load(vec![source("a.toml", &first), source("b.toml", &second)], &mut |_, _| Err("none".into()));
        let error = error.unwrap_err();
        assert!(error.iter().any(|problem| problem.to_string().contains("`forge` is no service")), "{error:?}");
        let one = format!("{second}{}", first.replace("version = 1\n", ""));
        let warnings = load(vec![source("a.toml", &one)], &mut |_, _| Err("none".into())).unwrap().warnings;
        let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|line| line.contains("who has the key of forge can make up approvals")), "{said:?}");
    }
}
