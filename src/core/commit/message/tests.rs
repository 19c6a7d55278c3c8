use super::*;
use crate::core::digest::Digest;
use crate::core::seal::{SealValue, seal_line};

const HEAD: &str = "Add retry\n\nBecause the network is.\n\n";

/// A seal line in its grammar, without the LF. Nobody verifies it here.
fn seal() -> String {
    let value = SealValue { change: Digest::of(b"c"), message: Digest::of(b"m"), signature: vec![1, 2, 3, 4] };
    seal_line(&value).trim_end().to_owned()
}

fn message(lines: &[&str]) -> String {
    lines.iter().fold(HEAD.to_owned(), |message, line| message + &line.replace("SEAL", &seal()) + "\n")
}

fn parse(text: &str) -> Result<Trailers, MalformedTrailers> {
    parse_trailers(text.as_bytes())
}

/// Author seals and roles, and who drafted, in the order they stand in.
fn summary(trailers: &Trailers) -> String {
    let role = |block: &SealBlock| block.claim.role.as_ref().map_or("author".into(), Id::to_string);
    let blocks = trailers.blocks.iter().map(|block| format!("{}/{}", block.claim.agent, role(block)));
    let drafted = trailers.drafted.iter().map(|agent| format!("drafted {agent}"));
    blocks.chain(drafted).collect::<Vec<_>>().join(", ")
}

const NOTE: &str = "(cherry picked from commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad)";
const NOTE_SHA256: &str =
    "(cherry picked from commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad3b18e512dba79e4c8300dd08)";

#[test]
fn reads_blocks_among_other_trailers() {
    let full = [
        "Countersign-Agent: claude-code",
        "Countersign-Model: claude opus 4.5",
        "Countersign-Session: 7f3a91c2",
        "Countersign-Task: PAY-112",
        "SEAL",
    ];
    let review = ["Countersign-Agent: codex", "Countersign-Role: reviewer", "SEAL"];
    for (lines, expected) in [
        (vec![], ""),
        (vec!["Countersign-Agent: claude-code", "SEAL"], "claude-code/author"),
        (full.to_vec(), "claude-code/author"),
        (vec!["Countersign-Agent: a", "Countersign-Task: x: y", "SEAL"], "a/author"),
        ([full.as_slice(), &review].concat(), "claude-code/author, codex/reviewer"),
        ([full.as_slice(), &["Reviewed-by: Ann"], &review].concat(), "claude-code/author, codex/reviewer"),
        ([full.as_slice(), &review, &review].concat(), "claude-code/author, codex/reviewer, codex/reviewer"),
        ([&["Co-authored-by: C <c@x.dev>"][..], &full, &["Signed-off-by: Ann"]].concat(), "claude-code/author"),
        ([full.as_slice(), &[NOTE]].concat(), "claude-code/author"),
        ([full.as_slice(), &[NOTE, NOTE_SHA256, "Signed-off-by: Ann"]].concat(), "claude-code/author"),
        (vec!["Countersign-Drafted: codex"], "drafted codex"),
        (
            vec!["Countersign-Drafted: codex", "Countersign-Drafted: claude-code", NOTE],
            "drafted codex, drafted claude-code",
        ),
        ([&["Countersign-Drafted: codex"][..], &full].concat(), "claude-code/author, drafted codex"),
        ([full.as_slice(), &["Countersign-Drafted: codex"]].concat(), "claude-code/author, drafted codex"),
    ] {
        let text = message(&lines);
        for text in [text.clone(), text.clone() + "\n\n", text.trim_end_matches('\n').to_owned()] {
            assert_eq!(parse(&text).as_ref().map(summary), Ok(expected.to_owned()), "{text}");
        }
    }
    let claim = parse(&message(&full)).unwrap().blocks.remove(0).claim;
    assert_eq!(claim.model.as_deref(), Some("claude opus 4.5"));
    assert_eq!(claim.session.as_deref(), Some("7f3a91c2"));
    assert_eq!(claim.task.as_deref(), Some("PAY-112"));
    assert_eq!(claim.seal.signature, [1, 2, 3, 4]);
}

