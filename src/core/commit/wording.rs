//! What an approval binds of a message, and whether a message that lands in place of an approved one says the same.
//!
//! Tools that land work write below its message: blank lines and trailers such as `Signed-off-by` or git's cherry-pick note. Those may be
//! added, and a request's number behind the subject of a squash; `Reviewed-by` and `Approved-by` speak for persons, so they are added only
//! for persons whose approval covers what lands, or by a service. Anything else is another message.

use sha2::{Digest as _, Sha256};

use super::message::{above_our_lines, parse_trailers};
use crate::core::digest::Digest;

/// The message without its seal blocks: what stands above and below them counts. A message whose trailers of ours have no reading is
/// taken as it is.
pub fn without_seals(message: &[u8]) -> Vec<u8> {
    let blocks = parse_trailers(message).map(|trailers| trailers.blocks).unwrap_or_default();
    let mut rest = Vec::with_capacity(message.len());
    let mut end = 0;
    for block in blocks {
        rest.extend_from_slice(message.get(end..block.span.start).unwrap_or_default());
        end = block.span.end;
    }
    rest.extend_from_slice(message.get(end..).unwrap_or_default());
    rest
}

/// The digest of a message that an approval holds.
pub fn message_digest(message: &[u8]) -> Digest {
    Digest::of(&without_seals(message))
}

/// Whether a record that holds `digest` for a commit speaks of this message. Records made before 0.2 hold the digest of what stands
/// above the first line of ours.
pub fn is_message_of(digest: Digest, message: &[u8]) -> bool {
    digest == message_digest(message) || digest == Digest::of(above_our_lines(message))
}

/// Lines at the end of a message that are looked at as additions.
const ADDED_LINES: usize = 64;

/// Line feeds that may end a message besides those of its last line: taking a block of trailers away leaves an empty line.
const END_LINES: usize = 3;

/// What a landing may add below a message, besides what [`REVIEWED`] is for and our own lines: the keys of trailers, in lower case.
const ADDABLE: [&[u8]; 3] = [b"co-authored-by", b"signed-off-by", b"reviewed-on"];

/// Trailers that speak for persons: true where the person's approval covers the landing, or a service wrote them.
const REVIEWED: [&[u8]; 2] = [b"reviewed-by", b"approved-by"];

/// A message that may land in place of an approved one, in each reading that leaves out what a landing adds.
#[derive(Clone, Debug, Default)]
pub struct Wording {
    /// Those that leave out most come first.
    forms: Vec<MessageReading>,
    /// Where those begin that leave out nothing.
    full: usize,
}

/// One reading.
#[derive(Clone, Debug)]
struct MessageReading {
    /// The whole of it.
    whole: Digest,
    /// With the subject as it stood before a request's number was added.
    unnumbered: Option<Digest>,
    /// All but the subject.
    body: Digest,
    /// Who is said to have reviewed it, in the lines left out.
    reviewers: Vec<Vec<u8>>,
}

/// How much of the subject may be another's.
#[derive(Clone, Copy, Debug)]
pub enum SubjectLine<'a> {
    /// None of it.
    Kept,
    /// One ` (#N)` or ` (!N)` may stand behind it.
    Numbered,
    /// All of it: a service wrote it. The body is that of this message.
    Free(&'a Wording),
}

impl Wording {
    /// Reads a message.
    pub fn of(message: &[u8]) -> Self {
        let text = without_seals(message);
        let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let subject_end = lines.first().map_or(0, |line| line.len());
        let subject = text.get(..subject_end).unwrap_or_default();
        let plain = unnumbered(subject);
        // The lines that may be left out, the last one first, and who is named in them.
        let mut left_out: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
        let mut reviewers = Vec::new();
        while left_out.len() <= ADDED_LINES && lines.len() > 1 {
            match lines.last().and_then(|line| addition(line)) {
                None => break,
                Some(Addition::Harmless) => {}
                Some(Addition::Review(reviewer)) => reviewers.push(reviewer),
            }
            lines.pop();
            left_out.push(reviewers.clone());
        }
        let mut readings = Readings::new(subject, plain.as_deref());
        for line in lines.iter().skip(1) {
            readings.add(line);
        }
        let (mut forms, mut full) = (Vec::new(), 0);
        let rest = text.split_inclusive(|byte| *byte == b'\n').skip(lines.len().max(1));
        for (reviewers, next) in left_out.into_iter().rev().zip(rest.map(Some).chain([None])) {
            full = forms.len();
            readings.forms(&reviewers, &mut forms);
            if let Some(line) = next {
                readings.add(line);
            }
        }
        Self { forms, full }
    }

