//! The short names that NTFS gives a file beside its own, such as `JENKIN~1` for `Jenkinsfile`, by which the file can be
//! opened and overwritten.
//!
//! A file has one where its name is no 8.3 name: of the part before the last dot the first six characters, without leading dots,
//! dots and spaces and with `_` for what DOS did not allow; a tilde and a number; and the first three characters of the
//! extension. After a few of the same kind, and where only two characters or fewer are left, four digits of a checksum stand
//! after the first two characters (MS-FSCC 2.1.5.2.1, "8.3 Filename"; git's path.c, `is_ntfs_dot_generic`). Which number a file
//! got, and what the checksum is of, depends on what else was there before, so any will do.

/// Characters of a short name before its extension.
const LENGTH: u8 = 8;

/// Characters of the long name that go before the tilde.
const BASE: u8 = 6;

/// Those that go before a checksum, and the digits of it.
const BEFORE_CHECKSUM: u8 = 2;
const CHECKSUM: u8 = 4;

/// Characters of an extension.
const EXTENSION: u8 = 3;

/// The short names of all names that one component of a pattern matches, in small letters. Where the pattern does not say
/// what a long name begins or ends with, they are more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortNames {
    base: Vec<u8>,
    /// Whether something unknown may follow the base.
    is_open: bool,
    extension: Extension,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Extension {
    Unknown,
    Known {
        text: Vec<u8>,
        /// Whether the long one is longer: a tilde can stand for the end of it.
        is_cut: bool,
    },
}

/// How far a text is on its way to be one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Progress {
    form: ShortNameForm,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum ShortNameForm {
    /// Characters of the name, and a number.
    Plain,
    /// Two of them, a checksum, and a number.
    Summed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    Base(u8),
    Number { base: u8, digits: u8 },
    Extension(u8),
}

impl ShortNames {
    /// Those of a component, in which `*` stands for anything. Empty where there are none, or where the component matches every
    /// one of them by itself.
    pub fn of(component: &str) -> Vec<Self> {
        if component.bytes().all(|byte| byte == b'*') || is_8_3(component) {
            return Vec::new();
        }
        let mut names = vec![Self::of_dotted(component)];
        // `*.env` also matches `.env`, whose dot begins no extension.
        let end = component.trim_start_matches(['*', '.', ' ']);
        if component.starts_with('*') && !end.contains(['*', '.']) {
            names.push(Self::of_dotted(end));
        }
        names
    }

    /// Those of a component whose last dot, but for dots that it begins with, begins the extension.
    fn of_dotted(component: &str) -> Self {
        let bare = component.trim_start_matches(['.', ' ']);
        let known = known_beginning(bare);
        let is_open = known.len() < bare.len();
        let (stem, extension) = match bare.rsplit_once('.') {
            // The last dot is known where nothing unknown comes after it.
            Some((stem, end)) if end.is_ascii() && !end.contains('*') => (stem, Extension::of(end)),
            None if !is_open => (bare, Extension::of("")),
            _ => (bare, Extension::Unknown),
        };
        // What stands after a dot may be the extension.
        let stem = if is_open { known.split('.').next().unwrap_or_default() } else { stem };
        Self { base: dos(stem).take(BASE.into()).collect(), is_open, extension }
    }

    /// Where an empty text is.
    pub fn start(&self) -> impl Iterator<Item = Progress> {
        // A base of which nothing is known is also any checksum.
        let summed = !self.is_open || self.base.len() > BEFORE_CHECKSUM.into();
        let forms = [Some(ShortNameForm::Plain), summed.then_some(ShortNameForm::Summed)];
        forms.into_iter().flatten().map(|form| Progress { form, stage: Stage::Base(0) })
    }

    /// Where one more byte leads, a small letter where it is a letter. `None` where the text is none of them any more.
    pub fn advance(&self, from: Progress, byte: u8) -> Option<Progress> {
        let Progress { form, stage } = from;
        let stage = match (stage, byte) {
            (Stage::Base(base), b'~') => Stage::Number { base, digits: 0 },
            (Stage::Base(base), _) => self.takes(form, base, byte).then_some(Stage::Base(base + 1))?,
            (Stage::Number { base, digits: 0 }, b'1'..=b'9') => Stage::Number { base, digits: 1 },
            (Stage::Number { digits: 0, .. }, _) => return None,
            (Stage::Number { base, digits }, b'0'..=b'9') if base + digits + 1 < LENGTH => {
                Stage::Number { base, digits: digits + 1 }
            }
            (Stage::Number { base, digits }, b'.') if self.fits(form, base, digits) => Stage::Extension(0),
            (Stage::Number { .. }, _) => return None,
            (Stage::Extension(length), _) => {
                self.extension.takes(length, byte).then_some(Stage::Extension(length + 1))?
            }
        };
        Some(Progress { form, stage })
    }

