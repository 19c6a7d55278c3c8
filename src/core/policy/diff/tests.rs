//! What is found to be weaker, stricter, or neither; and that nothing weaker is missed.

use proptest::prelude::*;

use super::*;
use crate::core::policy::{Source, load};

fn key(seed: u8) -> String {
    crate::core::ssh::PrivateKey::from_seed(&[seed; 32]).unwrap().public().to_line()
}

fn registry() -> String {
    format!(
        "[people.alice]\nemails = [\"alice@acme.dev\"]\nkeys = [\"{}\"]\n[people.bob]\nkeys = [\"{}\"]\n[agents.claude]\n\
         owner = \"alice\"\nreview-by = 2027-01-01\nkeys = [\"{}\"]\n[services.forge]\nowner = \"bob\"\nkeys = [\"{}\"]\n\
         [groups]\nstaff = [\"alice\", \"bob\"]\n",
        key(1),
        key(2),
        key(3),
        key(4)
    )
}

fn policy(rules: &str) -> Policy {
    let text = format!("version = 1\n{rules}");
    let source = Source { name: "policy.toml".into(), text: text.clone() };
    load(vec![source], &mut |_, path| Err(format!("no {path}"))).unwrap_or_else(|all| panic!("{text}\n{all:?}")).policy
}

/// The differences between two policies, a line each.
fn lines(old: &str, new: &str) -> Vec<String> {
    let found = diff(&policy(old), &policy(new));
    found.iter().map(|one| format!("{} {}: {}", one.direction.word(), one.about, one.message)).collect()
}

const MAIN: &str = "[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\", \"refs/heads/release/*\"]\n";

/// Every key that asks: what the old rule says and what the new one says, with the one line expected; backwards it is stricter.
#[test]
fn each_key_has_its_direction() {
    let approvals = "force-push = \"deny\"\nidentity = \"everyone\"\n[rule.approvals]\nfrom = [\"staff\"]\n";
    let asked = |more: &str| format!("{approvals}{more}");
    let owned = |text: &str| text.to_owned();
    for (old, new, weaker) in [
        (owned(""), owned("mode = \"warn\""), "mode \"enforce\" -> \"warn\""),
        (owned("identity = \"everyone\""), owned("identity = \"agents\""), "identity \"everyone\" -> \"agents\""),
        (owned("marks = \"any\""), owned("marks = \"ignore\""), "marks \"any\" -> \"ignore\""),
        (owned("adopted = \"deny\""), owned(""), "adopted \"deny\" -> \"allow\""),
        (owned("delete = \"deny\""), owned(""), "delete \"deny\" -> \"allow\""),
        (
            owned("delete = \"deny\"\nforce-push = \"deny\""),
            owned("delete = \"deny\""),
            "force-push \"deny\" -> \"allow\"",
        ),
        (owned("standing = \"deny\""), owned(""), "standing \"deny\" -> \"allow\""),
        (owned("tasks = [\"PAY-*\"]"), owned(""), "tasks [PAY-*] -> any"),
        (owned("tasks = [\"PAY-1\"]"), owned("tasks = [\"PAY-*\"]"), "tasks [PAY-1] -> [PAY-*]"),
        (owned("environments = [\"ci\"]"), owned("environments = [\"*\"]"), "environments [ci] -> [*]"),
        (owned("agents = []"), owned("agents = [\"claude\"]"), "agents [] -> [claude]"),
        (owned("agents = [\"claude\"]"), owned(""), "agents [claude] -> all registered"),
        (owned(""), owned("services = [\"forge\"]"), "services now lists forge"),
        (owned("submitters = [\"people\"]"), owned(""), "submitters people -> anybody"),
        (owned("submitters = [\"bob\"]"), owned("submitters = [\"staff\"]"), "submitters now lists alice"),
        (owned(""), owned("since = [\"refs/tags/x\"]"), "since now lists refs/tags/x"),
        (asked("count = 2"), asked(""), "approvals count 2 -> 1"),
        (asked("for = \"everyone\""), asked(""), "approvals for \"everyone\" -> \"agents\""),
        (asked("").replace("staff", "alice"), asked(""), "approvals from now lists bob"),
        (asked("max-age = \"8h\""), asked("max-age = \"2d\""), "approvals max-age 8 hours -> 2 days"),
        (asked("max-age = \"8h\""), asked(""), "approvals max-age 8 hours -> none"),
        (asked("independent = true"), asked(""), "approvals independent true -> false"),
        (asked(""), asked("signed-merge = true"), "approvals signed-merge false -> true"),
    ] {
        let (old, new) = (format!("{}{MAIN}{old}\n", registry()), format!("{}{MAIN}{new}\n", registry()));
        assert_eq!(lines(&old, &new), [format!("weaker rule \"main\": {weaker}")]);
        let back = lines(&new, &old);
        assert!(back.len() == 1 && back[0].starts_with("stricter rule \"main\": "), "{back:?}");
        assert!(lines(&new, &new).is_empty());
    }
    let with = format!("{}{MAIN}{approvals}", registry());
    let without = format!("{}{MAIN}force-push = \"deny\"\nidentity = \"everyone\"\n", registry());
    assert_eq!(
        lines(&with, &without),
        ["weaker rule \"main\": it no longer asks for approvals (1 for agents from staff)"]
    );
    assert!(lines(&without, &with)[0].starts_with("stricter rule \"main\": it now asks for approvals"));
}

