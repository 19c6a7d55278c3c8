//! Bytes aimed at the reader of a report: a terminal, a log, a model.

use crate::attacks::{MARKED, raw_entry};
use crate::world::{AGENTS_EVERYWHERE, CLAUDE, CODEX, World};

/// Reorders text, hides it, moves the cursor, ends the line, breaks UTF-8.
const HOSTILE: [&[u8]; 6] = [
    "\u{202e}evil\u{2066}".as_bytes(),
    "\u{200b}\u{feff}".as_bytes(),
    b"\x1b[2J\x1b]0;x\x07",
    b"\rerror: none",
    b"\x9b31m\xff",
    b"\x7f\x08",
];

/// Whether git may hold these bytes in a ref name (git-check-ref-format(1)).
fn fits_ref(bytes: &[u8]) -> bool {
    !bytes.iter().any(|byte| byte.is_ascii_control() || b" ~^:?*[\\".contains(byte))
}

impl World {
    /// Has the hook judge `commit` at a ref, and wants a report of plain lines that holds `code`.
    #[track_caller]
    fn plainly_refused(&self, commit: &str, name: &[u8], code: &str) {
        let clone = self.clone_dir();
        self.git_in(&self.server(), &["fetch", "-q", clone.to_str().unwrap(), &format!("{commit}:refs/keep/it")]);
        self.git_in(&self.server(), &["update-ref", "-d", "refs/keep/it"]);
        let null = "0".repeat(40);
        let output = self.ask_hook(&[format!("{null} {commit} ").as_bytes(), name, b"\n"].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
        assert!(output.stderr.iter().all(plain), "{said:?}");
        assert!(output.stdout.is_empty());
        assert_ne!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("[{code}]")), "{said}");
        let begins =
            |line: &str| ["countersign: ", "error: ", "warning: ", "hint: "].iter().any(|word| line.starts_with(word));
        assert!(said.lines().all(begins), "{said}");
    }
}

#[test]
fn no_hostile_byte_of_a_commit_reaches_the_reader() {
    let world = World::new(&format!("{AGENTS_EVERYWHERE}agents = [\"claude-code\"]\n"));
    world.commit("file", "1", "placeholder\n");
    let (headers, _) = world.head();
    for hostile in HOSTILE {
        let raw = |parts: &[&[u8]]| world.store("commit", &parts.concat());
        let head = headers.as_bytes();
        // In the subject, in the line that bears the mark, in a line of trailers, in the author's name.
        let mark = b"Co-Authored-By: Claude <noreply@anthropic.com>";
        let subject = raw(&[head, b"\n\n", hostile, b"Work\n\n", mark, b"\n"]);
        world.plainly_refused(&subject, b"refs/heads/main", "unsealed-agent-commit");
        let line = raw(&[head, b"\n\nWork\n\nCo-Authored-By: Claude ", hostile, b" <noreply@anthropic.com>\n"]);
        world.plainly_refused(&line, b"refs/heads/main", "unsealed-agent-commit");
        let trailer = raw(&[head, b"\n\nWork\n\nCountersign-Agent: ", hostile, b"\n"]);
        world.plainly_refused(&trailer, b"refs/heads/main", "malformed-trailers");
        let header = raw(&[head, b"\nx", hostile, b" y\n\nWork\n"]);
        world.plainly_refused(&header, b"refs/heads/main", "malformed-commit");
        let author = String::from_utf8(head.to_vec()).unwrap();
        let (before, after) = author.split_once("author Alice").unwrap();
        let author = raw(&[
            before.as_bytes(),
            b"author ",
            hostile,
            b"[bot] <claude[bot]@users.noreply.github.com>\nauthor ",
            after.as_bytes(),
            b"\n\nWork\n",
        ]);
        world.plainly_refused(&author, b"refs/heads/main", "malformed-commit");
    }
    world.commit("file", "2", "Work\n");
    let sealed = world.seal_head(CODEX);
    world.plainly_refused(&sealed, b"refs/heads/main", "agent-not-allowed");
}

#[test]
fn no_hostile_byte_of_a_name_reaches_the_reader() {
    let paths = "[paths]\nall = [\"src/**\"]\n[[rule]]\nname = \"src\"\nrefs = [\"refs/heads/**\"]\npaths = [\"all\"]\nidentity = \"everyone\"\n";
    let world = World::new(&format!("{paths}{AGENTS_EVERYWHERE}"));
    world.commit("file", "1", MARKED);
    let (headers, _) = world.head();
    let marked = world.git(&["rev-parse", "HEAD"]);
    let (_, rest) = headers.split_once('\n').unwrap();
    let blob = world.git(&["rev-parse", "HEAD:file"]);
    for hostile in HOSTILE {
        for (mode, code) in [("100644", "unsigned-commit"), ("100664", "malformed-tree")] {
            let inner = world.store("tree", &raw_entry(mode, hostile, &blob));
            let tree = world.store("tree", &raw_entry("40000", b"src", &inner));
            let commit = world.store("commit", format!("tree {tree}\n{rest}\n\nPlain\n").as_bytes());
            world.plainly_refused(&commit, b"refs/heads/main", code);
        }
        let twice = raw_entry("100644", hostile, &blob).repeat(2);
        let tree = world.store("tree", &twice);
        let commit = world.store("commit", format!("tree {tree}\n{rest}\n\nPlain\n").as_bytes());
        world.plainly_refused(&commit, b"refs/heads/main", "malformed-tree");
        if fits_ref(hostile) {
            world.plainly_refused(&marked, &[b"refs/heads/", hostile].concat(), "unsealed-agent-commit");
            world.plainly_refused(&marked, &[b"refs/replace/", hostile].concat(), "ref-denied");
        }
        let tagger = b"\ntagger Alice Ng <alice@acme.dev> 1700000000 +0000\n\nRelease\n";
        let tag = [b"object ", marked.as_bytes(), b"\ntype commit\ntag ", hostile, tagger].concat();
        let tag = world.store("tag", &tag);
        world.plainly_refused(&tag, b"refs/tags/v1", "malformed-tag");
    }
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/tags/sealed"]).accepted();
}

#[test]
fn no_hostile_byte_of_the_input_or_policy_reaches_the_reader() {
    let world = World::new(AGENTS_EVERYWHERE);
    for hostile in HOSTILE {
        let output = world.ask_hook(&[hostile, b" ", hostile, b" refs/heads/", hostile, b"\n"].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stderr.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{:?}", output.stderr);
    }
    for text in ["\u{202e} = 1\n", "[people.\"\u{202e}\"]\n", "version = \"\u{1b}[2J\"\n", "# \u{7}\n"] {
        world.set_policy(text);
        let id = world.commit("file", text, "Clean\n");
        world.plainly_refused(&id, b"refs/heads/main", "policy-invalid");
    }
}