#[test]
fn a_seal_covers_all_that_stands_above_it() {
    let text = message(&[
        "Fixes: #1",
        "Countersign-Agent: a",
        "SEAL",
        "Countersign-Agent: b",
        "Countersign-Role: tester",
        "SEAL",
        NOTE,
    ]);
    let blocks = parse(&text).unwrap().blocks;
    let above = |block: &SealBlock| text[..block.covered].to_owned();
    let agent = format!("{HEAD}Fixes: #1\nCountersign-Agent: a\n");
    assert_eq!(above(&blocks[0]), agent);
    let second = "Countersign-Agent: b\nCountersign-Role: tester\n";
    assert_eq!(above(&blocks[1]), format!("{agent}{}\n{second}", seal()));
    assert_eq!(&text[blocks[0].span.clone()], format!("Countersign-Agent: a\n{}\n", seal()));
    assert_eq!(&text[blocks[1].span.clone()], format!("{second}{}\n", seal()));
    // Without a line feed at its end a seal covers the same.
    let cut = text.strip_suffix(&format!("{NOTE}\n")).unwrap().trim_end();
    assert_eq!(parse(cut).unwrap().blocks[1].covered, blocks[1].covered);
}

/// The last paragraph of a message, the number of the offending line in it, and what is wrong.
type Bad<'a> = (&'a [&'a str], usize, TrailerFault);

#[test]
fn every_line_that_breaks_the_grammar_is_named() {
    use TrailerFault::*;
    const AGENT: &str = "Countersign-Agent: a";
    const REVIEW: &[&str] = &["Countersign-Agent: b", "Countersign-Role: r", "SEAL"];
    let bad: &[Bad<'_>] = &[
        // Lines that are no trailers.
        (&["Some words", AGENT, "SEAL"], 1, NotATrailer),
        (&[AGENT, "SEAL", "Some words"], 3, NotATrailer),
        (&["Some words: here", AGENT, "SEAL"], 1, NotATrailer),
        (&["# Fixes: 1", AGENT, "SEAL"], 1, NotATrailer),
        (&["---", AGENT, "SEAL"], 1, NotATrailer),
        (&[": x", AGENT, "SEAL"], 1, NotATrailer),
        (&["Fixes : 1", AGENT, "SEAL"], 1, NotATrailer),
        (&["Fixes: 1", " folded", AGENT, "SEAL"], 2, NotATrailer),
        (&[AGENT, "SEAL", " folded"], 3, NotATrailer),
        (&[" ", AGENT, "SEAL"], 1, NotATrailer),
        (&["\u{fffd}: x", AGENT, "SEAL"], 1, NotATrailer),
        (&["(cherry picked from commit 3b18e51)", AGENT, "SEAL"], 1, NotATrailer),
        (&[AGENT, "SEAL", "(cherry picked from commit 3b18e51)"], 3, NotATrailer),
        (&[AGENT, "SEAL", "(Cherry picked from commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad)"], 3, NotATrailer),
        (&[AGENT, "SEAL", "x (cherry picked from commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad)"], 3, NotATrailer),
        // Control bytes.
        (&[AGENT, "SEAL\r"], 2, ControlByte),
        (&["Fixes: 1\r", AGENT, "SEAL"], 1, ControlByte),
        (&["Fixes: \x0b1", AGENT, "SEAL"], 1, ControlByte),
        (&["Fixes: \x7f", AGENT, "SEAL"], 1, ControlByte),
        (&["Fixes: \0", AGENT, "SEAL"], 1, ControlByte),
        (&[AGENT, "SEAL", "Fixes: \x1b[2J"], 3, ControlByte),
        // Keys that are ours in another spelling.
        (&["countersign-agent: a", "SEAL"], 1, UnknownKey),
        (&["COUNTERSIGN-Agent: a", "SEAL"], 1, UnknownKey),
        (&["Countersign-agent: a", "SEAL"], 1, UnknownKey),
        (&["Countersign-Agent:a", "SEAL"], 1, UnknownKey),
        (&["Countersign-Agent:\ta", "SEAL"], 1, UnknownKey),
        (&["Countersign-Agent : a", "SEAL"], 1, UnknownKey),
        (&["Countersign-Agent", "SEAL"], 1, UnknownKey),
        (&["Countersign-Agents: a", "SEAL"], 1, UnknownKey),
        (&["Countersign-: a", "SEAL"], 1, UnknownKey),
        (&["Countersign-Approved: yes"], 1, UnknownKey),
        (&[AGENT, "SEAL", "countersign-note: x"], 3, UnknownKey),
        // Values.
        (&["Countersign-Agent: ", "SEAL"], 1, Value("Countersign-Agent")),
        (&["Countersign-Agent: A", "SEAL"], 1, Value("Countersign-Agent")),
        (&["Countersign-Agent:  a", "SEAL"], 1, Value("Countersign-Agent")),
        (&["Countersign-Agent: a ", "SEAL"], 1, Value("Countersign-Agent")),
        (&["Countersign-Agent: a/b", "SEAL"], 1, Value("Countersign-Agent")),
        (&["Countersign-Drafted: a b"], 1, Value("Countersign-Drafted")),
        (&[AGENT, "Countersign-Role: R", "SEAL"], 2, Value("Countersign-Role")),
        (&[AGENT, "Countersign-Model:  x", "SEAL"], 2, Value("Countersign-Model")),
        (&[AGENT, "Countersign-Model: x ", "SEAL"], 2, Value("Countersign-Model")),
        (&[AGENT, "Countersign-Session: \u{e4}", "SEAL"], 2, Value("Countersign-Session")),
        (&[AGENT, "Countersign-Task: x\ty", "SEAL"], 2, Value("Countersign-Task")),
        (&[AGENT, "SEAL "], 2, Value("Countersign-Seal")),
        (&[AGENT, "Countersign-Seal: v1"], 2, Value("Countersign-Seal")),
        (&[AGENT, "Countersign-Seal: v2 a b c"], 2, Value("Countersign-Seal")),
        // Order.
        (&["SEAL"], 1, Order("Countersign-Seal")),
        (&["Countersign-Model: x", AGENT, "SEAL"], 1, Order("Countersign-Model")),
        (&["Countersign-Role: r", AGENT, "SEAL"], 1, Order("Countersign-Role")),
        (&[AGENT, "SEAL", "SEAL"], 3, Order("Countersign-Seal")),
        (&[AGENT, "SEAL", "Countersign-Task: x"], 3, Order("Countersign-Task")),
        (&[AGENT, "Countersign-Task: x", "Countersign-Model: x", "SEAL"], 3, Order("Countersign-Model")),
        (&[AGENT, "Countersign-Model: x", "Countersign-Model: x", "SEAL"], 3, Order("Countersign-Model")),
        (
            &[AGENT, "SEAL", "Countersign-Agent: b", "Countersign-Task: x", "Countersign-Role: r", "SEAL"],
            5,
            Order("Countersign-Role"),
        ),
        // Blocks that nothing closes.
        (&[AGENT], 1, Unclosed),
        (&[AGENT, "Countersign-Model: x"], 2, Unclosed),
        (&[AGENT, AGENT, "SEAL"], 2, Unclosed),
        (&[AGENT, "Fixes: 1", "SEAL"], 2, Unclosed),
        (&[AGENT, NOTE, "SEAL"], 2, Unclosed),
        (&[AGENT, "Countersign-Drafted: b", "SEAL"], 2, Unclosed),
        (&[AGENT, "SEAL", "Countersign-Agent: b"], 3, Unclosed),
        // Roles.
        (&[AGENT, "Countersign-Role: r", "SEAL"], 3, Role),
        (&[AGENT, "Countersign-Role: author", "SEAL"], 3, Role),
        (&[AGENT, "SEAL", AGENT, "SEAL"], 4, Role),
        (&[AGENT, "SEAL", "Countersign-Agent: b", "Countersign-Role: author", "SEAL"], 5, Role),
        // Notes.
        (&[NOTE, AGENT, "SEAL"], 2, NoteAboveSeal),
        (&[AGENT, "SEAL", NOTE, REVIEW[0], REVIEW[1], REVIEW[2]], 4, NoteAboveSeal),
    ];
    for (lines, line, reason) in bad {
        let text = message(lines);
        let expected = MalformedTrailers { line: line + 4, reason: reason.clone() };
        assert_eq!(parse(&text).map(|trailers| summary(&trailers)), Err(expected), "{text}");
    }
    for value in ["x".repeat(65), "-a".into(), ".a".into(), "\u{e4}".into()] {
        let text = message(&[&format!("Countersign-Agent: {value}"), "SEAL"]);
        assert_eq!(parse(&text).unwrap_err().reason, Value("Countersign-Agent"), "{value}");
    }
    let text = message(&[AGENT, &format!("Countersign-Task: {}", "x".repeat(101)), "SEAL"]);
    assert_eq!(parse(&text).unwrap_err().reason, Value("Countersign-Task"));
}

#[test]
fn our_lines_stand_in_the_last_of_several_paragraphs() {
    let block = format!("Countersign-Agent: a\n{}\n", seal());
    let fault = |line, reason| Err(MalformedTrailers { line, reason });
    for (text, expected) in [
        (block.clone(), fault(1, TrailerFault::NoSubject)),
        (format!("\n\n{block}"), fault(3, TrailerFault::NoSubject)),
        (format!("Subject\n{block}"), fault(1, TrailerFault::NoSubject)),
        ("Countersign-agent everything\n".into(), fault(1, TrailerFault::NoSubject)),
        ("countersign-: a\n\nBody\n".into(), fault(1, TrailerFault::Misplaced)),
        (format!("{block}\nBody\n"), fault(1, TrailerFault::Misplaced)),
        (format!("Subject\n\n{block}\nSigned-off-by: Ann\n"), fault(3, TrailerFault::Misplaced)),
        (format!("Subject\n\n{block}\n{block}"), fault(3, TrailerFault::Misplaced)),
        (format!("Subject\n\nCOUNTERSIGN-x\n\n{block}"), fault(3, TrailerFault::Misplaced)),
        // A line of spaces is not empty: git divides paragraphs there, so it may not stand in the last one.
        (format!("Subject\n\nBody\n \n{block}"), fault(3, TrailerFault::NotATrailer)),
        // Nor is one with a carriage return.
        (format!("Subject\n\r\n{block}"), fault(1, TrailerFault::NoSubject)),
        (format!("Subject\r\n\n{block}"), Ok("a/author".to_owned())),
        (format!("Subject\n\nBody countersign-agent: x\n\n{block}"), Ok("a/author".to_owned())),
        (format!("Subject\n\n Countersign-Agent: x\n\n{block}"), Ok("a/author".to_owned())),
        (format!("\nSubject\n\n\n\n{block}\n\n"), Ok("a/author".to_owned())),
        ("Countersigned-by: Ann\n".into(), Ok(String::new())),
        ("Subject\n\nwords without any trailer\r\n\0".into(), Ok(String::new())),
        (String::new(), Ok(String::new())),
        ("\n\n".into(), Ok(String::new())),
    ] {
        assert_eq!(parse(&text).map(|trailers| summary(&trailers)), expected, "{text:?}");
    }
}

#[test]
fn seals_and_lines_are_counted() {
    let author = ["Countersign-Agent: a", "SEAL"];
    let review = ["Countersign-Agent: b", "Countersign-Role: r", "SEAL"];
    let seals = |count: usize| message(&[&author[..], &review.repeat(count - 1)].concat());
    assert_eq!(parse(&seals(limits::SEALS)).unwrap().blocks.len(), limits::SEALS);
    assert_eq!(parse(&seals(limits::SEALS + 1)).unwrap_err().reason, TrailerFault::TooMany);
    let lines = |count: usize| message(&[&["Fixes: 1"].repeat(count - 2)[..], &author].concat());
    assert!(parse(&lines(limits::TRAILERS)).is_ok());
    assert_eq!(parse(&lines(limits::TRAILERS + 1)).unwrap_err().reason, TrailerFault::TooMany);
}

proptest::proptest! {
    /// Whatever the bytes, and above all those near the grammar: no panic, and places that lie in the message.
    #[test]
    fn no_message_panics(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64),
        parts in proptest::collection::vec(0..9_usize, 0..24),
    ) {
        let seal = seal();
        let vocabulary: [&[u8]; 9] = [
            b"Subject", b"\n", b"\n\n", b"\nCountersign-Agent: a\n", b"Countersign-Role: r\n", b"Countersign-Model: m\n",
            seal.as_bytes(), NOTE.as_bytes(), &bytes,
        ];
        let near: Vec<u8> = parts.iter().flat_map(|part| vocabulary[*part].to_vec()).collect();
        for message in [&bytes, &near] {
            let Ok(trailers) = parse_trailers(message) else { continue };
            for block in trailers.blocks {
                proptest::prop_assert!(block.span.start < block.covered && block.covered < block.span.end);
                proptest::prop_assert!(message[block.covered..].starts_with(b"Countersign-Seal: v1 "));
                proptest::prop_assert!(message[block.span].starts_with(b"Countersign-Agent: "));
            }
        }
    }
}