#[test]
fn fewer_rows_about_marks_and_an_older_day_are_weaker() {
    let policy = |top: &str, rows: &str| {
        let text = format!("version = 1\n{top}\n{}{MAIN}", registry());
        let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
        load(vec![source("policy.toml", &text)], &mut |_, path| Ok(source(path, rows))).unwrap().policy
    };
    let lines = |old: &Policy, new: &Policy| -> Vec<String> {
        let found = diff(old, new);
        found.iter().map(|one| format!("{} {}: {}", one.direction.word(), one.about, one.message)).collect()
    };
    let file = "marks-file = \"marks.tsv\"";
    let row = |source: &str| policy(file, &format!("trailer\t^acme:\tacme-bot\t{source}\n"));
    let (none, one) = (policy("", ""), row("ours"));
    assert_eq!(lines(&one, &none), ["weaker marks-file: the row trailer ^acme: of acme-bot is gone"]);
    assert_eq!(lines(&none, &one), ["stricter marks-file: the row trailer ^acme: of acme-bot is new"]);
    let warns = "marks-file: the row trailer ^acme: counts -> warns (acme-bot -> acme-bot)";
    assert_eq!(lines(&one, &row("low")), [format!("weaker {warns}")]);
    let counts = "marks-file: the row trailer ^acme: warns -> counts (acme-bot -> acme-bot)";
    assert_eq!(lines(&row("low"), &one), [format!("stricter {counts}")]);
    let renamed = policy(file, "trailer\t^acme:\tacme-robot\n");
    assert_eq!(lines(&one, &renamed), ["changed marks-file: the row trailer ^acme: is of acme-robot, not acme-bot"]);
    let twice = policy(file, "trailer\t^acme:\tacme-bot\nfooter\tx\tacme-bot\ntrailer\t^acme:\tacme-bot\tlow\n");
    let once = policy(file, "trailer\t^acme:\tacme-bot\tlow\nfooter\tx\tacme-bot\n");
    assert_eq!(lines(&twice, &once), [format!("weaker {warns}")]);
    let day = |day: &str| policy(&format!("marks-date = {day}"), "");
    for (old, new, expected) in [
        (&none, &day("2026-11-01"), "weaker policy: marks-date none -> 2026-11-01"),
        (&day("2026-11-01"), &none, "stricter policy: marks-date 2026-11-01 -> none"),
        (&day("2026-11-02"), &day("2026-11-01"), "weaker policy: marks-date 2026-11-02 -> 2026-11-01"),
        (&day("2026-11-01"), &day("2026-11-02"), "stricter policy: marks-date 2026-11-01 -> 2026-11-02"),
    ] {
        assert_eq!(lines(old, new), [expected]);
        assert_eq!(lines(old, old), [""; 0]);
    }
}

