//! What an admin decided, as the command in the files that git runs as hooks: read in one place and written in one place.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::naming::default_name;
use super::policy_source::PolicyArg;
use super::shim::exec_words;
use crate::core::id::RepositoryName;
use crate::core::submitter::Adapter;
use crate::system::{OnDisk as _, quote};

/// The command of a hook at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HookCommand {
    /// Decides a push.
    PreReceive(PreReceive),
    /// Records what became of it.
    PostReceive(PostReceive),
    /// Watches refs that move.
    ReferenceTransaction(Watch),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PreReceive {
    /// A policy file, or ref:REF:PATH for one in the repository; all given hold together
    pub(crate) policies: Vec<PolicyArg>,
    /// The name that seals are bound to
    pub(crate) repository: Option<RepositoryName>,
    /// The directory that holds all repositories: the path below it is the name, and a ledger is made for a new one
    pub(crate) below: Option<PathBuf>,
    /// A file of commits whose history is exempt
    pub(crate) baseline: Option<PathBuf>,
    /// The directory of the ledger that every decision is recorded in
    pub(crate) ledger: Option<PathBuf>,
    /// The kind of server, which tells who pushes: ssh, http, gitolite, gitlab, gitea, ghes, bitbucket, push-cert or none
    pub(crate) submitter: Option<Adapter>,
    /// Seconds after which the push is refused if it is not decided
    pub(crate) deadline: Option<u64>,
    /// Decide and record, and refuse nothing
    pub(crate) observe: bool,
    /// A hook to run afterwards if the push is accepted, with the same input
    pub(crate) chain: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PostReceive {
    /// The directory of the ledger
    pub(crate) ledger: PathBuf,
    /// A hook to run afterwards with the same input
    pub(crate) chain: Option<PathBuf>,
    /// Record, and say nothing
    pub(crate) observe: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    /// A policy file, or `ref:REF:PATH` for one in the repository; all given hold together
    pub(crate) policies: Vec<PolicyArg>,
    /// The directory of the ledger
    pub(crate) ledger: PathBuf,
    /// A hook to run afterwards with the same input
    pub(crate) chain: Option<PathBuf>,
    /// Record, and refuse nothing
    pub(crate) observe: bool,
}

/// What git calls the hook with that sees refs move.
pub(crate) struct ReferenceTransaction {
    pub(crate) watch: Watch,
    /// `prepared`, `committed` or `aborted`
    pub(crate) state: String,
}

/// What git calls the hook with that sees one ref.
pub(crate) struct Update {
    pub(crate) server: PreReceive,
    /// The full name of the ref
    pub(crate) name: OsString,
    /// Its value before
    pub(crate) old: OsString,
    /// Its value after
    pub(crate) new: OsString,
}

/// The options of a hook's command that nobody has asked for yet: each with its value, if it has one.
struct Options<'a>(Vec<(&'a str, Option<&'a str>)>);

impl<'a> Options<'a> {
    /// `None` where a word is no option.
    fn read(words: &'a [String]) -> Option<Self> {
        let mut options = Vec::new();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            word.strip_prefix("--")?;
            options.push(match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word.as_str(), words.next_if(|next| !next.starts_with('-')).map(String::as_str)),
            });
        }
        Some(Self(options))
    }

    /// The values of an option.
    fn take(&mut self, name: &str) -> Vec<Option<&'a str>> {
        let (named, left): (Vec<_>, _) = std::mem::take(&mut self.0).into_iter().partition(|(own, _)| *own == name);
        self.0 = left;
        named.into_iter().map(|(_, value)| value).collect()
    }

    /// What an option says that is given once at most; outer `None` where it says nothing that could be meant.
    fn parsed<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
        match self.take(name).as_slice() {
            [] => Some(None),
            [Some(value)] => parse(value).map(Some),
            _ => None,
        }
    }

    fn path(&mut self, name: &str) -> Option<Option<PathBuf>> {
        self.parsed(name, |path| (!path.is_empty()).then(|| path.into()))
    }

    fn policies(&mut self) -> Option<Vec<PolicyArg>> {
        let given = self.take("--policy");
        let policies: Option<Vec<PolicyArg>> = given.into_iter().map(|policy| policy?.parse().ok()).collect();
        policies.filter(|policies| !policies.is_empty())
    }

    fn is_set(&mut self, name: &str) -> Option<bool> {
        match self.take(name).as_slice() {
            [] => Some(false),
            [None] => Some(true),
            _ => None,
        }
    }
}

/// A word of a command.
enum Word {
    /// An option, or a value that no shell changes.
    Bare(String),
    /// Anything else.
    Quoted(String),
}

fn option(words: &mut Vec<Word>, name: &str, value: impl ToString) {
    words.extend([Word::Bare(name.to_owned()), Word::Quoted(value.to_string())]);
}

fn path(words: &mut Vec<Word>, name: &str, value: Option<&PathBuf>) {
    if let Some(value) = value {
        option(words, name, value.display());
    }
}

