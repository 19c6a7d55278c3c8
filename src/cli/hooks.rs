//! `countersign hook`: what git runs, at a server and in a clone.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::core::id::RepositoryName;
use crate::core::submitter::Adapter;
use crate::desk::{hooks as desk, pushing};
use crate::gate::command::{self, adapter, repository_name};
use crate::gate::policy_source::PolicyArg;
use crate::gate::{after_push, hook};
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    hook: Hook,
}

#[derive(Subcommand)]
enum Hook {
    /// Decide all updates of a push, read from standard input
    PreReceive(PreReceive),
    /// Decide one update, given as arguments
    Update(Update),
    /// Record which updates of a decision came to pass
    PostReceive(PostReceive),
    /// Record or refuse moves of refs that no decision explains
    ReferenceTransaction(ReferenceTransaction),
    /// Note whose commit is being made
    PrepareCommitMsg(PrepareCommitMsg),
    /// Seal the message of an agent's commit
    CommitMsg(CommitMsg),
    /// Seal an agent's commit where commit-msg could not
    PostCommit(PostCommit),
    /// Seal an agent's patch again where it was applied
    PostApplypatch(PostCommit),
    /// Seal an agent's merge, which runs no post-commit
    PostMerge(PostMerge),
    /// Decide beforehand what the server would say
    PrePush(PrePush),
}

#[derive(Args)]
struct PreReceive {
    /// A policy file, or ref:REF:PATH for one in the repository; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH", required = true)]
    policies: Vec<PolicyArg>,
    /// The name that seals are bound to
    #[arg(long, value_name = "NAME", value_parser = repository_name)]
    repository: Option<RepositoryName>,
    /// The directory that holds all repositories: the path below it is the name, and a ledger is made for a new one
    #[arg(long, value_name = "DIR", conflicts_with = "repository")]
    below: Option<PathBuf>,
    /// A file of commits whose history is exempt
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// The directory of the ledger that every decision is recorded in
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// The kind of server, which tells who pushes: ssh, http, gitolite, gitlab, gitea, ghes, bitbucket, push-cert or none
    #[arg(long, value_name = "KIND", value_parser = adapter)]
    submitter: Option<Adapter>,
    /// Seconds after which the push is refused if it is not decided
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,
    /// Decide and record, and refuse nothing
    #[arg(long)]
    observe: bool,
    /// A hook to run afterwards if the push is accepted, with the same input
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
}

impl From<PreReceive> for command::PreReceive {
    fn from(options: PreReceive) -> Self {
        let PreReceive { policies, repository, below, baseline, ledger, submitter, deadline, observe, chain } = options;
        Self { policies, repository, below, baseline, ledger, submitter, deadline, observe, chain }
    }
}

#[derive(Args)]
struct PostReceive {
    /// The directory of the ledger
    #[arg(long, value_name = "DIR")]
    ledger: PathBuf,
    /// A hook to run afterwards with the same input
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// Record, and say nothing
    #[arg(long)]
    observe: bool,
}

impl From<PostReceive> for command::PostReceive {
    fn from(PostReceive { ledger, chain, observe }: PostReceive) -> Self {
        Self { ledger, chain, observe }
    }
}

#[derive(Args)]
struct Watch {
    /// A policy file, or `ref:REF:PATH` for one in the repository; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH", required = true)]
    policies: Vec<PolicyArg>,
    /// The directory of the ledger
    #[arg(long, value_name = "DIR")]
    ledger: PathBuf,
    /// A hook to run afterwards with the same input
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// Record, and refuse nothing
    #[arg(long)]
    observe: bool,
}

impl From<Watch> for command::Watch {
    fn from(Watch { policies, ledger, chain, observe }: Watch) -> Self {
        Self { policies, ledger, chain, observe }
    }
}

/// What git calls the hook with that sees refs move.
#[derive(Args)]
struct ReferenceTransaction {
    #[command(flatten)]
    watch: Watch,
    /// `prepared`, `committed` or `aborted`
    state: String,
}

