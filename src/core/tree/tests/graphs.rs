//! Walks over histories made at random, with dates of any kind, against sets.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A history: for each commit its parents, by number, and its date. Commits come after their parents.
#[derive(Clone, Debug)]
struct Dag {
    parents: Vec<Vec<usize>>,
    dates: Vec<u64>,
}

fn dag() -> impl Strategy<Value = Dag> {
    let one = (prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0_u64..6);
    prop::collection::vec(one, 2..18).prop_map(|commits| {
        let mut dag = Dag { parents: Vec::new(), dates: Vec::new() };
        for (number, (above, date)) in commits.into_iter().enumerate() {
            let mut parents: Vec<usize> = Vec::new();
            // Near ones, so that branches are long enough to part and to meet.
            let near = number.min(5);
            for index in above.iter().filter(|_| near > 0) {
                let parent = number - 1 - index.index(near);
                if !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
            dag.parents.push(parents);
            dag.dates.push(date);
        }
        dag
    })
}

fn name(number: usize) -> String {
    format!("commit {number}")
}

fn oid(number: usize) -> Oid {
    id(name(number).as_bytes())
}

impl Dag {
    fn len(&self) -> usize {
        self.parents.len()
    }

    /// Stores it; what comes from `incoming` on is brought by the push.
    fn store(&self, incoming: usize) -> Memory {
        let mut memory = Memory::default();
        for (number, (parents, date)) in self.parents.iter().zip(&self.dates).enumerate() {
            let parents: Vec<String> = parents.iter().copied().map(name).collect();
            let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
            if number < incoming {
                memory.commit(&name(number), &parents, *date);
            } else {
                memory.incoming(&name(number), &parents, *date);
            }
        }
        memory
    }

    /// A commit and all below it.
    fn reach(&self, number: usize) -> BTreeSet<usize> {
        let mut reach = BTreeSet::from([number]);
        for commit in (0..=number).rev() {
            if reach.contains(&commit) {
                reach.extend(&self.parents[commit]);
            }
        }
        reach
    }

    /// Those of some commits that no other of them reaches.
    fn best(&self, commits: &BTreeSet<usize>) -> BTreeSet<usize> {
        let below = |one: &&usize| commits.iter().any(|other| other != *one && self.reach(*other).contains(*one));
        commits.iter().filter(|one| !below(one)).copied().collect()
    }

    /// What the tip reaches and nothing hidden does.
    fn new_commits(&self, tip: usize, hidden: &[usize]) -> BTreeSet<usize> {
        let known: BTreeSet<usize> = hidden.iter().flat_map(|hidden| self.reach(*hidden)).collect();
        self.reach(tip).difference(&known).copied().collect()
    }
}

/// Counts the commits that are looked at.
struct Counted<'m> {
    memory: &'m Memory,
    looks: Cell<usize>,
}

impl Graph for Counted<'_> {
    fn is_incoming(&self, id: Oid) -> bool {
        self.memory.is_incoming(id)
    }

    fn node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        self.looks.set(self.looks.get() + 1);
        self.memory.node(id)
    }

    fn object_node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        self.node(id)
    }
}

#[test]
fn many_tips_in_stored_history_cost_no_more_than_that_history() {
    const COMMITS: usize = 400;
    let mut memory = Memory::default();
    for number in 0..COMMITS {
        let parent = number.checked_sub(1).map(name);
        memory.commit(&name(number), parent.as_deref().as_slice(), u64::try_from(number).unwrap());
    }
    let counted = Counted { memory: &memory, looks: Cell::new(0) };
    // A branch at every tenth commit is there already, and as many are new at others.
    let mut walk = Walk::new(&counted, (0..COMMITS / 2).step_by(10).map(oid).collect());
    for tip in (5..COMMITS).step_by(10) {
        let new = walk.new_commits(oid(tip), LIMITS).unwrap();
        assert_eq!(new.len(), tip.saturating_sub(COMMITS / 2 - 10));
    }
    assert!(counted.looks.get() <= COMMITS, "{} looks", counted.looks.get());
}

