//! What patterns match, and that matching is what the definition says.

use super::*;

#[test]
fn stars_keep_to_components() {
    for (pattern, yes, no) in [
        ("refs/heads/main", &["refs/heads/main"][..], &["refs/heads/main2", "refs/heads/Main", "refs/heads"][..]),
        ("refs/heads/*", &["refs/heads/x", "refs/heads/"], &["refs/heads/x/y", "refs/head/x"]),
        ("refs/heads/**", &["refs/heads/x", "refs/heads/x/y"], &["refs/heads", "refs/tags/x"]),
        ("refs/*/v*", &["refs/tags/v1", "refs/tags/v"], &["refs/tags/x/v1", "refs/tags/w"]),
        ("**/ci.yml", &["ci.yml", "a/ci.yml", "a/b/ci.yml"], &["xci.yml", "a/xci.yml", "ci.yml/x", "/x"]),
        ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb", "axb"]),
        ("**", &["x", "x/y"], &[]),
        ("a*b*c", &["abc", "axxbyyc", "abbc"], &["ab/c", "acb"]),
    ] {
        let glob = Glob::parse(pattern).unwrap();
        for text in yes {
            assert!(glob.matches(text.as_bytes(), LetterCase::Exact), "{pattern} should match {text}");
        }
        for text in no {
            assert!(!glob.matches(text.as_bytes(), LetterCase::Exact), "{pattern} should not match {text}");
        }
    }
}

#[test]
fn a_path_matches_as_some_file_system_reads_it() {
    for (pattern, yes, no) in [
        (
            "Jenkinsfile",
            &[
                "jenkinsFILE",
                "Jenkinsfile.",
                "Jenkinsfile . .",
                "Jenkinsfile::$DATA",
                "Jenkinsfile. :x:$DATA",
                "JENKIN~1",
                "jenkin~2 .",
                "JENKIN~1::$DATA",
                "JE1A2B~1",
                "Jenkin\u{17f}file",
                "Jen\u{212a}insfile",
                "Jenkins\u{200c}file",
                "\u{feff}Jenkinsfile.",
                "\\Jenkinsfile",
            ][..],
            &[
                "Jenkinsfile.md",
                "Jenkinsfile. md",
                "Jenkinsfile-",
                " Jenkinsfile",
                "\u{ff2a}enkinsfile",
                "Jenkins\u{200b}file",
                "JENKIN~1.TXT",
                "KENKIN~1",
                "x/Jenkinsfile",
                "x\\Jenkinsfile",
                "x:Jenkinsfile",
                ":",
                ".",
                "\\",
            ][..],
        ),
        (
            ".github/**",
            &[
                ".github./workflows/ci.yml",
                ".GitHub ../x",
                ".github\\workflows\\ci.yml",
                ".github\\\\x",
                ".github\\/x",
                "GITHUB~1/workflows/ci.yml",
                "github~1\\x",
                ".github:$I30:$INDEX_ALLOCATION/x",
                ".g\u{131}thub/x",
            ],
            &[".githubx/ci.yml", "github/x", ".github.d/x", ".github", ".github.", "docs/.github/x", "GIT~1/x"],
        ),
        (
            "ci/*/run.sh",
            &["CI/x./RUN.sh", "ci\\x\\run.sh", "ci/\u{e9}/run.sh:x"],
            &["ci/run.sh", "ci/x/y/run.sh", "ci/x/run"],
        ),
        (
            "**/x.yaml",
            &["x.yaml.", "a\\x.yaml", "a/b\\X.YAML", "a/X~1.YAM", "a./x.yaml"],
            &["ax.yaml", "a\\xx.yaml", "X~1.YML"],
        ),
        ("docs/a. ", &["docs/a", "docs/a.", "docs/a. ", "docs/a. .:x"], &["docs/a.b", "docs"]),
        ("donn\u{e9}es/**", &["donne\u{301}es/x", "DONNE\u{301}ES./x", "DONNES~1/x"], &["donnees/x"]),
        ("a/.../b", &["a/.../b", "a/...:x/b"], &["a/b", "a/../b"]),
        ("a\u{200c}*\u{200c}*/b", &["ax/b", "a/b", "a\u{200c}x\u{200c}/b"], &["a/x/b"]),
        ("\u{200c}", &["\u{200c}"], &["x"]),
    ] {
        let glob = Glob::parse(pattern).unwrap();
        for text in yes {
            assert!(glob.matches(text.as_bytes(), LetterCase::Folded), "{pattern} should match {text:?}");
        }
        for text in no {
            assert!(!glob.matches(text.as_bytes(), LetterCase::Folded), "{pattern} should not match {text:?}");
        }
    }
}

