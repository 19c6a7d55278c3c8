//! Objects that two programs read differently.

use crate::attacks::{EVERYONE, raw_entry};
use crate::world::{AGENTS_EVERYWHERE, ALICE, CLAUDE, World, registry};

#[test]
fn a_commit_has_one_reading() {
    let world = World::new(AGENTS_EVERYWHERE);
    let base = world.commit("file", "1", "Base\n");
    world.commit("file", "2", "Plain\n");
    let (honest, message) = world.head();
    let lines: Vec<&str> = honest.lines().collect();
    let [tree, parent, author, committer] = lines[..] else { panic!("{honest}") };
    let signed_twice = world.signed(&world.signed(&format!("{honest}\n\n{message}"), ALICE), CLAUDE);
    let attacks: Vec<(&str, Vec<u8>)> = [
        ("two gpgsig headers", signed_twice),
        ("gpgsigx", format!("{honest}\ngpgsigx junk\n\n{message}")),
        ("gpgsig-sha256", format!("{honest}\ngpgsig-sha256 junk\n\n{message}")),
        ("GPGSIG", format!("{honest}\nGPGSIG junk\n\n{message}")),
        ("second tree first", format!("{tree}\n{tree}\n{author}\n{committer}\n\n{message}")),
        ("second tree last", format!("{honest}\n{tree}\n\n{message}")),
        ("parent after author", format!("{tree}\n{author}\n{parent}\n{committer}\n\n{message}")),
        ("parent last", format!("{honest}\n{parent}\n\n{message}")),
        ("two authors", format!("{tree}\n{author}\n{author}\n{committer}\n\n{message}")),
        ("two committers", format!("{honest}\n{committer}\n\n{message}")),
        ("no author", format!("{tree}\n{committer}\n\n{message}")),
        ("no committer", format!("{tree}\n{author}\n\n{message}")),
        ("two encodings", format!("{honest}\nencoding UTF-8\nencoding UTF-8\n\n{message}")),
        ("a header twice", format!("{honest}\nx 1\nx 2\n\n{message}")),
        ("a header without a value", format!("{honest}\njunk\n\n{message}")),
        ("no message", honest.clone()),
        ("NUL in the message", format!("{honest}\n\nPlain\n\0{message}")),
        ("NUL in a header", format!("{honest}\nx a\0b\n\n{message}")),
        ("NUL in the author", honest.replacen("Alice", "Al\0ce", 1) + "\n\n" + &message),
        ("CR in the author", honest.replacen("Alice", "Al\rce", 1) + "\n\n" + &message),
        ("CRLF headers", format!("{}\r\n\r\n{message}", honest.replace('\n', "\r\n").replacen("\r\n", "\n", 2))),
        ("two emails", honest.replacen("<alice@acme.dev>", "<alice@acme.dev> <bob@acme.dev>", 1) + "\n\n" + &message),
    ]
    .map(|(name, text)| (name, text.into_bytes()))
    .into();
    for (name, raw) in attacks {
        let commit = world.store("commit", &raw);
        let pushed = world.push(&[&format!("{commit}:refs/heads/attack")]);
        assert!(!pushed.ok, "{name}: {}", pushed.said);
        assert!(pushed.said.contains("[malformed-commit]"), "{name}: {}", pushed.said);
    }
    for extra in ["change-id kmkrlqyoxs", "mergetag object 1\n type commit", "encoding UTF-8"] {
        let commit = world.store("commit", format!("{honest}\n{extra}\n\n{message}").as_bytes());
        world.push(&[&format!("{commit}:refs/heads/{}", extra.split(' ').next().unwrap())]).accepted();
    }
    world.push(&[&format!("{base}:refs/heads/base")]).accepted();
}

#[test]
fn a_repository_has_one_signature_header() {
    let world = World::with(&format!("{}{EVERYONE}", registry()), "sha256");
    world.commit("file", "1", "Plain\n");
    let signed = world.sign_head(ALICE);
    let raw = String::from_utf8(world.raw("commit", &signed)).unwrap();
    for attack in [raw.replace("gpgsig-sha256", "gpgsig"), raw.replacen("\n\n", "\ngpgsig junk\n\n", 1)] {
        let commit = world.store("commit", attack.as_bytes());
        world.push(&[&format!("{commit}:refs/heads/main")]).refused("malformed-commit");
    }
    world.push(&[&format!("{signed}:refs/heads/main")]).accepted();
}