#[test]
fn merges_of_old_branches_read_stored_history_once() {
    const COMMITS: usize = 400;
    let mut memory = Memory::default();
    for number in 0..COMMITS {
        let parent = number.checked_sub(1).map(name);
        memory.commit(&name(number), parent.as_deref().as_slice(), u64::try_from(number).unwrap());
        memory.commit(&format!("side {number}"), &[&name(number)], u64::try_from(number).unwrap());
    }
    let counted = Counted { memory: &memory, looks: Cell::new(0) };
    let lineage = Lineage::new(&counted, None, LIMITS);
    for tip in (100..COMMITS).step_by(10) {
        let side = id(format!("side {}", tip - 100).as_bytes());
        assert_eq!(lineage.merge_bases(&[oid(tip), side]).unwrap(), [oid(tip - 100)]);
    }
    assert!(counted.looks.get() <= 2 * COMMITS, "{} looks", counted.looks.get());
}

fn sorted(ids: impl IntoIterator<Item = Oid>) -> Vec<Oid> {
    ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn oids(numbers: &BTreeSet<usize>) -> Vec<Oid> {
    sorted(numbers.iter().copied().map(oid))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merge_bases_are_the_best_common_ancestors(
        dag in dag(), commits in prop::collection::vec(any::<prop::sample::Index>(), 1..5)
    ) {
        let memory = dag.store(usize::MAX);
        let commits: Vec<usize> = commits.iter().map(|index| index.index(dag.len())).collect();
        let reaches = commits.iter().map(|commit| dag.reach(*commit));
        let common = reaches.reduce(|all, one| all.intersection(&one).copied().collect()).unwrap();
        let ids: Vec<Oid> = commits.iter().copied().map(oid).collect();
        prop_assert_eq!(merge_bases(&memory, &ids, LIMITS).unwrap(), oids(&dag.best(&common)));
        let (one, last) = (commits[0], commits[commits.len() - 1]);
        prop_assert_eq!(contains(&memory, oid(one), oid(last), LIMITS).unwrap(), dag.reach(one).contains(&last));
    }

    /// Whatever is new of the history, and whatever the dates say.
    #[test]
    fn merge_bases_among_new_commits_are_the_same(
        mut dag in dag(), hidden in prop::collection::vec(any::<prop::sample::Index>(), 0..3), commits in prop::collection::vec(any::<prop::sample::Index>(), 8), stored in any::<prop::sample::Index>(), rising in any::<bool>()
    ) {
        if rising {
            dag.dates = (0..).take(dag.len()).collect();
        }
        let stored = stored.index(dag.len() + 1);
        let memory = dag.store(stored);
        let hidden: Vec<Oid> = if stored == 0 { Vec::new() } else { hidden.iter().map(|index| oid(index.index(stored))).collect() };
        let new = new_commits(&memory, oid(dag.len() - 1), &hidden, LIMITS).unwrap();
        let lineage = Lineage::new(&memory, Some(&new), LIMITS);
        // Those that a walk meets: the new ones, and where they end.
        let met: Vec<Oid> = new.iter().chain(new.boundary()).collect();
        for pair in commits.chunks(2) {
            let pair = [met[pair[0].index(met.len())], met[pair[1].index(met.len())]];
            prop_assert_eq!(lineage.merge_bases(&pair).unwrap(), merge_bases(&memory, &pair, LIMITS).unwrap());
        }
    }

    /// Wrong dates may make more commits new, never fewer; right ones, and those of what the push brings, none.
    #[test]
    fn new_commits_are_what_nothing_hidden_reaches(
        mut dag in dag(), hidden in prop::collection::vec(any::<prop::sample::Index>(), 0..4), stored in any::<prop::sample::Index>(), rising in any::<bool>()
    ) {
        if rising {
            dag.dates = (0..).take(dag.len()).collect();
        }
        let (tip, stored) = (dag.len() - 1, 1 + stored.index(dag.len()));
        let memory = dag.store(stored);
        let hidden: Vec<usize> = hidden.iter().map(|index| index.index(stored)).collect();
        let hidden_ids: Vec<Oid> = hidden.iter().copied().map(oid).collect();
        let new = new_commits(&memory, oid(tip), &hidden_ids, LIMITS).unwrap();
        let (found, defined) = (sorted(new.iter()), dag.new_commits(tip, &hidden));
        prop_assert_eq!(found.len(), new.len(), "each once");
        prop_assert!(oids(&defined).iter().all(|id| found.contains(id)));
        if rising {
            prop_assert_eq!(&found, &oids(&defined));
        }
        // Each after its parents; and what they lead to outside is the boundary.
        let order: Vec<Oid> = new.iter().collect();
        for (place, commit) in order.iter().enumerate() {
            let parents = &dag.parents[(0..dag.len()).find(|number| oid(*number) == *commit).unwrap()];
            prop_assert_eq!(new.parents(*commit).unwrap(), parents.iter().copied().map(oid).collect::<Vec<_>>());
            for parent in new.parents(*commit).unwrap() {
                let before = order[..place].contains(&parent);
                prop_assert!(before || (!new.contains(parent) && new.meets(parent)));
            }
        }
    }

    /// Tips that come later see what is there as the first one does. Wrong dates may make more commits new, never fewer.
    #[test]
    fn one_walk_over_several_tips_finds_what_one_for_each_would(
        mut dag in dag(), hidden in prop::collection::vec(any::<prop::sample::Index>(), 0..4), tips in prop::collection::vec(any::<prop::sample::Index>(), 1..5), stored in any::<prop::sample::Index>(), rising in any::<bool>()
    ) {
        if rising {
            dag.dates = (0..).take(dag.len()).collect();
        }
        let stored = 1 + stored.index(dag.len());
        let memory = dag.store(stored);
        let hidden: Vec<usize> = hidden.iter().map(|index| index.index(stored)).collect();
        let mut walk = Walk::new(&memory, hidden.iter().copied().map(oid).collect());
        for tip in tips.iter().map(|index| index.index(dag.len())) {
            let new = walk.new_commits(oid(tip), LIMITS).unwrap();
            let (found, defined) = (sorted(new.iter()), dag.new_commits(tip, &hidden));
            prop_assert!(oids(&defined).iter().all(|id| found.contains(id)));
            prop_assert!(found.iter().all(|id| oids(&dag.reach(tip)).contains(id)));
            if rising {
                prop_assert_eq!(&found, &oids(&defined));
            }
            prop_assert!(new.boundary().all(|id| !new.contains(id)));
        }
    }

    /// From the tip to the old value, or to the best of the places where the new commits meet what is known.
    #[test]
    fn the_mainline_is_one_chain_down_to_its_end(
        mut dag in dag(), hidden in prop::collection::vec(any::<prop::sample::Index>(), 0..3), old in prop::option::of(any::<prop::sample::Index>())
    ) {
        dag.dates = (0..).take(dag.len()).collect();
        let memory = dag.store(usize::MAX);
        let tip = dag.len() - 1;
        let below: Vec<usize> = dag.reach(tip).into_iter().filter(|number| *number != tip).collect();
        let old = old.filter(|_| !below.is_empty()).map(|index| below[index.index(below.len())]);
        let hidden: Vec<usize> = match old {
            Some(old) => vec![old],
            None => hidden.iter().map(|index| index.index(dag.len())).collect(),
        };
        let hidden_ids: Vec<Oid> = hidden.iter().copied().map(oid).collect();
        let new = new_commits(&memory, oid(tip), &hidden_ids, LIMITS).unwrap();
        let end = old.map_or_else(|| mainline_end(&memory, &new, LIMITS).unwrap(), |old| Some(oid(old)));
        if old.is_none() {
            let met: BTreeSet<usize> = (0..dag.len()).filter(|number| new.meets(oid(*number))).collect();
            let best = oids(&dag.best(&met));
            prop_assert_eq!(end, new.boundary().find(|id| best.contains(id)));
        }
        let steps = mainline(&new, oid(tip), end);
        prop_assert_eq!(steps.is_empty(), new.is_empty());
        prop_assert!(steps.last().is_none_or(|last| last.commit == oid(tip)));
        prop_assert!(steps.first().is_none_or(|first| first.parent == end));
        for pair in steps.windows(2) {
            prop_assert_eq!(pair[1].parent, Some(pair[0].commit));
        }
        let number = |id: Oid| (0..dag.len()).find(|number| oid(*number) == id).unwrap();
        for step in &steps {
            let parents = &dag.parents[number(step.commit)];
            let leads = |parent: &&usize| end.is_none_or(|end| dag.reach(**parent).contains(&number(end)));
            prop_assert_eq!(step.parent, parents.iter().find(leads).map(|parent| oid(*parent)));
        }
    }
}