#[test]
fn folding_works_on_broken_utf8() {
    let glob = Glob::parse("ci/**").unwrap();
    assert!(glob.matches(b"CI/\xff", LetterCase::Folded));
    assert!(glob.matches(b"c\xc4\xb1./\xff", LetterCase::Folded));
    assert!(!glob.matches(b"ci\xff/x", LetterCase::Folded));
}

#[test]
fn what_replaces_a_directory_replaces_what_is_below() {
    for (pattern, text, named, anything) in [
        (".github/**", ".github", true, true),
        (".github/workflows/*.yml", ".github", true, true),
        (".github/workflows/*.yml", ".github/workflows", true, true),
        ("ci/Jenkinsfile", "CI", true, true),
        ("ci/Jenkinsfile", "CI. ", true, true),
        ("ci/x/Jenkinsfile", "ci\\x", true, true),
        (".github/workflows/*.yml", "GITHUB~1", true, true),
        (".github/work*/x", ".github", true, true),
        (".github/work*/x", ".github/work", false, true),
        ("**/Jenkinsfile", "\\", false, true),
        ("ci/Jenkinsfile", "ci.x", false, false),
        ("**/Jenkinsfile", "src", false, true),
        ("*/Jenkinsfile", "src", false, true),
        (".github/**", "src", false, false),
        ("Jenkinsfile", "Jenkinsfile", false, false),
        ("*.yml", "x.yml", false, false),
    ] {
        let glob = Glob::parse(pattern).unwrap();
        let below = |below| glob.matches_below(text.as_bytes(), below);
        assert_eq!((below(Below::Named), below(Below::Anything)), (named, anything), "{pattern} {text}");
    }
}

#[test]
fn refuses_what_would_be_misread() {
    for (pattern, error) in [
        ("", GlobError::Empty),
        ("a?", GlobError::Character('?')),
        ("[a]", GlobError::Character('[')),
        ("{a,b}", GlobError::Character('{')),
        ("a\\*", GlobError::Character('\\')),
        ("a!b", GlobError::Character('!')),
        ("a**", GlobError::DoubleStar),
        ("***", GlobError::DoubleStar),
        ("/a", GlobError::Component),
        ("a//b", GlobError::Component),
        ("a/", GlobError::Component),
    ] {
        assert_eq!(Glob::parse(pattern), Err(error), "{pattern}");
    }
}

