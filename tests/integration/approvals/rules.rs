//! What rules ask of approvals: how many, of whom, with which key, for which paths, and what services carry.

use countersign::core::ssh::PublicKey;
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256, Sha512};

use super::{CAROL, CAROLS_SECOND, Draft, ONE_APPROVAL, ProtectedServer, people};
use crate::world::{ALICE, BOB, FORGE};

#[test]
fn two_keys_of_one_person_count_once() {
    let setup = ProtectedServer::new(&ONE_APPROVAL.replace("from =", "count = 2\nfrom ="));
    setup.agent("a.txt", "a\n", "Add a\n");
    let draft = setup.draft("work", "refs/heads/main", CAROL);
    let again = draft.clone().at(super::now()).signed_by(CAROLS_SECOND);
    setup.world.push(&[&setup.refspec(&draft)]).accepted();
    setup.world.push(&[&setup.refspec(&again)]).accepted();
    let pushed = setup.push_main("work");
    pushed.refused("approval-missing");
    assert!(pushed.said.contains("has 1 of 2 approvals"), "{}", pushed.said);
    setup.approve("work");
    setup.push_main("work").accepted();
}

#[test]
fn independent_means_that_two_people_stand_behind_it() {
    let setup = ProtectedServer::new(&ONE_APPROVAL.replace("from =", "independent = true\nfrom ="));
    setup.agent("a.txt", "a\n", "Add a\n");
    let owner = setup.refspec(&setup.draft("work", "refs/heads/main", ALICE));
    let pushed = setup.world.push(&["work:refs/heads/main", &owner]);
    pushed.refused("not-distinct");
    assert!(pushed.said.contains("alice approved it and owns claude-code"), "{}", pushed.said);
    setup.approve("work");
    setup.push_main("work").accepted();
}

#[test]
fn a_revoked_key_approves_nothing() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    let policy = format!("{}{ONE_APPROVAL}", people());
    let revoked = format!("\n[revoked]\nkeys = [\"{}\"]\n", BOB.key().public().fingerprint());
    setup.world.set_policy(&(policy + &revoked));
    let pushed = setup.push_main("work");
    pushed.refused("approval-void");
    assert!(pushed.said.contains("signed with the revoked key"), "{}", pushed.said);
}

/// A hardware key in software: OpenSSH's PROTOCOL.u2f, with any flags.
fn fido(flags: u8, namespace: &str, message: &[u8]) -> (PublicKey, Vec<u8>) {
    fn string(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }
    let secret = ed25519_dalek::SigningKey::from_bytes(&[33; 32]);
    let kind = b"sk-ssh-ed25519@openssh.com";
    let key = [string(kind), string(secret.verifying_key().as_bytes()), string(b"ssh:")].concat();
    let signed = [
        b"SSHSIG".to_vec(),
        string(namespace.as_bytes()),
        string(b""),
        string(b"sha512"),
        string(&Sha512::digest(message)),
    ]
    .concat();
    let counter = 7u32.to_be_bytes();
    let to_sign =
        [Sha256::digest(b"ssh:").to_vec(), vec![flags], counter.to_vec(), Sha256::digest(&signed).to_vec()].concat();
    let raw = secret.sign(&to_sign).to_bytes();
    let signature = [string(kind), string(&raw), vec![flags], counter.to_vec()].concat();
    let blob = [
        b"SSHSIG".to_vec(),
        1u32.to_be_bytes().to_vec(),
        string(&key),
        string(namespace.as_bytes()),
        string(b""),
        string(b"sha512"),
        string(&signature),
    ]
    .concat();
    (PublicKey::from_blob(&key).unwrap(), blob)
}

#[test]
fn presence_and_verification_are_what_the_token_signed() {
    use countersign::core::approval::{NAMESPACE, pre_authentication, seal_envelope};
    let line = fido(1, NAMESPACE, b"").0.to_line();
    let dave = format!("\n[people.dave]\nkeys = [\"{line}\"]\n");
    let dave_too = |asks: &str| {
        let rules =
            ONE_APPROVAL.replace("from = [\"maintainers\"]", &format!("{asks}\nfrom = [\"maintainers\", \"dave\"]"));
        ProtectedServer::with(&format!("{}{dave}{rules}", people()), "sha1")
    };
    for (asks, flags, outcome) in [
        ("presence = true", Some(1), None),
        ("presence = true", Some(0), Some("presence-missing")),
        ("presence = true", None, Some("presence-missing")),
        ("verification = true", Some(1), Some("presence-missing")),
        ("verification = true", Some(5), None),
    ] {
        let setup = dave_too(asks);
        setup.agent("a.txt", "a\n", "Add a\n");
        let mut draft = setup.draft("work", "refs/heads/main", BOB);
        let record = match flags {
            None => setup.refspec(&draft),
            Some(flags) => {
                draft.approval.approver = "dave".into();
                draft.place.approver = countersign::core::id::Id::parse(b"dave").unwrap();
                let statement = draft.approval.to_statement().unwrap();
                let (_, blob) = fido(flags, NAMESPACE, &pre_authentication(statement.as_bytes()));
                setup.refspec_of(&seal_envelope(&statement, &blob).unwrap(), &draft.place.to_string())
            }
        };
        let pushed = setup.world.push(&["work:refs/heads/main", &record]);
        match outcome {
            None => pushed.accepted(),
            Some(code) => pushed.refused(code),
        }
    }
}