#[test]
fn a_signature_over_another_reading_proves_nothing() {
    // A program that takes the last tree header would show other files under Alice's signature.
    let world = World::new(EVERYONE);
    world.commit("file", "1", "Plain\n");
    let (honest, message) = world.head();
    let empty = world.empty_tree();
    let raw = world.signed(&format!("{honest}\ntree {empty}\n\n{message}"), ALICE);
    let commit = world.store("commit", raw.as_bytes());
    world.push(&[&format!("{commit}:refs/heads/main")]).refused("malformed-commit");
    // A signature does not cover a header that was moved behind it.
    let raw = world.signed(&format!("{honest}\n\n{message}"), ALICE);
    let stuffed = world.store("commit", raw.replacen("\n\n", "\nx 1\n\n", 1).as_bytes());
    world.push(&[&format!("{stuffed}:refs/heads/main")]).refused("bad-signature");
    let commit = world.store("commit", raw.as_bytes());
    world.push(&[&format!("{commit}:refs/heads/main")]).accepted();
}

/// Mode, name and id of an entry.
type Entry<'a> = (&'a str, &'a str, &'a str);

/// The raw bytes of a tree.
fn tree(entries: &[Entry<'_>]) -> Vec<u8> {
    entries.iter().flat_map(|(mode, name, id)| raw_entry(mode, name.as_bytes(), id)).collect()
}

#[test]
fn a_tree_is_as_git_writes_it() {
    let world = World::new(AGENTS_EVERYWHERE);
    world.commit("file", "1", "Plain\n");
    let (headers, message) = world.head();
    let blob = world.git_with(&["hash-object", "-w", "--stdin"], b"content");
    let blob = blob.as_str();
    let empty = world.empty_tree();
    let directory = world.store("tree", &tree(&[("100644", "config", blob)]));
    let directory = directory.as_str();
    let commit_with = |raw: &[u8]| {
        let (_, rest) = headers.split_once('\n').unwrap();
        world.store("commit", format!("tree {}\n{rest}\n\n{message}", world.store("tree", raw)).as_bytes())
    };
    let attacks: [(&str, &[Entry<'_>]); 18] = [
        ("a group-writable file", &[("100664", "a", blob)]),
        ("a zero before the mode", &[("040000", "a", directory)]),
        ("an unknown mode", &[("100600", "a", blob)]),
        ("unsorted", &[("100644", "b", blob), ("100644", "a", blob)]),
        ("sorted as a file", &[("40000", "a", directory), ("100644", "a.b", blob)]),
        ("a name twice", &[("100644", "a", blob), ("100644", "a", blob)]),
        ("a file and a directory", &[("100644", "a", blob), ("40000", "a", directory)]),
        ("apart", &[("100644", "a", blob), ("100644", "a.b", blob), ("40000", "a", directory)]),
        ("an empty directory", &[("40000", "a", &empty)]),
        (".git", &[("40000", ".git", directory)]),
        (".GIT", &[("40000", ".GIT", directory)]),
        ("git~1", &[("40000", "git~1", directory)]),
        ("a stream of .git", &[("40000", ".git::$INDEX_ALLOCATION", directory)]),
        ("a dot after .git", &[("40000", ".git.", directory)]),
        ("a character that HFS+ ignores", &[("40000", ".g\u{200c}it", directory)]),
        ("a backslash", &[("100644", "a\\.git\\config", blob)]),
        ("..", &[("40000", "..", directory)]),
        ("a slash", &[("100644", "a/b", blob)]),
    ];
    for (name, entries) in attacks {
        let raw = tree(entries);
        let inside = tree(&[("40000", "deep", &world.store("tree", &raw))]);
        for raw in [raw, inside] {
            let pushed = world.push(&[&format!("{}:refs/heads/attack", commit_with(&raw))]);
            assert!(!pushed.ok, "{name}: {}", pushed.said);
            assert!(pushed.said.contains("[malformed-tree]"), "{name}: {}", pushed.said);
        }
    }
    let twin = tree(&[("100644", ".gitignore", blob), ("100755", "a.b", blob), ("40000", "a", directory)]);
    world.push(&[&format!("{}:refs/heads/twin", commit_with(&twin))]).accepted();
}

#[test]
fn an_object_over_its_ceiling_is_a_limit_however_large() {
    let world = World::new(AGENTS_EVERYWHERE);
    let base = world.commit("file", "0", "Base\n");
    let raw = String::from_utf8(world.raw("commit", &base)).unwrap();
    // Over the ceiling of a commit, and over what is inflated at all.
    for mebibytes in [2, 70] {
        let large = world.store("commit", format!("{raw}{}", "x".repeat(mebibytes << 20)).as_bytes());
        world.push(&[&format!("{large}:refs/heads/large")]).refused("limit-exceeded");
        world.push(&[&format!("{large}:refs/heads/a"), &format!("{large}:refs/heads/b")]).refused("limit-exceeded");
    }
}
