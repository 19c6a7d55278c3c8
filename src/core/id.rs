//! Names of principals, roles and repositories: short ASCII words that need no escaping anywhere.

use std::fmt;

/// The id of a person, agent, service or group, or a role: `[a-z0-9][a-z0-9._-]{0,63}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// Parses an id; `None` where the text does not follow the grammar.
    pub fn parse(text: &[u8]) -> Option<Self> {
        follows_grammar(text, b"._-").then(|| String::from_utf8(text.to_vec()).ok().map(Self))?
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can stand in the name of a ref as it is (git-check-ref-format(1)).
    pub fn fits_ref(&self) -> bool {
        !self.0.contains("..") && !self.0.ends_with('.') && !self.0.ends_with(".lock")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The name that a repository's seals and approvals are bound to: an id that may also hold `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// Parses a name; `None` where the text does not follow `[a-z0-9][a-z0-9._/-]{0,63}`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        follows_grammar(text, b"._-/").then(|| String::from_utf8(text.to_vec()).ok().map(Self))?
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What both grammars share; `more` may stand after the first character.
fn follows_grammar(text: &[u8], more: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return false };
    let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: &u8| word(byte) || more.contains(byte);
    word(first) && rest.len() <= 63 && rest.iter().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_grammar() {
        for good in ["a", "claude-code", "7b.x_y", &"a".repeat(64)] {
            assert_eq!(Id::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "A", "a b", "a/b", "a\n", "\u{e4}", &"a".repeat(65)] {
            assert_eq!(Id::parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(RepositoryName::parse(b"acme/payments").unwrap().as_str(), "acme/payments");
        assert_eq!(RepositoryName::parse(b"/acme"), None);
    }
}
