use super::*;

/// A text that matches and one that nearly does, for every row about commits, in the order of the list.
#[rustfmt::skip]
const SAMPLES: &[(&str, &str)] = &[
    ("noreply@anthropic.com", "noreply@anthropic.com.evil.dev"),
    ("209825114+claude[bot]@users.noreply.github.com", "1209825114+claude[bot]@users.noreply.github.com"),
    ("215619710+anthropic-claude[bot]@users.noreply.github.com", "215619710+anthropic-claude@users.noreply.github.com"),
    ("208546643+claude-code-action[bot]@users.noreply.github.com", "208546643+claude-code-action[bot]@users-noreply.github.com"),
    ("198982749+Copilot@users.noreply.github.com", "198982740+Copilot@users.noreply.github.com"),
    ("198982749+copilot-swe-agent[bot]@users.noreply.github.com", "x+copilot-swe-agent[bot]@users.noreply.github.com"),
    ("167198135+Copilot[bot]@users.noreply.github.com", "167198135+Copilot@users.noreply.github.com"),
    ("223556219+Copilot@users.noreply.github.com", "223556219+Copilots@users.noreply.github.com"),
    ("copilot@github.com", "copilot@github.community"),
    ("codex@openai.com", "codex@openai.co"),
    ("noreply@openai.com", "no-reply@openai.com"),
    ("codex@example.com", "codexx@example.com"),
    ("199175422+chatgpt-codex-connector[bot]@users.noreply.github.com", "199175422-chatgpt-codex-connector[bot]@users.noreply.github.com"),
    ("215057067+openai-codex[bot]@users.noreply.github.com", "215057067+openai-codex(bot)@users.noreply.github.com"),
    ("cursoragent@cursor.com", "agent@cursor.com"),
    ("206951365+cursor[bot]@users.noreply.github.com", "206951365+cursor[bot]@users.noreply.github.com "),
    ("201670782+cursoragent[bot]@users.noreply.github.com", "201670782+cursor-agent[bot]@users.noreply.github.com"),
    ("noreply@aider.chat", "a@b@aider.chat"),
    ("161369871+google-labs-jules[bot]@users.noreply.github.com", "161369871+google-labs-julez[bot]@users.noreply.github.com"),
    ("176961590+gemini-code-assist[bot]@users.noreply.github.com", "17696159+gemini-code-assist[bot]@users.noreply.github.com"),
    ("devin-ai-integration[bot]@users.noreply.github.com", "+devin-ai-integration[bot]@users.noreply.github.com"),
    ("amp@ampcode.com", "champ@ampcode.com"),
    ("openhands@all-hands.dev", "openhands@all-hands-dev"),
    ("noreply@opencode.ai", "noreply@opencode.air"),
    ("205137888+cline[bot]@users.noreply.github.com", "205137888+incline[bot]@users.noreply.github.com"),
    ("roomote@roocode.com", "remote@roocode.com"),
    ("230936708+continue[bot]@users.noreply.github.com", "230936708+continue[bot]@users.noreply.github.org"),
    ("208079219+amazon-q-developer[bot]@users.noreply.github.com", "208079219+amazon-developer[bot]@users.noreply.github.com"),
    ("junie@jetbrains.com", "jun@jetbrains.com"),
    ("220155983+jetbrains-ai[bot]@users.noreply.github.com", "220155983+jetbrains[bot]@users.noreply.github.com"),
    ("oz-agent@warp.dev", "oz@warp.dev"),
    ("7+factory-droid[bot]@users.noreply.github.com", "factory-android[bot]@users.noreply.github.com"),
    ("noreply@commandcode.ai", "noreply@command-code.ai"),
    ("noreply@pi.dev", "noreply@rpi.dev"),
    ("duo.workflow.agent@gitlab.com", "duo-workflow-agent@gitlab.com"),
    ("201248094+sourcegraph-cody[bot]@users.noreply.github.com", "201248094+sourcegraph-codi[bot]@users.noreply.github.com"),
    ("136622811+coderabbitai[bot]@users.noreply.github.com", "136622811+coderabbit[bot]@users.noreply.github.com"),
    ("noreply@windsurf.com", "hello@windsurf.com"),
    ("Claude[bot]", "Claude"),
    ("Cursor Agent", "Cursor Agents"),
    ("Devin AI", "Devin Aird"),
    ("Ada Lovelace (aider)", "(aider)"),
    ("Ada Lovelace (codex)", "Ada (codex) Lovelace"),
    ("Co-Authored-By: Claude <noreply@anthropic.com>", "Co-Authored-By: Claude noreply@anthropic.com"),
    ("Claude-Session: https://x", "Claude-Session: "),
    ("Co-authored-by: Copilot <223556219+Copilot@users.noreply.github.com>", "Co-authored-by: Copilot <Copilot@users.noreply.github.com>"),
    ("Agent-Logs-Url: https://github.com/x", "Agent-Logs-Url: x"),
    ("Co-authored-by: Codex <noreply@openai.com>", "Co-authored-by: Sam <sam@openai.com>"),
    ("Co-authored-by: Cursor <cursoragent@cursor.com>", "Co-authored-by: Jo <jo@cursor.com>"),
    ("Made-with: Cursor", "Made-with: cursors"),
    ("Co-authored-by: aider (gpt-5) <noreply@aider.chat>", "Co-authored-by: aider <a b@aider.chat>"),
    ("Co-authored-by: Amp <amp@ampcode.com>", "Co-authored-by: Amp <ramp@ampcode.com>"),
    ("Amp-Thread-ID: https://ampcode.com/threads/T-1", "Amp-Thread: T-1"),
    ("Co-authored-by: openhands <openhands@all-hands.dev>", "Co-authored-by: openhands <hands@all-hands.dev>"),
    ("Co-authored-by: opencode <noreply@opencode.ai>", "Co-authored-by: opencode <reply@opencode.ai>"),
    ("Co-authored-by: Junie <junie@jetbrains.com>", "Co-authored-by: June <june@jetbrains.com>"),
    ("Co-authored-by: Oz <oz-agent@warp.dev>", "Reviewed-by: Oz <oz-agent@warp.dev>"),
    ("Co-authored-by: pi <noreply@pi.dev>", "Co-authored-by: pi <noreply@pip.dev>"),
    ("Co-authored-by: x <1+devin-ai-integration[bot]@users.noreply.github.com>", "Co-authored-by: x <1+dependabot[bot]@users.noreply.github.com>"),
    ("Replit-Commit-Author: Agent", "Replit-Commit-Author: Agentic"),
    ("Entire-Session: 2026-01-01-abc", "Entire-Sessions: abc"),
    ("GitVow-Step: 4", "GitVow: 4"),
    ("AI-assisted-by: aider", "AI-assistance: none"),
    ("Assisted-by: Claude:opus [coccinelle]", "Assisted-by:"),
    ("Generated-by: openapi-generator", "Regenerated-by: make"),
    ("\u{1f916} Generated with [Claude Code](https://claude.com/claude-code)", "Never generated with Claude Code"),
    ("see https://claude.ai/code/session_01AbC", "see https://claude.ai/code/session-01AbC"),
    ("Generated with opencode", "Regenerated with opencode"),
    ("Generated with [Codex](https://openai.com)", "Generated with codexes"),
    ("**Made with [Cursor](https://cursor.com)**", "Handmade with Cursor"),
    ("aider: Add retry loop", "aider is gone"),
];

