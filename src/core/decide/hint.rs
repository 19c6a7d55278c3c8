//! What to do about a finding: lines of words, and commands, each alone on its line, to be taken as they are.

use super::Code;
use crate::core::facts::{Facts, RefTarget, Update};
use crate::core::id::Id;
use crate::core::oid::Oid;
use crate::core::policy::Policy;
use crate::core::report::word;

/// What installs the policy again and takes the refs as they are for right.
const BASELINE: &str = "countersign install --server REPO.git --policy FILE --baseline";

/// Lines that each stand alone: a printer puts its own word before every one.
#[derive(Default)]
pub(super) struct Hint(Vec<String>);

impl Hint {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a line of words.
    pub(super) fn say(mut self, words: impl Into<String>) -> Self {
        self.0.push(words.into());
        self
    }

    /// Adds words and the commands that they announce.
    pub(super) fn run(mut self, words: &str, commands: impl IntoIterator<Item = String>) -> Self {
        self.0.push(format!("{words}:"));
        self.0.extend(commands);
        self
    }

    /// Adds the lines of another that are not there yet.
    pub(super) fn and(mut self, other: Self) -> Self {
        for line in other.0 {
            // What was set once is set.
            if !(line.starts_with("git config ") && self.0.contains(&line)) {
                self.0.push(line);
            }
        }
        self
    }

    /// One line after the other.
    pub(super) fn text(self) -> String {
        self.0.join("\n")
    }
}

/// History that nobody can make again. A rule's `since` names what the repository has already, and so does a baseline.
pub(super) fn exempt() -> Hint {
    let words = "history that nobody can rewrite, an admin fetches into the server's repository and exempts";
    Hint::new().run(words, [BASELINE.to_owned()])
}

/// Who has sealed before, and does not now, has most likely lost the hooks in silence.
pub(super) fn lost_hooks() -> Hint {
    let words = "its author has sealed before, so this clone may have lost its hooks, as to husky's prepare at an npm install; \
                 they come back by";
    Hint::new().run(words, ["countersign install".to_owned()])
}

/// What an admin runs to have a ref taken as it is.
pub(super) fn baseline() -> String {
    BASELINE.to_owned()
}

/// A ref as a word of a command that takes a branch or a full name.
pub(super) fn ref_word(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let branch = name.strip_prefix("refs/heads/").filter(|rest| !rest.starts_with("refs/") && !rest.starts_with('-'));
    word(branch.unwrap_or(&name))
}

/// Commands for the one who pushed one update, who may know nothing but the server's address.
#[derive(Clone, Copy)]
pub(super) struct Commands<'a> {
    pub(super) policy: &'a Policy,
    pub(super) facts: &'a Facts,
    pub(super) update: &'a Update,
}

