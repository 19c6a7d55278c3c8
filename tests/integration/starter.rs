//! `countersign init` in a repository whose history is signed.

use std::process::Output;

use crate::keyring::Keyring;
use crate::world::{AGENTS_EVERYWHERE, ALICE, BOB, World};

/// A commit by somebody that GnuPG signs, as git or a forge would store it.
fn signed_by(world: &World, ring: &Keyring, key: &str, [author, committer]: [&str; 2]) {
    world.commit("file", &world.git(&["rev-list", "--all", "--count"]), "Work\n");
    let raw = String::from_utf8(world.raw("commit", "HEAD")).unwrap();
    let line = |kind: &str, who: &str| {
        let old = raw.lines().find(|line| line.starts_with(kind)).unwrap();
        (old.to_owned(), format!("{kind} {who} 1700000000 +0000"))
    };
    let raw = [line("author", author), line("committer", committer)]
        .into_iter()
        .fold(raw.clone(), |raw, (old, new)| raw.replacen(&old, &new, 1));
    let armor = String::from_utf8(ring.sign(key, raw.as_bytes(), &[])).unwrap();
    let (head, message) = raw.split_once("\n\n").unwrap();
    let folded = armor.trim_end().replace('\n', "\n ");
    let commit = world.store("commit", format!("{head}\ngpgsig {folded}\n\n{message}").as_bytes());
    world.git(&["reset", "-q", "--hard", &commit]);
}

fn init(world: &World, ring: &Keyring) -> Output {
    let mut command = world.shell(&world.clone_dir(), "countersign init --repository acme/payments");
    command.env("GNUPGHOME", &ring.home);
    world.run(command, None)
}

#[test]
fn who_signed_before_is_proposed_with_keys_that_somebody_vouches_for() {
    let world = World::new(AGENTS_EVERYWHERE);
    let (ring, elsewhere) = (Keyring::new(world.path("g")), Keyring::new(world.path("e")));
    let key = |ring: &Keyring, name: &str| ring.key(name, "ed25519", "sign", &[]);
    let (dora, forge) = (key(&ring, "Dora D <dora@acme.dev>"), key(&elsewhere, "GitHub <noreply@github.com>"));
    let eve = key(&elsewhere, "Eve <eve@acme.dev>");
    let dora_is = "Dora \"D\" <dora@acme.dev>";
    world.commit("file", "0", "Begin\n");
    world.sign_head(ALICE);
    world.commit("file", "1", "More\n");
    world.sign_head(BOB);
    signed_by(&world, &ring, &dora, [dora_is, dora_is]);
    signed_by(&world, &elsewhere, &eve, ["Eve <eve@acme.dev>", "Eve <eve@acme.dev>"]);
    signed_by(&world, &elsewhere, &forge, [dora_is, "GitHub <noreply@github.com>"]);
    let allowed = world.path("allowed");
    std::fs::write(&allowed, format!("# ours\nalice@acme.dev namespaces=\"git\" {}\n", ALICE.line())).unwrap();
    world.git(&["config", "gpg.ssh.allowedSignersFile", allowed.to_str().unwrap()]);

    let output = init(&world, &ring);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("5 keys signed recent commits; 2 of them are known here"), "{said}");
    let folder = world.clone_dir().join(".countersign");
    let policy = std::fs::read_to_string(folder.join("policy.toml")).unwrap();
    for part in [
        &format!(
            "[people.alice]\nname = \"Alice Ng\"\nemails = [\"alice@acme.dev\"]\nkeys = [\"{}",
            &ALICE.line()[..60]
        ),
        "[people.dora]\nname = \"Dora D\"\nemails = [\"dora@acme.dev\"]\nopenpgp = [\"keys/dora.asc\"]\n",
        &format!("# 1 commit signed with the OpenPGP key {dora}"),
        // What only the commits say is a remark.
        "# [people.eve]\n# name = \"Eve\"\n",
        &format!(
            "# 1 commit signed with the OpenPGP key {eve}: gpg --armor --export-options export-minimal --export {eve} > keys/eve.asc"
        ),
        "# [services.github]\n# owner = \"...\"",
        &format!("# 1 commit signed with the SSH key {}: ask whose it is", BOB.key().public().fingerprint()),
    ] {
        assert!(policy.contains(part), "{part} is not in:\n{policy}");
    }
    assert!(!policy.contains(&BOB.line()[..60]), "no key is taken from a signature");
    let certificate = std::fs::read_to_string(folder.join("keys/dora.asc")).unwrap();
    assert!(certificate.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"), "{certificate}");
    let checked = world.countersign(&["policy", "check", ".countersign/policy.toml"]);
    assert!(checked.status.success(), "{checked:?}");
    // It overwrites nothing.
    let again = init(&world, &ring);
    assert_eq!(again.status.code(), Some(2), "{again:?}");

    // A key at hand that made none of the signatures which name it is nobody's.
    std::fs::remove_dir_all(&folder).unwrap();
    let raw = String::from_utf8(world.raw("commit", "HEAD~2")).unwrap();
    let forged = world.store("commit", raw.replacen("\n\nWork\n", "\n\nOther\n", 1).as_bytes());
    world.git(&["reset", "-q", "--hard", &forged]);
    assert!(init(&world, &ring).status.success());
    let policy = std::fs::read_to_string(folder.join("policy.toml")).unwrap();
    assert!(!policy.contains("dora"), "{policy}");
}

#[test]
fn a_history_without_signatures_has_the_starter_policy_as_it_was() {
    let world = World::new(AGENTS_EVERYWHERE);
    let ring = Keyring::new(world.path("g"));
    world.commit("file", "0", "Begin\n");
    assert!(init(&world, &ring).status.success());
    let policy = std::fs::read_to_string(world.clone_dir().join(".countersign/policy.toml")).unwrap();
    assert!(!policy.contains("Who signed recent commits"), "{policy}");
}