#[test]
fn every_row_has_a_sample_it_finds_and_a_near_miss() {
    use MarkKind::*;
    let mut table = Rows::default();
    table::read(BUILTIN, &mut table, &mut Vec::new()).unwrap();
    let rows: Vec<_> = [AuthorEmail, AuthorName, Trailer, Footer].into_iter().flat_map(|kind| table.of(kind)).collect();
    assert_eq!(rows.len(), SAMPLES.len());
    for (row, (sample, near_miss)) in rows.into_iter().zip(SAMPLES) {
        assert!(row.pattern.is_match(sample.as_bytes()), "{} {sample}", row.agent);
        assert!(!row.pattern.is_match(near_miss.as_bytes()), "{} {near_miss}", row.agent);
    }
    assert!(Catalogue::builtin().environment().count() > 30);
    assert!(BUILTIN.starts_with(&format!("# AI marks, {DATE}.")));
}

fn find(name: &str, email: &str, message: &str) -> Vec<(String, MarkKind, Strength)> {
    let source =
        MarkSource { author_name: name.as_bytes(), author_email: email.as_bytes(), message: message.as_bytes() };
    Catalogue::builtin().find(&source).into_iter().map(|mark| (mark.agent, mark.kind, mark.strength)).collect()
}

#[test]
fn finds_marks_wherever_tools_and_squashes_leave_them() {
    use MarkKind::*;
    use Strength::*;
    let claude = "Co-Authored-By: Claude <noreply@anthropic.com>";
    type Expected = (&'static str, MarkKind, Strength);
    let table: &[(&str, &str, &str, &[Expected])] = &[
        ("Ada", "ada@acme.dev", "Fix\n\nReviewed-by: Bob <bob@acme.dev>\n", &[]),
        ("Ada", "ada@acme.dev", "claude: cursor, aider and codex said so\n", &[]),
        ("Ada", "ada@acme.dev", &format!("Fix\n\n{claude}\n{claude}\n"), &[("claude-code", Trailer, Authored)]),
        ("Ada", "ada@acme.dev", &format!("Squash\n\n    {claude}\r\n\nmore\n"), &[("claude-code", Trailer, Authored)]),
        ("Ada", "ada@acme.dev", &format!("He wrote {claude}\n"), &[]),
        ("Ada (aider)", "ada@acme.dev", "x", &[("aider", AuthorName, Authored)]),
        ("Codex", "codex@openai.com", "x", &[("codex-cloud", AuthorEmail, Authored)]),
        ("W", "noreply@windsurf.com", "x", &[("windsurf", AuthorEmail, Low)]),
        ("Ada", "ada@acme.dev", "x\n\nAssisted-by: some:model\n", &[("disclosed-ai", Trailer, Disclosed)]),
        ("Ada", "ada@acme.dev", "x\n\nGenerated with opencode\n", &[("opencode", Footer, Authored)]),
    ];
    for (name, email, message, expected) in table {
        let found = find(name, email, message);
        let found: Vec<_> = found.iter().map(|(agent, kind, strength)| (agent.as_str(), *kind, *strength)).collect();
        assert_eq!(found, *expected, "{name} {email} {message:?}");
    }
}

#[test]
fn searches_both_ends_of_a_long_message_and_escapes_what_it_shows() {
    let filler = "x\n".repeat(limits::MARK_BYTES);
    let mark = "Generated with opencode\u{1b}[31m";
    let at = |message: String| find("a", "a@b", &message).len();
    assert_eq!(at(format!("{mark}\n{filler}")), 1);
    assert_eq!(at(format!("{filler}{mark}\n")), 1);
    assert_eq!(at(format!("{filler}{mark}\n{filler}")), 0);
    assert_eq!(at(format!("{mark}\n{}", "x".repeat(limits::MARK_BYTES + 10))), 1);
    let source = MarkSource { author_name: b"a", author_email: b"a@b", message: mark.as_bytes() };
    assert_eq!(Catalogue::builtin().find(&source)[0].line, "Generated with opencode\\x1b[31m");
    assert_eq!(excerpt(&[0xff; 100]).len(), EXCERPT);
}

#[test]
fn an_admin_adds_rows_and_learns_the_line_of_a_bad_one() {
    let more = Catalogue::with_additions("# ours\nauthor-email\t@robots\\.acme\\.dev$\tacme-robot\n").unwrap();
    let source = MarkSource { author_name: b"r", author_email: b"r2@robots.acme.dev", message: b"" };
    assert_eq!(more.find(&source)[0].agent, "acme-robot");
    assert_eq!(Catalogue::with_additions("footer\t(\tx\n").unwrap_err().line, 1);
}
