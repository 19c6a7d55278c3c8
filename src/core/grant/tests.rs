//! Scopes, chains, and what a policy makes of them.

use proptest::prelude::*;

use super::*;
use crate::core::decide::{Code, Timestamp};
use crate::core::id::RepositoryName;
use crate::core::policy::{LetterCase, Policy, Source, load};
use crate::core::ssh::{ClaimedCertificate, NewCertificate, PrivateKey, VerifiedCertificate};
use base64ct::{Base64, Encoding as _};

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32]).unwrap()
}

/// A certificate to make, and how.
#[derive(Clone)]
struct Draft {
    issuer: u8,
    key: u8,
    serial: u64,
    agent: &'static str,
    principals: Vec<String>,
    window: (u64, u64),
    scope: Option<String>,
    parent: Option<VerifiedCertificate>,
}

/// A little after this all of it happens.
const NOON: u64 = 1_795_000_000;

impl Draft {
    /// By alice, for claude-code.
    fn of(scope: &str) -> Self {
        Self {
            issuer: 1,
            key: 20,
            serial: 42,
            agent: "claude-code",
            principals: vec!["claude-code".to_owned()],
            window: (NOON, NOON + 3600),
            scope: Some(scope.to_owned()),
            parent: None,
        }
    }

    /// For codex, by the key of another certificate.
    fn below(parent: &VerifiedCertificate, seed: u8, scope: &str) -> Self {
        let names = ["codex", "pi"];
        let agent = names[usize::from(parent.key_id() == "codex")];
        Self {
            issuer: seed,
            key: seed + 1,
            agent,
            principals: vec![agent.to_owned()],
            parent: Some(parent.clone()),
            ..Self::of(scope)
        }
    }

