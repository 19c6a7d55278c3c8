//! Seals that were forged, copied, moved or stuffed.

use base64ct::{Base64, Encoding as _};

use super::{EVERYONE, MARKED};
use crate::world::{AGENTS_EVERYWHERE, ALICE, Actor, CLAUDE, CODEX, STRANGER, SealBy, World, registry};

/// A world whose main has one commit, and HEAD a commit sealed by claude-code that was not pushed.
fn with_sealed_head() -> World {
    let world = World::new(AGENTS_EVERYWHERE);
    world.commit("base", "1", "Base\n");
    world.push_main().accepted();
    world.commit("file", "agent", "Work\n\nExplained here.\n");
    world.seal_head(CLAUDE);
    world
}

/// The lines of a seal block: those of the message that are ours.
fn block_of(message: &str) -> String {
    message.split_inclusive('\n').filter(|line| line.starts_with("Countersign-")).collect()
}

#[test]
fn trailers_have_one_place_and_spelling() {
    let world = with_sealed_head();
    let (_, message) = world.head();
    let block = block_of(&message);
    let seal = block.lines().find(|line| line.starts_with("Countersign-Seal")).unwrap();
    let words: Vec<&str> = seal.split(' ').collect();
    for (name, tampered) in [
        ("above the last paragraph", format!("Work\n\n{block}\nExplained here.\n")),
        ("one line above", message.replace("Work\n", "Work\nCountersign-Agent: claude-code\n")),
        ("a second copy above", format!("Work\n\n{block}\n{block}")),
        ("as the subject", block.clone()),
        ("folded value", message.replace(seal, &seal.replacen(' ', "\n ", 1))),
        ("folded inside the value", message.replacen(words[3], &format!("{}\n  ", words[3]), 1)),
        ("lower case", message.replace("Countersign-Agent", "countersign-agent")),
        ("upper case", message.replace("Countersign-Seal", "COUNTERSIGN-SEAL")),
        ("CRLF", message.replace('\n', "\r\n")),
        ("one CR", message.replace("claude-code\n", "claude-code\r\n")),
        ("CR in place of the empty line", message.replace("here.\n\n", "here.\n\r\n")),
        ("a stray line inside", message.replace("Countersign-Seal", "not a trailer\nCountersign-Seal")),
        ("a stray line above", message.replace("Countersign-Agent", "not a trailer\nCountersign-Agent")),
        ("a stray line below", format!("{message}not a trailer\n")),
        ("a comment below", format!("{message}# not a trailer\n")),
        ("a space before the key", message.replace("Countersign-Agent", " Countersign-Agent")),
        ("a space after the key", message.replace("Countersign-Agent:", "Countersign-Agent :")),
        ("two spaces", message.replace("Agent: ", "Agent:  ")),
        ("a space at the end", message.replace("claude-code\n", "claude-code \n")),
        ("an unknown key", message.replace("Countersign-Seal", "Countersign-Origin: x\nCountersign-Seal")),
        ("two agents", message.replace("Countersign-Seal", "Countersign-Agent: codex\nCountersign-Seal")),
        ("two seals", format!("{message}{seal}\n")),
        ("no seal", message.replace(&format!("{seal}\n"), "")),
        ("no agent", message.replace("Countersign-Agent: claude-code\n", "")),
        ("the wrong order", format!("Work\n\n{seal}\nCountersign-Agent: claude-code\n")),
        ("another version", message.replace("Seal: v1", "Seal: v2")),
        (
            "the author's role spelled out",
            message.replace("Countersign-Seal", "Countersign-Role: author\nCountersign-Seal"),
        ),
        ("digest in upper case", message.replace(words[2], &words[2].to_uppercase())),
        ("an id in upper case", message.replace("claude-code", "Claude-Code")),
        ("a bidi character", message.replace("claude-code", "claude-\u{202e}code")),
    ] {
        assert_ne!(tampered, message, "{name} changes nothing");
        world.reword(&tampered);
        let pushed = world.push_main();
        assert!(!pushed.ok, "{name}: {}", pushed.said);
        assert!(pushed.said.contains("[malformed-trailers]"), "{name}: {}", pushed.said);
    }
    // Later trailers, a cherry-pick note and empty lines at the end leave the seal whole.
    let note = format!("(cherry picked from commit {})", "a".repeat(40));
    world.reword(&format!("{message}Reviewed-by: Bob <bob@acme.dev>\n{note}\n\n"));
    world.push_main().accepted();
}

