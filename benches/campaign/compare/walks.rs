//! Which commits are new: the definition on the generated graph, `git rev-list` and libgit2.

use std::collections::{BTreeSet, HashMap};

use countersign::core::oid::Oid;

use super::{foreign_id, own_id};
use crate::history::{Dates, Making, World};
use crate::ours::Ours;
use crate::random::Random;
use crate::tally::Tally;

/// Questions asked of one world.
const QUESTIONS: usize = 60;

pub fn compare(world: &World, ours: &Ours, libgit2: Option<&git2::Repository>, random: &mut Random, tally: &mut Tally) {
    let numbers: HashMap<Oid, usize> = world.commits.iter().enumerate().map(|(number, one)| (one.id, number)).collect();
    let skewed = if world.dates == Dates::Skewed { ", dates skewed" } else { "" };
    for _ in 0..QUESTIONS {
        let tip = random.below(world.commits.len());
        // Near to the tip, as in a push, or anywhere.
        let near = if random.one_in(2) { 50 } else { world.commits.len() };
        let hidden: Vec<usize> = (0..random.below(4)).map(|_| tip - random.below(near.min(tip + 1))).collect();
        let defined = world.new_commits(tip, &hidden);
        let id = |number: &usize| world.commits[*number].id;
        let (tip_id, hidden_ids): (Oid, Vec<Oid>) = (id(&tip), hidden.iter().map(id).collect());

        let mut answers =
            vec![("ours", ours.new_commits(tip_id, &hidden_ids)), ("git rev-list", by_git(world, tip_id, &hidden_ids))];
        // It refuses whatever is odd.
        let libgit2 = libgit2.filter(|_| world.making == Making::Regular);
        answers.extend(libgit2.map(|repository| ("libgit2", by_libgit2(repository, tip_id, &hidden_ids))));
        for (who, answer) in answers {
            let at = || format!("world {}, commit {tip} without {hidden:?}", world.seed);
            let found: BTreeSet<usize> = match answer {
                Ok(found) => found.iter().map(|id| numbers[id]).collect(),
                Err(error) => {
                    tally.differs(&format!("{who}, new commits: refused"), || format!("{}: {error}", at()));
                    continue;
                }
            };
            tally.compared("new commits: the definition, by each of us, git rev-list and libgit2");
            if found != defined {
                let word = if found.is_superset(&defined) { "more" } else { "fewer" };
                tally.differs(&format!("{who}, new commits: {word}{skewed}"), at);
            }
        }
    }
}

fn by_git(world: &World, tip: Oid, hidden: &[Oid]) -> Result<Vec<Oid>, String> {
    let hidden: String = hidden.iter().map(|id| format!("^{id}\n")).collect();
    let listed = world.repository.git_with(&["rev-list", "--stdin"], format!("{tip}\n{hidden}").as_bytes());
    Ok(listed.ok_or("it dies")?.split(|byte| *byte == b'\n').filter_map(Oid::parse).collect())
}

fn by_libgit2(repository: &git2::Repository, tip: Oid, hidden: &[Oid]) -> Result<Vec<Oid>, String> {
    let walked = || {
        let mut walk = repository.revwalk()?;
        walk.push(foreign_id(tip))?;
        hidden.iter().try_for_each(|hidden| walk.hide(foreign_id(*hidden)))?;
        walk.map(|id| id.map(own_id)).collect::<Result<_, git2::Error>>()
    };
    walked().map_err(|error| error.to_string())
}