    /// Whether the message says what an approval of `approved` approves, but for what a landing adds below it. Says who is said to
    /// have reviewed it in what is added.
    pub fn says(&self, approved: Digest, subject: SubjectLine<'_>) -> Option<&[Vec<u8>]> {
        let fits = |form: &&MessageReading| {
            form.whole == approved
                || match subject {
                    SubjectLine::Kept => false,
                    SubjectLine::Numbered => form.unnumbered == Some(approved),
                    SubjectLine::Free(approved) => {
                        form.unnumbered.is_some_and(|own| approved.is_exactly(own)) || approved.has_body(form.body)
                    }
                }
        };
        // The reading that leaves out least.
        self.forms.iter().rev().find(fits).map(|form| form.reviewers.as_slice())
    }

    fn is_exactly(&self, whole: Digest) -> bool {
        self.full().any(|form| form.whole == whole)
    }

    fn has_body(&self, body: Digest) -> bool {
        self.full().any(|form| form.body == body)
    }

    fn full(&self) -> impl Iterator<Item = &MessageReading> {
        self.forms.iter().skip(self.full)
    }
}

/// The three readings of a message so far, each without the line feeds at its end.
struct Readings {
    whole: Sha256,
    unnumbered: Option<Sha256>,
    body: Sha256,
    /// Line feeds that were read and not yet added.
    ends: usize,
}

impl Readings {
    fn new(subject: &[u8], plain: Option<&[u8]>) -> Self {
        let text = subject.strip_suffix(b"\n").unwrap_or(subject);
        let ends = subject.len() - text.len();
        let of = |text: &[u8]| Sha256::new_with_prefix(text);
        Self { whole: of(text), unnumbered: plain.map(of), body: Sha256::new(), ends }
    }

    fn add(&mut self, line: &[u8]) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if !text.is_empty() {
            let ends = vec![b'\n'; self.ends];
            for hash in [&mut self.whole, &mut self.body].into_iter().chain(self.unnumbered.as_mut()) {
                hash.update(&ends);
                hash.update(text);
            }
            self.ends = 0;
        }
        self.ends += line.len() - text.len();
    }

    /// The message as it is up to here, and with each number of line feeds that may end it.
    fn forms(&self, reviewers: &[Vec<u8>], forms: &mut Vec<MessageReading>) {
        let ended = |hash: &Sha256, ends: usize| {
            let mut hash = hash.clone();
            hash.update(vec![b'\n'; ends]);
            Digest::from_bytes(hash.finalize().into())
        };
        let usual = 0..=END_LINES;
        let own = Some(self.ends).filter(|own| !usual.contains(own));
        for ends in usual.chain(own) {
            forms.push(MessageReading {
                whole: ended(&self.whole, ends),
                unnumbered: self.unnumbered.as_ref().map(|hash| ended(hash, ends)),
                body: ended(&self.body, 0),
                reviewers: reviewers.to_vec(),
            });
        }
    }
}

/// A subject without the number of a request that a forge put behind it.
fn unnumbered(subject: &[u8]) -> Option<Vec<u8>> {
    let text = subject.strip_suffix(b"\n").unwrap_or(subject).strip_suffix(b")")?;
    let open = text.iter().rposition(|byte| *byte == b'(')?;
    let (before, number) = (text.get(..open)?.strip_suffix(b" ")?, text.get(open + 2..)?);
    let sign = matches!(text.get(open + 1), Some(b'#' | b'!'));
    let plain = sign && !number.is_empty() && number.len() <= 20 && number.iter().all(u8::is_ascii_digit);
    (plain && !before.is_empty()).then(|| before.to_vec())
}

enum Addition {
    Harmless,
    /// It says that somebody reviewed, by this email address.
    Review(Vec<u8>),
}

/// What a line below a message is, if it is one that a landing may add.
fn addition(line: &[u8]) -> Option<Addition> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_plain = !line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    if line.trim_ascii().is_empty() {
        return Some(Addition::Harmless);
    }
    if !is_plain || line.first().is_some_and(u8::is_ascii_whitespace) {
        return None;
    }
    if line.starts_with(b"See merge request ") || line.starts_with(b"(cherry picked from commit ") {
        return Some(Addition::Harmless);
    }
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (key, value) = (line.get(..colon)?.to_ascii_lowercase(), line.get(colon + 1..)?);
    if ADDABLE.contains(&key.as_slice()) || key.starts_with(b"countersign-") {
        return Some(Addition::Harmless);
    }
    REVIEWED.contains(&key.as_slice()).then(|| Addition::Review(address(value)))
}