    fn made(&self) -> VerifiedCertificate {
        let (issuer, key) = (key(self.issuer), key(self.key));
        let parent = self.parent.as_ref().map(|parent| Base64::encode_string(parent.blob()));
        let parent = parent.as_deref().map(|parent| (PARENT, Some(parent)));
        let scope = self.scope.as_deref().map(|scope| (SCOPE, Some(scope)));
        let extensions: Vec<(&str, Option<&str>)> = parent.into_iter().chain(scope).collect();
        let new = NewCertificate {
            nonce: &[1; 32],
            key: key.public(),
            serial: self.serial,
            key_id: self.agent,
            principals: &self.principals,
            window: self.window,
            extensions: &extensions,
            issuer: issuer.public(),
        };
        ClaimedCertificate::from_blob(&issuer.certify(&new).unwrap()).unwrap().verify().unwrap()
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

fn policy(more: &str) -> Policy {
    let line = |seed: u8| key(seed).public().to_line();
    let text = format!(
        "version = 1
[people.alice]
keys = [\"{}\"]
[people.bob]
keys = [\"{}\"]
[agents.claude-code]
owner = \"alice\"
issuers = [\"alice\", \"vault\"]
max-grant = \"2h\"
[agents.codex]
owner = \"alice\"
issuers = [\"claude-code\"]
[agents.pi]
owner = \"bob\"
issuers = [\"codex\"]
[issuers.vault]
key = \"{}\"
identity = \"extension:agent@acme\"
scope = {{ refs = [\"refs/heads/**\"], delegate = 1 }}
[[rule]]
name = \"branches\"
refs = [\"refs/heads/**\"]
identity = \"agents\"
{more}",
        line(1),
        line(2),
        line(3)
    );
    let source = Source { name: "policy.toml".into(), text };
    load(vec![source], &mut |_, path| Err(format!("no {path}")))
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .policy
}

fn judged(draft: &Draft, more: &str) -> Result<String, (Code, String)> {
    let policy = policy(more);
    let at = Timestamp(i64::try_from(NOON + 60).unwrap());
    match judge(&policy, &draft.made(), at) {
        Ok(granted) => Ok(granted.agent().id.to_string()),
        Err(Objection { code, detail, grant: _ }) => Err((code, detail)),
    }
}

#[test]
fn a_scope_has_one_text() {
    let good = [
        "{}",
        r#"{"refs":["refs/heads/**"]}"#,
        r#"{"repositories":["acme/payments"],"task":"PAY-112","environment":"ci","refs":["refs/heads/agent/*"],"paths":["src/**","Cargo.lock"],"commits":20,"delegate":1}"#,
        r#"{"task":"say \"hi\" \\ there"}"#,
    ];
    for text in good {
        let scope = Scope::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(scope.to_json(), text);
    }
    let long = format!(r#"{{"paths":[{}]}}"#, vec![format!("\"{}\"", "a".repeat(200)); 30].join(","));
    let many: Vec<String> = (0..33).map(|number| format!("\"{number}\"")).collect();
    for bad in [
        "",
        "[]",
        "{} ",
        " {}",
        r#"{"refs": ["refs/heads/**"]}"#,
        r#"{"refs":[]}"#,
        r#"{"refs":["heads/main"]}"#,
        r#"{"refs":["!refs/heads/main"]}"#,
        r#"{"refs":["refs/heads/**","refs/heads/**"]}"#,
        r#"{"refs":null}"#,
        r#"{"paths":["a?"]}"#,
        r#"{"paths":["a"],"refs":["refs/heads/a"]}"#,
        r#"{"refs":["refs/heads/a"],"refs":["refs/heads/a"]}"#,
        r#"{"unknown":1}"#,
        r#"{"task":""}"#,
        r#"{"task":" x"}"#,
        r#"{"task":"\u0041"}"#,
        r#"{"task":"a\/b"}"#,
        "{\"task\":\"\u{e4}\"}",
        r#"{"commits":5}"#,
        r#"{"repositories":["acme/*"],"commits":5}"#,
        r#"{"repositories":["a","b"],"commits":5}"#,
        r#"{"repositories":["a"],"commits":0}"#,
        r#"{"repositories":["a"],"commits":05}"#,
        r#"{"repositories":["a"],"commits":-5}"#,
        r#"{"repositories":["a"],"commits":5.0}"#,
        r#"{"repositories":["a"],"commits":5000000000}"#,
        r#"{"delegate":3}"#,
        r#"{"delegate":0}"#,
        long.as_str(),
        &format!(r#"{{"paths":[{}]}}"#, many.join(",")),
    ] {
        assert!(Scope::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn one_scope_is_within_another_by_what_it_covers() {
    let scope = |text: &str| Scope::parse(text.as_bytes()).unwrap();
    let above = scope(
        r#"{"repositories":["acme/*"],"task":"T","environment":"ci","refs":["refs/heads/a/**","refs/tags/v*"],"paths":["src/**"]}"#,
    );
    assert_eq!(above.within(&above), Ok(()));
    assert_eq!(above.within(&Scope::default()), Ok(()));
    let all = r#"{"repositories":["acme/pay"],"task":"T","environment":"ci","refs":["refs/heads/a/*/x","refs/tags/v1"],"paths":["src/*.rs"]}"#;
    assert_eq!(scope(all).within(&above), Ok(()));
    for (from, to, wanted) in [
        ("acme/pay", "acme/pay/deep", "repositories \"acme/pay/deep\" cover acme/pay/deep, which those above do not"),
        (r#""repositories":["acme/pay"],"#, "", "repositories are not limited, and are above"),
        (r#""task":"T""#, r#""task":"U""#, "task is \"U\", and above \"T\""),
        (r#""task":"T","#, "", "task is absent, and above \"T\""),
        (r#""environment":"ci","#, "", "environment is absent, and above \"ci\""),
        (
            "refs/heads/a/*/x",
            "refs/heads/*/x",
            "refs \"refs/heads/*/x\" cover refs/heads/w/x, which those above do not",
        ),
        ("refs/tags/v1", "refs/tags/*", "refs \"refs/tags/*\" cover refs/tags/x, which those above do not"),
        (r#","paths":["src/*.rs"]"#, "", "paths are not limited, and are above"),
        ("src/*.rs", "Src/*.rs", "paths \"Src/*.rs\" cover Src/.rs, which those above do not"),
        ("src/*.rs", "src", "paths \"src\" cover src, which those above do not"),
    ] {
        assert!(all.contains(from), "{from}");
        let excess = scope(&all.replacen(from, to, 1)).within(&above).unwrap_err();
        assert_eq!(excess.to_string(), wanted);
    }
    let ten = scope(r#"{"repositories":["a"],"commits":10}"#);
    for (commits, fits) in [("9", true), ("10", true), ("11", false)] {
        let own = scope(&format!(r#"{{"repositories":["a"],"commits":{commits}}}"#));
        assert_eq!(own.within(&ten).is_ok(), fits, "{commits}");
    }
    assert!(scope(r#"{"repositories":["a"]}"#).within(&ten).is_err());
}

#[test]
fn a_grant_holds_only_as_it_was_issued() {
    let good = Draft::of(r#"{"refs":["refs/heads/**"]}"#);
    assert_eq!(judged(&good, ""), Ok("claude-code".to_owned()));
    let unlimited = Draft::of("{}");
    assert_eq!(judged(&unlimited, ""), Ok("claude-code".to_owned()));
    let is = |draft: Draft, more: &str, code: Code, words: &str| {
        let (found, detail) = judged(&draft, more).unwrap_err();
        assert_eq!(found, code, "{detail}");
        assert!(detail.contains(words), "{detail}");
    };
    use Code::{GrantExpired, GrantOutOfScope, GrantRevoked, GrantUnknownIssuer, SharedKey, UnknownAgent};
    let draft = || good.clone();
    is(draft().with(|it| it.issuer = 9), "", GrantUnknownIssuer, "which is nobody's");
    is(draft().with(|it| it.issuer = 2), "", GrantUnknownIssuer, "issued by bob, whom claude-code does not list");
    is(draft().with(|it| it.scope = None), "", GrantOutOfScope, "no extension scope@countersign");
    is(draft().with(|it| it.scope = Some("{ }".into())), "", GrantOutOfScope, "not canonical");
    is(draft().with(|it| it.serial = 0), "", GrantOutOfScope, "serial is 0");
    is(draft().with(|it| it.principals.clear()), "", GrantOutOfScope, "names no principal");
    is(draft().with(|it| it.principals = vec!["git".into()]), "", GrantOutOfScope, "does not name claude-code");
    is(draft().with(|it| it.principals.push("codex".into())), "", GrantOutOfScope, "names codex among");
    is(draft().with(|it| it.principals.push("bob".into())), "", GrantOutOfScope, "names bob among");
    is(draft().with(|it| it.agent = "nobody"), "", UnknownAgent, "no registered agent");
    is(draft().with(|it| it.agent = "bob"), "", UnknownAgent, "no registered agent");
    is(draft().with(|it| it.key = 2), "", SharedKey, "over a key of person bob");
    is(draft().with(|it| it.window = (NOON + 61, NOON + 3600)), "", GrantExpired, "not valid before");
    is(draft().with(|it| it.window = (NOON, NOON + 60)), "", GrantExpired, "expired at");
    is(draft().with(|it| it.window.1 = NOON + 7501), "", GrantOutOfScope, "2 hours is the longest");
    assert!(judged(&draft().with(|it| it.window.1 = NOON + 7500), "").is_ok(), "five minutes more are for clocks");
    is(draft(), "[revoked]\ngrants = [\"claude-code:42\"]", GrantRevoked, "is revoked");
    assert!(judged(&draft(), "[revoked]\ngrants = [\"claude-code:43\", \"codex:42\"]").is_ok());
    let of = |seed: u8| format!("[revoked]\nkeys = [\"{}\"]", key(seed).public().fingerprint());
    is(draft(), &of(1), GrantRevoked, "issued by the revoked key");
    is(draft(), &of(20), GrantRevoked, "over the revoked key");
    let retired = format!("[retired]\nkeys = {{ \"{}\" = 2026-01-01 }}", key(1).public().fingerprint());
    is(draft(), &retired, GrantUnknownIssuer, "retired key");
}

#[test]
fn an_authority_names_the_agent_where_the_policy_says() {
    let certificate = |extensions: &[(&str, Option<&str>)]| {
        let (issuer, own) = (key(3), key(20));
        let new = NewCertificate {
            nonce: &[1; 32],
            key: own.public(),
            serial: 1,
            key_id: "vault-token-7f",
            principals: &["git".to_owned()],
            window: (NOON, NOON + 3600),
            extensions,
            issuer: issuer.public(),
        };
        ClaimedCertificate::from_blob(&issuer.certify(&new).unwrap()).unwrap().verify().unwrap()
    };
    let policy = policy("");
    let at = Timestamp(i64::try_from(NOON + 60).unwrap());
    let named = certificate(&[("agent@acme", Some("claude-code"))]);
    let granted = judge(&policy, &named, at).unwrap();
    assert_eq!(granted.agent().id.as_str(), "claude-code");
    assert!(matches!(granted.issuer(), IssuedBy::Authority(issuer) if issuer.name.as_str() == "vault"));
    let pay = RepositoryName::parse(b"acme/pay").unwrap();
    assert_eq!(granted.refuses_place(Some(&pay), b"refs/heads/main"), None);
    assert!(granted.refuses_place(Some(&pay), b"refs/tags/v1").is_some(), "the authority's bound counts");
    for (extensions, code) in [
        (&[("permit-pty", None)][..], Code::UnknownAgent),
        (&[("agent@acme", Some("codex"))], Code::GrantUnknownIssuer),
        (&[("agent@acme", Some("claude-code")), (SCOPE, Some("{}"))], Code::GrantOutOfScope),
        (
            &[("agent@acme", Some("claude-code")), (SCOPE, Some(r#"{"refs":["refs/heads/a"],"delegate":2}"#))],
            Code::GrantOutOfScope,
        ),
    ] {
        assert_eq!(judge(&policy, &certificate(extensions), at).unwrap_err().code, code, "{extensions:?}");
    }
    let narrow = certificate(&[("agent@acme", Some("claude-code")), (SCOPE, Some(r#"{"refs":["refs/heads/a"]}"#))]);
    assert!(judge(&policy, &narrow, at).is_ok());
}

#[test]
fn a_chain_narrows_at_each_link_and_ends_at_three() {
    let top = Draft::of(r#"{"refs":["refs/heads/**"],"delegate":2}"#).made();
    let middle = Draft::below(&top, 20, r#"{"refs":["refs/heads/a/**"],"delegate":1}"#);
    assert_eq!(judged(&middle, ""), Ok("codex".to_owned()));
    let last = Draft::below(&middle.made(), 21, r#"{"refs":["refs/heads/a/b"]}"#);
    assert_eq!(judged(&last, ""), Ok("pi".to_owned()));
    let policy = policy("");
    let certificate = last.made();
    let granted = judge(&policy, &certificate, Timestamp(i64::try_from(NOON + 60).unwrap())).unwrap();
    let above: Vec<&str> = granted.above().map(|agent| agent.id.as_str()).collect();
    assert_eq!(above, ["codex", "claude-code"]);
    assert!(matches!(granted.issuer(), IssuedBy::Principal(alice) if alice.id.as_str() == "alice"));

    let is = |draft: &Draft, more: &str, code: Code, words: &str| {
        let (found, detail) = judged(draft, more).unwrap_err();
        assert_eq!(found, code, "{detail}");
        assert!(detail.contains(words), "{detail}");
    };
    use Code::{GrantExpired, GrantOutOfScope, GrantRevoked, GrantUnknownIssuer};
    let wide = Draft::below(&top, 20, r#"{"refs":["refs/**"]}"#);
    is(&wide, "", GrantOutOfScope, "refs \"refs/**\" cover refs/x");
    is(&Draft::below(&top, 20, "{}"), "", GrantOutOfScope, "refs are not limited");
    is(&middle.clone().with(|it| it.scope = None), "", GrantOutOfScope, "refs are not limited");
    is(&Draft::below(&top, 20, r#"{"refs":["refs/heads/a"],"delegate":2}"#), "", GrantOutOfScope, "counts down");
    let childless = Draft::of(r#"{"refs":["refs/heads/**"]}"#).made();
    is(&Draft::below(&childless, 20, r#"{"refs":["refs/heads/a"]}"#), "", GrantOutOfScope, "nothing may be issued");
    is(&middle.clone().with(|it| it.window.1 += 1), "", GrantOutOfScope, "the window is not within");
    is(&middle.clone().with(|it| it.window.0 -= 1), "", GrantOutOfScope, "the window is not within");
    is(&middle.clone().with(|it| it.issuer = 1), "", GrantUnknownIssuer, "not issued by the key of");
    let two = middle.clone().with(|it| {
        it.agent = "pi";
        it.principals = vec!["pi".to_owned()];
    });
    is(&two, "", GrantUnknownIssuer, "issued by claude-code, whom pi does not list");
    let middle_again = middle.made();
    let deep = Draft::below(
        &Draft::below(&middle_again, 21, r#"{"refs":["refs/heads/a/b"]}"#).made(),
        22,
        r#"{"refs":["refs/heads/a/b"]}"#,
    );
    is(&deep, "", GrantOutOfScope, "nothing may be issued");
    // Any link that is revoked ends all below it.
    is(&last, "[revoked]\ngrants = [\"claude-code:42\"]", GrantRevoked, "is revoked");
    is(&last, "[revoked]\ngrants = [\"codex:42\"]", GrantRevoked, "is revoked");
    let late = last.clone().with(|it| it.window = (NOON + 100, NOON + 200));
    is(&late, "", GrantExpired, "not valid before");
}

#[test]
fn a_fourth_certificate_is_one_too_many() {
    let unlimited = |delegate: u8| format!(r#"{{"delegate":{delegate}}}"#);
    let top = Draft::of(&unlimited(2)).made();
    let second = Draft::below(&top, 20, &unlimited(1)).made();
    let third = Draft::below(&second, 21, "{}").made();
    let fourth = Draft::below(&third, 22, "{}").made();
    assert_eq!(Grant::of(&third).unwrap().links().len(), 3);
    // It is refused at the first link that delegates nothing; one that does has no number left.
    assert!(matches!(Grant::of(&fourth), Err(GrantFault::Wider(_))));
}

fn pattern() -> impl Strategy<Value = String> {
    let component = prop_oneof![Just("*"), Just("**"), Just("a"), Just("b"), Just("a*"), Just("*b"), Just("ab")];
    prop::collection::vec(component, 1..4).prop_map(|parts| parts.join("/"))
}

fn text() -> impl Strategy<Value = String> {
    let component = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("aab"), Just("c")];
    prop::collection::vec(component, 1..5).prop_map(|parts| parts.join("/"))
}

proptest! {
    /// Whatever is within another covers nothing that the other does not.
    #[test]
    fn what_is_within_covers_no_more(own in prop::collection::vec(pattern(), 1..4), above in prop::collection::vec(pattern(), 1..4), texts in prop::collection::vec(text(), 20)) {
        let globs = |texts: &[String]| texts.iter().map(|text| crate::core::policy::Glob::parse(text).unwrap()).collect::<Vec<_>>();
        let scope = |texts: &[String]| Scope { paths: Some(globs(texts)), ..Scope::default() };
        let (own, above) = (scope(&own), scope(&above));
        let within = own.within(&above);
        for text in &texts {
            if within.is_ok() && own.covers_path(text.as_bytes()) {
                prop_assert!(above.covers_path(text.as_bytes()), "{text}");
            }
        }
        if let Err(excess) = within {
            let example = excess.detail.split(" cover ").nth(1).and_then(|rest| rest.split(',').next()).map(str::to_owned);
            if let Some(example) = example {
                let covers = |scope: &Scope| scope.paths.iter().flatten().any(|glob| glob.matches(example.as_bytes(), LetterCase::Exact));
                prop_assert!(covers(&own) && !covers(&above), "{example}");
            }
        }
    }

    /// A scope that is read is written as it was.
    #[test]
    fn what_is_read_is_written_again(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(scope) = Scope::parse(&bytes) {
            prop_assert_eq!(scope.to_json().into_bytes(), bytes);
        }
    }
}

/// The worked example of FORMAT.md: ssh-keygen lists the certificate as it stands there, and this reads what it grants.
#[test]
fn the_worked_example_is_what_ssh_keygen_lists() {
    use crate::core::worked_example;
    let draft = Draft {
        key: 8,
        issuer: 7,
        window: (1_795_489_864, 1_795_489_864 + 7200),
        ..Draft::of(
            r#"{"repositories":["acme/payments"],"task":"PAY-112","refs":["refs/heads/agent/**"],"paths":["src/**"],"commits":20}"#,
        )
    };
    let line = draft.made().to_line();
    let format = include_str!("FORMAT.md");
    let script = format!("echo '{line}' >key-cert.pub\nTZ=UTC ssh-keygen -L -f key-cert.pub\n");
    let folder = tempfile::tempdir().unwrap();
    let listed = worked_example::run(&script, folder.path());
    let expected = (worked_example::fenced(format, "sh"), worked_example::fenced(format, "text"));
    assert_eq!((script, listed), expected);
    let (claimed, _) = ClaimedCertificate::parse_line(&line).unwrap();
    let grant = Grant::of(&claimed.verify().unwrap()).unwrap();
    assert!(format.contains(&grant.links()[0].scope.as_ref().unwrap().to_json()));
    assert!(format.contains(&grant.certificate().unwrap().digest().to_string()));
}
