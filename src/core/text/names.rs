//! Whether a name in a tree is harmless wherever it is checked out.
//!
//! Every reading of it must be: also that of a file system that folds case, ignores code points (HFS+), drops dots and spaces
//! at the end, knows short names and streams (NTFS), or takes a backslash for a separator. What is refused is what `git fsck`
//! calls an error (git's fsck.c, utf8.c `is_hfs_dot_generic`, path.c `is_ntfs_dotgit` and `is_ntfs_dot_generic`), however git is
//! configured.

use super::folding::is_ignorable;

/// What a name is that of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// Whether a name, one component of a path, stands for nothing but itself: it is not empty, `.` or `..`, holds no slash, is not
/// `.git`, nor `.gitmodules` where that is a link.
pub fn is_harmless(name: &[u8], named: Named) -> bool {
    is_plain(name) || (is_harmless_part(name, named) && backslashed(name, named))
}

/// Whether the name has only one reading anywhere, as nearly all have: every dangerous one begins with a dot or holds another
/// byte than these.
fn is_plain(name: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.first().is_some_and(|first| *first != b'.') && name.iter().all(plain)
}

/// Whether the name is harmless where a backslash separates.
fn backslashed(name: &[u8], named: Named) -> bool {
    let part = |part: &[u8]| part.is_empty() || is_harmless_part(part, named);
    !name.contains(&b'\\') || name.split(|byte| *byte == b'\\').all(part)
}

fn is_harmless_part(name: &[u8], named: Named) -> bool {
    let is_modules = || is_hfs(name, ".gitmodules") || is_ntfs_modules(name);
    let is_path = matches!(name, b"" | b"." | b"..") || name.contains(&b'/');
    !(is_path || is_hfs(name, ".git") || is_ntfs_git(name) || (named == Named::Link && is_modules()))
}

/// Whether HFS+ takes the name for `wanted`, which is ASCII.
fn is_hfs(name: &[u8], wanted: &str) -> bool {
    let mut heeded = name.utf8_chunks().flat_map(|chunk| {
        let broken = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().filter(|one| !is_ignorable(*one)).chain(broken)
    });
    wanted.chars().all(|own| heeded.next().is_some_and(|one| one.eq_ignore_ascii_case(&own))) && heeded.next().is_none()
}

fn is_ntfs_git(name: &[u8]) -> bool {
    [&b".git"[..], b"git~1"].iter().any(|own| after(name, own).is_some_and(ends))
}

/// `.gitmodules`, the short names of its letters, and those that NTFS makes of its hash when there are many.
fn is_ntfs_modules(name: &[u8]) -> bool {
    let numbered = |rest: &[u8]| matches!(rest.first(), Some(b'1'..=b'4')) && rest.get(1..).is_some_and(ends);
    after(name, b".gitmodules").is_some_and(ends)
        || after(name, b"gitmod~").is_some_and(numbered)
        || is_hashed(name, b"gi7eba")
}

/// Whether a name is eight bytes of which the first, up to a tilde, begin `hash`, and a number follows.
fn is_hashed(name: &[u8], hash: &[u8]) -> bool {
    let Some((short, rest)) = name.split_at_checked(8) else { return false };
    let Some(tilde) = short.iter().position(|byte| *byte == b'~') else { return false };
    let (own, number) = short.split_at(tilde);
    let number = number.get(1..).unwrap_or_default();
    let is_number = matches!(number.first(), Some(b'1'..=b'9')) && number.iter().all(u8::is_ascii_digit);
    is_number && hash.get(..tilde).is_some_and(|hash| hash.eq_ignore_ascii_case(own)) && ends(rest)
}

/// What follows `own` in a name, in any case.
fn after<'n>(name: &'n [u8], own: &[u8]) -> Option<&'n [u8]> {
    name.split_at_checked(own.len()).filter(|(head, _)| head.eq_ignore_ascii_case(own)).map(|(_, rest)| rest)
}

/// Whether a name ends here for NTFS: dots and spaces at the end count for nothing, and a colon begins the name of a stream.
fn ends(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !matches!(byte, b' ' | b'.')).is_none_or(|byte| *byte == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_something_else_is_refused() {
        for name in [
            "",
            ".",
            "..",
            "a/b",
            ".git",
            ".GIT",
            ".gIt.",
            ".git ",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            ".git.:x",
            "git~1",
            "GIT~1 .",
            ".g\u{200c}it\u{feff}",
            "x\\.git",
            "\\.GIT\\x",
            "x\\..\\y",
            "a\\git~1",
        ] {
            assert!(!is_harmless(name.as_bytes(), Named::Other), "{name:?}");
        }
        for name in
            [".gitmodules", ".GitModules:x", "gitmod~4", "GI7EBA~1", "gi7eb~10", "~1000000", ".gitmodules\u{200d}"]
        {
            assert!(is_harmless(name.as_bytes(), Named::Other), "{name:?}");
            assert!(!is_harmless(name.as_bytes(), Named::Link), "{name:?}");
        }
    }

    #[test]
    fn what_only_looks_so_is_not() {
        for name in [
            "git",
            ".gitx",
            ".git-",
            "git~2",
            "git~11",
            "x.git",
            ".github",
            ".gitignore",
            "gitmod~5",
            "gi7eba~0",
            "gi7eba",
            "gi7ebad~",
            ".g\u{131}t",
            ".\u{ff47}it",
            "a\\b",
            "a\\\\b",
            "\\",
            "...",
            " ",
            "a b",
            ":x",
            ".\\",
            "\u{fffd}",
        ] {
            let dot_part = name == ".\\";
            assert_eq!(is_harmless(name.as_bytes(), Named::Link), !dot_part, "{name:?}");
        }
        assert!(is_harmless(b".git\xff", Named::Link) && is_harmless(b"\xff.git", Named::Link));
    }

    #[test]
    fn every_plain_name_is_harmless() {
        let letters = [".", "g", "G", "i", "t", "1", "-", "_", "modules", "con", "7eba"];
        let mut names = vec![Vec::new()];
        for _ in 0..5 {
            let longer = |name: &Vec<u8>| letters.map(|letter| [name.as_slice(), letter.as_bytes()].concat());
            names = names.iter().flat_map(longer).collect();
            for name in names.iter().filter(|name| is_plain(name)) {
                for named in [Named::Link, Named::Other] {
                    assert!(is_harmless_part(name, named), "{}", name.escape_ascii());
                }
            }
        }
        for name in ["", ".", "..", ".git", ".gitmodules", "git~1", "a b", "a:b", "a\\b", "a/b", "\u{200c}"] {
            assert!(!is_plain(name.as_bytes()), "{name}");
        }
    }
}
