//! Which texts patterns match, compared: is there a ref or path that these match and those do not?
//!
//! Of those, few matter for what these match, and following all together would take the product of them. So a text is looked for
//! that none of the few found so far matches; if another does, that one is followed as well, and the search begins again.

use super::glob::{Below, Glob, LetterCase};
use super::rules::Patterns;
use super::search::{Found, Member, PatternProduct, Spelling, TextSoFar};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Example {
    /// There is no such text.
    None,
    /// The shortest one.
    Text(String),
    /// It cannot be told: the patterns are too many or not ASCII.
    Unknown,
}

/// Patterns with what they exclude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cover<'a> {
    include: &'a [Glob],
    exclude: &'a [Glob],
    case: LetterCase,
}

impl<'a> Cover<'a> {
    /// Patterns for refs, or with [`LetterCase::Folded`] for paths: exclusions stay exact.
    pub(super) fn of(patterns: &'a Patterns, case: LetterCase) -> Self {
        Self { include: &patterns.include, exclude: &patterns.exclude, case }
    }

    /// Each of the patterns alone, with all that is excluded.
    pub(super) fn each(self) -> impl Iterator<Item = Self> {
        self.include.iter().map(move |glob| Self { include: std::slice::from_ref(glob), ..self })
    }

    /// The first pattern as written.
    pub(super) fn text(&self) -> &'a str {
        self.include.first().map_or("", Glob::as_str)
    }

    /// Whether everything that this covers another does, pattern by pattern.
    fn is_within(&self, other: &Self) -> bool {
        self.case == other.case
            && self.include.iter().all(|glob| other.include.contains(glob))
            && other.exclude.iter().all(|glob| self.exclude.contains(glob))
    }

    fn covers(&self, text: &[u8], how: How) -> bool {
        let matched = self.include.iter().any(|glob| glob.matches(text, self.case))
            && !self.exclude.iter().any(|glob| glob.matches(text, LetterCase::Exact));
        match how {
            How::Matched => matched,
            How::Standing(below) => matched || self.include.iter().any(|glob| glob.matches_below(text, below)),
        }
    }

    /// Whether it can be followed over folded texts, letter by letter.
    fn can_be_followed(&self) -> bool {
        self.case == LetterCase::Exact || self.include.iter().chain(self.exclude).all(|glob| glob.as_str().is_ascii())
    }
}

/// How patterns cover a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// They match it.
    Matched,
    /// They match it as a path, or what may stand below it ([`super::Rule::touches`]).
    Standing(Below),
}

/// Is there a text that `own` covers and none of `others` does?
pub(super) struct Question<'a> {
    pub(super) own: Cover<'a>,
    pub(super) others: Vec<Cover<'a>>,
    /// Where it is given, one of these matches the text.
    pub(super) within: Option<Vec<Cover<'a>>>,
    pub(super) how: How,
}

impl<'a> Question<'a> {
    /// The shortest such text.
    pub(super) fn example(&self) -> Example {
        if self.others.iter().any(|other| self.own.is_within(other)) {
            return Example::None;
        }
        if !self.own.can_be_followed() {
            return Example::Unknown;
        }
        let others: Vec<Cover<'a>> = self.others.iter().flat_map(|other| other.each()).collect();
        let mut followed: Vec<Cover<'a>> = Vec::new();
        for spelling in [Spelling::Plain, Spelling::Aliases] {
            // An alias is an example only where nothing else is.
            if spelling == Spelling::Aliases && self.own.case == LetterCase::Exact {
                break;
            }
            loop {
                let text = match self.search(&followed, spelling) {
                    Found::None => break,
                    Found::TooMany => return Example::Unknown,
                    Found::Text(text) => text,
                };
                match others.iter().find(|other| other.covers(&text, self.how)) {
                    None => return Example::Text(String::from_utf8_lossy(&text).into_owned()),
                    Some(other) if other.can_be_followed() && !followed.contains(other) => followed.push(*other),
                    Some(_) => return Example::Unknown,
                }
            }
        }
        Example::None
    }

    /// The shortest text that none of the followed others covers.
    fn search(&self, followed: &[Cover<'a>], spelling: Spelling) -> Found {
        let mut all = PatternProduct::default();
        let mut add = |cover: &Cover<'a>| all.add(cover.include, cover.exclude, cover.case);
        let own = add(&self.own);
        let others: Vec<Member> = followed.iter().map(&mut add).collect();
        let within: Option<Vec<Member>> = self.within.as_ref().map(|within| within.iter().map(&mut add).collect());
        let covers = |seen: &TextSoFar<'_>, member: &Member| match self.how {
            How::Matched => seen.matches(member),
            How::Standing(below) => seen.touches(member, below),
        };
        all.search(spelling, &own, |seen| {
            let is_within = || within.as_ref().is_none_or(|within| within.iter().any(|one| seen.matches(one)));
            covers(seen, &own) && !others.iter().any(|other| covers(seen, other)) && is_within()
        })
    }
}

/// Whether every text that one pattern matches, one of others does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inclusion {
    /// It is so.
    Within,
    /// This text is matched by the one alone, and none is shorter.
    Outside(String),
    /// It cannot be told: the patterns are too many.
    Unknown,
}

/// Compares what patterns match, in exactly the spelling of the texts.
pub fn inclusion(own: &Glob, others: &[Glob]) -> Inclusion {
    let cover = |include| Cover { include, exclude: &[], case: LetterCase::Exact };
    let own = cover(std::slice::from_ref(own));
    match (Question { own, others: vec![cover(others)], within: None, how: How::Matched }).example() {
        Example::None => Inclusion::Within,
        Example::Text(text) => Inclusion::Outside(text),
        Example::Unknown => Inclusion::Unknown,
    }
}