/// A policy is hostile where it is pushed: what it repeats costs its length and no more, on the stack neither.
#[test]
fn a_long_pattern_costs_its_length() {
    for piece in ["**/", "*\u{200c}", "a/", "a*", "Jenkinsfile/"] {
        let pattern = format!("{}x", piece.repeat(200_000));
        let glob = Glob::parse(&pattern).unwrap();
        assert!(!glob.matches(b"a~1/b", LetterCase::Folded) || piece.starts_with('*'), "{piece}");
        assert!(!glob.matches(b"y", LetterCase::Exact), "{piece}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    #[test]
    fn agrees_with_a_naive_matcher(pattern in "(\\*\\*/)?[ab*]{1,3}(/[ab*]{1,2}){0,2}(/\\*\\*)?", text in "[ab]{1,2}(/[ab]{1,2}){0,3}") {
        if let Ok(glob) = Glob::parse(&pattern) {
            let expected = naive(&pattern, &text, '/');
            proptest::prop_assert_eq!(glob.matches(text.as_bytes(), LetterCase::Exact), expected);
            proptest::prop_assert_eq!(glob.matches(text.as_bytes(), LetterCase::Folded), expected);
        }
    }

    /// Whatever a pattern matches byte for byte it matches folded.
    #[test]
    fn folding_only_adds(
        pattern in "[aS*.: ~1\u{e9}\u{301}\u{323}\u{200c}]{1,4}(/[aS*.\u{df}\u{323}]{1,3}){0,2}",
        stars in proptest::collection::vec("[aS.: ~1\\\\\u{e9}\u{301}\u{323}\u{200c}]{0,3}", 4),
    ) {
        if let Ok(glob) = Glob::parse(&pattern) {
            let mut stars = stars.iter();
            let text: String = pattern
                .chars()
                .map(|one| if one == '*' { stars.next().cloned().unwrap_or_default() } else { one.to_string() })
                .collect();
            let is_path = !has_empty_component(&text);
            proptest::prop_assert!(!is_path || glob.matches(text.as_bytes(), LetterCase::Exact), "{pattern} {text:?}");
            proptest::prop_assert!(!is_path || glob.matches(text.as_bytes(), LetterCase::Folded), "{pattern} {text:?}");
        }
    }

    /// A path matches where some reading of it does, and a pattern without wildcards matches nothing else.
    #[test]
    fn agrees_with_a_naive_reader(
        pattern in "(\\*\\*/)?[ab.*]{1,3}(/[ab*]{1,2}){0,2}", text in "[ab.]{1,2}([ab.:/\\\\ ]{0,5}[ab/.:]){0,2}"
    ) {
        if let Ok(glob) = Glob::parse(&pattern) {
            let stripped: Vec<&str> = pattern.split('/').map(strip).collect();
            let read = readings(&text).iter().any(|reading| naive(&stripped.join("/"), reading, '/'));
            let matched = glob.matches(text.as_bytes(), LetterCase::Folded);
            let is_path = !has_empty_component(&text);
            proptest::prop_assert!(matched || !read || !is_path, "{pattern} should match {text:?}");
            let is_more = matched && !read && is_path;
            proptest::prop_assert!(!is_more || pattern.contains('*'), "{pattern} should not match {text:?}");
        }
    }
}

/// Whether git would not take it for a path.
fn has_empty_component(text: &str) -> bool {
    text.split('/').any(str::is_empty)
}

/// A component without the dots and spaces at its end, unless there is nothing else.
fn strip(component: &str) -> &str {
    let kept = component.trim_end_matches(['.', ' ']);
    if kept.is_empty() { component } else { kept }
}

/// Every way in which a folded path can be read, by trying everything: each backslash as itself or as a slash, of which several
/// count as one; and behind each component nothing, dots and spaces, or a stream.
fn readings(text: &str) -> Vec<String> {
    let places: Vec<usize> = text.match_indices('\\').map(|(place, _)| place).collect();
    let mut readings = Vec::new();
    for chosen in 0_u32..1 << places.len() {
        let mut split: String = text.to_owned();
        for (_, place) in places.iter().enumerate().filter(|(number, _)| chosen >> number & 1 == 1) {
            split.replace_range(*place..place + 1, "|");
        }
        let components = split.replace("|/", "/").replace('|', "/");
        let mut ways = vec![String::new()];
        let mut first = true;
        for component in components.split('/').filter(|component| !component.is_empty() || places.is_empty()) {
            let name = component.split(':').next().unwrap_or_default();
            // A backslash in the name of a stream separates.
            let streams = component.split_once(':').is_some_and(|(_, stream)| !stream.contains('\\'));
            let least = name.trim_end_matches(['.', ' ']).len();
            let mut ends: Vec<&str> = vec![component];
            if streams || !component.contains(':') {
                ends.extend((least.max(1)..=name.len()).filter_map(|end| name.get(..end)));
            }
            let slash = if first { "" } else { "/" };
            first = false;
            ways = ways.iter().flat_map(|way| ends.iter().map(move |end| format!("{way}{slash}{end}"))).collect();
        }
        readings.extend(ways);
    }
    readings
}

/// The definition, by trying everything. Both begin as if behind a slash.
fn naive(pattern: &str, text: &str, before: char) -> bool {
    if before == '/'
        && let Some(rest) = pattern.strip_prefix("**/")
    {
        let after = |(position, _): (usize, &str)| position > 0 && naive(rest, &text[position + 1..], '/');
        return naive(rest, text, '/') || text.match_indices('/').any(after);
    }
    if pattern == "**" {
        return true;
    }
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            naive(&pattern[1..], text, '*')
                || text.chars().next().is_some_and(|c| c != '/' && naive(pattern, &text[1..], c))
        }
        (Some(wanted), Some(found)) if wanted == found => naive(&pattern[1..], &text[1..], wanted),
        _ => false,
    }
}
