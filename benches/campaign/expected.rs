//! The differences that are meant, each with its reason. What is not here ends the campaign with 1.

/// Differences that are right for one reason.
pub struct Expected {
    /// Their kinds; a `*` stands for any text.
    pub kinds: &'static [&'static str],
    pub why: &'static str,
}

pub const EXPECTED: &[Expected] = &[
    Expected {
        kinds: &["commit with no email: refused", "commit with an open email: refused"],
        why: "an ident holds an email between brackets: without them git shows nobody",
    },
    Expected {
        kinds: &[
            "commit with no author: refused",
            "commit with no committer: refused",
            "commit with the author twice: refused",
            "commit with the committer twice: refused",
            "commit with the tree twice: refused",
            "commit with a parent after the author: refused",
            "commit with the encoding twice: refused",
            "commit with a header without value: refused",
            "commit with a CR on the empty line: refused",
            "commit with a NUL in the message: refused",
        ],
        why: "headers that git knows stand once and in git's order, and a NUL ends what git reads: no two readers may see two commits",
    },
    Expected {
        kinds: &["commit with a signature twice: refused", "commit with a header like a signature: refused"],
        why: "git leaves every header that begins with gpgsig out of what is signed, so one signature would fit two commits",
    },
    Expected {
        kinds: &[
            "commit with a date with a leading zero: accepted",
            "commit with a date before 1970: accepted",
            "commit with a date beyond 64 bits: accepted",
            "commit with a date far ahead: accepted",
            "commit with a date that is none: accepted",
            "commit with a space after the author: accepted",
            "commit with a zone beyond a day: accepted",
            "commit with a zone of six digits: accepted",
            "commit with a zone of three digits: accepted",
            "commit with a zone without sign: accepted",
            "commit with no date: accepted",
            "commit with no zone: accepted",
        ],
        why: "the date is the committer's own word, and nothing here reads it",
    },
    Expected {
        kinds: &[
            "commit with a CR after the author: accepted",
            "commit with a header with a strange name: accepted",
            "commit with a tab in a name: accepted",
            "commit with an encoding behind another header: accepted",
            "commit with an unknown header twice: accepted",
            "commit with brackets in a name: accepted",
            "commit with bytes that are no UTF-8: accepted",
            "commit with no empty line: accepted",
            "commit with no name: accepted",
            "commit with no space before the email: accepted",
            "commit with punctuation around a name: accepted",
            "commit with spaces around a name: accepted",
        ],
        why: "odd, and read by everybody in one way",
    },
    Expected {
        kinds: &[
            "commit with brackets in an email: accepted",
            "commit with two emails: accepted",
            "libgit2, author * of a commit with brackets in an email",
            "libgit2, author * of a commit with two emails",
        ],
        why: "git looks for brackets from the start and libgit2 from the end: our fields are git's, and who somebody is and which \
              marks there are is asked of both",
    },
    Expected {
        kinds: &[
            "git log, author name of a commit with spaces around a name",
            "libgit2, author name of a commit with spaces around a name",
        ],
        why: "they trim names; we keep the bytes, of which nothing depends on the blanks",
    },
    Expected {
        kinds: &["git log, message of a commit with no empty line"],
        why: "there is none; git (pretty.c, %B) shows what stands in its memory behind the commit",
    },
    Expected {
        kinds: &[
            "libgit2, a commit with a date beyond 64 bits: refused",
            "libgit2, a commit with a date far ahead: refused",
            "libgit2, a commit with a date that is none: refused",
        ],
        why: "it reads dates, and holds them in 63 bits",
    },
    Expected {
        kinds: &["tag with two taggers: refused", "tag with two signatures: refused"],
        why: "a tag is object, type, tag and at most one tagger, a message and at most one signature",
    },
    Expected { kinds: &["libgit2, a tag signed"], why: "it takes the signature for a part of the message" },
    Expected {
        kinds: &["trees with *, brought: refused"],
        why: "a push brings no tree that git would not have written (seal/FORMAT.md)",
    },
    Expected {
        kinds: &["trees with deep, kept: refused", "trees with deep, left: refused"],
        why: "directories more than 512 below each other: git reads up to 2,048, and nobody can check them out",
    },
    Expected { kinds: &["trees with *: refused, and git dies"], why: "what git cannot read has no change" },
    Expected {
        kinds: &["trees with unsorted, kept: refused"],
        why: "what stood out of order may stay so; what is new or another among it stands in order, as git writes it",
    },
    Expected {
        kinds: &["trees with *, kept: git dies"],
        why: "of a tree that both sides have nothing is read; git reads the top ones all the same, and dies of what is no tree",
    },
    Expected {
        kinds: &[
            "ours, new commits: more, dates skewed",
            "git rev-list, new commits: more, dates skewed",
            "libgit2, new commits: more, dates skewed",
        ],
        why: "a walk by dates may stop too late where dates are wrong and no commit-graph knows better: more is judged, never less",
    },
    Expected {
        kinds: &["libgit2, merge: other than git"],
        why: "it finds other renames, and merges several merge bases in its own way",
    },
    Expected {
        kinds: &["git merge-tree: dies"],
        why: "an assertion of git 2.47 (merge-ort.c, process_renames) fails in some merges with several merge bases",
    },
    Expected {
        kinds: &[
            "message cut: refused",
            "message in capitals: refused",
            "message twice: refused",
            "message with another key: refused",
            "message with two spaces: refused",
            "message without space: refused",
            "message with line ends of CR: refused",
            "message with a folded seal: refused",
            "message with a blank line for an empty one: refused",
            "message with blanks at its end: refused",
            "message with a comment above: refused",
            "message with a comment below: refused",
            "message with a control byte below: refused",
            "message with a folded trailer above: refused",
            "message with a folded trailer below: refused",
            "message with a short cherry-pick note: refused",
            "message with a space before a colon: refused",
            "message with conflicts: refused",
            "message with scissors: refused",
        ],
        why: "our grammar is the narrower one; a line of ours that does not follow it refuses the message and is never overlooked",
    },
    Expected {
        kinds: &[
            "message cut: refused, and git reads none",
            "message without subject: refused, and git reads none",
            "message with a divider below: refused, and git reads none",
            "message with a paragraph below: refused, and git reads none",
            "message with a stray line above: refused, and git reads none",
            "message with a stray line below: refused, and git reads none",
            "message with a subject and no empty line: refused, and git reads none",
            "message with a trailer paragraph below: refused, and git reads none",
        ],
        why: "a line of ours that no reader takes for a trailer is no prose either: it refuses the message",
    },
];
