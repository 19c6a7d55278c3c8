//! Every problem has its line and its fix, and all of them come at once.

use super::*;

pub(super) fn load_text(text: &str) -> Result<Loaded, Vec<Problem>> {
    load(vec![Source { name: "policy.toml".into(), text: text.into() }], &mut |_, path| Err(format!("no {path}")))
}

fn key(seed: u8) -> String {
    crate::core::ssh::PrivateKey::from_seed(&[seed; 32]).unwrap().public().to_line()
}

/// Lines that every policy of these tests begins with: 12 of them.
pub(super) fn registry() -> String {
    format!(
        "version = 1\n[people.alice]\nkeys = [\"{}\"]\n[agents.claude]\ntool = \"claude-code\"\nowner = \"alice\"\nkeys = [\"{}\"]\n\
         [services.forge]\nowner = \"alice\"\nkeys = [\"{}\"]\n[groups]\nstaff = [\"alice\", \"claude\"]\n",
        key(1),
        key(2),
        key(3)
    )
}

/// What is said of `registry` and `more`, as `line: message -> fix`.
pub(super) fn problems(more: &str) -> Vec<String> {
    let all = match load_text(&(registry() + more)) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    all.iter().map(|problem| format!("{}: {} -> {}", problem.at.line, problem.message, problem.fix)).collect()
}

const RULE: &str = "[[rule]]\nname = \"r\"\nrefs = [\"refs/heads/**\"]\n";