#[test]
fn a_seal_is_bound_to_its_commit() {
    let world = with_sealed_head();
    let (_, message) = world.head();
    world.push_main().accepted();

    world.commit("file", "other content", "placeholder\n");
    world.reword(&message);
    world.push_main().refused("stale-seal");

    // Its own digests put in place of the sealed ones do not help.
    world.seal_head_by(&SealBy::honest("claude-code", &CODEX.key()));
    let (_, other) = world.head();
    let digests = |message: &str| {
        let seal = message.lines().rfind(|line| line.starts_with("Countersign-Seal")).unwrap().to_owned();
        seal.split(' ').skip(2).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut forged = message.clone();
    for (old, new) in digests(&message).iter().zip(digests(&other)) {
        forged = forged.replace(old, &new);
    }
    world.reword(&forged);
    world.push_main().refused("bad-seal");
}

#[test]
fn a_seal_is_bound_to_repository_agent_role_and_author() {
    let world = with_sealed_head();
    let (claude, sealed) = (CLAUDE.key(), world.git(&["rev-parse", "HEAD"]));
    let (_, message) = world.head();
    let block = block_of(&message);

    world.reword("Work\n\nExplained here.\n");
    world.seal_head_by(&SealBy { repository: "acme/other", ..SealBy::honest("claude-code", &claude) });
    world.push_main().refused("bad-seal");

    world.reword(&message.replace("claude-code", "codex"));
    world.push_main().refused("bad-seal");

    // A reviewer's seal, its Role line taken away, is not the author's.
    world.reword("Work\n\nExplained here.\n");
    world.seal_head_by(&SealBy { role: Some("reviewer"), ..SealBy::honest("claude-code", &claude) });
    let (_, reviewed) = world.head();
    world.push_main().refused("malformed-trailers");
    world.reword(&reviewed.replace("Countersign-Role: reviewer\n", ""));
    world.push_main().refused("bad-seal");

    // Nor is the author's a reviewer's.
    let as_reviewer = block.replace("Countersign-Seal", "Countersign-Role: reviewer\nCountersign-Seal");
    world.reword(&format!("{message}{as_reviewer}"));
    world.push_main().refused("bad-seal");

    for (header, other) in [("Alice Ng <alice@acme.dev>", "Bob <bob@acme.dev>"), ("1700000000", "1600000000")] {
        let raw = String::from_utf8(world.raw("commit", &sealed)).unwrap();
        let commit = world.store("commit", raw.replacen(header, other, 1).as_bytes());
        world.push(&[&format!("{commit}:refs/heads/main")]).refused("bad-seal");
    }
    let raw = String::from_utf8(world.raw("commit", &sealed)).unwrap();
    let encoded = world.store("commit", raw.replacen("\n\n", "\nencoding ISO-8859-1\n\n", 1).as_bytes());
    world.push(&[&format!("{encoded}:refs/heads/main")]).refused("bad-seal");
    // Whoever looks at it is told the same.
    let mut show = world.command(crate::world::binary().to_str().unwrap(), &world.clone_dir());
    show.args(["show", &encoded]).env("GIT_CONFIG_COUNT", "1");
    show.env("GIT_CONFIG_KEY_0", "countersign.repository").env("GIT_CONFIG_VALUE_0", crate::world::REPOSITORY);
    let shown = String::from_utf8(world.run(show, None).stdout).unwrap();
    assert!(shown.contains("does not verify: the commit has an encoding header"), "{shown}");

    world.push(&[&format!("{sealed}:refs/heads/main")]).accepted();
}

#[test]
fn a_seal_is_bound_to_merged_parents_and_to_being_a_root() {
    let world = with_sealed_head();
    let sealed = world.git(&["rev-parse", "HEAD"]);
    let (headers, message) = world.head();
    let (tree, parent) = (headers.lines().next().unwrap(), headers.lines().nth(1).unwrap());
    let base = parent.strip_prefix("parent ").unwrap();
    let orphan = world.store("commit", format!("{headers}\n\nSide\n").replace(&format!("{parent}\n"), "").as_bytes());
    let merge = headers.replace(parent, &format!("{parent}\nparent {orphan}"));
    let merge = world.store("commit", format!("{merge}\n\n{message}").as_bytes());
    world.push(&[&format!("{merge}:refs/heads/main")]).refused("bad-seal");
    world.push(&[&format!("{sealed}:refs/heads/main")]).accepted();

    // The same change digest as a root commit over the empty tree: still another commit.
    let empty = world.empty_tree();
    let blank = headers.replace(tree, &format!("tree {empty}")).replace(&format!("{parent}\n"), "");
    let blank = world.store("commit", format!("{blank}\n\nBlank\n").as_bytes());
    let child = headers.replace(base, &blank);
    world.git(&["reset", "-q", "--soft", &world.store("commit", format!("{child}\n\nWork\n").as_bytes())]);
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/child"]).accepted();
    let (headers, message) = world.head();
    let root = headers.replace(&format!("parent {blank}\n"), "");
    let root = world.store("commit", format!("{root}\n\n{message}").as_bytes());
    world.push(&[&format!("{root}:refs/heads/root")]).refused("bad-seal");
}

#[test]
fn a_persons_key_is_nobody_elses() {
    let world = with_sealed_head();
    world.reword("Work\n");
    world.seal_head_by(&SealBy::honest("claude-code", &ALICE.key()));
    world.push_main().refused("shared-key");
    // Her own name in the Agent line makes her no agent.
    world.reword("Work\n");
    world.seal_head_by(&SealBy::honest("alice", &ALICE.key()));
    world.push_main().refused("shared-key");
    // An agent's mark under a person's signature is not the person's work until she says so.
    world.reword(MARKED);
    world.sign_head(ALICE);
    world.push_main().refused("unsealed-agent-commit");
    // Nor does a signature over other words say so.
    world.reword(&format!("{MARKED}Countersign-Drafted: claude-code\n"));
    world.push_main().refused("unsealed-agent-commit");
    let (headers, message) = world.head();
    let (unsigned, _) = headers.split_once("\ngpgsig").unwrap();
    let commit = world.store("commit", format!("{unsigned}\n\n{message}").as_bytes());
    world.git(&["reset", "-q", "--soft", &commit]);
    world.sign_head(ALICE);
    world.push_main().accepted();
}

/// Where the fields of an SSHSIG blob by an ed25519 key end (PROTOCOL.sshsig).
struct Sshsig {
    fields: Vec<Vec<u8>>,
    version: u32,
    tail: Vec<u8>,
}

impl Sshsig {
    fn parse(blob: &[u8]) -> Self {
        let mut rest = blob.strip_prefix(b"SSHSIG\0\0\0\x01").unwrap();
        let mut fields = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let (field, tail) = tail.split_at(u32::from_be_bytes(*length).try_into().unwrap());
            fields.push(field.to_vec());
            rest = tail;
        }
        assert_eq!(fields.len(), 5);
        Self { fields, version: 1, tail: Vec::new() }
    }

    fn to_blob(&self) -> Vec<u8> {
        let mut blob = [b"SSHSIG".as_slice(), &self.version.to_be_bytes()].concat();
        for field in &self.fields {
            blob.extend_from_slice(&string(field));
        }
        [blob, self.tail.clone()].concat()
    }
}