impl HookCommand {
    /// The program that the text of a hook runs, and with what command; `None` where it is none of ours.
    pub(crate) fn read(text: &str) -> Option<(PathBuf, Self)> {
        let words = exec_words(text)?;
        let (program, words) = words.split_first()?;
        let (hook, words) = words.strip_prefix(&["hook".to_owned()])?.split_first()?;
        Some((program.into(), Self::of_words(hook, words)?))
    }

    /// The command that a hook's name and the words after it are, which may be written by hand.
    fn of_words(hook: &str, words: &[String]) -> Option<Self> {
        let mut options = Options::read(words)?;
        let command = match hook {
            "pre-receive" => Self::PreReceive(PreReceive {
                policies: options.policies()?,
                repository: options.parsed("--repository", |name| repository_name(name).ok())?,
                below: options.path("--below")?,
                baseline: options.path("--baseline")?,
                ledger: options.path("--ledger")?,
                submitter: options.parsed("--submitter", Adapter::parse)?,
                deadline: options.parsed("--deadline", |seconds| seconds.parse().ok())?,
                observe: options.is_set("--observe")?,
                chain: options.path("--chain")?,
            }),
            "post-receive" => Self::PostReceive(PostReceive {
                ledger: options.path("--ledger")??,
                chain: options.path("--chain")?,
                observe: options.is_set("--observe")?,
            }),
            "reference-transaction" => Self::ReferenceTransaction(Watch {
                policies: options.policies()?,
                ledger: options.path("--ledger")??,
                chain: options.path("--chain")?,
                observe: options.is_set("--observe")?,
            }),
            _ => return None,
        };
        let both = matches!(&command, Self::PreReceive(PreReceive { repository: Some(_), below: Some(_), .. }));
        (options.0.is_empty() && !both).then_some(command)
    }

