//! Annotated tags, and refs that lead to no commit.

use countersign::core::ssh::armor;

use crate::attacks::{EVERYONE, MARKED};
use crate::world::{AGENTS_EVERYWHERE, ALICE, Actor, CLAUDE, STRANGER, World};

impl World {
    /// An annotated tag, signed as git does.
    fn tag(&self, name: &str, kind: &str, object: &str, signer: Option<Actor>) -> String {
        let tagger = "tagger Alice Ng <alice@acme.dev> 1700000000 +0000";
        let mut raw = format!("object {object}\ntype {kind}\ntag {name}\n{tagger}\n\nRelease\n");
        if let Some(signer) = signer {
            raw.push_str(&armor(&signer.key().sign("git", raw.as_bytes())));
        }
        self.store("tag", raw.as_bytes())
    }
}

#[test]
fn a_tag_has_one_name_and_one_reading() {
    let world = World::new(AGENTS_EVERYWHERE);
    let commit = world.commit("file", "1", "Clean\n");
    let old = world.tag("v1", "commit", &commit, Some(ALICE));
    world.push(&[&format!("{old}:refs/tags/v2")]).refused("malformed-tag");
    world.push(&[&format!("{old}:refs/tags/release/v1")]).refused("malformed-tag");
    let raw = String::from_utf8(world.raw("tag", &old)).unwrap();
    for (name, tampered) in [
        ("two names", raw.replace("tag v1\n", "tag v1\ntag v2\n")),
        ("a second object", raw.replacen("\n\n", &format!("\nobject {commit}\n\n"), 1)),
        ("a name of two lines", raw.replace("tag v1\n", "tag v1\n v2\n")),
        ("a header of its own", raw.replacen("\n\n", "\ngpgsig junk\n\n", 1)),
        ("two signatures", format!("{raw}{}", armor(&CLAUDE.key().sign("git", raw.as_bytes())))),
        ("NUL", raw.replace("Release", "Rel\0ease")),
    ] {
        let tag = world.store("tag", tampered.as_bytes());
        let pushed = world.push(&[&format!("{tag}:refs/tags/v1")]);
        assert!(!pushed.ok && pushed.said.contains("[malformed-tag]"), "{name}: {}", pushed.said);
    }
    world.push(&[&format!("{old}:refs/tags/v1")]).accepted();
}

/// Tags that old gits and other tools wrote: what they point at has one reading, and it is judged; who made them is asked only
/// where everyone must be known.
#[test]
fn old_tags_are_taken_and_hide_no_commit() {
    const OLD: [(&str, &str); 5] = [
        ("no-tagger", ""),
        ("zone", "tagger A <a@x> 1313584730 +051800\n"),
        ("no-date", "tagger A <a@x>\n"),
        ("no-email", "tagger A 1313584730 +0000\n"),
        ("another-header", "tagger A <a@x> 1 +0000\nx 1\n"),
    ];
    let sealers = "[[rule]]\nname = \"no agents\"\nrefs = [\"refs/tags/**\"]\nagents = []\n";
    let paths = "[paths]\nsecret = [\"secret\"]\n[[rule]]\nname = \"secrets\"\nrefs = [\"refs/**\"]\npaths = [\"secret\"]\n\
                 identity = \"everyone\"\nagents = []\n";
    for (rules, behind) in [
        (AGENTS_EVERYWHERE, "unsealed-agent-commit"),
        (sealers, "unsealed-agent-commit"),
        (paths, "unsealed-agent-commit"),
        (EVERYONE, "unsigned-commit"),
    ] {
        let world = World::new(rules);
        world.commit("file", "1", "Clean\n");
        let clean = world.sign_head(ALICE);
        let marked = world.commit("secret", "1", MARKED);
        for (name, tagger) in OLD {
            let tag = |object: &str, signer: Option<Actor>| {
                let mut raw = format!("object {object}\ntype commit\ntag {name}\n{tagger}\nRelease\n");
                if let Some(signer) = signer {
                    raw.push_str(&armor(&signer.key().sign("git", raw.as_bytes())));
                }
                world.store("tag", raw.as_bytes())
            };
            let refspec = |tag: String| format!("{tag}:refs/tags/{name}");
            world.push(&[&refspec(tag(&marked, None))]).refused(behind);
            world.push(&[&refspec(tag(&marked, Some(ALICE)))]).refused("unsealed-agent-commit");
            if rules == EVERYONE {
                world.push(&[&refspec(tag(&clean, None))]).refused("unsigned-commit");
                world.push(&[&refspec(tag(&clean, Some(ALICE)))]).accepted();
            } else {
                world.push(&[&refspec(tag(&clean, None))]).accepted();
            }
        }
    }
}