    /// Whether the text that led here is one of them.
    pub fn is_whole(&self, at: Progress) -> bool {
        match at.stage {
            Stage::Base(_) | Stage::Number { digits: 0, .. } => false,
            Stage::Number { base, digits } => self.fits(at.form, base, digits) && self.extension.may_end(0),
            Stage::Extension(length) => length > 0 && self.extension.may_end(length),
        }
    }

    /// The bytes that it tells from others, beside digits and what stands between the parts.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        let extension = match &self.extension {
            Extension::Unknown => &[][..],
            Extension::Known { text, .. } => text,
        };
        self.base.iter().chain(extension).copied()
    }

    /// Whether a byte can stand at this place before the tilde.
    fn takes(&self, form: ShortNameForm, place: u8, byte: u8) -> bool {
        let own = self.base.get(usize::from(place));
        match form {
            ShortNameForm::Plain if place >= BASE => false,
            ShortNameForm::Plain => own.map_or(self.is_open && is_dos(byte), |own| *own == byte),
            ShortNameForm::Summed if place < self.before_checksum() => own == Some(&byte),
            ShortNameForm::Summed => place < self.before_checksum() + CHECKSUM && byte.is_ascii_hexdigit(),
        }
    }

    fn before_checksum(&self) -> u8 {
        length(&self.base).min(BEFORE_CHECKSUM)
    }

    /// Whether so many characters before the tilde and digits after it make a short name: a longer number makes room at the cost
    /// of the characters.
    fn fits(&self, form: ShortNameForm, base: u8, digits: u8) -> bool {
        let room = LENGTH.saturating_sub(digits + 1);
        match form {
            ShortNameForm::Plain if self.is_open => base <= room && (base > 0 || room == 0),
            ShortNameForm::Plain => base == length(&self.base).min(room),
            ShortNameForm::Summed => base == (self.before_checksum() + CHECKSUM).min(room),
        }
    }
}

impl Extension {
    fn of(text: &str) -> Self {
        let mut letters = dos(text);
        let text = letters.by_ref().take(EXTENSION.into()).collect();
        Self::Known { text, is_cut: letters.next().is_some() }
    }

    fn takes(&self, place: u8, byte: u8) -> bool {
        match self {
            Self::Unknown => place < EXTENSION && is_dos(byte),
            Self::Known { text, is_cut } => {
                text.get(usize::from(place)) == Some(&byte) || (*is_cut && place + 1 == EXTENSION && byte == b'~')
            }
        }
    }

    fn may_end(&self, place: u8) -> bool {
        match self {
            Self::Unknown => true,
            Self::Known { text, .. } => place == length(text),
        }
    }
}

/// The length of a part of a short name.
fn length(part: &[u8]) -> u8 {
    part.len().try_into().unwrap_or(u8::MAX)
}

/// What every name that the pattern matches begins with, as far as it is ASCII: what NTFS makes of other letters depends on how
/// they are composed, which can also be about the letter before.
fn known_beginning(component: &str) -> &str {
    let beyond = |one: char| one == '*' || !one.is_ascii();
    let Some(end) = component.find(beyond) else { return component };
    let (known, rest) = component.split_at(end);
    match known.char_indices().next_back() {
        Some((last, _)) if !rest.starts_with('*') => known.get(..last).unwrap_or(known),
        _ => known,
    }
}

/// The characters that go into a short name: dots and spaces do not, and what DOS did not allow is `_`.
fn dos(text: &str) -> impl Iterator<Item = u8> + '_ {
    let kept = text.bytes().filter(|byte| byte.is_ascii_graphic() && *byte != b'.');
    kept.map(|byte| if is_dos(byte) || byte == b'~' { byte.to_ascii_lowercase() } else { b'_' })
}

/// Whether DOS allowed a byte in a name, the tilde aside.
const fn is_dos(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'*'
                | b'+'
                | b','
                | b'.'
                | b'/'
                | b':'
                | b';'
                | b'<'
                | b'='
                | b'>'
                | b'?'
                | b'['
                | b'\\'
                | b']'
                | b'|'
                | b'~'
        )
}