const PIPELINES: &str = r#"
[paths]
pipeline = [".github/**"]

[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "agents"
force-push = "deny"
delete = "deny"

[[rule]]
name = "pipelines"
refs = ["refs/heads/main"]
paths = ["pipeline"]
identity = "everyone"
[rule.approvals]
for = "everyone"
from = ["maintainers"]
"#;

#[test]
fn a_path_rule_asks_for_what_touches_its_paths() {
    let setup = ProtectedServer::new(PIPELINES);
    setup.world.commit("src.txt", "src\n", "Elsewhere\n");
    setup.push_main("work").accepted();
    let world = &setup.world;
    let touching: [(&str, &dyn Fn()); 4] = [
        ("add", &|| drop(world.commit(".github/ci.yml", "run\n", "Add a pipeline\n"))),
        ("case", &|| drop(world.commit(".GitHub/ci.yml", "run\n", "Add one in another case\n"))),
        ("rename", &|| {
            std::fs::create_dir_all(world.clone_dir().join(".github")).unwrap();
            world.git(&["mv", "other.txt", ".github/other.yml"]);
            world.git(&["commit", "-q", "-m", "Rename"]);
        }),
        ("link", &|| {
            std::os::unix::fs::symlink("src", world.clone_dir().join(".github")).unwrap();
            world.git(&["add", "--all"]);
            world.git(&["commit", "-q", "-m", "Link"]);
        }),
    ];
    for (name, change) in touching {
        world.git(&["reset", "-q", "--hard", "origin/main"]);
        change();
        world.sign_head(ALICE);
        let pushed = setup.push_main("work");
        pushed.refused("approval-missing");
        assert!(pushed.said.to_lowercase().contains("it touches \".git"), "{name}: {}", pushed.said);
    }
    world.git(&["reset", "-q", "--hard", "origin/main"]);
    world.commit(".github/ci.yml", "run\n", "Add a pipeline\n");
    world.sign_head(ALICE);
    world.commit("other.txt", "more\n", "And more\n");
    setup.approve("work");
    setup.push_main("work").accepted();
    world.git(&["checkout", "-q", "work"]);
    std::fs::remove_file(world.clone_dir().join(".github/ci.yml")).unwrap();
    world.git(&["commit", "-q", "-a", "-m", "Delete it"]);
    world.sign_head(ALICE);
    setup.push_main("work").refused("approval-missing");
}

#[test]
fn a_signed_merge_approves_what_it_brings_in() {
    let rules = ONE_APPROVAL.replace("from =", "signed-merge = true\nfrom =");
    for (signer, trailer, outcome) in [
        (Some(BOB), "acme/payments refs/heads/main", None),
        (Some(BOB), "acme/payments refs/heads/other", Some("approval-missing")),
        (Some(BOB), "acme/other refs/heads/main", Some("approval-missing")),
        (Some(FORGE), "acme/payments refs/heads/main", Some("approval-missing")),
        (None, "acme/payments refs/heads/main", Some("approval-missing")),
    ] {
        let setup = ProtectedServer::new(&rules);
        setup.agent("a.txt", "a\n", "Add a\n");
        setup.merge("origin/main", "work", |_| {});
        setup.world.reword(&format!("Merge work\n\nCountersign-Approves: {trailer}\n"));
        if let Some(signer) = signer {
            setup.world.sign_head(signer);
        }
        let pushed = setup.push_main("merged");
        match outcome {
            None => pushed.accepted(),
            Some(code) => pushed.refused(code),
        }
    }
}

/// What a forge makes of approved commits has their makers, and nothing of its own.
#[test]
fn a_service_carries_and_does_not_author() {
    let everyone = ONE_APPROVAL.replace("identity = \"agents\"\nforce", "identity = \"everyone\"\nforce");
    for (more, approved, outcome) in
        [(false, true, None), (false, false, Some("approval-missing")), (true, true, Some("unknown-signer"))]
    {
        let setup = ProtectedServer::new(&everyone);
        setup.agent("a.txt", "a\n", "Add a\n");
        setup.agent("b.txt", "b\n", "Add b\n");
        setup.world.push(&["work:refs/heads/work"]).accepted();
        if approved {
            setup.approve("work");
        }
        setup.world.git(&["checkout", "-q", "-b", "squashed", "origin/main"]);
        setup.world.git(&["merge", "-q", "--squash", "work"]);
        if more {
            std::fs::write(setup.world.clone_dir().join("a.txt"), "a and more\n").unwrap();
            setup.world.git(&["add", "--all"]);
        }
        // As a forge writes it: the messages of all commits below each other.
        let messages = setup.world.git(&["log", "--reverse", "--format=%B", "origin/main..work"]);
        setup.world.git_with(&["commit", "-q", "--cleanup=verbatim", "-F", "-"], messages.as_bytes());
        setup.world.sign_head(FORGE);
        let pushed = setup.push_main("squashed");
        match outcome {
            None => pushed.accepted(),
            Some(code) => pushed.refused(code),
        }
    }
}

/// Whoever signs a record can write into it what they like. What a service made is judged by who made what it carries, so a record
/// that names another's old commit for new work must not make the work theirs.
#[test]
fn a_record_that_is_not_true_carries_nothing() {
    type Lie = fn(&ProtectedServer, &mut Draft);
    let lies: &[(&str, Lie)] = &[
        ("another's commit", |setup, draft| {
            let old = setup.draft("origin/main", "refs/heads/lies", BOB).approval;
            draft.approval.commits = vec![*old.commits.last().unwrap()];
            draft.approval.base = Some(old.commits.first().unwrap().id);
            draft.approval.head = old.head;
        }),
        ("a commit left out", |_, draft| {
            draft.approval.commits.remove(0);
        }),
        ("another base", |setup, draft| {
            let base = setup.git(&["rev-parse", "origin/main~1"]);
            draft.approval.base =
                countersign::core::oid::Oid::parse(base.as_bytes()).map(countersign::core::canonical::CanonicalOid);
        }),
        ("another message", |_, draft| {
            draft.approval.commits[0].message =
                countersign::core::canonical::Sha256(countersign::core::digest::Digest::of(b"another"));
        }),
        ("another change", |_, draft| {
            draft.approval.commits[0].change =
                countersign::core::canonical::Sha256(countersign::core::digest::Digest::of(b"another"));
        }),
        ("the truth", |_, _| {}),
    ];
    let everyone = ONE_APPROVAL.replace("identity = \"agents\"\nforce", "identity = \"everyone\"\nforce");
    let everyone = everyone.replace("[rule.approvals]", "[rule.approvals]\nfor = \"everyone\"");
    for (name, lie) in lies {
        let setup = ProtectedServer::new(&everyone);
        setup.agent("a.txt", "a\n", "Add a\n");
        setup.agent("b.txt", "b\n", "Add b\n");
        setup.world.push(&["work:refs/heads/work"]).accepted();
        let mut draft = setup.draft("work", "refs/heads/main", BOB);
        lie(&setup, &mut draft);
        setup.world.push(&[&setup.refspec(&draft)]).accepted();
        setup.world.git(&["checkout", "-q", "-b", "squashed", "origin/main"]);
        setup.world.git(&["merge", "-q", "--squash", "work"]);
        setup.world.git(&["commit", "-q", "-m", "Add both"]);
        setup.world.sign_head(FORGE);
        let pushed = setup.push_main("squashed");
        if *name == "the truth" {
            pushed.accepted();
        } else {
            pushed.refused("approval-void");
            assert!(pushed.said.contains("not as it says"), "{name}: {}", pushed.said);
        }
    }
}

#[test]
fn a_service_merges_what_passes_and_adds_nothing() {
    for (evil, outcome) in [(false, None), (true, Some("unknown-signer"))] {
        let everyone = ONE_APPROVAL.replace("identity = \"agents\"\nforce", "identity = \"everyone\"\nforce");
        let setup = ProtectedServer::new(&everyone);
        setup.agent("shared.txt", "1\n2\n3\n4\n5\n6\n7\n8\nnine\n", "Change the end\n");
        setup.approve("work");
        setup.merge("origin/main", "work", |world| {
            if evil {
                std::fs::write(world.clone_dir().join("shared.txt"), "evil\n").unwrap();
            }
        });
        setup.world.sign_head(FORGE);
        let pushed = setup.push_main("merged");
        match outcome {
            None => pushed.accepted(),
            Some(code) => pushed.refused(code),
        }
    }
}

#[test]
fn the_ledger_and_show_name_who_approved() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    setup.push_main("work").accepted();
    let server = setup.world.server().display().to_string();
    let output = setup.world.countersign(&["log", "show", "--server", &server, "--ref", "refs/heads/main"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("2 of claude-code, approved by bob"), "{said}");
    let output = setup.world.countersign(&["log", "verify", "--server", &server]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn approvals_need_a_ledger() {
    let setup = ProtectedServer::at_work();
    setup.world.install_hook("pre-receive", "");
    let pushed = setup.push_main("work");
    assert!(!pushed.ok && pushed.said.contains("without a ledger nobody knows which have landed"), "{}", pushed.said);
}