/// A signature of a registered agent's key over other bytes is never nothing, on a tag as on a commit.
#[test]
fn a_tag_with_an_agent_s_broken_signature_is_refused() {
    let world = World::new(AGENTS_EVERYWHERE);
    let commit = world.commit("file", "1", "Clean\n");
    for (signer, code) in [(CLAUDE, Some("bad-seal")), (ALICE, None), (STRANGER, None)] {
        let name = format!("by-{}", signer.id);
        let tag = world.tag(&name, "commit", &commit, Some(signer));
        let raw = String::from_utf8(world.raw("tag", &tag)).unwrap();
        let changed = world.store("tag", raw.replace("Release", "Other words").as_bytes());
        let pushed = world.push(&[&format!("{changed}:refs/tags/{name}")]);
        match code {
            Some(code) => pushed.refused(code),
            None => pushed.accepted(),
        }
        world.push(&[&format!("+{tag}:refs/tags/{name}")]).accepted();
    }
}

#[test]
fn where_everyone_must_be_known_every_tag_is_signed() {
    let world = World::new(EVERYONE);
    world.commit("file", "1", "Clean\n");
    let commit = world.sign_head(ALICE);
    let (tree, blob) = (world.git(&["rev-parse", "HEAD^{tree}"]), world.git(&["rev-parse", "HEAD:file"]));
    let unsigned = world.tag("v1", "commit", &commit, None);
    world.push(&[&format!("{unsigned}:refs/tags/v1")]).refused("unsigned-commit");
    let stranger = world.tag("v1", "commit", &commit, Some(STRANGER));
    world.push(&[&format!("{stranger}:refs/tags/v1")]).refused("unknown-signer");
    let around_unsigned = world.tag("v2", "tag", &unsigned, Some(ALICE));
    world.push(&[&format!("{around_unsigned}:refs/tags/v2")]).refused("unsigned-commit");
    for (kind, object) in [("tree", &tree), ("blob", &blob)] {
        world.push(&[&format!("{object}:refs/tags/v1")]).refused("ref-denied");
        let tag = world.tag("v1", kind, object, Some(ALICE));
        world.push(&[&format!("{tag}:refs/tags/v1")]).refused("ref-denied");
    }
    let signed = world.tag("v1", "commit", &commit, Some(ALICE));
    let raw = String::from_utf8(world.raw("tag", &signed)).unwrap();
    let changed = world.store("tag", raw.replace("Release", "Other words").as_bytes());
    world.push(&[&format!("{changed}:refs/tags/v1")]).refused("bad-signature");
    let mut nested = signed.clone();
    for _ in 0..9 {
        nested = world.tag("deep", "tag", &nested, Some(ALICE));
    }
    world.push(&[&format!("{nested}:refs/tags/deep")]).refused("limit-exceeded");
    let around = world.tag("v2", "tag", &signed, Some(ALICE));
    world.push(&[&format!("{signed}:refs/tags/v1"), &format!("{around}:refs/tags/v2")]).accepted();
    world.push(&[&format!("{commit}:refs/tags/light")]).accepted();
}

#[test]
fn a_tag_vouches_for_no_commit() {
    let world = World::new(AGENTS_EVERYWHERE);
    let commit = world.commit("file", "1", MARKED);
    let tag = world.tag("v1", "commit", &commit, Some(ALICE));
    world.push(&[&format!("{tag}:refs/tags/v1")]).refused("unsealed-agent-commit");
    let nested = world.tag("v2", "tag", &tag, Some(ALICE));
    world.push(&[&format!("{nested}:refs/tags/v2")]).refused("unsealed-agent-commit");
    world.push(&[&format!("{commit}:refs/tags/light")]).refused("unsealed-agent-commit");
    let sealed = world.seal_head(CLAUDE);
    let tag = world.tag("v1", "commit", &sealed, None);
    world.push(&[&format!("{tag}:refs/tags/v1")]).accepted();
}

#[test]
fn a_tag_that_moves_is_forced() {
    let world = World::new(&format!("{AGENTS_EVERYWHERE}force-push = \"deny\"\n"));
    let first = world.commit("file", "1", "One\n");
    let second = world.commit("file", "2", "Two\n");
    world.push(&[&format!("{first}:refs/tags/v1")]).accepted();
    world.push(&[&format!("+{second}:refs/tags/v1")]).refused("force-push-denied");
    let tag = world.tag("v1", "commit", &first, Some(ALICE));
    world.push(&[&format!("+{tag}:refs/tags/v1")]).refused("force-push-denied");
}
