//! What a checkup looks for, one file each: a function from what was seen to what is found.

pub(super) mod asks;
mod baseline;
mod beside;
mod canary;
mod ground;
pub(super) mod head;
mod hook;
mod ledger;
mod name;
mod open;
mod orders;
pub(super) mod out_of_band;
mod policy;
mod program;
pub(super) mod refs;
pub(super) mod shared;
mod sshd;
pub(super) mod submitter;

pub(super) use ground::Footing;

macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident $id:literal)*) => {
        /// What can be found. Each has a row in CHECKS.md, with its fix.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Check {
            $($(#[$doc])* $variant,)*
        }

        impl Check {
            /// The stable name that reports print.
            pub(super) const fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }

            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

checks! {
    /// A hook of ours is not there.
    Missing "missing"
    /// A hook of ours cannot be run by git, or not by the group that the repository is shared with.
    NotExecutable "not-executable"
    /// The link in the place of a hook leads nowhere.
    Dangling "dangling"
    /// What stands in the place of a hook is not what install writes.
    Replaced "replaced"
    /// `core.hooksPath` sends git elsewhere for hooks.
    HooksPath "hooks-path"
    /// The hook of Gitea or Forgejo does not run what lies in `pre-receive.d`.
    NotRun "not-run"
    /// A hook that calls the gate does more than that.
    Unclear "unclear"
    /// Git is too old for the quarantine, or for hooks in its configuration.
    OldGit "old-git"
    /// The configuration of the repository changes `hook.countersign` or switches it off.
    Disabled "disabled"
    /// There is no post-receive hook, so what became of a decision is known at the next push only.
    NoPostReceive "no-post-receive"
    /// The hook that ran before ours does not run.
    Chain "chain"
    /// The user that git runs as cannot run the program.
    NoProgram "no-program"
    /// GitLab runs the hook, not git, which cannot be seen from the repository.
    CustomHooks "custom-hooks"
    /// The hook was installed with `--observe` and refuses nothing.
    Observes "observes"
    /// A directory was not looked into.
    PassedOver "passed-over"
    /// Who asks is neither the user that git runs as nor root.
    WrongUser "wrong-user"
    /// A repository cannot be read, or git may not write to it.
    Unreadable "unreadable"
    /// Anyone on the machine can change the program that decides.
    OpenProgram "open-program"
    /// Anyone on the machine can change the hook that decides.
    OpenHook "open-hook"
    /// Anyone on the machine can change the ledger.
    OpenLedger "open-ledger"
    /// Anyone on the machine can change which history is exempt.
    OpenBaseline "open-baseline"
    /// Anyone on the machine can change the policy.
    OpenPolicy "open-policy"
    /// The ledger cannot be read or written.
    Ledger "ledger"
    /// The ledger's last entry is ahead of the clock.
    Clock "clock"
    /// Refs moved with no decision.
    Unexplained "unexplained"
    /// People passed over findings in the last 30 days.
    Override "override"
    /// A directory looks like a store of orders, and others than root and the repository's owner can change it.
    OpenOrders "open-orders"
    /// The file of exempt history cannot be read.
    Baseline "baseline"
    /// There are refs under `refs/replace/`, by which other programs read other commits.
    ReplaceRefs "replace-refs"
    /// `core.sharedRepository` lets several users push, and the ledger is its owner's.
    Shared "shared"
    /// The policy does not load, or holds what a new one may not say.
    Policy "policy"
    /// An agent was to be reviewed by a day that is past.
    Review "review"
    /// The hook calls the repository another name than the policy is for.
    Name "name"
    /// Two repositories have one name, so a seal for one counts in both.
    SameName "same-name"
    /// No enforcing rule asks who made a commit or who approved it.
    AsksNothing "asks-nothing"
    /// The configuration hides the main branch from pushes.
    Hidden "hidden"
    /// The policy refuses moves without a decision, and no hook watches for them.
    OutOfBand "out-of-band"
    /// No rule is about the main branch.
    Ungoverned "ungoverned"
    /// The policy asks who pushes, and nothing says so.
    Submitter "submitter"
    /// A forged commit was accepted, not decided, or could not be pushed.
    Canary "canary"
    /// Others can change what root would run or write to, so nobody tried the gate.
    Ground "ground"
    /// The clone knows no policy, so nothing is checked before a push.
    NoPolicy "no-policy"
    /// Nothing says what the repository is called, so nothing can be sealed in the clone.
    NoName "no-name"
    /// What the agent that asks commits in this clone is not sealed, or not accepted.
    NotSealing "not-sealing"
    /// The key of an agent cannot be read.
    Key "key"
    /// Others on the machine can read the key of an agent.
    OpenKey "open-key"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That a test brings each about, tests/integration/doctor.rs holds.
    #[test]
    fn each_check_has_a_row_in_the_reference() {
        let rows = include_str!("../CHECKS.md");
        assert_eq!(rows.matches("\n| `").count(), Check::ALL.len());
        for check in Check::ALL {
            assert_eq!(rows.matches(&format!("\n| `{}` | ", check.id())).count(), 1, "{check:?}");
        }
    }
}