#[test]
fn the_design_example_loads_without_what_is_not_built() {
    let example = format!(
        r#"version = 1
[people.alice]
name = "Alice Ng"
emails = ["alice@acme.dev"]
keys = ["{}"]
accounts = ["alice"]
[people.bob]
[agents.claude-code]
tool = "claude-code"
owner = "alice"
keys = ["{}"]
accounts = ["claude-bot"]
review-by = 2027-06-30
[services.forge]
owner = "bob"
keys = ["{}"]
[groups]
maintainers = ["alice", "bob"]
[paths]
pipeline = [".github/**", ".gitlab-ci.yml", "Jenkinsfile"]
[revoked]
keys = ["{}"]
[[rule]]
name = "branches"
refs = ["refs/heads/**", "!refs/heads/vendor/**"]
identity = "agents"
[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "everyone"
force-push = "deny"
delete = "deny"
since = ["{}"]
[[rule]]
name = "pipelines"
refs = ["refs/heads/main"]
paths = ["pipeline"]
identity = "everyone"
"#,
        key(1),
        key(2),
        key(3),
        crate::core::ssh::PrivateKey::from_seed(&[4; 32]).unwrap().public().fingerprint(),
        "a".repeat(40)
    );
    let loaded = load_text(&example).unwrap();
    assert_eq!(loaded.warnings, []);
    let policy = loaded.policy;
    assert!(
        policy.rules()[0].matches_ref(b"refs/heads/main") && !policy.rules()[0].matches_ref(b"refs/heads/vendor/x")
    );
    assert_eq!(policy.rules()[2].touches(b".GITHUB/workflows/ci.yml", Below::Named), Some("pipeline"));
    assert_eq!(policy.rules()[2].touches(b".github", Below::Named), Some("pipeline"));
    assert_eq!(policy.rules()[2].touches(b"src/lib.rs", Below::Named), None);
    assert_eq!(policy.agent_for_tool("claude-code").unwrap().id.as_str(), "claude-code");
}

#[test]
fn each_problem_names_its_line_and_its_fix() {
    for (more, expected) in [
        ("nonsense = 1\n", "13: `groups.nonsense` is not a list"),
        ("[rules]\n", "13: unknown key `rules` -> did you mean `rule`?"),
        ("[paths]\nci = [\"ci/[ab]\"]\n", "14: \"ci/[ab]\": the pattern holds '[', which has no meaning here"),
        ("[people.bob]\nkeys = [\"ssh-ed25519 AAAA\"]\n", "14: a key of `bob` cannot be used"),
        ("[people.Bob]\n", "13: \"Bob\" is not an id"),
        ("[people.bob]\nemails = [\"bob\"]\n", "14: \"bob\" is not an email address"),
        ("[agents.codex]\n", "13: agent `codex` has no owner -> add owner"),
        ("[agents.codex]\nowner = \"eve\"\n", "13: the owner of `codex` is `eve`, whom nobody has registered"),
        (
            "[agents.codex]\nowner = \"claude\"\n",
            "13: the owner of `codex` is `claude`, which is no person -> an owner is a person",
        ),
        ("[agents.codex]\nowner = \"alice\"\nreview-by = \"soon\"\n", "15: `review-by` is not a day"),
        ("[agents.alice]\nowner = \"alice\"\n", "13: `alice` is registered already, at policy.toml:2"),
        ("[revoked]\nkeys = [\"alice\"]\n", "14: \"alice\" is not a key's fingerprint"),
        ("[[rule]]\nrefs = [\"refs/heads/x\"]\n", "13: the rule has no name"),
        ("[[rule]]\nname = \"r\"\n", "13: the rule names no refs"),
        (
            "[[rule]]\nname = \"r\"\nrefs = [\"main\"]\n",
            "15: \"main\" is not a full ref name -> write \"refs/heads/main\"",
        ),
        ("[[rule]]\nname = \"r\"\nrefs = [\"!refs/heads/x\"]\n", "13: the patterns only exclude"),
    ] {
        let said = problems(more);
        assert!(said.iter().any(|line| line.starts_with(expected)), "{more}: {said:#?}");
    }
    for (line, expected) in [
        ("identiy = \"agents\"", "16: unknown key `identiy` -> did you mean `identity`?"),
        (
            "identity = \"agent\"",
            "16: `identity` cannot be \"agent\" -> write one of \"none\", \"agents\", \"everyone\"",
        ),
        ("mode = 1", "16: `mode` is not a string"),
        ("agents = [\"nobody\"]", "16: `nobody` is no agent, tool or group with agents"),
        ("services = [\"claude\"]", "16: `claude` is no service"),
        ("paths = [\"pipeline\"]", "16: `pipeline` is no class of [paths]"),
        ("paths = []", "13: the rule's paths are empty"),
        ("paths = [\"ci/**\"]", "13: the rule asks nothing of the commits that touch its paths"),
        ("paths = [\"ci/**\"]\nforce-push = \"deny\"", "13: `force-push` is about the ref"),
        ("force-push = \"deny\"", "13: force-push is denied but delete is allowed"),
        ("since = [\"adopted\"]", "16: \"adopted\" is neither a full object id nor a full ref name"),
        ("since = [\"refs/tags/adopted\"]", "13: whoever can move refs/tags/adopted decides what this rule exempts"),
    ] {
        let said = problems(&format!("{RULE}{line}\n"));
        assert!(said.iter().any(|problem| problem.starts_with(expected)), "{line}: {said:#?}");
    }
}

#[test]
fn a_class_that_covers_a_directory_by_name_alone_is_warned_of() {
    let rule = "paths = [\"ci\"]\nidentity = \"agents\"\n";
    let secrets = "\"secrets\" covers that one path, and nothing below it if it is a directory -> \
                   write \"secrets/**\"; beside \"secrets\", if it may be a file";
    for (class, expected) in [
        (r#"["secrets"]"#, vec![format!("14: {secrets}")]),
        (r#"["secrets", "secrets/**"]"#, vec![]),
        (r#"["secrets", "**"]"#, vec![]),
        (r#"["secrets/x", "secrets/*.pem"]"#, vec![format!("14: {}", secrets.replace("secrets", "secrets/x"))]),
        (r#"["Jenkinsfile", ".gitlab-ci.yml", "!vendor"]"#, vec![]),
        ("[\n\"a.yml\",\n\"deploy/prod\"\n]", vec![format!("16: {}", secrets.replace("secrets", "deploy/prod"))]),
    ] {
        assert_eq!(problems(&format!("[paths]\nci = {class}\n{RULE}{rule}")), expected, "{class}");
    }
    let inline = problems(&format!("{RULE}paths = [\"deploy/prod\"]\nidentity = \"agents\"\n"));
    assert_eq!(inline, [format!("16: {}", secrets.replace("secrets", "deploy/prod"))]);
}

#[test]
fn approvals_that_cannot_work_are_errors() {
    let keep = "force-push = \"deny\"\ndelete = \"deny\"\n";
    let agents = format!("{keep}identity = \"agents\"\n");
    for (rule, approvals, expected) in [
        (&*agents, "", "19: the rule does not say whose approval counts -> add from"),
        (&agents, "from = [\"eve\"]", "20: `eve` is no person or group -> list people"),
        (&agents, "from = [\"claude\"]", "20: `claude` is no person but an agent -> only people count here"),
        (&agents, "from = [\"forge\"]", "20: `forge` is no person but a service -> only people count here"),
        (&agents, "from = [\"staff\"]\ncount = 0", "21: a rule cannot ask for less than one approval"),
        (
            &agents,
            "from = [\"staff\"]\ncount = 2",
            "19: the rule asks for 2 approvals, and 1 of those in `from` has a registered key",
        ),
        (
            &agents,
            "from = [\"staff\"]\npresence = true",
            "19: the rule asks for 1 approval, and 0 of those in `from` have a registered hardware key (sk-)",
        ),
        (&agents, "from = [\"staff\"]\npresence = \"yes\"", "21: `presence` is not true or false"),
        (&agents, "from = [\"staff\"]\nmax-age = \"14\"", "21: \"14\" is not a length of time -> write a number of"),
        (&agents, "from = [\"staff\"]\nfor = \"all\"", "21: `for` cannot be \"all\""),
        (&agents, "from = [\"staff\"]\nsince = []", "21: unknown key `since`"),
        (keep, "from = [\"staff\"]", "13: approvals are asked for agents' work, and no rule asks who made a commit"),
        ("identity = \"agents\"\n", "from = [\"staff\"]", "13: approvals are asked for, but a force-push may drop"),
        (
            "paths = [\"ci/*\"]\n",
            "from = [\"staff\"]\nfor = \"everyone\"",
            "13: approvals are asked for, but a force-push",
        ),
    ] {
        let said = problems(&format!("{RULE}{rule}[rule.approvals]\n{approvals}\n"));
        let expected = expected.split_once(": ").map(|(_, words)| words).unwrap();
        assert!(said.iter().any(|problem| problem.contains(expected)), "{rule}{approvals}: {said:#?}");
    }
    for (rule, approvals) in [
        (agents.clone(), "from = [\"staff\"]"),
        (agents.clone(), "from = [\"alice\", \"staff\"]\nmax-age = \"2w\"\nindependent = true\nsigned-merge = true"),
        (
            format!("{keep}[[rule]]\nname = \"s\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\n"),
            "from = [\"staff\"]",
        ),
        (
            format!("{agents}[[rule]]\nname = \"s\"\nrefs = [\"refs/heads/x/*\"]\npaths = [\"ci/*\"]\n"),
            "from = [\"staff\"]",
        ),
    ] {
        assert_eq!(problems(&format!("{RULE}{rule}[rule.approvals]\n{approvals}\n")), [""; 0], "{rule}");
    }
}

#[test]
fn approvals_of_everyones_work_ask_who_made_it() {
    let keep = "force-push = \"deny\"\ndelete = \"deny\"\n";
    let approvals = "[rule.approvals]\nfor = \"everyone\"\nfrom = [\"staff\"]\n";
    let other = |refs: &str, more: &str| format!("[[rule]]\nname = \"o\"\nrefs = {refs}\n{more}\n");
    let everyone = "identity = \"everyone\"";
    for (rule, others, asked) in [
        ("", String::new(), false),
        ("identity = \"agents\"", String::new(), false),
        (everyone, String::new(), true),
        ("mode = \"off\"", String::new(), true),
        ("mode = \"warn\"", String::new(), false),
        ("", other("[\"refs/heads/**\"]", everyone), true),
        ("", other("[\"refs/**\"]", everyone), true),
        ("", other("[\"refs/heads/main\"]", everyone), false),
        ("", other("[\"refs/heads/**\", \"!refs/heads/x\"]", everyone), false),
        ("", other("[\"refs/heads/**\"]", &format!("mode = \"warn\"\n{everyone}")), false),
        ("", other("[\"refs/heads/**\"]", &format!("paths = [\"ci/**\"]\n{everyone}")), false),
    ] {
        let text = format!("{}{RULE}{keep}{rule}\n{approvals}{others}", registry());
        let Loaded { policy, warnings } = load_text(&text).unwrap();
        assert_eq!(warnings, [], "{text}");
        let told: Vec<Problem> = policy.tolerated().collect();
        let errors = policy.problems_if_new(None);
        assert_eq!((told.len(), errors.len()), if asked { (0, 0) } else { (1, 1) }, "{text}");
        assert_eq!(policy.problems_if_new(Some(policy.digest())), []);
        for (problem, weight) in
            told.iter().map(|one| (one, Weight::Warning)).chain(errors.iter().map(|one| (one, Weight::Error)))
        {
            assert_eq!((problem.weight, problem.at.line), (weight, 13), "{problem}");
            assert!(
                problem.message.starts_with("approvals are asked for everyone's work")
                    && problem.fix.contains(everyone)
            );
        }
    }
    // Beside what keeps a policy from loading it is told at once.
    let broken = problems(&format!("{RULE}{keep}foo = 1\n{approvals}"));
    assert!(broken.len() == 2 && broken[0].contains("everyone's work") && broken[1].contains("foo"), "{broken:?}");
}

/// A rule of an earlier policy does not know whom a later one registers.
#[test]
fn a_later_policy_vouches_for_no_maker_of_an_earlier_one() {
    let keep = "force-push = \"deny\"\ndelete = \"deny\"\n";
    let approved = format!("{RULE}{keep}[rule.approvals]\nfor = \"everyone\"\nfrom = [\"staff\"]\n");
    let asked = "[[rule]]\nname = \"o\"\nrefs = [\"refs/heads/**\"]\nidentity = \"everyone\"\n";
    let tolerated = |first: String, second: String| layered(&first, &second).unwrap().policy.tolerated().count();
    assert_eq!(tolerated(format!("{}{approved}", registry()), format!("version = 1\n{asked}")), 1);
    assert_eq!(tolerated(format!("{}{asked}", registry()), format!("version = 1\n{approved}")), 0);
}

#[test]
fn one_key_has_one_principal() {
    let person_too = problems(&format!("[people.bob]\nkeys = [\"{}\"]\n", key(2)));
    assert!(person_too[0].contains("an agent's key is never a person's"), "{person_too:?}");
    let service_too = problems(&format!("[agents.codex]\nowner = \"alice\"\nkeys = [\"{}\"]\n", key(3)));
    assert!(service_too[0].contains("one key belongs to `forge` and to `codex`"), "{service_too:?}");
}

#[test]
fn what_is_said_of_grants_is_checked() {
    let agent = |more: &str| format!("[agents.codex]\nowner = \"alice\"\n{more}\n");
    let issuer = |name: &str, seed: u8, more: &str| format!("[issuers.{name}]\nkey = \"{}\"\n{more}\n", key(seed));
    let exchange =
        "[exchanges.ci]\nissuer = \"https://ci.acme.dev\"\naudience = \"countersign\"\njwks = \"keys.json\"\n";
    for (more, expected) in [
        (agent("issuers = [\"bob\"]"), "`bob`, among the issuers of `codex`, cannot issue for it"),
        (agent("issuers = [\"codex\"]"), "`codex`, among the issuers of `codex`"),
        (agent("issuers = [\"forge\"]"), "`forge`, among the issuers"),
        (agent("issuers = [\"alice\"]\nmax-grant = \"long\""), "`max-grant` is not a length of time"),
        (agent("issuers = [\"alice\"]\nissuing = \"never\""), "`issuing` cannot be \"never\""),
        (agent("issuers = \"alice\""), "`issuers` is not a list"),
        ("[people.bob]\nissuers = [\"alice\"]\n".to_owned(), "unknown key `issuers`"),
        ("[issuers.vault]\n".to_owned(), "issuer `vault` has no key"),
        (issuer("vault", 9, "identity = \"name\""), "`identity` cannot be \"name\""),
        (issuer("vault", 9, "identity = \"extension:\""), "`identity` cannot be \"extension:\""),
        (issuer("alice", 9, ""), "`alice` is both an issuer and a principal"),
        (issuer("vault", 1, ""), "the key of issuer `vault` is one of `alice`"),
        (issuer("vault", 9, "") + &issuer("step", 9, ""), "have one key"),
        (issuer("vault", 9, "scope = { refs = [] }"), "`refs` of the scope is empty"),
        (issuer("vault", 9, "scope = { refs = [\"a?\"] }"), "has no meaning here"),
        (issuer("vault", 9, "scope = { refs = [\"main\"] }"), "is not a full ref name"),
        (issuer("vault", 9, "scope = { commits = 5 }"), "repositories does not name exactly one"),
        (issuer("vault", 9, "scope = { delegate = -1 }"), "delegate of the scope is not a number"),
        (issuer("vault", 9, "scope = { ref = [\"refs/heads/a\"] }"), "unknown key `ref`"),
        ("[revoked]\ngrants = [\"claude\"]\n".to_owned(), "\"claude\" is not the name of a grant"),
        ("[revoked]\ngrants = [\"claude:0\"]\n".to_owned(), "is not the name of a grant"),
        ("[revoked]\ngrants = [\"claude:042\"]\n".to_owned(), "is not the name of a grant"),
        ("[revoked]\nkrl = \"/etc/krl\"\n".to_owned(), "is not a path beside this file"),
        ("[revoked]\nkrl = \"krl\"\n".to_owned(), "cannot include \"krl\""),
        ("[exchanges.ci]\n".to_owned(), "exchange `ci` says no `issuer`"),
        ("[exchanges.ci]\n".to_owned(), "exchange `ci` asks for no claims"),
        (exchange.to_owned(), "cannot include \"keys.json\""),
    ] {
        let said = problems(&more);
        assert!(said.iter().any(|line| line.contains(expected)), "{more}: {said:#?}");
    }
}

#[test]
fn grants_are_read_with_the_files_that_they_name() {
    let list = [crate::core::ssh::KRL_MAGIC, &[0, 0, 0, 1], &[0; 24], &[0; 8]].concat();
    let text = format!(
        "{}[agents.codex]\nowner = \"alice\"\nissuers = [\"alice\", \"staff\", \"vault\"]\nmax-grant = \"2h\"\n\
         issuing = \"presence\"\n[issuers.vault]\nkey = \"{}\"\n\
         scope = {{ refs = [\"refs/heads/**\"] }}\n[revoked]\nkrl = \"krl\"\ngrants = [\"codex:7\"]\n[exchanges.ci]\n\
         issuer = \"https://ci.acme.dev\"\naudience = \"countersign\"\njwks = \"keys.json\"\nagent = \"codex\"\n\
         max-grant = \"1h\"\nclaims = {{ repository = \"acme/*\" }}\n{RULE}standing = \"deny\"\ntasks = [\"PAY-*\"]\n\
         identity = \"agents\"\n",
        registry(),
        key(9)
    );
    let load_with = |keys: &str, list: &[u8]| {
        let source = Source { name: "policy.toml".into(), text: text.clone() };
        load(vec![source], &mut |_, path| {
            let bytes = if path == "krl" { list.to_vec() } else { keys.as_bytes().to_vec() };
            Source::of_bytes(path.to_owned(), bytes).ok_or_else(|| "not text".to_owned())
        })
    };
    let policy = load_with("{\"keys\":[{}]}", &list).unwrap_or_else(|problems| panic!("{problems:#?}")).policy;
    let codex = policy.principal_named("codex").unwrap();
    let issuers: Vec<&str> = codex.issuers.iter().map(Id::as_str).collect();
    assert_eq!((issuers, codex.issuing), (vec!["alice", "vault"], Issuing::Presence));
    let exchange = policy.exchanges().next().unwrap();
    assert_eq!((exchange.audience.as_str(), exchange.agent.as_str()), ("countersign", "codex"));
    let said = policy.describe(&policy.rules()[0]).join(" ");
    assert!(said.contains("standing key is not accepted") && said.contains("PAY-*"), "{said}");

    let other = load_with("{\"keys\":[{},{}]}", &list).unwrap().policy;
    assert_ne!(policy.digest(), other.digest(), "the keys of tokens are part of the policy");
    for (keys, list, expected) in [
        ("{\"keys\":[]}", &list[..], "is no JSON Web Key Set"),
        ("[]", &list, "is no JSON Web Key Set"),
        ("{\"keys\":[{}]}", &[list.clone(), vec![9]].concat(), "the revocation list krl cannot be used"),
        ("{\"keys\":[{}]}", b"text", "the revocation list krl cannot be used"),
    ] {
        let said = load_with(keys, list).unwrap_err();
        assert!(said.iter().any(|problem| problem.message.contains(expected)), "{expected}: {said:#?}");
    }
}

#[test]
fn one_account_has_one_principal() {
    for (more, expected) in [
        ("[people.bob]\naccounts = [\"al\"]\n[people.carol]\naccounts = [\"al\"]\n", "is both that of person `carol`"),
        ("[people.bob]\naccounts = [\"al\"]\n[people.carol]\naccounts = [\"Al\"]\n", "is both that of person `carol`"),
        (
            "[people.bob]\naccounts = [\"al\"]\n[agents.x]\nowner = \"alice\"\nkeys = []\naccounts = [\"al\"]\n",
            "both that of agent `x` and that of person `bob`",
        ),
        ("[people.bob]\naccounts = [\"al\", \"al\"]\n", "`bob` has the account \"al\" twice"),
        ("[people.bob]\naccounts = [\"a\\tl\"]\n", "is not the name of an account"),
        ("[people.bob]\naccounts = [\"\"]\n", "is not the name of an account"),
        (
            "[services.a]\nowner = \"alice\"\nunsigned = true\n[services.b]\nowner = \"alice\"\nunsigned = true\n",
            "services `a` and `b` are both unsigned",
        ),
    ] {
        let said = problems(more);
        assert!(said.iter().any(|line| line.contains(expected)), "{more}: {said:?}");
    }
}

#[test]
fn a_rule_for_submitters_can_be_satisfied() {
    let rule =
        |submitters: &str| format!("[[rule]]\nname = \"r\"\nrefs = [\"refs/heads/x\"]\nsubmitters = {submitters}\n");
    let bob = "[people.bob]\naccounts = [\"bob\"]\n[people.idle]\n";
    assert!(problems(&format!("{bob}{}", rule("[\"bob\", \"people\", \"claude\"]"))).is_empty());
    for (more, expected) in [
        (rule("[\"idle\"]"), "nobody in `submitters` has an account or a key"),
        (rule("[]"), "nobody in `submitters` has an account or a key"),
        (rule("[\"nobody\"]"), "`nobody` is no principal, tool or group"),
        (format!("[groups]\npeople = [\"bob\"]\n{}", rule("[\"people\"]")), "something is named so too"),
        (
            rule("[\"bob\"]") + "paths = [\"ci/**\"]\n",
            "a force-push may take its paths back to an older state, and nobody asks who pushes then",
        ),
    ] {
        let said = problems(&format!("{bob}{more}"));
        assert!(said.iter().any(|line| line.contains(expected)), "{more}: {said:?}");
    }
}

#[test]
fn a_retired_key_counts_for_what_was_received_in_time() {
    use crate::core::decide::Timestamp;
    let (mine, _) = crate::core::ssh::PublicKey::parse_line(&key(2)).unwrap();
    let text = format!("{}{RULE}[retired]\nkeys = {{ \"{}\" = 2026-11-01 }}\n", registry(), mine.fingerprint());
    let policy = layered(&text, "version = 1\n").unwrap().policy;
    let end_of_day = 1_793_577_600;
    assert_eq!(policy.key_status(&mine, Timestamp(end_of_day - 1)), KeyStatus::Good);
    assert_eq!(policy.key_status(&mine, Timestamp(end_of_day)), KeyStatus::Retired);
    assert!(policy.asks_for_receipt(SigningKey::Ssh(&mine)));
    let revoked = format!("{text}[revoked]\nkeys = [\"{}\"]\n", mine.fingerprint());
    let policy = layered(&revoked, "version = 1\n").unwrap().policy;
    assert_eq!(policy.key_status(&mine, Timestamp(0)), KeyStatus::Revoked);
}

#[test]
fn the_strictest_policy_says_what_happens_out_of_band() {
    let strict = registry().replace("version = 1\n", "version = 1\nout-of-band = \"refuse\"\n") + RULE;
    assert_eq!(
        layered(&strict, "version = 1\nout-of-band = \"record\"\n").unwrap().policy.out_of_band(),
        OutOfBand::Refuse
    );
    assert_eq!(layered(&(registry() + RULE), "version = 1\n").unwrap().policy.out_of_band(), OutOfBand::Record);
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let said = problems(&format!("[agents.codex]\n[people.Bob]\n{RULE}mode = \"x\"\nidentity = \"y\"\nfoo = 1\n"));
    let lines: Vec<&str> = said.iter().filter_map(|problem| problem.split(':').next()).collect();
    assert_eq!(lines, ["13", "13", "14", "18", "19", "20"], "{said:#?}");
}

fn layered(organisation: &str, repository: &str) -> Result<Loaded, Vec<Problem>> {
    let source = |name: &str, text: String| Source { name: name.into(), text };
    let sources = vec![source("org.toml", organisation.into()), source("repo.toml", repository.into())];
    load(sources, &mut |_, path| match path {
        "people.toml" => Ok(source("people.toml", format!("[people.carol]\nkeys = [\"{}\"]\n", key(9)))),
        other => Err(format!("no {other}")),
    })
}

#[test]
fn a_later_policy_adds_and_never_weakens() {
    let organisation = format!("{}{RULE}identity = \"agents\"\n", registry());
    let repository = format!(
        "version = 1\ninclude = [\"people.toml\"]\n[agents.codex]\nowner = \"carol\"\nkeys = [\"{}\"]\n\
         [[rule]]\nname = \"own\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\nagents = [\"codex\"]\n",
        key(5)
    );
    let policy = layered(&organisation, &repository).unwrap().policy;
    let (codex, claude) = (policy.agent_for_tool("codex").unwrap(), policy.agent_for_tool("claude").unwrap());
    let (first, second) = (&policy.rules()[0], &policy.rules()[1]);
    assert!(!policy.registers(first, codex) && policy.registers(second, codex) && policy.registers(second, claude));
    assert!(first.covers(second) && !second.covers(first) || first.agents.is_all());
    let again = layered(&organisation, &format!("version = 1\n{RULE}")).unwrap_err();
    assert!(again[0].message.contains("another rule is named"), "{again:?}");
    let missing = layered(&organisation, "version = 1\ninclude = [\"gone.toml\", \"../x\"]\n").unwrap_err();
    assert_eq!(missing.len(), 2, "{missing:?}");
}

#[test]
fn a_later_policy_opens_nothing_that_an_earlier_one_closed() {
    let organisation = registry().replace("version = 1\n", "version = 1\nunmatched = \"refuse\"\n") + RULE;
    let policy =
        layered(&organisation, "version = 1\n[[rule]]\nname = \"t\"\nrefs = [\"refs/tags/**\"]\n").unwrap().policy;
    assert!(!policy.refuses_unmatched(b"refs/heads/x"));
    assert!(policy.refuses_unmatched(b"refs/tags/x"));
    assert!(policy.refuses_unmatched(b"refs/notes/x"));
}

#[test]
fn a_rule_that_nobody_can_satisfy_is_an_error() {
    let problems =
        load_text("version = 1\n[[rule]]\nname = \"r\"\nrefs = [\"refs/heads/**\"]\nidentity = \"everyone\"\n")
            .unwrap_err();
    assert!(problems[0].message.contains("nobody has a key"), "{problems:?}");
}

#[test]
fn a_rule_takes_the_word_of_services_that_attest() {
    let registry = registry().replace("[services.forge]\n", "[services.forge]\nattests = true\n");
    let asked = |registry: &str, more: &str| {
        let rule =
            "identity = \"agents\"\nforce-push = \"deny\"\ndelete = \"deny\"\n[rule.approvals]\nfrom = [\"alice\"]\n";
        let all = load_text(&format!("{registry}{RULE}{rule}{more}\n"));
        let all = all.map_or_else(|problems| problems, |loaded| loaded.warnings);
        all.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>()
    };
    let says =
        |said: &[String], words: &str| assert!(said.iter().any(|line| line.contains(words)), "{words}: {said:?}");
    assert_eq!(asked(&registry, ""), [""; 0], "attests alone");
    let word = "attested = [\"forge\"]";
    let with_account = registry.replace("[people.alice]\n", "[people.alice]\naccounts = [\"alice-ng\"]\n");
    let said = asked(&with_account, word);
    assert_eq!(said.len(), 1, "{said:?}");
    says(&said, "who has the key of forge can make up approvals");
    says(&asked(&registry, word), "nobody in `from` has an account");
    says(&asked(&with_account, &format!("{word}\npresence = true")), "no approval counts at the word of forge");
    says(&asked(&self::registry(), word), "service `forge` does not attest approvals");
    says(&asked(&registry, "attested = [\"gitlab\"]"), "`gitlab` is no service");
    says(&asked(&registry, "attested = [\"alice\"]"), "`alice` is no service");
    let person = "[people.zed]\nattests = true\n";
    says(&asked(&(registry.clone() + person), ""), "attests");
    let keyless = "[services.zed]\nowner = \"alice\"\nattests = true\n";
    says(&asked(&(registry + keyless), ""), "service `zed` attests approvals and has no SSH key");
}

#[test]
fn covering_is_asking_at_least_as_much() {
    let rule = |more: &str| {
        let text = format!("{}[paths]\nci = [\"ci/**\"]\nops = [\"ops/**\"]\n{RULE}{more}\n", registry());
        load_text(&text).unwrap_or_else(|problems| panic!("{problems:?}")).policy.rules()[0].clone()
    };
    let base = "identity = \"agents\"";
    for (stricter, laxer) in [
        ("identity = \"everyone\"", base),
        ("identity = \"agents\"\nmarks = \"any\"", base),
        ("identity = \"agents\"\nagents = []", base),
        ("identity = \"agents\"\nadopted = \"deny\"", base),
        (base, "identity = \"agents\"\nservices = [\"forge\"]"),
        (base, "identity = \"agents\"\nmode = \"warn\""),
        (base, "identity = \"agents\"\npaths = [\"ci\"]"),
        ("identity = \"agents\"\npaths = [\"ci\", \"ops\"]", "identity = \"agents\"\npaths = [\"ci\"]"),
        (base, &format!("identity = \"agents\"\nsince = [\"{}\"]", "a".repeat(40))),
    ] {
        let (stricter, laxer) = (rule(stricter), rule(laxer));
        assert!(stricter.covers(&laxer) && !laxer.covers(&stricter), "{stricter:?} against {laxer:?}");
        assert!(stricter.covers(&stricter) && laxer.covers(&laxer));
    }
}

#[test]
fn names_that_differ_in_case_only_are_aliases() {
    let policy = load_text(&format!(
        "{}[[rule]]\nname = \"r\"\nrefs = [\"refs/heads/main\", \"refs/heads/rel/*\"]\n",
        registry()
    ))
    .unwrap()
    .policy;
    for (name, alias) in [
        ("refs/heads/MAIN", true),
        ("refs/Heads/main", true),
        ("refs/heads/Rel/1", true),
        ("refs/heads/main", false),
        ("refs/heads/other", false),
    ] {
        assert_eq!(policy.case_alias(name.as_bytes()).is_some(), alias, "{name}");
    }
}

#[test]
fn a_policy_in_the_repository_protects_itself() {
    let check = |more: &str| {
        let policy = load_text(&format!("{}{more}", registry())).unwrap().policy;
        check_self_protection(&policy, b"refs/heads/main", b".countersign/policy.toml").len()
    };
    let approved =
        "force-push = \"deny\"\ndelete = \"deny\"\n[rule.approvals]\nfor = \"everyone\"\nfrom = [\"alice\"]\n";
    assert_eq!(check(""), 1);
    assert_eq!(check(&format!("{RULE}identity = \"everyone\"\n")), 1);
    assert_eq!(check(&format!("{RULE}mode = \"warn\"\n{approved}")), 1);
    assert_eq!(check(&format!("{RULE}identity = \"agents\"\n{}", approved.replace("everyone", "agents"))), 1);
    assert_eq!(check(&format!("{RULE}{approved}")), 0);
    let path = "paths = [\".countersign/**\"]\n[rule.approvals]\nfor = \"everyone\"\nfrom = [\"alice\"]\n";
    assert_eq!(check(&format!("{RULE}{path}")), 0);
}

#[test]
fn the_starter_policy_is_valid_as_it_stands() {
    let text = starter(crate::core::id::RepositoryName::parse(b"acme/payments").as_ref(), &[]).text;
    let loaded = load_text(&text).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.policy.rules().len(), 2);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_loading_panic(text in "(version = 1\n)?(\\[{1,2}(rule|people\\.a|agents\\.b|paths|groups)\\]{1,2}\n)?([a-z-]{1,9} = (1|\"x\"|\\[\"y\"\\]|\\{\\})\n){0,4}.{0,20}") {
        let _ = load_text(&text);
    }
}

/// Also of keys that are not in the rule, and read only where they are.
#[test]
fn a_mistyped_key_is_told_what_it_may_have_been() {
    for key in ["refs", "paths", "agents", "services", "submitters", "since", "force-push", "approvals", "adopted"] {
        let (typed, meant) = (&key[..key.len() - 1], format!("did you mean `{key}`?"));
        let said = problems(&format!("{RULE}[[rule]]\nname = \"s\"\n{typed} = 1\n"));
        assert!(said.iter().any(|problem| problem.contains(&meant)), "{typed}: {said:#?}");
    }
}

/// Every key that is read stands in POLICY.md.
#[test]
fn the_reference_knows_every_key() {
    const REFERENCE: &str = include_str!("POLICY.md");
    let mut keys = std::collections::BTreeSet::new();
    for (table, kind) in [
        ("", "top"),
        ("[people.zed]\n", "person"),
        ("[agents.zed]\nowner = \"alice\"\n", "agent"),
        ("[services.zed]\nowner = \"alice\"\n", "service"),
        ("[revoked]\n", "revoked"),
        ("[issuers.zed]\n", "issuer"),
        ("[exchanges.zed]\n", "exchange"),
        ("[issuers.zed.scope]\n", "scope"),
        ("[orders]\n", "orders"),
        ("[override]\n", "override"),
        (RULE, "rule"),
        (&format!("{RULE}[rule.approvals]\nfrom = [\"alice\"]\n"), "approvals"),
    ] {
        let text = if table.is_empty() {
            "xyzzyxyzzy = 1\n".to_owned() + &registry()
        } else {
            format!("{}{table}xyzzyxyzzy = 1\n", registry())
        };
        let Err(said) = load_text(&text) else { panic!("{kind}: an unknown key is taken") };
        let known = said.iter().find_map(|problem| problem.fix.strip_prefix("known here: ")).unwrap();
        keys.extend(known.split(", ").map(str::to_owned));
    }
    assert!(keys.len() > 30, "{keys:?}");
    for key in keys {
        let ways = [format!("`{key}`"), format!("[{key}"), format!(".{key}]")];
        assert!(ways.iter().any(|way| REFERENCE.contains(way)), "{key} is not in POLICY.md");
    }
}

#[test]
fn what_the_policy_says_about_orders_is_read_with_its_problems() {
    let people = "[people.bob]\nkeys = [\"KEY\"]\n".replace("KEY", &key(4));
    let good = format!(
        "{people}[orders]\nfreeze-all = [\"staff\"]\nthaw = [\"bob\"]\nrevoke = [\"bob\"]\n[override]\nfrom = [\"alice\", \"bob\"]\ncodes = [\"approval-missing\", \"agent-frozen\"]\n"
    );
    assert_eq!(problems(&good), Vec::<String>::new());
    for (said, expected) in [
        ("[orders]\nfreeze_all = []\n", "unknown key `freeze_all`"),
        ("[orders]\nthaw = [\"claude\"]\n", "`claude` is no person but an agent"),
        ("[orders]\nthaw = [\"nobody\"]\n", "`nobody` is no person or group"),
        (
            "[override]\nfrom = [\"alice\"]\ncodes = [\"bad-seal\"]\n",
            "an override takes 2 people, and 1 of those in `from`",
        ),
        ("[override]\nfrom = [\"alice\"]\ncount = 0\ncodes = [\"bad-seal\"]\n", "an override takes nobody"),
        ("[override]\nfrom = [\"alice\"]\ncount = 1\ncodes = [\"bad-seal\"]\n", "one person alone passes over"),
        ("[override]\nfrom = [\"alice\"]\ncount = 1\ncodes = []\n", "names no code"),
        ("[override]\nfrom = [\"alice\"]\ncount = 1\ncodes = [\"bad-saal\"]\n", "did you mean \"bad-seal\"?"),
        (
            "[override]\nfrom = [\"alice\"]\ncount = 1\ncodes = [\"malformed-tree\"]\n",
            "malformed-tree is never passed over",
        ),
        ("[override]\nfrom = [\"alice\"]\ncount = 1\ncodes = [\"shared-key\"]\n", "shared-key is never passed over"),
    ] {
        let found = problems(said);
        assert!(found.iter().any(|one| one.contains(expected)), "{said}: {found:?}");
    }
    let loaded =
        load_text(&(registry().replacen("version = 1\n", "version = 1\nname = \"acme\"\n", 1) + &good)).unwrap().policy;
    let id = |text: &str| Id::parse(text.as_bytes()).unwrap();
    let person = |text: &str| loaded.principal(&id(text)).unwrap();
    assert!(loaded.is_called(&id("acme")) && !loaded.is_called(&id("other")));
    assert!(loaded.may_freeze_all(person("alice")) && !loaded.may_freeze_all(person("bob")));
    assert!(loaded.may_thaw(person("bob"), 0) && !loaded.may_thaw(person("alice"), 0));
    assert!(loaded.may_revoke(person("alice"), &id("claude")) && loaded.may_revoke(person("bob"), &id("claude")));
    let terms = loaded.override_terms(0).unwrap();
    assert_eq!((terms.count, terms.from.len(), terms.codes.len()), (2, 2, 2));
    assert_eq!(loaded.describe_orders().len(), 5);
}

#[test]
fn ids_that_no_order_can_name_are_refused_in_a_new_policy_alone() {
    let agent = |id: &str, tool: &str| {
        format!("[agents.\"{id}\"]\nowner = \"alice\"\ntool = \"{tool}\"\nkeys = [\"{}\"]\n", key(5))
    };
    for (more, refused) in [
        (agent("codex", "codex"), false),
        (agent("second", "claude-code"), false),
        (agent("a..b", "codex"), true),
        (agent("a.lock", "codex"), true),
        (agent("second", "a."), true),
        // `tool/forge` would read as the service's.
        (agent("second", "forge"), true),
        (agent("second", "alice"), true),
        (agent("second", "claude"), true),
    ] {
        let policy = load_text(&(registry() + &more)).unwrap().policy;
        assert_eq!(policy.problems_if_new(None).len(), usize::from(refused), "{more}");
        assert_eq!(policy.problems_if_new(Some(policy.digest())), Vec::new());
    }
}