    /// The name of the hook.
    pub(crate) fn hook(&self) -> &'static str {
        match self {
            Self::PreReceive(_) => "pre-receive",
            Self::PostReceive(_) => "post-receive",
            Self::ReferenceTransaction(_) => "reference-transaction",
        }
    }

    /// The directory of the ledger.
    pub(crate) fn ledger(&self) -> Option<&Path> {
        match self {
            Self::PreReceive(options) => options.ledger.as_deref(),
            Self::PostReceive(PostReceive { ledger, .. }) | Self::ReferenceTransaction(Watch { ledger, .. }) => {
                Some(ledger)
            }
        }
    }

    fn words(&self) -> Vec<Word> {
        let mut words = vec![Word::Bare(self.hook().to_owned())];
        let (observe, chain) = match self {
            Self::PreReceive(PreReceive {
                policies,
                repository,
                below,
                baseline,
                ledger,
                submitter,
                deadline,
                observe,
                chain,
            }) => {
                policies.iter().for_each(|policy| option(&mut words, "--policy", policy));
                if let Some(name) = repository {
                    option(&mut words, "--repository", name);
                }
                path(&mut words, "--below", below.as_ref());
                path(&mut words, "--ledger", ledger.as_ref());
                path(&mut words, "--baseline", baseline.as_ref());
                let submitter = submitter.map(|adapter| format!("--submitter {adapter}"));
                let deadline = deadline.map(|seconds| format!("--deadline {seconds}"));
                words.extend([submitter, deadline].into_iter().flatten().map(Word::Bare));
                (*observe, chain)
            }
            Self::PostReceive(PostReceive { ledger, chain, observe }) => {
                path(&mut words, "--ledger", Some(ledger));
                (*observe, chain)
            }
            Self::ReferenceTransaction(Watch { policies, ledger, chain, observe }) => {
                policies.iter().for_each(|policy| option(&mut words, "--policy", policy));
                path(&mut words, "--ledger", Some(ledger));
                (*observe, chain)
            }
        };
        if observe {
            words.push(Word::Bare("--observe".to_owned()));
        }
        path(&mut words, "--chain", chain.as_ref());
        words
    }

    /// The words without quotes, for what is no shell.
    pub(crate) fn unquoted(&self) -> String {
        let words = self.words().into_iter().map(|word| match word {
            Word::Bare(word) | Word::Quoted(word) => word,
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// The same with a hook to run afterwards.
    pub(crate) fn chained(mut self, other: Option<&Path>) -> Self {
        let (Self::PreReceive(PreReceive { chain, .. })
        | Self::PostReceive(PostReceive { chain, .. })
        | Self::ReferenceTransaction(Watch { chain, .. })) = &mut self;
        *chain = other.map(Path::to_owned);
        self
    }
}

/// The words for a shell.
impl std::fmt::Display for HookCommand {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = self.words().into_iter().map(|word| match word {
            Word::Bare(word) => word,
            Word::Quoted(word) => quote(&word),
        });
        out.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}

impl PreReceive {
    /// The program that the text of a pre-receive hook runs, and with what options.
    pub(crate) fn read(text: &str) -> Option<(PathBuf, Self)> {
        match HookCommand::read(text)? {
            (program, HookCommand::PreReceive(options)) => Some((program, options)),
            _ => None,
        }
    }

    /// Whether it serves many repositories, also those that are made later.
    pub(crate) fn makes_ledgers(&self) -> bool {
        self.below.is_some() || !self.naming_variables().is_empty()
    }

    /// What the gate calls the repository at a path; `None` where it is known at a push only.
    pub(crate) fn name_of(&self, path: &Path) -> Option<RepositoryName> {
        let below = || default_name(&self.below.as_ref()?.on_disk().canonicalize().ok()?, path);
        self.repository.clone().or_else(below)
    }

    /// Where the server says at each push what the repository is called, because the admin did not.
    pub(crate) fn naming_variables(&self) -> &'static [&'static str] {
        match (&self.repository, self.submitter) {
            (None, Some(adapter)) => adapter.repository_variables(),
            _ => &[],
        }
    }

    pub(crate) fn names_submitter(&self) -> bool {
        self.submitter.is_some_and(|adapter| adapter != Adapter::None)
    }

    /// What is the same for all repositories that were installed together.
    pub(crate) fn common_text(&self) -> String {
        let policies: Vec<String> = self.policies.iter().map(ToString::to_string).collect();
        let Self { submitter, deadline, chain, ledger, baseline, .. } = self;
        let (chained, kept, exempt) = (chain.is_some(), ledger.is_some(), baseline.is_some());
        format!("{} {submitter:?} {deadline:?} {chained} {kept} {exempt}", policies.join(" "))
    }
}

pub(crate) fn repository_name(text: &str) -> std::result::Result<RepositoryName, String> {
    RepositoryName::parse(text.as_bytes()).ok_or_else(|| "a repository name is [a-z0-9][a-z0-9._/-]{0,63}".to_owned())
}

pub(crate) fn adapter(text: &str) -> std::result::Result<Adapter, String> {
    let names: Vec<&str> = Adapter::ALL.iter().map(|adapter| adapter.name()).collect();
    Adapter::parse(text).ok_or_else(|| format!("a kind of server is one of {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gate::shim::script;

    fn path() -> impl Strategy<Value = PathBuf> {
        "[a-z/][ -~\u{e9}]{0,12}".prop_map(PathBuf::from)
    }

    fn policies() -> impl Strategy<Value = Vec<PolicyArg>> {
        let file = path().prop_map(|path| PolicyArg::File(Path::new("/").join(path)));
        let stored = "[a-z' ]{1,8}".prop_map(|path| format!("ref:refs/heads/{path}:p/{path}").parse().unwrap());
        proptest::collection::vec(prop_oneof![file, stored], 1..3)
    }

    fn commands() -> impl Strategy<Value = HookCommand> {
        let names = prop_oneof![
            Just((None, None)),
            "[a-z0-9][a-z0-9._/-]{0,20}".prop_map(|name| (RepositoryName::parse(name.as_bytes()), None)),
            path().prop_map(|below| (None, Some(below))),
        ];
        let adapters = proptest::option::of(proptest::sample::select(Adapter::ALL));
        let paths = (proptest::option::of(path()), path(), proptest::option::of(path()));
        (policies(), names, adapters, proptest::option::of(1_u64..3600), any::<bool>(), paths, 0..3).prop_map(
            |(policies, (repository, below), submitter, deadline, observe, (baseline, ledger, chain), kind)| match kind
            {
                0 => HookCommand::PostReceive(PostReceive { ledger, chain, observe }),
                1 => HookCommand::ReferenceTransaction(Watch { policies, ledger, chain, observe }),
                _ => HookCommand::PreReceive(PreReceive {
                    policies,
                    repository,
                    below,
                    baseline,
                    ledger: Some(ledger),
                    submitter,
                    deadline,
                    observe,
                    chain,
                }),
            },
        )
    }

    proptest! {
        #[test]
        fn a_command_is_read_as_it_was_written(command in commands()) {
            let text = script(&format!("exec '/usr/bin/countersign' hook {command} \"$@\"\n"));
            let read = HookCommand::read(&text);
            prop_assert_eq!(read, Some((PathBuf::from("/usr/bin/countersign"), command)));
        }
    }

    #[test]
    fn what_is_no_command_of_ours_is_none() {
        for text in [
            "exec countersign hook pre-receive",
            "exec countersign hook commit-msg",
            "exec countersign doctor --policy p",
            "exec countersign hook pre-receive --policy $HOME/p",
            "exec countersign hook pre-receive --policy p --unknown",
            "exec countersign hook pre-receive --policy",
            "exec countersign hook pre-receive --policy --observe",
            "exec countersign hook pre-receive --policy p q",
            "exec countersign hook pre-receive --policy p --observe=1",
            "exec countersign hook pre-receive --policy p --deadline soon",
            "exec countersign hook pre-receive --policy p --ledger a --ledger b",
            "exec countersign hook pre-receive --policy p --repository a --below b",
            "exec countersign hook post-receive",
            "countersign hook pre-receive --policy p",
        ] {
            assert_eq!(HookCommand::read(text), None, "{text}");
        }
        assert!(HookCommand::read("exec countersign hook pre-receive --policy p \"$@\"\n").is_some());
        assert!(
            HookCommand::read("exec countersign hook pre-receive --observe --policy=p --policy q \"$@\"\n").is_some()
        );
    }
}