/// Whether a name is its own short name.
fn is_8_3(name: &str) -> bool {
    let (stem, extension) = name.split_once('.').unwrap_or((name, "x"));
    let fits = |part: &str, most: u8| {
        (1..=most.into()).contains(&part.len()) && part.bytes().all(|byte| is_dos(byte) || byte == b'~')
    };
    fits(stem, LENGTH) && fits(extension, EXTENSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands_for(short: &str, component: &str) -> bool {
        let short = short.to_lowercase();
        ShortNames::of(component).iter().any(|names| {
            let follow = |from| short.bytes().try_fold(from, |at, byte| names.advance(at, byte));
            names.start().filter_map(follow).any(|at| names.is_whole(at))
        })
    }

    #[test]
    fn a_short_name_stands_for_what_it_is_made_of() {
        for (component, short, other) in [
            (
                "Jenkinsfile",
                &["JENKIN~1", "jenkin~4", "JENKIN~9", "JENKI~10", "JENK~100", "JE1A2F~1", "JE1A2~12", "~1000000"][..],
                &[
                    "JENKIN~0",
                    "~1",
                    "JENKIN~",
                    "JENKIN",
                    "JENKIN~10",
                    "JENK~1",
                    "JENKI~1",
                    "KENKIN~1",
                    "JENKIN~1.X",
                    "JENKIN~1.",
                    "JE1A2G~1",
                    "JENKIN~1A",
                ][..],
            ),
            (".github", &["GITHUB~1", "GI7EBA~1"], &["GIT~1", "GITHU~1", "GITHUB~1.YML"]),
            (
                ".gitlab-ci.yml",
                &["GITLAB~1.YML", "GI0000~3.YML"],
                &["GITLAB~1", "GITLAB~1.YM", "GITLAB~1.YMLX", "GITLAB~1.YM~"],
            ),
            (".env", &["ENV~1", "EN12AB~1"], &["E~1", "ENV"]),
            ("..x", &["X0AF1~1", "X~1"], &["Y0AF1~1"]),
            ("secrets.yaml", &["SECRET~1.YAM", "SECRET~1.YA~"], &["SECRET~1.YAML", "SECRET~1.~", "SECRET~1.Y~"]),
            ("a.b.toml", &["AB~1.TOM", "ABCDEF~1.TOM"], &["A~1.TOM", "AB~1"]),
            ("my file+1.c", &["MYFILE~1.C"], &["MY FIL~1.C"]),
            ("a+b=c.h", &["A_B_C~1.H"], &["AB~1.H"]),
            // Of a wild name only the known ends must agree.
            ("Jenkins*", &["JENKIN~1", "JENKIN~1.GRO", "JE12AB~1"], &["KENKIN~1", "JANKIN~1"]),
            ("*.yaml", &["X~1.YAM", "ABCDEF~1.YA~", "YAML~1"], &["X~1", "X~1.YML", "ABCDEFG~1.YAM"]),
            ("*file", &["JENKIN~1", "X~1.TXT"], &["JENKINSFIL~1", "JENKIN"]),
            ("deploy-*.sh", &["DEPLOY~1.SH"], &["DEPLOX~1.SH", "DEPLOY~1"]),
            // What NTFS makes of an accent depends on much.
            ("donn\u{e9}es", &["DONNES~1", "DONNEE~1", "DON123~1"], &["DAT~1"]),
            ("donne\u{301}es.json", &["DONNES~1.JSO"], &["DONNES~1.TXT"]),
            ("\u{6587}\u{6863}", &["B0D4~1", "X~1.Y"], &["B0D4"]),
        ] {
            for short in short {
                assert!(stands_for(short, component), "{short} can stand for {component}");
            }
            for short in other {
                assert!(!stands_for(short, component), "{short} cannot stand for {component}");
            }
        }
    }

    #[test]
    fn an_8_3_name_has_no_other() {
        for name in ["Makefile", "ci.yml", "A", "makefi~1", "a-b_c.d", "*", "**"] {
            assert_eq!(ShortNames::of(name), [], "{name}");
        }
        for name in ["Makefiles", ".env", "a.yaml", "a.b.c", "a b", "a+b", "\u{e9}", "a.", "a*"] {
            assert!(!ShortNames::of(name).is_empty(), "{name}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        /// The definition again, for names of letters: every short name of a name stands for each pattern that matches the name.
        #[test]
        fn a_name_is_found_by_every_pattern_of_it(
            name in "\\.?[a-z]{1,9}(-[a-z]{1,3})?(\\.[a-z]{1,5})?", cut in 0_usize..14, more in 0_usize..4, number in 1_usize..1000
        ) {
            let cut = cut.min(name.len());
            let end = (cut + more).min(name.len());
            let pattern = format!("{}*{}", &name[..cut], &name[end..]);
            let bare = name.trim_start_matches('.');
            let (stem, extension) = bare.rsplit_once('.').unwrap_or((bare, ""));
            let number = number.to_string();
            let extension = if extension.is_empty() { String::new() } else { format!(".{}", &extension[..extension.len().min(3)]) };
            for base in [stem.to_owned(), format!("{}09af", &stem[..stem.len().min(2)])] {
                let short = format!("{}~{number}{extension}", &base[..base.len().min(7 - number.len()).min(6)]);
                let matched = pattern.trim_matches('*').is_empty() || stands_for(&short, &pattern);
                proptest::prop_assert!(matched, "{short} {pattern}");
                proptest::prop_assert!(is_8_3(&name) || stands_for(&short, &name), "{short} {name}");
            }
        }
    }
}
