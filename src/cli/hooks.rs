//! `countersign hook`: what git runs, at a server and in a clone.

use clap::{Args, Subcommand};

use crate::desk::hooks::{self as desk, CommitMsg, PostCommit, PostMerge, PrepareCommitMsg};
use crate::desk::pushing::{self, PrePush};
use crate::gate::command::{PostReceive, PreReceive, ReferenceTransaction, Update};
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

pub(super) fn run(arguments: Arguments) -> Result {
    match arguments.hook {
        Hook::PreReceive(options) => hook::pre_receive(options),
        Hook::Update(update) => hook::one_update(update),
        Hook::PostReceive(options) => after_push::post_receive(options),
        Hook::ReferenceTransaction(call) => after_push::reference_transaction(call),
        Hook::PrepareCommitMsg(call) => desk::prepare_commit_msg(call),
        Hook::CommitMsg(call) => desk::commit_msg(call),
        Hook::PostCommit(call) => desk::post_commit(call),
        Hook::PostApplypatch(call) => desk::post_applypatch(call),
        Hook::PostMerge(call) => desk::post_merge(call),
        Hook::PrePush(call) => pushing::pre_push(call),
    }
}
