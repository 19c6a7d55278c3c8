//! Messages, and what readers of trailers trip over.

use countersign::core::digest::Digest;
use countersign::core::id::Id;
use countersign::core::seal::{BlockHead, SealValue, seal_line};

use crate::random::Random;

pub struct Message {
    /// What it is like, for the table of differences.
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

/// What stands above a block, and what below, where it differs from an ordinary message.
const SHAPES: [(&str, &str, &str); 26] = [
    ("plain", "Subject\n\nBody\n\n", ""),
    ("with other trailers", "Subject\n\nReviewed-by: A <a@b>\n", "Signed-off-by: A <a@b>\n"),
    (
        "with a cherry-pick note",
        "Subject\n\n",
        "(cherry picked from commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad)\n",
    ),
    ("with a short cherry-pick note", "Subject\n\n", "(cherry picked from commit 3b18e51)\n"),
    ("with empty lines at its end", "Subject\n\n", "\n\n\n"),
    ("with blanks at its end", "Subject\n\n", "  \n"),
    ("with a paragraph below", "Subject\n\n", "\nmore\n"),
    ("with a trailer paragraph below", "Subject\n\n", "\nSigned-off-by: A <a@b>\n"),
    ("without subject", "", ""),
    ("with a subject and no empty line", "Subject\n", ""),
    ("with a blank line for an empty one", "Subject\n \n", ""),
    ("with a stray line above", "Subject\n\nstray line\n", ""),
    ("with a stray line below", "Subject\n\n", "stray line\n"),
    ("with a divider above", "Subject\n\nBody\n---\nmore\n\n", ""),
    ("with a divider below", "Subject\n\n", "---\n file | 2 +-\n"),
    ("with a comment above", "Subject\n\n# comment\n", ""),
    ("with a comment below", "Subject\n\n", "# comment\n"),
    ("with conflicts", "Subject\n\n", "\nConflicts:\n\tfile\n"),
    ("with scissors", "Subject\n\n", "# ------------------------ >8 ------------------------\n"),
    ("with a folded trailer above", "Subject\n\nNote: a\n  folded\n", ""),
    ("with a folded trailer below", "Subject\n\n", "Note: a\n  folded\n"),
    ("with a folded seal", "Subject\n\n", " folded\n"),
    ("with a tab below", "Subject\n\n", "Note:\ttab\n"),
    ("with a space before a colon", "Subject\n\n", "Note : x\n"),
    ("with a URL below", "Subject\n\n", "https://example.com/x\n"),
    ("with a control byte below", "Subject\n\n", "Note: a\u{b}b\n"),
];

type Change = fn(String) -> String;

/// What is done to the block itself.
const BLOCKS: [(&str, Change); 9] = [
    ("in capitals", |block| block.replace("Countersign-Agent", "COUNTERSIGN-AGENT")),
    ("with another key", |block| block.replace("Countersign-Seal", "Countersign-Other")),
    ("without space", |block| block.replace("-Agent: ", "-Agent:")),
    ("with two spaces", |block| block.replace("-Agent: ", "-Agent:  ")),
    ("with line ends of CR", |block| block.replace('\n', "\r\n")),
    ("without its last line feed", |block| block.trim_end().to_owned()),
    ("indented", |block| block.lines().map(|line| format!("    {line}\n")).collect()),
    ("twice", |block| block.repeat(2)),
    ("cut", |block| block.split_at(30).0.to_owned() + "\n"),
];

impl Message {
    pub fn new(random: &mut Random) -> Self {
        match random.below(10) {
            0 | 1 => Self::sealed(random),
            2 => {
                let (kind, change) = *random.pick(&BLOCKS);
                Self { kind, bytes: format!("Subject\n\nBody\n\n{}", change(block(random, None))).into_bytes() }
            }
            3 => Self::claiming(random),
            _ => Self { kind: "without ours", bytes: random.pick(&ORDINARY).to_vec() },
        }
    }

    fn sealed(random: &mut Random) -> Self {
        let (kind, above, below) = *random.pick(&SHAPES);
        let mut blocks = block(random, None);
        for _ in 0..random.below(2) {
            blocks += &block(random, Some("reviewer"));
        }
        Self { kind, bytes: format!("{above}{blocks}{below}").into_bytes() }
    }

    fn claiming(random: &mut Random) -> Self {
        let lines = ["Countersign-Drafted: codex\n", "Countersign-Approves: acme/pay refs/heads/main\n"];
        let line = *random.pick(&lines);
        Self { kind: "with a claim", bytes: format!("Subject\n\n{line}Signed-off-by: A <a@b>\n").into_bytes() }
    }
}

/// Messages without a line of ours.
const ORDINARY: [&[u8]; 9] = [
    b"Subject\n",
    b"Subject\n\nBody\n\nSigned-off-by: A <a@b>\n",
    b"",
    b"One line without its end",
    b"\n\nLate subject\n",
    b"a\rb\n",
    b"caf\xe9 in latin-1\n",
    "\u{1f980} crab\n\nCo-authored-by: \u{e4} <a@b>\n".as_bytes(),
    b"Subject\n\nBody\n\n\n",
];

/// A block whose signature is none: what is asked is how it reads.
fn block(random: &mut Random, role: Option<&str>) -> String {
    let agent = Id::parse(random.pick(&["claude-code", "codex", "a.b_c-d"]).as_bytes()).unwrap();
    let role = role.map(|role| Id::parse(role.as_bytes()).unwrap());
    let model = random.one_in(2).then_some("model 4.5 (preview): x");
    let head = BlockHead { agent: &agent, role: role.as_ref(), model, session: None, task: model };
    let number = [u8::try_from(random.below(256)).unwrap()];
    let value = SealValue { change: Digest::of(&number), message: Digest::of(b"m"), signature: number.repeat(200) };
    head.to_text() + &seal_line(&value)
}