impl Commands<'_> {
    /// Seals are bound to what the server calls the repository, which a fresh clone has not been told.
    pub(super) fn name(&self) -> Option<String> {
        let name = self.facts.repository.as_ref();
        name.map(|name| format!("git config countersign.repository {}", word(name.as_str())))
    }

    /// The commit that is pushed, whatever the pusher has checked out.
    pub(super) fn tip(&self) -> Option<Oid> {
        match self.update.target {
            RefTarget::Commit(id) => Some(id),
            RefTarget::Unattributed(_) | RefTarget::Nothing => self.update.new,
        }
    }

    /// Where the commands work: they rewrite what is checked out, and nobody but the pusher knows what that is.
    fn place(&self) -> String {
        self.tip().map(|id| format!(", where {} is checked out", id.abbreviated())).unwrap_or_default()
    }

    /// ` BASE..HEAD`: all that the push brings.
    fn range(&self) -> String {
        self.update.base.map(|base| format!(" {}..HEAD", base.abbreviated())).unwrap_or_default()
    }

    /// Has the pushed commits sealed: by the registered agent that `mark` most likely means, an id or a tool.
    pub(super) fn seal(&self, mark: Option<&str>) -> Hint {
        let policy = self.policy;
        let known = mark.and_then(|mark| policy.agent_for_tool(mark));
        match (known, mark) {
            // Which of several is at work, their own desk knows.
            (Some(_), Some(mark)) if !policy.is_one_agent(mark) => self.seal_as(None),
            (Some(agent), _) => self.seal_as(Some(&agent.id)),
            (None, Some(mark)) => self.register(mark, AgentKey::Known),
            (None, None) => self.seal_as(None),
        }
    }

    fn seal_as(&self, agent: Option<&Id>) -> Hint {
        let key = agent.map(|id| format!("git config countersign.{id}.key FILE"));
        let words = "where the agent has a key that this clone does not know, name its file first";
        let hint = key.map_or_else(Hint::new, |key| Hint::new().run(words, [key]));
        hint.and(self.sign_again(agent))
    }

    fn sign_again(&self, agent: Option<&Id>) -> Hint {
        let agent = agent.map(|id| format!(" --agent {id}")).unwrap_or_default();
        let sign = format!("countersign sign{}{agent}", self.range());
        let words = format!("as the agent{}, seal and push again", self.place());
        Hint::new().run(&words, self.name().into_iter().chain([sign]))
    }

    /// Gives an agent a key that an admin registers, and has the pushed commits sealed with it.
    pub(super) fn register(&self, name: &str, key: AgentKey) -> Hint {
        let id = Id::parse(name.as_bytes());
        let owner = id.as_ref().and_then(|id| self.policy.principal(id)).and_then(|agent| agent.owner.as_ref());
        let owner = owner.map_or("PERSON", Id::as_str);
        let shown = id.as_ref().map_or("AGENT", Id::as_str);
        let more = if key == AgentKey::New { " --new-key" } else { "" };
        let add = format!("countersign agent add {shown} --owner {owner}{more}");
        let words = "as the agent, get a key, and ask an admin to put what this prints into the policy";
        let sign = match &id {
            Some(id) => self.sign_again(Some(id)),
            None => {
                Hint::new().run("then seal and push again", [format!("countersign sign{} --agent AGENT", self.range())])
            }
        };
        Hint::new().run(words, [add]).and(sign)
    }

    /// Has an agent work under another grant than it did, or under one at all.
    pub(super) fn grant(&self, agent: &str, code: Code) -> Hint {
        let known = Id::parse(agent.as_bytes()).and_then(|id| self.policy.principal(&id));
        let issuers: Vec<&str> = known.iter().flat_map(|agent| &agent.issuers).map(Id::as_str).collect();
        let issuers = if issuers.is_empty() { "an issuer of the agent".to_owned() } else { issuers.join(", ") };
        let words = match code {
            Code::GrantOutOfScope => "keep to what the grant is for, or ask for one that reaches further, from one of",
            Code::GrantExpired => {
                "ask for a grant that is in force, and seal again with its key; it is issued by one of"
            }
            _ => "ask for a grant, and seal again with its key; it is issued by one of",
        };
        let sign = format!("countersign sign{} --agent {}", self.range(), word(agent));
        Hint::new().say(format!("{words}: {issuers}")).run("then, as the agent, seal and push again", [sign])
    }

    /// Has a person answer for an agent's commits.
    pub(super) fn adopt(&self, who: &str) -> Hint {
        let adopt = format!("countersign sign{} --adopt", self.range());
        let words = format!("{who} answers for it, with a registered SSH key as user.signingkey");
        Hint::new().run(&words, self.name().into_iter().chain([adopt]))
    }

    /// Has git sign the pushed commits again, as whoever runs it.
    pub(super) fn sign_as_person(&self, commit: Oid) -> Hint {
        let amend = "git commit --amend --no-edit -S";
        let alone = self.update.judged.iter().all(|judged| judged.commits.len() <= 1);
        let sign =
            if alone && self.tip() == Some(commit) { amend.to_owned() } else { rebase_each(amend, self.update.base) };
        let key = ["git config gpg.format ssh".to_owned(), "git config user.signingkey FILE".to_owned()];
        Hint::new()
            .run("where git does not sign with your registered SSH key yet", key)
            .run(&format!("sign{}, and push again", self.place()), [sign])
    }

    /// Names what the ref asks, after words on what to do.
    pub(super) fn explain(&self, words: &str) -> Hint {
        let explain = format!("countersign explain {}", ref_word(&self.update.name));
        Hint::new().run(&format!("{words}; a clone that knows the policy is told what this one asks"), [explain])
    }

    /// Pushes once more what was pushed, with options that end with a blank.
    pub(super) fn push(&self, options: &str) -> String {
        let value = self.update.new.map(|id| id.abbreviated()).unwrap_or_default();
        format!("git push {options}origin {value}:{}", word(&String::from_utf8_lossy(&self.update.name)))
    }

    /// Takes in what the ref has and pushes on top of it.
    pub(super) fn pull(&self) -> Hint {
        let name = &self.update.name;
        if !name.starts_with(b"refs/heads/") {
            return Hint::new().say("push it under another name");
        }
        let (from, to) = (ref_word(name), word(&String::from_utf8_lossy(name)));
        let pull = format!("git pull --rebase origin {from}");
        // The shell takes HEAD and the colon with the name that follows.
        let push = format!("git push origin HEAD:{to}");
        Hint::new().run(&format!("take in what is there{}, and push without --force", self.place()), [pull, push])
    }
}

/// Which key an agent is to have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentKey {
    /// The one its clone has, or its first.
    Known,
    /// Another than it has.
    New,
}

/// A rebase that runs a command on every commit that stands on `base`.
pub(super) fn rebase_each(command: &str, base: Option<Oid>) -> String {
    let base = base.map_or_else(|| "--root".to_owned(), |base| base.abbreviated());
    format!("git rebase --rebase-merges --exec '{command}' {base}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_alone_and_what_was_set_is_not_set_again() {
        let set = || "git config a b".to_owned();
        let one = Hint::new().run("first", [set(), "run it".to_owned()]);
        let text = one.and(Hint::new().run("then", [set(), "run it".to_owned()])).say("done").text();
        assert_eq!(text, "first:\ngit config a b\nrun it\nthen:\nrun it\ndone");
    }

    #[test]
    fn a_ref_is_one_word_that_means_that_ref() {
        for (name, expected) in [
            ("refs/heads/main", "main"),
            ("refs/tags/v1", "refs/tags/v1"),
            ("refs/heads/refs/x", "refs/heads/refs/x"),
            ("refs/heads/-x", "refs/heads/-x"),
            ("refs/heads/a;$(reboot)", "'a;$(reboot)'"),
            ("refs/heads/it's", "'it'\"'\"'s'"),
        ] {
            assert_eq!(ref_word(name.as_bytes()), expected);
        }
    }
}
