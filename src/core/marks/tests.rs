pub(super) mod samples;

use super::*;

use samples::{ASSIGNMENTS, SAMPLES};

#[test]
fn every_row_has_a_sample_it_finds_and_a_near_miss() {
    let mut tables = Tables::default();
    table::read(BUILTIN, RowOrigin::Builtin, &mut tables).unwrap();
    let mut samples = SAMPLES.iter();
    for rows in tables.all() {
        let mut automaton = PatternAutomaton::new(&rows.program);
        let mut finds = |row: usize, text: &str| {
            let mut found = false;
            automaton.search(text.as_bytes(), |other, _| found |= other == row);
            found
        };
        for (number, row) in rows.list.iter().enumerate() {
            let (sample, near_miss) = samples.next().unwrap();
            assert!(finds(number, sample), "{} {sample}", row.pattern);
            assert!(!finds(number, near_miss), "{} {near_miss}", row.pattern);
        }
    }
    assert_eq!(samples.next(), None);
    assert_eq!(tables.environment.len(), ASSIGNMENTS.len());
    for (mark, (sample, near_miss)) in tables.environment.iter().zip(ASSIGNMENTS) {
        let is_set = |text: &str| {
            text.split_once('=').is_some_and(|(name, value)| name == mark.variable && mark.test.accepts(value))
        };
        assert!(is_set(sample) && !is_set(near_miss), "{sample} {near_miss}");
        assert_eq!(near_miss.split_once('=').unwrap().0, mark.variable);
    }
}

#[test]
fn the_list_says_its_day_and_no_row_is_younger() {
    let day = Date::parse(date()).unwrap();
    assert!(
        Catalogue::builtin()
            .rows()
            .all(|row| row.origin == RowOrigin::Builtin && row.added.is_none_or(|added| added <= day))
    );
    assert_eq!(Catalogue::builtin().rows().filter_map(|row| row.added).max(), Some(day));
}

/// An agent whose process sets the variable of another is not taken for it.
#[test]
fn a_variable_outranks_one_that_the_list_has() {
    let marks: Vec<_> = Catalogue::builtin().environment().collect();
    for mark in &marks {
        let Some(before) = &mark.before else { continue };
        assert!(marks.iter().any(|other| other.variable == *before), "{before}");
    }
}

fn source(message: &[u8]) -> MarkSource<'_> {
    MarkSource { author_name: b"Ada", author_email: b"ada@acme.dev", message, encoding: None }
}

fn find(message: &str) -> Vec<Mark> {
    Catalogue::builtin().find(&source(message.as_bytes()))
}

/// The agents that a message bears marks of.
fn agents(message: &str) -> Vec<String> {
    find(message).into_iter().map(|mark| mark.agent).collect()
}

const CLAUDE: &str = "Co-Authored-By: Claude <noreply@anthropic.com>";

