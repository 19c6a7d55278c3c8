//! People and services who sign with OpenPGP, with GnuPG's own keys and signatures, through the installed hook.

use std::process::Command;

use countersign::core::decide::Timestamp;
use countersign::core::openpgp::{Certificate, ClaimedSignature, Fingerprint, SignatureError, Unusable};
use countersign::core::policy::{Source, load};
use countersign::core::signature::ObjectSignature;

use crate::keyring::Keyring;
use crate::world::{CLAUDE, Pushed, World};

const EVERYONE: &str = r#"
[[rule]]
name = "main"
refs = ["refs/heads/**"]
identity = "everyone"
"#;

/// A world whose policy registers alice with a certificate, beside her SSH key.
fn world_with(keyring: impl FnOnce(&Keyring) -> String, rules: &str) -> (World, Keyring, String) {
    let world = World::new(rules);
    let ring = Keyring::new(world.path("g"));
    let key = keyring(&ring);
    std::fs::create_dir(world.path("keys")).unwrap();
    std::fs::write(world.path("keys/alice.asc"), ring.certificate(&key)).unwrap();
    let policy = std::fs::read_to_string(world.policy_path()).unwrap();
    world.set_policy(&policy.replacen("[people.alice]\n", "[people.alice]\nopenpgp = [\"keys/alice.asc\"]\n", 1));
    (world, ring, key)
}