/// The email address in `Name <address>`; all of it where there are no brackets.
fn address(value: &[u8]) -> Vec<u8> {
    let inside = value.iter().rposition(|byte| *byte == b'<').and_then(|open| value.get(open + 1..));
    let inside = inside.and_then(|rest| rest.split(|byte| *byte == b'>').next());
    inside.unwrap_or(value).trim_ascii().iter().take(320).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "Countersign-Agent: claude-code\nCountersign-Seal: v1 ";

    fn sealed(above: &str, below: &str) -> String {
        let digits = "0".repeat(64);
        format!("{above}{BLOCK}{digits} {digits} U1NIU0lH\n{below}")
    }

    fn says(message: &str, approved: &str, subject: SubjectLine<'_>) -> Option<usize> {
        Wording::of(message.as_bytes()).says(message_digest(approved.as_bytes()), subject).map(<[_]>::len)
    }

    #[test]
    fn a_seal_is_no_part_of_what_is_approved_and_all_else_is() {
        assert_eq!(without_seals(sealed("S\n\nB\n\n", "").as_bytes()), b"S\n\nB\n\n");
        let below = sealed("S\n\nA: b\n", "Closes: #1\n");
        assert_eq!(without_seals(below.as_bytes()), b"S\n\nA: b\nCloses: #1\n");
        assert_ne!(message_digest(below.as_bytes()), message_digest(sealed("S\n\nA: b\n", "").as_bytes()));
        for whole in ["S", "S\n", "", "Countersign-Agent: x\n\nbody\n", "S\n\n    Countersign-Agent: x\n"] {
            assert_eq!(without_seals(whole.as_bytes()), whole.as_bytes());
        }
    }

    #[test]
    fn what_a_landing_adds_is_left_out() {
        let plain = "Add retry\n\nWith a limit.\n";
        for message in [
            plain.to_owned(),
            "Add retry\n\nWith a limit.".to_owned(),
            sealed("Add retry\n\nWith a limit.\n\n", ""),
            sealed("Add retry\n\nWith a limit.\n\n", "Signed-off-by: B <b@x>\n"),
            format!("{plain}\nCo-authored-by: A <a@x>\nsigned-off-by: B <b@x>\n"),
            format!("{plain}\nCountersign-Drafted: claude-code\n"),
            format!("{plain}\n(cherry picked from commit {})\n", "a".repeat(40)),
            format!("{plain}\nSee merge request acme/payments!7\n"),
            format!("{plain}\nReviewed-on: https://x/7\n\n\n"),
        ] {
            assert_eq!(says(&message, plain, SubjectLine::Kept), Some(0), "{message:?}");
            let block = sealed("Add retry\n\nWith a limit.\n\n", "");
            assert_eq!(says(&message, &block, SubjectLine::Kept), Some(0), "{message:?}");
        }
        for message in [
            "Add retry\n\nWith a limit\n".to_owned(),
            "Add retry (#7)\n\nWith a limit.\n".to_owned(),
            format!("{plain}\nCloses: #666\n"),
            format!("{plain}And more.\n"),
            format!("{plain}\nTested-by: B <b@x>\nSigned-off-by: B <b@x>\n"),
            format!("{plain}\n Signed-off-by: B <b@x>\n"),
        ] {
            assert_eq!(says(&message, plain, SubjectLine::Kept), None, "{message:?}");
        }
    }

    #[test]
    fn who_is_said_to_have_reviewed_is_told() {
        let message = "S\n\nReviewed-by: Bob Ng <bob@acme.dev>\nApproved-by: Security\nSigned-off-by: A <a@x>\n";
        assert_eq!(says(message, "S\n", SubjectLine::Kept), Some(2));
        assert_eq!(says(message, "S\n\nReviewed-by: Bob Ng <bob@acme.dev>\n", SubjectLine::Kept), Some(1));
        assert_eq!(says(message, message, SubjectLine::Kept), Some(0));
        let named = Wording::of(message.as_bytes());
        let named = named.says(message_digest(b"S\n"), SubjectLine::Kept).unwrap();
        assert_eq!(named, [b"Security".to_vec(), b"bob@acme.dev".to_vec()]);
    }

    #[test]
    fn a_subject_may_bear_a_number_or_be_a_service_s() {
        let approved = "Add retry\n\nBody\n";
        for (message, numbered, free) in [
            ("Add retry (#7)\n\nBody\n", true, true),
            ("Add retry (!12)\n\nBody\n\nSigned-off-by: A <a@x>\n", true, true),
            ("Add retry (#7) (#8)\n\nBody\n", false, true),
            ("Add retry(#7)\n\nBody\n", false, true),
            ("Add retry (#x)\n\nBody\n", false, true),
            ("Merged: add retry\n\nBody\n", false, true),
            ("Add retry (#7)\n\nOther body\n", false, false),
            ("Add retry (#7)\n", false, false),
        ] {
            let own = Wording::of(approved.as_bytes());
            assert_eq!(says(message, approved, SubjectLine::Numbered).is_some(), numbered, "{message:?}");
            assert_eq!(says(message, approved, SubjectLine::Free(&own)).is_some(), free, "{message:?}");
            assert_eq!(says(message, approved, SubjectLine::Kept), None, "{message:?}");
        }
    }

    #[test]
    fn a_hostile_end_costs_no_more_than_its_lines() {
        let message = format!("S\n{}", "Signed-off-by: A <a@x>\n".repeat(40_000));
        assert!(Wording::of(message.as_bytes()).forms.len() <= (ADDED_LINES + 1) * (END_LINES + 2));
    }
}
