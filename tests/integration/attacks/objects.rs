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
        ("an encoding of two lines", format!("{honest}\nencoding UTF-8\n UTF-7\n\n{message}")),
        ("a header without a value", format!("{honest}\njunk\n\n{message}")),
        ("a last header without its end", honest.clone()),
        ("NUL in the message", format!("{honest}\n\nPlain\n\0{message}")),
        ("NUL in a header", format!("{honest}\nx a\0b\n\n{message}")),
        ("NUL in the author", honest.replacen("Alice", "Al\0ce", 1) + "\n\n" + &message),
        ("an author of two lines", format!("{tree}\n{parent}\n{author}\n <b@x>\n{committer}\n\n{message}")),
        ("an author without an email", honest.replacen(" <alice@acme.dev>", "", 1) + "\n\n" + &message),
        ("CRLF headers", format!("{}\r\n\r\n{message}", honest.replace('\n', "\r\n").replacen("\r\n", "\n", 2))),
    ]
    .map(|(name, text)| (name, text.into_bytes()))
    .into();
    for (name, raw) in attacks {
        let commit = world.store("commit", &raw);
        let pushed = world.push(&[&format!("{commit}:refs/heads/attack")]);
        assert!(!pushed.ok, "{name}: {}", pushed.said);
        assert!(pushed.said.contains("[malformed-commit]"), "{name}: {}", pushed.said);
    }
    let ident = |ident: &str| honest.replacen("Alice Ng <alice@acme.dev> 1700000000 +0000", ident, 1);
    for (name, headers) in [
        ("change-id", format!("{honest}\nchange-id kmkrlqyoxs")),
        ("mergetag", format!("{honest}\nmergetag object 1\n type commit")),
        ("encoding", format!("{honest}\nencoding UTF-8")),
        ("encoding-last", format!("{honest}\nx 1\nencoding UTF-8")),
        ("hg-git", format!("{honest}\nHG:rename a:b\nHG:rename c:d\nHG:extra x:1\nHG:extra y:2")),
        ("tab", ident("Ng\tAlice <alice@acme.dev> 1700000000 +0000")),
        ("carriage-return", ident("Al\rce <alice@acme.dev> 1700000000 +0000\r")),
        ("no-space", ident("Alice<alice@acme.dev> 1700000000 +0000")),
        ("zone-of-six-digits", ident("Alice <alice@acme.dev> 1313584730 +051800")),
        ("before-1970", ident("Alice <alice@acme.dev> -1 +0000")),
        ("no-date", ident("Alice <alice@acme.dev>")),
        ("two-emails", ident("Alice <alice@acme.dev> <bob@acme.dev> 1700000000 +0000")),
    ] {
        let commit = world.store("commit", format!("{headers}\n\n{message}").as_bytes());
        world.push(&[&format!("{commit}:refs/heads/{name}")]).accepted();
    }
    let bare = world.store("commit", format!("{honest}\n").as_bytes());
    world.push(&[&format!("{bare}:refs/heads/no-message")]).accepted();
    world.push(&[&format!("{base}:refs/heads/base")]).accepted();
}

/// However an author is read, a mark in it is one, and a seal binds the bytes as they stand.
#[test]
fn an_odd_author_hides_no_mark_and_can_be_sealed() {
    let world = World::new(AGENTS_EVERYWHERE);
    world.commit("file", "1", "Plain\n");
    let (honest, message) = world.head();
    for ident in [
        "Alice <alice@acme.dev> <noreply@anthropic.com> 1700000000 +0000",
        "Alice <noreply@anthropic.com> <alice@acme.dev> 1700000000 +051800",
        "Alice <alice@acme.dev <noreply@anthropic.com>> -1",
        "Cl\tde<noreply@anthropic.com>",
    ] {
        let headers = honest.replacen("Alice Ng <alice@acme.dev> 1700000000 +0000", ident, 1);
        let commit = world.store("commit", format!("{headers}\n\n{message}").as_bytes());
        world.push(&[&format!("{commit}:refs/heads/odd")]).refused("unsealed-agent-commit");
        world.git(&["reset", "-q", "--soft", &commit]);
        let sealed = world.seal_head(CLAUDE);
        world.push(&[&format!("{sealed}:refs/heads/odd")]).accepted();
        let raw = String::from_utf8(world.raw("commit", &sealed)).unwrap();
        let moved = world.store("commit", raw.replacen("1700000000", "1700000001", 1).as_bytes());
        if moved != sealed && ident.contains("1700000000") {
            world.push(&[&format!("{moved}:refs/heads/moved")]).refused("bad-seal");
        }
        world.push(&[":refs/heads/odd"]).accepted();
    }
}

/// The two ways that the hint of a malformed commit names, done as it says.
#[test]
fn a_malformed_commit_is_made_again_or_exempted_by_an_admin() {
    let world = World::new(AGENTS_EVERYWHERE);
    let base = world.commit("file", "1", "Base\n");
    world.push(&[&format!("{base}:refs/heads/main")]).accepted();
    for (name, spoil) in [("gpgsigx", "\ngpgsigx junk"), ("author", ""), ("encodings", "\nencoding A\nencoding B")] {
        world.git(&["checkout", "-q", "-B", name, &base]);
        world.commit(name, "2", "Old\n");
        let (honest, message) = world.head();
        let headers = if spoil.is_empty() { honest.replacen(" <alice@acme.dev>", "", 1) } else { honest + spoil };
        let commit = world.store("commit", format!("{headers}\n\n{message}").as_bytes());
        world.git(&["reset", "-q", "--hard", &commit]);
        world.commit(&format!("{name} more"), "3", "New\n");
        let pushed = world.push(&[&format!("HEAD:refs/heads/{name}")]);
        pushed.refused("malformed-commit");
        let [command] = pushed.commands("make it again")[..] else { panic!("{}", pushed.said) };
        assert!(pushed.commands("history that nobody can rewrite")[0].ends_with("--baseline"), "{}", pushed.said);
        let output = world.run(world.shell(&world.clone_dir(), command), None);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        world.push(&[&format!("HEAD:refs/heads/{name}")]).accepted();

        // History that stays as it is: an admin fetches it into the repository, and what stands on it is judged as ever.
        let url = world.clone_dir().display().to_string();
        world.git_in(&world.server(), &["fetch", "-q", &url, &format!("{commit}:refs/heads/old-{name}")]);
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.install(&["--baseline"]);
        world.git(&["checkout", "-q", "--detach", &commit]);
        let on_top = world.commit(&format!("{name} on top"), "4", "On top\n");
        world.push(&[&format!("{on_top}:refs/heads/old-{name}")]).accepted();
        let marked = world.commit(&format!("{name} marked"), "5", crate::attacks::MARKED);
        world.push(&[&format!("{marked}:refs/heads/old-{name}")]).refused("unsealed-agent-commit");
        std::fs::remove_dir_all(world.server().join("hooks")).unwrap();
        world.install_hook("pre-receive", "");
    }
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