#[test]
fn finds_marks_wherever_tools_and_squashes_leave_them() {
    use MarkKind::*;
    use Strength::*;
    type Expected = (&'static str, MarkKind, Strength);
    let table: &[(&str, &str, &str, &[Expected])] = &[
        ("Ada", "ada@acme.dev", "Fix\n\nReviewed-by: Bob <bob@acme.dev>\n", &[]),
        ("Ada", "ada@acme.dev", "claude: cursor, aider and codex said so\n", &[]),
        ("Ada", "ada@acme.dev", &format!("Fix\n\n{CLAUDE}\n{CLAUDE}\n"), &[("claude-code", Trailer, Authored)]),
        ("Ada", "ada@acme.dev", &format!("Squash\n\n    {CLAUDE}\r\n\nmore\n"), &[("claude-code", Trailer, Authored)]),
        ("Ada", "ada@acme.dev", &format!("He wrote {CLAUDE}\n"), &[]),
        ("Ada (aider)", "ada@acme.dev", "x", &[("aider", AuthorName, Authored)]),
        ("Codex", "codex@openai.com", "x", &[("codex-cloud", AuthorEmail, Authored)]),
        ("Codex", " codex@openai.com ", "x", &[("codex-cloud", AuthorEmail, Authored)]),
        ("W", "noreply@windsurf.com", "x", &[("windsurf", AuthorEmail, Low)]),
        ("Ada", "ada@acme.dev", "x\n\nAssisted-by: some:model\n", &[("disclosed-ai", Trailer, Disclosed)]),
        ("Ada", "ada@acme.dev", "x\n\nAI-assisted: Codex\n", &[("disclosed-ai", Trailer, Disclosed)]),
        ("Ada", "ada@acme.dev", "x\n\nAssisted-by: Bob Roe <bob@acme.dev>\n", &[]),
        ("Ada", "ada@acme.dev", "x\n\nGenerated with opencode\n", &[("opencode", Footer, Authored)]),
        ("Ada", "ada@acme.dev", "\n\naider: Add retry\n", &[("aider", Subject, Authored)]),
        ("Ada", "ada@acme.dev", "Squash\n\naider: Add retry\n", &[]),
    ];
    for (name, email, message, expected) in table {
        let (author_name, author_email) = (name.as_bytes(), email.as_bytes());
        let found = Catalogue::builtin().find(&MarkSource { author_name, author_email, ..source(message.as_bytes()) });
        let found: Vec<_> = found.iter().map(|mark| (mark.agent.as_str(), mark.kind, mark.strength)).collect();
        assert_eq!(found, *expected, "{name} {email} {message:?}");
    }
}

/// What git reads as this trailer (`git interpret-trailers --parse`, `%(trailers:unfold)`), however it is written; and its twins,
/// which git does not read so.
#[test]
fn a_trailer_is_what_git_takes_for_one() {
    let padded = format!("Co-authored-by: Claude{}<noreply@anthropic.com>", " ".repeat(100_000));
    for found in [
        "Co-authored-by : Claude <noreply@anthropic.com>",
        "Co-authored-by\t : Claude <noreply@anthropic.com>",
        "Co-authored-by:Claude <noreply@anthropic.com>",
        "Co-authored-by: Claude\n <noreply@anthropic.com>",
        "Co-authored-by: Claude\n\t<noreply@\n anthropic.com> <noreply@anthropic.com>",
        "Co-authored-by:\n  Cl\r\n\r<noreply@anthropic.com>",
        "Co-authored-by: Claude < noreply@anthropic.com>",
        "Co-authored-by: Claude <\tnoreply@anthropic.com  >",
        "co-authored-BY: Claude <NoReply@Anthropic.com>",
        "Signed-off-by: A <a@x>\rCo-authored-by: Claude <noreply@anthropic.com>",
        "Co-authored-by: Claude <noreply@anthropic.com>\rSigned-off-by: A <a@x>",
        "Signed-off-by: A <a@x>\x0bCo-authored-by: Claude <noreply@anthropic.com>",
        "\\nCo-authored-by: Claude <noreply@anthropic.com>",
        // A squash indents what it joins, and what is folded further.
        "    Co-authored-by: Claude\n     <noreply@anthropic.com>",
        "Reviewed-by: Bob\n        Signed-off-by: A <a@x>\n            Co-authored-by: Claude <noreply@anthropic.com>",
        &padded,
    ] {
        for message in
            [format!("Fix\n\n{found}\n"), format!("Fix\n\n{found}\n\nMore prose.\n\nSigned-off-by: A <a@x>\n")]
        {
            assert_eq!(agents(&message), ["claude-code"], "{:?}", message.get(..200).unwrap_or(&message));
        }
    }
    for prose in [
        "> Co-authored-by: Claude <noreply@anthropic.com>",
        "Co authored-by: Claude <noreply@anthropic.com>",
        "Co-authored-by - Claude <noreply@anthropic.com>",
        "Co-authored-by Claude: <noreply@anthropic.com>",
        "Co-authored-by: Cl\n<noreply@anthropic.com>",
        "Co-authored-by: Cl\n\n <noreply@anthropic.com>",
        "Co-authored-by: Ann <nore\n ply@anthropic.com>",
        "# Co-authored-by: Claude <noreply@anthropic.com>",
        "He wrote: Co-authored-by: Claude <noreply@anthropic.com>",
        r"a \nCo-authored-by: Claude <noreply@anthropic.com>",
    ] {
        assert_eq!(agents(&format!("Fix\n\n{prose}\n")), [""; 0], "{prose:?}");
    }
}

#[test]
fn a_value_that_denies_is_no_mark() {
    for denied in [
        "AI-Assisted: no",
        "AI-assisted: None",
        "AI-Assisted:FALSE",
        "AI-assisted-by: n/a",
        "AI-Assisted:\n  no",
        "Claude-Session: none",
        "Copilot-Session: No ",
        "AI-Assisted: tool=Claude Code; agent-mode=no",
        "AI-Assisted: tool=x, Agent-Mode = false",
        "Generated-by: none",
    ] {
        assert_eq!(agents(&format!("Fix\n\n{denied}\n")), [""; 0], "{denied}");
    }
    for said in [
        "AI-Assisted: nobody",
        "AI-Assisted: no\n but Claude",
        "AI-Assisted: none-of-your-business",
        "AI-Assisted: tool=x; agent-mode=yes",
        "AI-Assisted: agent-mode=no-idea",
        "Claude-Session: none/1",
    ] {
        assert_eq!(agents(&format!("Fix\n\n{said}\n")).len(), 1, "{said}");
    }
}

#[test]
fn the_whole_message_is_searched_up_to_its_ceiling() {
    let filler = "x\n".repeat(200 << 10);
    let footer = "Generated with opencode";
    for message in [
        format!("{footer}\n{filler}{filler}"),
        format!("{filler}{footer}\n{filler}"),
        format!("{filler}{filler}{footer}"),
        format!("{} https://claude.ai/code/session_1 {}", "y".repeat(400 << 10), "z".repeat(400 << 10)),
    ] {
        assert_eq!(agents(&message).len(), 1);
    }
}

/// Steps that a text asks for are counted: they depend on the list, and on a text only as far as it is new.
#[test]
fn hostile_lines_cost_a_look_at_a_table_for_each_byte() {
    let catalogue = Catalogue::builtin();
    let rows = catalogue.tables.of(MarkKind::Trailer).unwrap();
    let mut automaton = PatternAutomaton::new(&rows.program);
    for piece in
        ["<noreply@", "<1+2+3+", "<1+devin-ai-integration[bot]@users.noreply.github.com", "< >", "openhands ", "<a@b"]
    {
        let line = |bytes: usize| format!("Co-authored-by: {}", piece.repeat(bytes / piece.len()));
        automaton.search(line(4 << 10).as_bytes(), |_, _| {});
        let built = automaton.built;
        automaton.search(line(1 << 20).as_bytes(), |_, _| {});
        assert!(automaton.built < built + 10, "{piece}");
    }
    // The same text on lines of its own, and on a staircase of ever deeper lines, is told a bounded number of times.
    let deep: String = (0..1400).map(|depth| format!("{}a: b\n", " ".repeat(depth))).collect();
    for message in ["a: <\n <b> : c\n".repeat(10_000), deep] {
        let mut told = 0;
        lines::read(message.as_bytes(), &mut |piece| match piece {
            Piece::Trailer(text) => told += text.len(),
            Piece::Line(text) | Piece::Subject(text) => told += text.len(),
        });
        assert!(told <= 5 * message.len(), "{told} {}", message.len());
    }
}

/// No text can have the automaton of the built-in list forget its states: there are fewer than it keeps.
#[test]
fn all_states_of_the_list_are_kept() {
    for rows in Catalogue::builtin().tables.all() {
        let states = automaton::reachable(&rows.program);
        assert!(states < automaton::STATES, "{states}");
    }
}

#[test]
fn marks_that_count_for_less_take_no_room_from_others() {
    let low: String = (0..40).map(|n| format!("trailer\t^t{n}: x\tagent-{n}\tlow\n")).collect();
    let mut catalogue = Catalogue::builtin().clone();
    catalogue.add(&low).unwrap();
    let message: String = (0..40).map(|n| format!("t{n}: x\n")).collect();
    let found = catalogue.find(&source(format!("{message}{CLAUDE}\n").as_bytes()));
    assert_eq!(found.len(), MARKS + 1);
    assert_eq!(found.last().unwrap().strength, Strength::Authored);
}

#[test]
fn an_excerpt_is_the_text_as_it_stands_and_ends_with_the_mark() {
    let line = |message: &str| find(message).remove(0).line;
    assert_eq!(line("\u{1f916} Generated with [Claude Code](x)"), "\u{1f916} Generated with [Claude Code](x)");
    assert_eq!(line("Generated with opencode\u{1b}[31m"), "Generated with opencode\u{1b}[31m");
    let long = line(&format!("Co-authored-by: {} <noreply@anthropic.com>", "\u{e4}".repeat(500)));
    assert_eq!(long.chars().count(), EXCERPT);
    assert!(long.starts_with("...\u{e4}") && long.ends_with("<noreply@anthropic.com>"), "{long}");
    let long = line(&format!("Generated with opencode {}", "\u{e4}".repeat(500)));
    assert!(long.chars().count() == EXCERPT && long.starts_with("Generated with opencode"), "{long}");
}

#[test]
fn a_message_in_another_encoding_is_decoded_and_searched() {
    let trailer = CLAUDE.as_bytes();
    // In Shift_JIS and GBK the second byte of a character may be one of ASCII.
    let table: &[(&str, &[u8])] = &[
        ("UTF-8", b"\xd0\xba"),
        ("utf_8", b"\xd0\xba"),
        ("UTF8", b""),
        ("ISO-8859-1", b"\xe4"),
        ("ISO8859-1", b"\xe4"),
        ("latin-1", b"\xe4"),
        ("cp1251", b"\xea\xee\xe4"),
        ("CP850", b"\x84"),
        ("eucJP", b"\xa4\xa2"),
        ("Shift_JIS", b"\x83\x5c"),
        ("GBK//TRANSLIT", b"\x81\x5c"),
        ("ISO-2022-JP", b"\x1b$B$\"\x1b(B"),
        // Who decodes reads on in two-byte characters, and who does not sees the line.
        ("ISO-2022-JP", b"\x1b$B"),
    ];
    for (encoding, before) in table {
        let message = [b"Fix\n\n", *before, b"\n", trailer, b"\n"].concat();
        let source = MarkSource { encoding: Some(encoding.as_bytes()), ..source(&message) };
        assert_eq!(Catalogue::builtin().find(&source).len(), 1, "{encoding}");
        assert_eq!(unreadable_encoding(Some(encoding.as_bytes())), None);
    }
    // Who does not decode sees bytes in the key that who decodes does not.
    let message = b"Fix\n\nCo-\x1b(Bauthored-by: Claude <noreply@anthropic.com>\n";
    for (encoding, count) in [(Some(&b"ISO-2022-JP"[..]), 1), (None, 0)] {
        assert_eq!(Catalogue::builtin().find(&MarkSource { encoding, ..source(message) }).len(), count);
    }
    let shown = b"Fix\n\nCo-authored-by: \xca\xeb\xee\xe4 <noreply@anthropic.com>\n";
    let source = MarkSource { encoding: Some(b"windows-1251"), ..source(shown) };
    assert_eq!(
        Catalogue::builtin().find(&source)[0].line,
        "Co-authored-by: \u{41a}\u{43b}\u{43e}\u{434} <noreply@anthropic.com>"
    );
    assert_eq!(unreadable_encoding(None), None);
}

/// In these encodings a message shows what its bytes do not, or nobody knows what it shows.
#[test]
fn an_encoding_that_nobody_can_read_is_named() {
    for encoding in [
        "UTF-7",
        "utf7",
        "UTF-16",
        "UTF-16LE",
        "ucs-2",
        "UTF-32",
        "IBM037",
        "x-user-defined",
        "hz-gb-2312",
        "",
        "nonsense",
        "\u{1b}",
    ] {
        assert_eq!(unreadable_encoding(Some(encoding.as_bytes())).as_deref(), Some(encoding));
    }
}

#[test]
fn a_whole_seal_that_a_squash_indented_is_the_agents_mark() {
    let digest = "ab".repeat(32);
    let seal = format!("Countersign-Seal: v1 {digest} {digest} U1NIU0lH");
    let block = |indent: &str, lines: &[&str]| -> String {
        lines.iter().map(|line| format!("{indent}{}\n", line.replace("SEAL", &seal))).collect()
    };
    let agent = "Countersign-Agent: acme-bot";
    for whole in [
        block("    ", &[agent, "SEAL"]),
        block("        ", &[agent, "Countersign-Model: m", "Countersign-Session: s", "Countersign-Task: t", "SEAL"]),
        block("    ", &["Fixes: 1", agent, "Countersign-Role: reviewer", "SEAL", "Signed-off-by: A"]),
        block("    ", &["Countersign-Agent: other", agent, "SEAL"]).replace('\n', "\r\n"),
    ] {
        let found = find(&format!("Squashed commit of the following:\n\n{whole}\nmore\n"));
        let marks: Vec<_> = found.iter().map(|mark| (mark.agent.as_str(), mark.kind, mark.strength)).collect();
        assert_eq!(marks, [("acme-bot", MarkKind::SquashedSeal, Strength::Authored)], "{whole}");
        assert_eq!(found[0].line, agent);
        let authors = squashed_authors(whole.as_bytes());
        assert_eq!(authors.is_empty(), whole.contains("Countersign-Role"), "{whole}");
    }
    for prose in [
        block("    ", &[agent]),
        block("    ", &["SEAL"]),
        block("    ", &[agent, "some words", "SEAL"]),
        block("    ", &[agent, "", "SEAL"]),
        block("    ", &["Countersign-Agent: No Id", "SEAL"]),
        block("    ", &["countersign-agent: acme-bot", "SEAL"]),
        block("    ", &[agent, "Countersign-Seal: v1 <change, 64 hex> <message, 64 hex> U1NIU0lH"]),
        block("    ", &[agent, "Countersign-Seal: v2"]),
        block("   ", &[agent, "SEAL"]),
        block("\t", &[agent, "SEAL"]),
        format!("    {agent}\n{seal}\n"),
    ] {
        assert_eq!(agents(&format!("About seals\n\n{prose}\n")), [""; 0], "{prose}");
    }
}

#[test]
fn an_admin_adds_rows_and_learns_the_line_of_a_bad_one() {
    let mut more = Catalogue::builtin().clone();
    more.add("# ours\nauthor-email\t@robots\\.acme\\.dev$\tacme-robot\n").unwrap();
    let source = MarkSource { author_email: b"r2@robots.acme.dev", ..source(b"") };
    let found = more.find(&source);
    assert_eq!(found[0].agent, "acme-robot");
    let row = more.row(&found[0]).unwrap();
    assert_eq!((row.origin, row.added, row.pattern.as_str()), (RowOrigin::Added, None, "@robots\\.acme\\.dev$"));
    assert_eq!(more.add("footer\t(\tx\n").unwrap_err().line, 1);
}