/// What git calls the hook with that sees one ref.
#[derive(Args)]
struct Update {
    #[command(flatten)]
    server: PreReceive,
    /// The full name of the ref
    #[arg(value_name = "REF")]
    name: OsString,
    /// Its value before
    old: OsString,
    /// Its value after
    new: OsString,
}

#[derive(Args)]
struct Chained {
    /// The hook that was there before, run as well
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
}

impl From<Chained> for desk::Chained {
    fn from(Chained { chain }: Chained) -> Self {
        Self { chain }
    }
}

#[derive(Args)]
struct CommitMsg {
    #[command(flatten)]
    chained: Chained,
    /// The file with the message
    file: PathBuf,
}

#[derive(Args)]
struct PrepareCommitMsg {
    #[command(flatten)]
    chained: Chained,
    /// The file with the message
    file: PathBuf,
    /// Where the message comes from, and of which commit
    #[arg(num_args = 0..=2)]
    source: Vec<OsString>,
}

#[derive(Args)]
struct PostCommit {
    #[command(flatten)]
    chained: Chained,
}

#[derive(Args)]
struct PostMerge {
    #[command(flatten)]
    chained: Chained,
    /// 1 where the merge only prepared a commit, 0 where HEAD has moved
    squash: String,
}

#[derive(Args)]
struct PrePush {
    #[command(flatten)]
    chained: Chained,
    /// The remote's name
    remote: String,
    /// Where it is
    url: String,
}

pub(super) fn run(arguments: Arguments) -> Result {
    match arguments.hook {
        Hook::PreReceive(options) => hook::pre_receive(options.into()),
        Hook::Update(Update { server, name, old, new }) => {
            hook::one_update(command::Update { server: server.into(), name, old, new })
        }
        Hook::PostReceive(options) => after_push::post_receive(options.into()),
        Hook::ReferenceTransaction(ReferenceTransaction { watch, state }) => {
            after_push::reference_transaction(command::ReferenceTransaction { watch: watch.into(), state })
        }
        Hook::PrepareCommitMsg(PrepareCommitMsg { chained, file, source }) => {
            desk::prepare_commit_msg(desk::PrepareCommitMsg { chained: chained.into(), file, source })
        }
        Hook::CommitMsg(CommitMsg { chained, file }) => {
            desk::commit_msg(desk::CommitMsg { chained: chained.into(), file })
        }
        Hook::PostCommit(PostCommit { chained }) => desk::post_commit(chained.into()),
        Hook::PostApplypatch(PostCommit { chained }) => desk::post_applypatch(chained.into()),
        Hook::PostMerge(PostMerge { chained, squash }) => {
            desk::post_merge(desk::PostMerge { chained: chained.into(), squash })
        }
        Hook::PrePush(PrePush { chained, remote, url }) => {
            pushing::pre_push(pushing::PrePush { chained: chained.into(), remote, url })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::gate::command::HookCommand;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        hook: Arguments,
    }

    /// What the command line makes of the words of a hook, and what is read of its text, are the same.
    #[test]
    fn a_hook_runs_with_what_is_read_of_it() {
        let all = "--policy /p --policy ref:refs/heads/main:p --ledger l --observe --chain c";
        for words in [
            format!("pre-receive {all} --repository a/b --baseline b --submitter gitea --deadline 9"),
            format!("pre-receive {all} --below=/srv"),
            "pre-receive --policy p".to_owned(),
            "post-receive --ledger l".to_owned(),
            "post-receive --ledger=l --observe --chain c".to_owned(),
            format!("reference-transaction {all}"),
        ] {
            let (_, read) = HookCommand::read(&format!("exec countersign hook {words} \"$@\"\n")).unwrap();
            let state = words.starts_with("reference").then_some("prepared");
            let line = ["countersign"].into_iter().chain(words.split(' ')).chain(state);
            let run = match Line::try_parse_from(line).unwrap().hook.hook {
                Hook::PreReceive(options) => HookCommand::PreReceive(options.into()),
                Hook::PostReceive(options) => HookCommand::PostReceive(options.into()),
                Hook::ReferenceTransaction(call) => HookCommand::ReferenceTransaction(call.watch.into()),
                _ => unreachable!("{words}"),
            };
            assert_eq!(run, read, "{words}");
        }
    }
}
