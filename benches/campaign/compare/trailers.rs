//! Our trailers in messages: `git interpret-trailers`.

use countersign::core::commit::parse_trailers;
use countersign::core::seal::{BlockHead, seal_line};

use crate::history::World;
use crate::tally::Tally;

/// Messages given to one git.
const BATCH: usize = 500;

/// The trailer of a message between two others, which tells them apart.
const BETWEEN: &str = "Between: messages\n";

pub fn compare(world: &World, tally: &mut Tally) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: usize| directory.path().join(name.to_string()).display().to_string();
    let between = path(BATCH);
    std::fs::write(&between, format!("Subject\n\n{BETWEEN}")).unwrap();
    for commits in world.commits.chunks(BATCH) {
        let mut arguments = vec!["interpret-trailers".to_owned(), "--parse".to_owned(), "--no-divider".to_owned()];
        for (number, commit) in commits.iter().enumerate() {
            std::fs::write(path(number), &commit.message.bytes).unwrap();
            arguments.extend([path(number), between.clone()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = world.repository.git(&arguments);
        let output = String::from_utf8_lossy(&output);
        let mut answers = output.split(BETWEEN);
        for commit in commits {
            let by_git = answers.next().unwrap_or_default();
            let is_ours = |line: &&str| line.to_ascii_lowercase().starts_with("countersign-");
            let mut git: Vec<String> = by_git.lines().filter(is_ours).map(str::to_owned).collect();
            git.sort();
            let kind = commit.message.kind;
            let at = || format!("world {}: {}", world.seed, commit.message.bytes.escape_ascii());
            tally.compared("trailers: ours, git interpret-trailers");
            let what = match read(&commit.message.bytes) {
                Some(own) if own == git => continue,
                None if git.is_empty() => "refused, and git reads none",
                None => "refused",
                Some(own) if own.is_empty() => "only git reads any",
                Some(_) if git.is_empty() => "git reads none",
                Some(_) => "git reads others",
            };
            tally.differs(&format!("message {kind}: {what}"), at);
        }
    }
}

/// Our lines, as they were read and not as they stand.
fn read(message: &[u8]) -> Option<Vec<String>> {
    let trailers = parse_trailers(message).ok()?;
    let mut text = String::new();
    for block in &trailers.blocks {
        let claim = &block.claim;
        let head = BlockHead {
            agent: &claim.agent,
            role: claim.role.as_ref(),
            model: claim.model.as_deref(),
            session: claim.session.as_deref(),
            task: claim.task.as_deref(),
        };
        text += &(head.to_text() + &seal_line(&claim.seal));
    }
    trailers.drafted.iter().for_each(|agent| text += &format!("Countersign-Drafted: {agent}\n"));
    for place in &trailers.approves {
        text += &format!("Countersign-Approves: {} {}\n", place.repository, String::from_utf8_lossy(&place.name));
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    Some(lines)
}
