//! What the hooks of a server are told: an admin's decisions, as words of the command that a hook runs.

use std::path::Path;

use super::Install;
use super::shim::{Planned, plan, quote, quote_path, script};
use crate::cli::Result;
use crate::cli::hook::Server;
use crate::cli::policy_source::PolicyArg;
use crate::core::submitter::Adapter;

/// What the shims say.
pub(super) struct Words {
    pub(super) policies: Vec<PolicyArg>,
    /// `--repository NAME` or `--below DIR`; `None` where the server says the name at each push.
    pub(super) name: Option<String>,
    pub(super) ledger: String,
    pub(super) baseline: Option<String>,
    /// Whether refs are watched that move without a push.
    pub(super) watch: bool,
}

/// What an admin said, or had said before.
pub(super) struct Told {
    pub(super) submitter: Option<Adapter>,
    pub(super) deadline: Option<u64>,
    pub(super) observe: bool,
    /// Words for what was said before and not now.
    pub(super) kept: Vec<String>,
}

impl Told {
    /// What is said now, and what the hook that is there was told and nobody says anything else of. That it observes, an admin says
    /// each time: to install without is to enforce.
    pub(super) fn at(arguments: &Install, before: Option<&Server>) -> Self {
        let mut kept = Vec::new();
        let submitter = arguments.submitter.or_else(|| {
            let adapter = before?.submitter()?;
            kept.push(format!("--submitter {adapter}"));
            Some(adapter)
        });
        let deadline = arguments.deadline.or_else(|| {
            let seconds = before?.deadline()?;
            kept.push(format!("--deadline {seconds}"));
            Some(seconds)
        });
        Self { submitter, deadline, observe: arguments.observe, kept }
    }
}

impl Words {
    /// Each hook with its arguments.
    pub(super) fn hooks(&self, told: &Told) -> Result<Vec<(&'static str, String)>> {
        let kept = format!("--ledger {}", quote(&self.ledger)?);
        let mut policies = Vec::new();
        for policy in &self.policies {
            policies.push(format!("--policy {}", quote(&policy.to_string())?));
        }
        let policies = policies.join(" ");
        let mut decide = policies.clone();
        if let Some(name) = &self.name {
            decide.push_str(&format!(" {name}"));
        }
        decide.push_str(&format!(" {kept}"));
        if let Some(path) = &self.baseline {
            decide.push_str(&format!(" --baseline {}", quote(path)?));
        }
        if let Some(adapter) = told.submitter {
            decide.push_str(&format!(" --submitter {adapter}"));
        }
        if let Some(seconds) = told.deadline {
            decide.push_str(&format!(" --deadline {seconds}"));
        }
        let observe = if told.observe { " --observe" } else { "" };
        decide.push_str(observe);
        let mut hooks = vec![("pre-receive", decide), ("post-receive", format!("{kept}{observe}"))];
        if self.watch {
            hooks.push(("reference-transaction", format!("{policies} {kept}{observe}")));
        }
        Ok(hooks)
    }
}

/// A hook file of ours, with the hook that it runs besides.
pub(super) fn shim(path: &Path, hook: &str, program: &str, words: &str) -> Result<Planned> {
    plan(path, |chained| {
        let chain = chained.and_then(|path| quote_path(path).ok()).map(|path| format!(" --chain {path}"));
        script(&format!("exec {program} hook {hook} {words}{} \"$@\"\n", chain.unwrap_or_default()))
    })
}
