//! The matcher against another's: `regex-automata`, on patterns made at random and on every row of the list.

use proptest::prelude::*;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax as regex_syntax;
use regex_automata::{Input, MatchKind};

use super::super::BUILTIN;
use super::super::syntax;
use super::super::table::{self, RowOrigin, Tables};
use super::super::tests::samples::SAMPLES;
use super::tests::{matches, program, trees};
use super::*;

/// Our language as theirs: bytes, ASCII letters in both cases, and `<` and `>` that mean themselves, escaped or not.
fn oracle(pattern: &str) -> Oracle {
    let language = regex_syntax::Config::new().unicode(false).utf8(false).case_insensitive(true);
    let dfa = DFA::builder()
        .configure(DFA::config().match_kind(MatchKind::All))
        .syntax(language)
        .thompson(thompson::Config::new().utf8(false))
        .build(&pattern.replace(r"\<", "<").replace(r"\>", ">"))
        .unwrap_or_else(|error| panic!("{pattern}: {error:?}"));
    Oracle { cache: dfa.create_cache(), dfa }
}

struct Oracle {
    dfa: DFA,
    cache: Cache,
}

/// Where the first match of each pattern to end ends, by the oracle.
fn first_ends(oracles: &mut [Oracle], text: &[u8]) -> Vec<(usize, usize)> {
    let first = |Oracle { dfa, cache }: &mut Oracle| {
        let input = Input::new(text).earliest(true);
        dfa.try_search_fwd(cache, &input).unwrap().map(|found| found.offset())
    };
    let each = oracles.iter_mut().enumerate();
    each.filter_map(|(number, oracle)| Some((number, first(oracle)?))).collect()
}

/// The same by us, in the same order.
fn ours(automaton: &mut PatternAutomaton<'_>, text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = matches(automaton, text);
    found.sort_unstable();
    found
}

/// Bytes that patterns tell apart, others, and no line feed: a text is one line.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"aAbB0 _-.<>\t\x00\x7f\x80\xc3\xa9\xff".to_vec()), 0..24)
}

fn compare(patterns: &[String], texts: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let program = program(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
    let mut oracles: Vec<Oracle> = patterns.iter().map(|pattern| oracle(pattern)).collect();
    let mut automaton = PatternAutomaton::new(&program);
    for text in texts {
        prop_assert_eq!(ours(&mut automaton, text), first_ends(&mut oracles, text), "{:?} in {:?}", patterns, text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn patterns_together_match_as_each_does_for_another_matcher(
        trees in prop::collection::vec(trees(), 1..5), texts in prop::collection::vec(texts(), 1..8)
    ) {
        compare(&trees.iter().map(super::tests::Tree::text).collect::<Vec<_>>(), &texts)?;
    }

    /// Whatever text is a pattern for us means the same for another.
    #[test]
    fn what_is_a_pattern_here_is_the_same_pattern_there(
        texts in prop::collection::vec(texts(), 1..8),
        pattern in r"([abAB0 _.<>^$|()?*+]|\\[dsSwWb.<>*]|\[\^?[abA0 .^]{1,3}\]|\[a-z\]){0,12}",
    ) {
        prop_assume!(syntax::parse(&pattern).is_ok());
        compare(&[pattern], &texts)?;
    }
}

/// Every row, over all that is sample of any: its own, its near misses, and those of the others, also within longer lines.
#[test]
fn every_row_matches_as_it_does_for_another_matcher() {
    let mut tables = Tables::default();
    table::read(BUILTIN, RowOrigin::Builtin, &mut tables).unwrap();
    let samples = SAMPLES.iter().flat_map(|(good, near)| [(*good).to_owned(), (*near).to_owned()]);
    let texts: Vec<String> = samples.flat_map(|text| [format!("x{text} y"), format!("Key: {text}"), text]).collect();
    let mut found = 0;
    for rows in tables.all() {
        let mut oracles: Vec<Oracle> = rows.list.iter().map(|row| oracle(&row.pattern)).collect();
        let mut automaton = PatternAutomaton::new(&rows.program);
        for text in &texts {
            let expected = first_ends(&mut oracles, text.as_bytes());
            assert_eq!(ours(&mut automaton, text.as_bytes()), expected, "{text:?}");
            found += expected.len();
        }
    }
    assert!(found >= SAMPLES.len(), "{found} matches");
}