#[test]
fn refs_are_told_one_by_one() {
    let rule = |refs: &str| format!("{}[[rule]]\nname = \"r\"\nrefs = [{refs}]\nidentity = \"agents\"\n", registry());
    for (old, new, expected) in [
        (
            r#""refs/heads/**""#,
            r#""refs/heads/*""#,
            vec!["weaker rule \"r\": of \"refs/heads/**\" it no longer governs refs/heads/x/x"],
        ),
        (
            r#""refs/heads/**""#,
            r#""refs/heads/**", "!refs/heads/vendor/**""#,
            vec!["weaker rule \"r\": of \"refs/heads/**\" it no longer governs refs/heads/vendor/x"],
        ),
        (
            r#""refs/heads/a", "refs/heads/b""#,
            r#""refs/heads/b""#,
            vec!["weaker rule \"r\": of \"refs/heads/a\" it no longer governs refs/heads/a"],
        ),
        // The same refs in other words.
        (r#""refs/heads/**""#, r#""refs/heads/*", "refs/heads/*/**""#, vec![]),
        (r#""refs/heads/**", "!refs/heads/v/**", "refs/heads/v/x""#, r#""refs/heads/**", "!refs/heads/v/**""#, vec![]),
        // More refs, whose content nobody judged.
        (
            r#""refs/heads/main""#,
            r#""refs/heads/main", "refs/heads/x""#,
            vec![
                "weaker rule \"r\": \"refs/heads/x\" comes over refs/heads/x: what such refs hold already counts as judged for rule \"r\"",
                "stricter rule \"r\": by \"refs/heads/x\" it now governs refs/heads/x",
            ],
        ),
    ] {
        assert_eq!(lines(&rule(old), &rule(new)), expected, "{old} to {new}");
    }
}

#[test]
fn classes_are_told_one_by_one() {
    let rule = |class: &str| {
        format!(
            "{}[paths]\nci = [{class}]\n[[rule]]\nname = \"r\"\nrefs = [\"refs/heads/main\"]\npaths = [\"ci\"]\nidentity = \"agents\"\n",
            registry()
        )
    };
    for (old, new, expected) in [
        (
            r#""Jenkinsfile", ".github/**""#,
            r#"".GitHub/**""#,
            vec!["weaker class \"ci\": of \"Jenkinsfile\", jenkinsfile is no path of rule \"r\" any more"],
        ),
        (
            r#""**/x.yml""#,
            r#""*/x.yml""#,
            vec!["weaker class \"ci\": of \"**/x.yml\", x.yml is no path of rule \"r\" any more"],
        ),
        (
            r#""ci/**""#,
            r#""ci/**", "!ci/docs/*""#,
            vec!["weaker class \"ci\": of \"ci/**\", ci/docs/x is no path of rule \"r\" any more"],
        ),
        (r#""ci/*", "ci/*/**""#, r#""ci/**""#, vec![]),
        // What a class lets go of only where a file system takes another name for its.
        (
            r#""ci/deploy.sh""#,
            r#""ci/deploy.sh", "!ci/*.""#,
            vec!["weaker class \"ci\": of \"ci/deploy.sh\", ci/deploy.sh. is no path of rule \"r\" any more"],
        ),
        (r#""ci/deploy.sh""#, r#""ci/deploy.sh", "!docs/*.""#, vec![]),
        (
            r#""Jenkinsfile""#,
            r#""Jenkinsfile", "!*~2""#,
            vec!["weaker class \"ci\": of \"Jenkinsfile\", je2222~2 is no path of rule \"r\" any more"],
        ),
        (
            r#""ci/a""#,
            r#""ci/a", "ci/b""#,
            vec!["stricter class \"ci\": by \"ci/b\", ci/b is now a path of rule \"r\""],
        ),
    ] {
        assert_eq!(lines(&rule(old), &rule(new)), expected, "{old} to {new}");
    }
    let unclear = lines(&rule("\"ci/a\""), &rule("\"ci/a\", \"!ci/*\u{17f}*\""));
    assert!(unclear[0].starts_with("weaker class \"ci\": of \"ci/a\", something, perhaps"), "{unclear:?}");
    let whole = rule("\"ci/a\"").replace("paths = [\"ci\"]\n", "");
    assert_eq!(lines(&whole, &rule("\"ci/a\"")), ["weaker rule \"r\": from every commit to those that touch ci"]);
}

#[test]
fn what_other_rules_refuse_is_no_weakening() {
    let one = format!("{}{MAIN}identity = \"everyone\"\n", registry());
    let renamed = one.replace("\"main\"\nrefs", "\"trunk\"\nrefs");
    let found = lines(&one, &renamed);
    assert_eq!(
        found[1], "changed rule \"main\": it is gone (policy.toml:16); what it refused, other rules refuse",
        "{found:?}"
    );
    assert!(found[0].starts_with("stricter rule \"trunk\": it is new") && found.len() == 2, "{found:?}");
    assert!(lines(&one, &registry())[0].starts_with("weaker rule \"main\": it is gone"), "gone for good");
    let observed = one.replace("identity", "mode = \"observe\"\nidentity");
    assert!(lines(&observed, &registry())[0].starts_with("changed rule \"main\": it is gone"));
    // Where unmatched refs are refused, a rule that lets go of a ref closes it, and one that takes a ref opens it.
    let closed =
        |refs: &str| format!("unmatched = \"refuse\"\n{}[[rule]]\nname = \"r\"\nrefs = [{refs}]\n", registry());
    let (wide, narrow) = (closed("\"refs/heads/**\""), closed("\"refs/heads/main\""));
    assert!(lines(&wide, &narrow).is_empty());
    assert!(
        lines(&narrow, &wide)[0]
            .starts_with("weaker rule \"r\": \"refs/heads/**\" opens refs that no rule matched: refs/heads/")
    );
    assert_eq!(lines(&wide, &wide.replace("refuse", "allow")), ["weaker policy: unmatched \"refuse\" -> \"allow\""]);
}

#[test]
fn who_is_registered_counts() {
    let base = registry();
    let rule = format!("[revoked]\nkeys = [\"SHA256:{}\"]\n", "A".repeat(43));
    for (old, new, expected) in [
        (
            base.clone(),
            base.clone() + &format!("[people.eve]\nkeys = [\"{}\"]\n", key(9)),
            "weaker person \"eve\": it is new, with one key",
        ),
        (base.clone(), base.replace(&key(2), &key(8)), "weaker person \"bob\": the key"),
        (
            base.clone(),
            base.replace("2027-01-01", "2028-01-01"),
            "weaker agent \"claude\": review-by 2027-01-01 -> 2028-01-01",
        ),
        (
            base.clone(),
            base.replace("owner = \"alice\"", "owner = \"bob\""),
            "changed agent \"claude\": owner alice -> bob",
        ),
        (
            base.clone(),
            base.replace("alice@acme.dev", "a@acme.dev"),
            "weaker person \"alice\": alice@acme.dev is no longer its address",
        ),
        (
            base.clone(),
            base.replace("[people.bob]\n", "[people.bob]\naccounts = [\"bob\"]\n"),
            "weaker person \"bob\": the account bob is new",
        ),
        (
            base.replace("[people.bob]\n", "[people.bob]\naccounts = [\"bob\"]\n"),
            base.clone(),
            "stricter person \"bob\": the account bob is gone",
        ),
        (
            base.clone(),
            base.replace("[services.forge]\n", "[services.forge]\nunsigned = true\n"),
            "weaker service \"forge\": unsigned false -> true",
        ),
        (
            base.clone(),
            base.replace("[services.forge]\n", "[services.forge]\nattests = true\n"),
            "weaker service \"forge\": attests false -> true",
        ),
        (
            base.replace("[services.forge]\n", "[services.forge]\nattests = true\n"),
            base.clone(),
            "stricter service \"forge\": attests true -> false",
        ),
        (base.clone() + &rule, base.clone(), "weaker revoked: SHA256:"),
        (base.clone(), base.clone() + &rule, "stricter revoked: SHA256:"),
    ] {
        let found = lines(&old, &new);
        assert!(found.first().is_some_and(|line| line.starts_with(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn whose_word_counts_for_approvals() {
    let registry = registry().replace("[services.forge]\n", "[services.forge]\nattests = true\n");
    let asked =
        "identity = \"agents\"\nforce-push = \"deny\"\ndelete = \"deny\"\n[rule.approvals]\nfrom = [\"staff\"]\n";
    let (none, forge) =
        (format!("{registry}{MAIN}{asked}"), format!("{registry}{MAIN}{asked}attested = [\"forge\"]\n"));
    let named = "rule \"main\": approvals attested";
    assert_eq!(lines(&none, &forge), [format!("weaker {named} now lists forge")]);
    assert_eq!(lines(&forge, &none), [format!("stricter {named} no longer lists forge")]);
}

/// All that a service makes needs the approvals that are asked for agents' work; what is nobody's needs them where it shows an agent.
#[test]
fn a_service_that_is_no_longer_one_escapes_approvals() {
    let approvals = format!(
        "{MAIN}identity = \"agents\"\nforce-push = \"deny\"\ndelete = \"deny\"\n[rule.approvals]\nfrom = [\"staff\"]\n"
    );
    let unsigned = registry().replace("[services.forge]\n", "[services.forge]\nunsigned = true\n");
    let gone = |text: &str| text.replace(&format!("[services.forge]\nowner = \"bob\"\nkeys = [\"{}\"]\n", key(4)), "");
    let keyless =
        registry().replace(&format!("keys = [\"{}\"]\n[groups]", key(4)), "keys = []\nunsigned = true\n[groups]");
    for (old, new, about) in [
        (unsigned.clone(), registry(), "unsigned true -> false"),
        (registry(), gone(&registry()), "it is gone, with one key"),
        (unsigned, keyless, "the key SHA256:"),
    ] {
        let (asked, found) = (format!("{old}{approvals}"), format!("{new}{approvals}"));
        for (lines, direction) in [(lines(&asked, &found), "weaker"), (lines(&old, &new), "stricter")] {
            let line = lines.iter().find(|line| line.contains(about)).unwrap();
            assert!(line.starts_with(&format!("{direction} service \"forge\"")), "{lines:?}");
        }
    }
}

/// What refs hold that come under a rule counts as judged by it, so whoever could put it there need not be asked.
#[test]
fn a_rule_about_who_pushes_vouches_too() {
    let ci = |refs: &str| {
        format!(
            "{}[paths]\nci = [\"ci/**\"]\n[[rule]]\nname = \"ci\"\nrefs = [{refs}]\npaths = [\"ci\"]\nsubmitters = [\"bob\"]\n",
            registry()
        )
    };
    let found = lines(&ci("\"refs/heads/main\""), &ci("\"refs/heads/main\", \"refs/heads/wip/**\""));
    assert!(
        found.iter().any(|line| line.starts_with("weaker rule \"ci\": \"refs/heads/wip/**\" comes over")),
        "{found:?}"
    );
}

/// One rule and the class of its paths, from few words, so that they meet.
fn rule() -> impl Strategy<Value = (String, Option<String>)> {
    let refs = prop::sample::subsequence(
        vec!["refs/heads/**", "refs/heads/*", "refs/heads/a", "refs/heads/a/**", "refs/*/b"],
        1..3,
    );
    let excluded = prop::sample::subsequence(vec!["!refs/heads/a/*", "!refs/heads/b"], 0..2);
    let paths = prop::sample::subsequence(vec!["**/x", "d/**", "D/x", "*/x", "d/x/y", "d/longer-name"], 1..3);
    let spared =
        prop::sample::subsequence(vec!["!d/*", "!d/x", "!D/X", "!d/x*", "!d/*:*", "!**/*.", "!d*y", "!d/l*1"], 0..2);
    let class = prop::option::of((paths, spared).prop_map(|(paths, spared)| format!("{:?}", [paths, spared].concat())));
    let identity = prop::sample::select(vec!["none", "agents", "everyone"]);
    let mode = prop::sample::select(vec!["enforce", "enforce", "warn", "off"]);
    (refs, excluded, class, identity, mode).prop_map(|(refs, excluded, class, identity, mode)| {
        let refs: Vec<&str> = refs.into_iter().chain(excluded).collect();
        (format!("refs = {refs:?}\nidentity = \"{identity}\"\nmode = \"{mode}\"\n"), class)
    })
}

fn rules() -> impl Strategy<Value = String> {
    (prop::collection::vec(rule(), 0..3), prop::bool::ANY).prop_map(|(rules, refuse)| {
        let (mut classes, mut text) = (String::new(), String::new());
        for (number, (rule, class)) in rules.into_iter().enumerate() {
            text += &format!("[[rule]]\nname = \"r{number}\"\n{rule}");
            if let Some(patterns) = class {
                text += &format!("paths = [\"c{number}\"]\n");
                classes += &format!("c{number} = {patterns}\n");
            }
        }
        let top = if refuse { "unmatched = \"refuse\"\n" } else { "" };
        format!("{top}{}[paths]\n{classes}{text}", registry())
    })
}

/// Paths and some of what file systems take for them.
const PATHS: &[&str] = &[
    "x",
    "y",
    "d",
    "d/x",
    "D/x",
    "d/X",
    "d/x/y",
    "e/x",
    "e/f/x",
    "d/x.",
    "d/x: ",
    "d./x",
    "d\\x",
    "d\\x/y",
    "d\\/x",
    "d/x/y ",
    "d/\u{200c}x",
    "d/longer-name",
    "d/longer-name.",
    "d/LONGER~1",
    "d/longer~1",
    "d/lo12ab~1",
    "d/\u{200d}LONGER-name",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever ref and path are tried, what an old rule refuses there a new one refuses too, or the difference says weaker.
    #[test]
    fn nothing_weaker_is_missed(old in rules(), new in rules()) {
        let (old, new) = (policy(&old), policy(&new));
        prop_assert!(diff(&old, &old).is_empty());
        let found = diff(&old, &new);
        let weaker = found.iter().any(|one| one.direction == Direction::Weaker);
        for name in ["a", "b", "c", "a/a", "a/a/a", "b/b"].iter().flat_map(|end| [format!("refs/heads/{end}"), format!("refs/tags/{end}")]) {
            let name = name.as_bytes();
            if new.refuses_unmatched(name) {
                continue;
            }
            prop_assert!(weaker || !old.refuses_unmatched(name), "{} opened: {found:?}", String::from_utf8_lossy(name));
            for path in PATHS {
                let asks = |rule: &Rule| {
                    rule.matches_ref(name) && (!rule.is_path_rule() || rule.touches(path.as_bytes(), Below::Named).is_some())
                };
                for before in old.rules().iter().filter(|rule| rule.mode == Mode::Enforce && asks(rule)) {
                    let kept = new.rules().iter().any(|after| asks(after) && after.refuses_as_much(before));
                    prop_assert!(kept || weaker, "{} {path}: {} is not kept, {found:?}", String::from_utf8_lossy(name), before.name);
                }
            }
        }
    }
}

#[test]
fn what_is_said_of_grants_has_its_direction() {
    let agent =
        |more: &str| format!("[people.alice]\nkeys = [\"{}\"]\n[agents.x]\nowner = \"alice\"\n{more}\n{MAIN}", key(1));
    let issuer =
        |more: &str| agent("issuers = [\"vault\"]") + &format!("[issuers.vault]\nkey = \"{}\"\n{more}\n", key(5));
    let only = |name: &str| format!("scope = {{ refs = [\"refs/heads/{name}\"] }}");
    for (old, new, weaker) in [
        (agent(""), agent("issuers = [\"alice\"]"), "agent \"x\": alice may issue its grants"),
        (agent("max-grant = \"8h\""), agent("max-grant = \"1d\""), "agent \"x\": max-grant 8 hours -> 1 day"),
        (agent("issuing = \"presence\""), agent(""), "agent \"x\": issuing \"presence\" -> \"any\""),
        (
            agent(""),
            agent("") + &issuer("").replace(&agent("issuers = [\"vault\"]"), ""),
            "issuer \"vault\": it is new",
        ),
        (issuer(&only("a")), issuer(&only("*")), "issuer \"vault\": scope"),
        (issuer(&only("a")), issuer(""), "issuer \"vault\": scope"),
        (issuer(""), issuer("identity = \"principal\""), "issuer \"vault\": identity \"key-id\" -> \"principal\""),
        (agent("[revoked]\ngrants = [\"x:7\"]"), agent(""), "revoked: the grant x:7 is no longer revoked"),
    ] {
        let found = lines(&old, &new);
        assert!(found.iter().any(|line| line.starts_with(&format!("weaker {weaker}"))), "{weaker}: {found:#?}");
        let back = lines(&new, &old);
        assert!(back.iter().all(|line| !line.starts_with("weaker") || weaker.contains("identity")), "{back:#?}");
    }
}

/// What is said about orders: what the old policy says and what the new one says, with the one line expected; backwards it is stricter.
#[test]
fn each_key_about_orders_has_its_direction() {
    let said = |top: &str, tables: &str| format!("{top}{}{tables}{MAIN}", registry());
    let orders = |keys: &str| said("", &format!("[orders]\n{keys}"));
    let overrides = |keys: &str| said("", &format!("[override]\n{keys}"));
    let both = "from = [\"staff\"]\ncodes = [\"bad-seal\"]\n";
    for (old, new, weaker) in [
        (orders("thaw = []\n"), orders("thaw = [\"bob\"]\n"), "weaker orders: thaw: bob is new"),
        (orders("revoke = [\"staff\"]\n"), orders("revoke = [\"bob\"]\n"), "weaker orders: revoke: alice is gone"),
        (
            orders("freeze-all = [\"staff\"]\n"),
            orders("freeze-all = [\"bob\"]\n"),
            "weaker orders: freeze-all: alice is gone",
        ),
        (orders(""), orders("freeze-all = [\"bob\"]\n"), "weaker orders: freeze-all: from everybody to bob"),
        (said("", ""), overrides(both), "weaker override: 2 of alice, bob may pass over bad-seal"),
        (overrides(both), overrides(&format!("count = 1\n{both}")), "weaker override: count 2 -> 1"),
        (
            overrides(both),
            overrides("from = [\"staff\"]\ncodes = [\"bad-seal\", \"stale-seal\"]\n"),
            "weaker override: stale-seal may be passed over",
        ),
        (
            overrides("count = 1\nfrom = [\"bob\"]\ncodes = [\"bad-seal\"]\n"),
            overrides(&format!("count = 1\n{both}")),
            "weaker override: from: alice is new",
        ),
    ] {
        assert_eq!(lines(&old, &new), [weaker]);
        let back = lines(&new, &old);
        assert!(back.len() == 1 && back[0].starts_with("stricter "), "{back:?}");
    }
    let renamed = "policy: name \"a\" -> \"b\": orders for the old name do not hold any more";
    assert_eq!(lines(&said("name = \"a\"\n", ""), &said("name = \"b\"\n", "")), [format!("weaker {renamed}")]);
    assert!(lines(&said("", ""), &said("name = \"a\"\n", ""))[0].starts_with("changed policy: name none"));
}