/// Commits as git signs with GnuPG.
fn commit_signed(world: &World, ring: &Keyring, key: &str, file: &str) -> String {
    std::fs::write(world.clone_dir().join(file), file).unwrap();
    world.git(&["add", file]);
    let mut command = world.command("git", &world.clone_dir());
    command.env("GNUPGHOME", &ring.home);
    command.args(["-c", "gpg.format=openpgp", "commit", "-q", &format!("-S{key}"), "-m", file]);
    let output = world.run(command, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.git(&["rev-parse", "HEAD"]).trim().to_owned()
}

fn push(world: &World) -> Pushed {
    world.push(&["HEAD:refs/heads/main"])
}

fn ed25519(ring: &Keyring) -> String {
    ring.key("Alice <alice@acme.dev>", "ed25519", "sign", &[])
}

#[test]
fn a_registered_person_signs_with_openpgp() {
    let (world, ring, key) = world_with(ed25519, EVERYONE);
    commit_signed(&world, &ring, &key, "one");
    push(&world).accepted();
    // Beside it: nobody's key, and no signature at all.
    let stranger = ring.key("Mallory <m@x>", "ed25519", "sign", &[]);
    commit_signed(&world, &ring, &stranger, "two");
    let refused = push(&world);
    refused.refused("unknown-signer");
    assert!(refused.said.contains("OpenPGP key"), "{}", refused.said);
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    world.commit("three", "3", "three\n");
    push(&world).refused("unsigned-commit");
}

#[test]
fn a_signing_key_beside_the_primary_one_signs_until_it_ends() {
    let subkey = |ring: &Keyring| {
        let key = ring.key("Alice <alice@acme.dev>", "rsa3072", "cert", &[]);
        ring.gpg(&["--quick-add-key", &key, "ed25519", "sign", "never"]);
        key
    };
    let (world, ring, key) = world_with(subkey, EVERYONE);
    commit_signed(&world, &ring, &key, "one");
    push(&world).accepted();
    // She revokes her key, and the certificate in the policy says so.
    let revocation = std::fs::read_to_string(ring.home.join(format!("openpgp-revocs.d/{key}.rev"))).unwrap();
    let output = ring.run(&["--import"], revocation.replace(":-----BEGIN", "-----BEGIN").as_bytes());
    assert!(output.status.success());
    let before = std::fs::read_to_string(world.path("keys/alice.asc")).unwrap();
    commit_signed_before_revocation(&world, &ring, &key, &before);
    std::fs::write(world.path("keys/alice.asc"), ring.certificate(&key)).unwrap();
    let refused = push(&world);
    refused.refused("unknown-signer");
    assert!(refused.said.contains("it is revoked"), "{}", refused.said);
    std::fs::write(world.path("keys/alice.asc"), before).unwrap();
    push(&world).accepted();
}

/// GnuPG signs nothing with a revoked key, so another home still has it as it was.
fn commit_signed_before_revocation(world: &World, ring: &Keyring, key: &str, certificate: &str) {
    let home = world.path("h");
    let copied = Command::new("cp").arg("-a").arg(&ring.home).arg(&home).output().unwrap();
    assert!(copied.status.success());
    for public in ["pubring.kbx", "pubring.kbx~"] {
        let _ = std::fs::remove_file(home.join(public));
    }
    let other = Keyring { home };
    let output = other.run(&["--import"], certificate.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    commit_signed(world, &other, key, "two");
}

#[test]
fn a_signature_of_openpgp_is_of_the_whole_commit() {
    let (world, ring, key) = world_with(ed25519, EVERYONE);
    commit_signed(&world, &ring, &key, "one");
    push(&world).accepted();
    commit_signed(&world, &ring, &key, "two");
    let raw = String::from_utf8(world.raw("commit", "HEAD")).unwrap();
    let changed = world.store("commit", raw.replace("\n\ntwo\n", "\n\n2\n").as_bytes());
    world.push(&[&format!("{changed}:refs/heads/main")]).refused("bad-signature");
    // Words of the signer's below it, and a header that nobody knows: GnuPG passes over both.
    let end = " -----END PGP SIGNATURE-----\n";
    assert!(raw.contains(end), "{raw}");
    for (from, to) in [
        (end, " -----END PGP SIGNATURE-----\n Reviewed-by: Bob\n"),
        ("-----BEGIN PGP SIGNATURE-----\n", "-----BEGIN PGP SIGNATURE-----\n Reviewed-by: Bob\n"),
    ] {
        let odd = world.store("commit", raw.replacen(from, to, 1).as_bytes());
        world.push(&[&format!("{odd}:refs/heads/main")]).refused("bad-signature");
    }
    push(&world).accepted();
}

#[test]
fn tags_and_adopted_work_are_signed_so_too() {
    let rules = r#"
[[rule]]
name = "all"
refs = ["refs/heads/**", "refs/tags/**"]
identity = "everyone"
"#;
    let (world, ring, key) = world_with(ed25519, rules);
    std::fs::write(world.clone_dir().join("file"), "1").unwrap();
    world.git(&["add", "file"]);
    let git = |words: &[&str]| {
        let mut command = world.command("git", &world.clone_dir());
        command.env("GNUPGHOME", &ring.home).args(["-c", "gpg.format=openpgp"]).args(words);
        let output = world.run(command, None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let adopted = "Add retry\n\nCo-Authored-By: Claude <noreply@anthropic.com>\nCountersign-Drafted: claude-code\n";
    git(&["commit", "-q", &format!("-S{key}"), "-m", adopted]);
    push(&world).accepted();
    git(&["tag", "-u", &key, "-m", "One", "v1"]);
    world.push(&["v1"]).accepted();
    let stranger = ring.key("Mallory <m@x>", "ed25519", "sign", &[]);
    git(&["tag", "-u", &stranger, "-m", "Two", "v2"]);
    world.push(&["v2"]).refused("unknown-signer");
    world.git(&["tag", "-a", "-m", "Three", "v3"]);
    world.push(&["v3"]).refused("unsigned-commit");
}

#[test]
fn an_agent_has_no_openpgp_certificate() {
    let (world, ring, key) = world_with(ed25519, EVERYONE);
    commit_signed(&world, &ring, &key, "one");
    let policy = std::fs::read_to_string(world.policy_path()).unwrap();
    let line = "openpgp = [\"keys/alice.asc\"]\n";
    let moved =
        policy.replacen(line, "", 1).replacen("[agents.claude-code]\n", &format!("[agents.claude-code]\n{line}"), 1);
    world.set_policy(&moved);
    let checked = world.countersign(&["policy", "check", world.policy_path().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("an agent has no OpenPGP certificate"), "{said}");
    push(&world).refused("policy-invalid");
    // One certificate, two people.
    world.set_policy(&policy.replacen("[people.bob]\n", &format!("[people.bob]\n{line}"), 1));
    push(&world).refused("policy-invalid");
    world.set_policy(&policy);
    push(&world).accepted();
}

#[test]
fn a_forge_that_signs_with_openpgp_carries_what_was_sealed() {
    let rules = r#"
[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "everyone"
"#;
    let (world, ring, key) = world_with(ed25519, rules);
    let forge = ring.key("Forge <noreply@forge>", "rsa4096", "sign", &[]);
    std::fs::write(world.path("keys/forge.asc"), ring.certificate(&forge)).unwrap();
    let policy = std::fs::read_to_string(world.policy_path()).unwrap();
    world.set_policy(&policy.replacen("[services.forge]\n", "[services.forge]\nopenpgp = [\"keys/forge.asc\"]\n", 1));
    commit_signed(&world, &ring, &key, "base");
    push(&world).accepted();
    world.git(&["checkout", "-q", "-b", "topic"]);
    world.commit("agent", "1", "Agent's work\n");
    world.seal_head(CLAUDE);
    world.git(&["checkout", "-q", "main"]);
    commit_signed(&world, &ring, &key, "beside");
    let mut merge = world.command("git", &world.clone_dir());
    merge.env("GNUPGHOME", &ring.home);
    merge.args([
        "-c",
        "gpg.format=openpgp",
        "merge",
        "-q",
        "--no-ff",
        &format!("-S{forge}"),
        "-m",
        "Merge topic",
        "topic",
    ]);
    assert!(world.run(merge, None).status.success());
    push(&world).accepted();
    // What it authors itself is another matter.
    commit_signed(&world, &ring, &forge, "own");
    push(&world).refused("unknown-signer");
}

#[test]
fn a_certificate_that_ended_is_prolonged_and_exported_again() {
    let ended = |ring: &Keyring| {
        let (made, key) = (seconds_now() - 20 * DAY, "Alice <alice@acme.dev>");
        ring.key(key, "ed25519", "sign", &["--faked-system-time", &format!("{made}!")])
    };
    let (world, ring, key) = world_with(ended, EVERYONE);
    commit_signed(&world, &ring, &key, "one");
    push(&world).accepted();
    let past = format!("{}!", seconds_now() - 15 * DAY);
    ring.gpg(&["--faked-system-time", &past, "--quick-set-expire", &key, "10d"]);
    std::fs::write(world.path("keys/alice.asc"), ring.certificate(&key)).unwrap();
    commit_signed_at(&world, &ring, &key, "two", &past);
    let refused = push(&world);
    refused.refused("unknown-signer");
    assert!(refused.said.contains("it expired on 20"), "{}", refused.said);
    let checked = world.countersign(&["policy", "check", world.policy_path().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && said.contains("no key of a certificate of `alice` can sign"), "{said}");
    assert!(said.contains(&key) && said.contains("it expired on 20"), "{said}");
    ring.gpg(&["--quick-set-expire", &key, "1y"]);
    std::fs::write(world.path("keys/alice.asc"), ring.certificate(&key)).unwrap();
    push(&world).accepted();
}

/// Signs when the certificate was still good.
fn commit_signed_at(world: &World, ring: &Keyring, key: &str, file: &str, time: &str) {
    let wrapper = world.path("gpg-then");
    world.write_executable(&wrapper, &format!("#!/bin/sh\nexec gpg --faked-system-time '{time}' \"$@\"\n"));
    world.git(&["config", "gpg.program", wrapper.to_str().unwrap()]);
    commit_signed(world, ring, key, file);
    world.git(&["config", "--unset", "gpg.program"]);
}

#[test]
fn a_key_or_a_whole_certificate_is_revoked_by_the_policy() {
    let subkey = |ring: &Keyring| {
        let key = ring.key("Alice <alice@acme.dev>", "ed25519", "cert", &[]);
        ring.gpg(&["--quick-add-key", &key, "ed25519", "sign", "never"]);
        key
    };
    let (world, ring, key) = world_with(subkey, EVERYONE);
    commit_signed(&world, &ring, &key, "one");
    let policy = std::fs::read_to_string(world.policy_path()).unwrap();
    let certificate = Certificate::parse(ring.certificate(&key).trim().as_bytes()).unwrap();
    for revoked in certificate.keys() {
        world.set_policy(&format!("{policy}\n[revoked]\nkeys = [\"{revoked}\"]\n"));
        let refused = push(&world);
        refused.refused("unknown-signer");
        assert!(refused.said.contains("the revoked key"), "{}", refused.said);
    }
    world.set_policy(&policy);
    push(&world).accepted();
    // Who is new, and who is gone, is said by `policy diff`.
    let without = policy.replacen("openpgp = [\"keys/alice.asc\"]\n", "", 1);
    std::fs::write(world.path("without.toml"), without).unwrap();
    let diff = |old: &str, new: &str| {
        let (old, new) = (world.path(old).display().to_string(), world.path(new).display().to_string());
        String::from_utf8(world.countersign(&["policy", "diff", &old, &new]).stdout).unwrap()
    };
    let (more, less) = (diff("without.toml", "policy.toml"), diff("policy.toml", "without.toml"));
    assert!(more.lines().any(|line| line.starts_with("weaker") && line.contains(&key)), "{more}");
    assert!(less.lines().any(|line| line.starts_with("stricter") && line.contains(&key)), "{less}");
}

/// Seconds of a day.
const DAY: i64 = 86_400;

#[test]
fn a_signature_is_judged_by_when_it_was_received() {
    let world = World::new("");
    let ring = Keyring::new(world.path("g"));
    let key = ring.key("Alice <alice@acme.dev>", "ed25519", "sign", &[]);
    ring.gpg(&["--quick-set-expire", &key, "10d"]);
    let now = seconds_now();
    let text = format!(
        "version = 1\n[people.alice]\nopenpgp = [\"\"\"\n{}\"\"\"]\n[[rule]]\nname = \"all\"\nrefs = [\"refs/heads/**\"]\nidentity = \"everyone\"\n",
        ring.certificate(&key)
    );
    let source = Source { name: "policy.toml".to_owned(), text };
    let policy = load(vec![source], &mut |_, path| Err(format!("no {path}"))).unwrap().policy;
    let signature = ring.sign(&key, b"x", &[]);
    let claimed = ClaimedSignature::from_armor(&signature).unwrap();
    let (holder, certificate) = policy.certificates_of(claimed.issuer()).next().unwrap();
    assert_eq!(holder.id.as_str(), "alice");
    let signature = ObjectSignature::OpenPgp(claimed.verify(certificate, b"x").unwrap());
    let day = |days: i64| Timestamp(now + days * DAY);
    let objection = |received, judged| policy.objection(&signature, day(received), day(judged)).is_some();
    assert!(!objection(1, 1) && !objection(1, 20) && objection(20, 20));
    assert!(policy.asks_for_receipt(signature.key()), "so it must be known when it came");
}

/// What GnuPG says of signatures, good and bad, and what we say of the same bytes.
#[test]
fn gnupg_and_our_reader_agree() {
    let world = World::new("");
    let ring = Keyring::new(world.path("g"));
    let document = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nword\n";
    let ours = |certificate: &Certificate, signature: &[u8]| {
        let claimed = ClaimedSignature::from_armor(signature).map_err(Refusal::Signature)?;
        let verified = claimed.verify(certificate, document).map_err(Refusal::Signature)?;
        certificate.status(verified.key(), Timestamp(seconds_now())).map_err(Refusal::Key)
    };
    // GnuPG makes no signature with a hash that is shorter than the curve.
    let all: &[&str] = &["SHA256", "SHA384", "SHA512"];
    for (kind, digests) in [
        ("ed25519", all),
        ("rsa2048", all),
        ("rsa3072", all),
        ("rsa4096", all),
        ("nistp256", all),
        ("nistp384", &all[1..]),
        ("nistp521", &all[2..]),
    ] {
        let key = ring.key(&format!("{kind} <a@x>"), kind, "sign", &[]);
        let certificate = Certificate::parse(ring.certificate(&key).trim().as_bytes()).unwrap();
        assert_eq!(certificate.fingerprint(), &Fingerprint::parse(&key).unwrap());
        for digest in digests {
            let signature = ring.sign(&key, document, &["--digest-algo", digest]);
            assert_eq!(ring.verdict(&world.path(""), &signature, document), "GOODSIG");
            assert_eq!(ours(&certificate, &signature), Ok(()), "{kind} {digest}");
            assert_eq!(ring.verdict(&world.path(""), &signature, b"another"), "BADSIG");
            let claimed = ClaimedSignature::from_armor(&signature).unwrap();
            assert_eq!(claimed.verify(&certificate, b"another"), Err(SignatureError::Mismatch));
        }
    }

    // Here we ask more: a hash of SHA-2, a strong key, a certificate that is bound with SHA-2, and one reading.
    let key = ring.key("Old <a@x>", "rsa2048", "sign", &[]);
    let certificate = Certificate::parse(ring.certificate(&key).trim().as_bytes()).unwrap();
    let weak = ring.sign(&key, document, &["--digest-algo", "SHA1", "--allow-weak-digest-algos"]);
    assert!(matches!(ours(&certificate, &weak), Err(Refusal::Signature(SignatureError::Hash(_)))));
    let text = ring.sign(&key, document, &["--textmode"]);
    assert_eq!(ring.verdict(&world.path(""), &text, document), "GOODSIG");
    assert_eq!(ours(&certificate, &text), Err(Refusal::Signature(SignatureError::Type(1))));
    let noted = ring.sign(&key, document, &["--sig-notation", "!x@acme.dev=1"]);
    assert_eq!(ours(&certificate, &noted), Err(Refusal::Signature(SignatureError::Critical(20))));
    let noted = ring.sign(&key, document, &["--sig-notation", "x@acme.dev=1"]);
    assert_eq!(ours(&certificate, &noted), Ok(()));

    let small = ring.key("Small <a@x>", "rsa1024", "sign", &[]);
    assert!(Certificate::parse(ring.certificate(&small).trim().as_bytes()).is_err());
    let sha1 = ring.key("Sha1 <a@x>", "rsa2048", "sign", &["--cert-digest-algo", "SHA1"]);
    let bound = Certificate::parse(ring.certificate(&sha1).trim().as_bytes()).unwrap();
    let signature = ring.sign(&sha1, document, &[]);
    assert!(matches!(ours(&bound, &signature), Err(Refusal::Key(Unusable::Binding(SignatureError::Hash(_))))));
    for (kind, usage) in [("secp256k1", "sign"), ("brainpoolP256r1", "sign"), ("dsa2048", "sign")] {
        let key = ring.key(&format!("{kind} <a@x>"), kind, usage, &[]);
        assert!(Certificate::parse(ring.certificate(&key).trim().as_bytes()).is_err(), "{kind}");
    }
    let both = [ring.certificate(&key), ring.certificate(&sha1)].concat();
    assert!(Certificate::parse(both.trim().as_bytes()).is_err());
    let together = ring.gpg(&["--armor", "--export", &key, &sha1]);
    assert!(Certificate::parse(String::from_utf8(together).unwrap().trim().as_bytes()).is_err());
}

#[derive(Debug, PartialEq)]
enum Refusal {
    Signature(SignatureError),
    Key(Unusable),
}

/// The keys are made by GnuPG, which asks the clock.
fn seconds_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}