/// An SSH `string`.
fn string(value: &[u8]) -> Vec<u8> {
    [&u32::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

/// Changes a signature.
type Forgery<'a> = &'a dyn Fn(&mut Sshsig);

#[test]
fn a_signature_has_one_encoding() {
    let world = with_sealed_head();
    let (_, message) = world.head();
    let text = message.lines().next_back().unwrap().rsplit(' ').next().unwrap().to_owned();
    let blob = Base64::decode_vec(&text).unwrap();
    assert_eq!(Sshsig::parse(&blob).to_blob(), blob);
    let small_order = [&[1_u8][..], &[0; 31]].concat();
    let zero_signature = [small_order.as_slice(), &[0; 32]].concat();
    let attacks: [(&str, Forgery<'_>); 15] = [
        ("version 0", &|sig| sig.version = 0),
        ("version 2", &|sig| sig.version = 2),
        ("stuffed reserved field", &|sig| sig.fields[2] = b"x".to_vec()),
        ("trailing byte", &|sig| sig.tail = vec![0]),
        ("trailing field", &|sig| sig.tail = string(b"")),
        ("git's namespace", &|sig| sig.fields[1] = b"git".to_vec()),
        ("empty namespace", &|sig| sig.fields[1].clear()),
        ("the namespace and a NUL", &|sig| sig.fields[1].push(0)),
        ("weak hash", &|sig| sig.fields[3] = b"sha1".to_vec()),
        ("the other hash", &|sig| sig.fields[3] = b"sha256".to_vec()),
        ("trailing byte in the signature", &|sig| sig.fields[4].push(0)),
        ("trailing byte in the key", &|sig| sig.fields[0].push(0)),
        ("another label", &|sig| {
            let tail = sig.fields[4].split_off(4 + b"ssh-ed25519".len());
            sig.fields[4] = [string(b"rsa-sha2-512"), tail].concat();
        }),
        ("malleated s", &|sig| add_group_order(&mut sig.fields[4])),
        ("small-order key", &|sig| {
            sig.fields[0] = [string(b"ssh-ed25519"), string(&small_order)].concat();
            sig.fields[4] = [string(b"ssh-ed25519"), string(&zero_signature)].concat();
        }),
    ];
    for (name, attack) in attacks {
        let mut signature = Sshsig::parse(&blob);
        attack(&mut signature);
        let forged = Base64::encode_string(&signature.to_blob());
        assert_ne!(forged, text, "{name} changes nothing");
        world.reword(&message.replace(&text, &forged));
        let pushed = world.push_main();
        assert!(!pushed.ok, "{name}: {}", pushed.said);
        assert!(pushed.said.contains("[bad-seal]"), "{name}: {}", pushed.said);
    }
    world.reword(&message);
    world.push_main().accepted();
}

/// Adds the order of the group to s, the last 32 bytes: lax verifiers take the sum for the same signature.
fn add_group_order(signature: &mut [u8]) {
    // RFC 8032 section 5.1: 2^252 + 27742317777372353535851937790883648493, little-endian.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let start = signature.len() - 32;
    let mut carry = 0_u16;
    for (byte, order) in signature[start..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
}

#[test]
fn a_key_belongs_to_one_and_is_sound() {
    let point = [&[1_u8][..], &[0; 31]].concat();
    let blob = [string(b"ssh-ed25519"), string(&point)].concat();
    let small_order = format!("ssh-ed25519 {}", Base64::encode_string(&blob));
    for line in [small_order, CLAUDE.line(), ALICE.line(), format!("{} codex", ALICE.line())] {
        let policy = format!("{}{AGENTS_EVERYWHERE}", registry().replace(&CODEX.line(), &line));
        let world = World::with(&policy, "sha1");
        world.commit("file", "1", "Work\n");
        world.push_main().refused("policy-invalid");
    }
}

impl World {
    /// HEAD with a signature whose armor is written otherwise.
    fn signed_as(&self, signer: Actor, write: &dyn Fn(&str) -> String) -> String {
        let (headers, message) = self.head();
        let armored =
            countersign::core::ssh::armor(&signer.key().sign("git", format!("{headers}\n\n{message}").as_bytes()));
        let folded = write(&armored).trim_end_matches('\n').replace('\n', "\n ");
        self.store("commit", format!("{headers}\ngpgsig {folded}\n\n{message}").as_bytes())
    }
}

/// An armor of the same signature, broken into lines of this width.
fn wrapped(armored: &str, width: usize) -> String {
    let lines: Vec<&str> = armored.trim_end().split('\n').collect();
    let [begin, body @ .., end] = lines.as_slice() else { panic!("{armored}") };
    let body = body.concat();
    let body: Vec<&str> = body.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("{begin}\n{}\n{end}\n", body.join("\n"))
}

#[test]
fn a_signature_counts_in_lines_of_any_width_and_with_no_word_after_it() {
    let world = World::new(EVERYONE);
    for signer in [ALICE, CLAUDE] {
        for (number, width) in [1, 64, 70, 76, 5000].into_iter().enumerate() {
            world.commit("file", &format!("{}{width}", signer.id), "Plain\n");
            let commit = world.signed_as(signer, &|armored| wrapped(armored, width));
            world.git(&["reset", "-q", "--soft", &commit]);
            world.push(&[&format!("{commit}:refs/heads/{}-{number}", signer.id)]).accepted();
        }
        world.commit("file", &format!("{} crlf", signer.id), "Plain\n");
        let commit = world.signed_as(signer, &|armored| armored.replace('\n', "\r\n"));
        world.git(&["reset", "-q", "--soft", &commit]);
        world.push(&[&format!("{commit}:refs/heads/{}-crlf", signer.id)]).accepted();
        world.commit("file", "spoiled", "Plain\n");
        for (name, spoil) in [
            ("a word after", "\nand so on"),
            ("a second signature", "\n-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----"),
        ] {
            let commit = world.signed_as(signer, &|armored| armored.trim_end().to_owned() + spoil);
            let pushed = world.push(&[&format!("{commit}:refs/heads/spoiled")]);
            pushed.refused(if signer.id == ALICE.id { "bad-signature" } else { "bad-seal" });
            assert!(pushed.said.contains("text follows its last line"), "{name}: {}", pushed.said);
        }
        world.git(&["reset", "-q", "--hard", "HEAD~"]);
    }
}

/// An agent's signature over something else is its work all the same: it is refused, and where a rule asks for approvals of agents'
/// work, for them too. A stranger's or a person's says nothing of agents.
#[test]
fn an_agents_broken_signature_is_never_nothing() {
    let approvals = "[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\nforce-push = \"deny\"\n\
                     delete = \"deny\"\n[rule.approvals]\nfrom = [\"alice\", \"bob\"]\n";
    let world = World::new(approvals);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&[]);
    world.commit("file", "1", "Base\n");
    world.push_main().accepted();
    for signer in [CLAUDE, CODEX] {
        world.commit("file", signer.id, "Work\n");
        let raw = String::from_utf8(world.raw("commit", &world.sign_head(signer))).unwrap();
        for broken in [raw.replace("\n\nWork", "\n\nOther words"), raw.replace("1700000000", "1700000001")] {
            let commit = world.store("commit", broken.as_bytes());
            let pushed = world.push(&[&format!("{commit}:refs/heads/main")]);
            pushed.refused("bad-seal");
            pushed.refused("approval-missing");
            assert!(pushed.said.contains(&format!("{}'s signature does not verify", signer.id)), "{}", pushed.said);
        }
        world.push_main().refused("approval-missing");
        world.back_to_main();
    }
    for signer in [STRANGER, ALICE] {
        world.commit("file", signer.id, "Work\n");
        let raw = String::from_utf8(world.raw("commit", &world.sign_head(signer))).unwrap();
        let commit = world.store("commit", raw.replace("\n\nWork", "\n\nOther words").as_bytes());
        world.push(&[&format!("{commit}:refs/heads/main")]).accepted();
        world.back_to_main();
    }
    // With a mark as well, both are said, and what is wrong with the signature first.
    world.commit("file", "marked", MARKED);
    let raw = String::from_utf8(world.raw("commit", &world.sign_head(STRANGER))).unwrap();
    let commit = world.store("commit", raw.replacen("\n\nAdd", "\n\nPut", 1).as_bytes());
    let pushed = world.push(&[&format!("{commit}:refs/heads/main")]);
    pushed.refused("unsealed-agent-commit");
    let told = "its signature does not verify: the signature does not match; it bears the mark of claude-code";
    assert!(pushed.said.contains(told), "{}", pushed.said);
}
