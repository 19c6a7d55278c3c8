//! What the gate rests on: its ledger, its policy, and whose hands can reach them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::core::policy::{Policy, PrincipalKind};
use crate::doctor::gate::Gate;
use crate::doctor::server::{Checkup, Opened};
use crate::gate::command::PreReceive;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::recording::ServerRefs;
use crate::gate::ref_values::StoredRefs;
use crate::gate::shim::quoted;
use crate::ledger::{Ledger, LedgerError};
use crate::system::users::may_write;

impl Checkup<'_> {
    pub(super) fn ledger(&mut self, gate: &Gate, opened: &Opened, place: &str) {
        let Some(directory) = gate.server.ledger() else { return };
        // What the shim says is relative to the repository, where git runs it.
        let directory = opened.dir.git_dir.join(directory);
        let shown = directory.display();
        self.guard(&directory, "open-ledger", "the ledger");
        if let Some(closed) = not_writable(&directory) {
            let message =
                format!("the user that git runs as may not write to {}: no push is accepted", closed.display());
            self.report.error(
                &shown,
                "ledger",
                message,
                format!("chown -R {}, to whom git runs as", quoted(&directory)),
            );
            return;
        }
        let looked = || -> std::result::Result<(usize, usize), LedgerError> {
            let ledger = Ledger::open(&directory)?;
            let refs = ServerRefs(&opened.refs);
            let (suspects, state) = (ledger.suspects(&refs)?, ledger.state()?);
            let (_, strange) = ledger.partition_news(&state, ledger.unexplained(&state, &suspects, &refs)?)?;
            Ok((strange.len(), state.unexplained().count()))
        };
        match looked() {
            Ok((0, 0)) => {}
            Ok((suspects, unexplained)) => {
                let count = match suspects + unexplained {
                    1 => "1 ref".to_owned(),
                    more => format!("{more} refs"),
                };
                let message =
                    format!("{count} moved with no decision: somebody did so on the server, or the hook was off");
                let server = quoted(&opened.dir.git_dir);
                let fix = format!(
                    "look at them: countersign log show --server {server}; if they are right: {} --baseline",
                    gate.install(&opened.dir.git_dir)
                );
                self.report.error(&place, "unexplained", message, fix);
            }
            // A hook for many repositories makes the ledger of a new one itself.
            Err(LedgerError::Absent(_))
                if gate.server.makes_ledgers() && opened.refs.values().is_ok_and(|all| all.is_empty()) => {}
            Err(error) => {
                self.report.error(&shown, "ledger", format!("{error}: no push is accepted"), error.hint());
            }
        }
    }

    /// The file of commits whose history is exempt.
    pub(super) fn baseline(&mut self, gate: &Gate, opened: &Opened, place: &str) {
        let path = gate.server.baseline().map(|path| opened.dir.git_dir.join(path));
        let Some(path) = path.filter(|path| path.exists()) else { return };
        self.guard(&path, "open-baseline", "which history is exempt");
        if let Err(error) = std::fs::File::open(&path) {
            let message =
                format!("the user that git runs as may not read {}: {error}: no push is accepted", path.display());
            self.report.error(&place, "baseline", message, format!("{} --baseline", gate.install(&opened.dir.git_dir)));
        }
    }

    /// The policy in force, read once for all repositories that have it from the same files.
    pub(super) fn policy(&mut self, server: &PreReceive, opened: &Opened, place: &str) -> Option<Policy> {
        let args = server.policies();
        let names: Vec<String> = args.iter().map(ToString::to_string).collect();
        let shared = args.iter().all(|arg| matches!(arg, PolicyArg::File(_)));
        let name = if shared { names.join(" ") } else { format!("{place} {}", names.join(" ")) };
        if let Some(known) = self.policies.get(&name) {
            return known.clone();
        }
        let values = StoredRefs { refs: &opened.refs, objects: &opened.objects };
        let loaded = match (PolicyReader { repository: Some((&opened.objects, &values)) }).load(args) {
            Ok(loaded) => {
                let digest = loaded.policy.digest().to_string();
                self.report.policies.insert(name.clone(), digest);
                self.reviews(&loaded.policy);
                self.report.tolerated(&loaded.policy);
                Some(loaded.policy)
            }
            Err(error) => {
                let fix = "countersign policy check FILE, as the user that git runs as, says what is wrong";
                self.report.error(&name, "policy", format!("{error}: no push is accepted"), fix);
                None
            }
        };
        for (layer, arg) in args.iter().enumerate() {
            let PolicyArg::File(path) = arg else { continue };
            self.guard(path, "open-policy", "the policy");
            let directory = path.parent().unwrap_or(Path::new("/"));
            let included = loaded.iter().flat_map(|policy| policy.files(layer).skip(1));
            for name in included {
                self.guard(&directory.join(name), "open-policy", "the policy");
            }
        }
        self.policies.insert(name, loaded.clone());
        loaded
    }

    /// Tells where everybody on the machine can change a file, or put another in its place.
    pub(super) fn guard(&mut self, path: &Path, check: &'static str, what: &str) {
        let Ok(real) = path.canonicalize() else { return };
        // In a directory with the sticky bit everybody changes their own only (inode(7)).
        let is_open = |path: &&Path| {
            path.metadata().is_ok_and(|found| {
                let mode = found.permissions().mode();
                mode & 0o002 != 0 && (found.is_file() || mode & 0o1000 == 0)
            })
        };
        let Some(open) = real.ancestors().chain(path.ancestors().skip(1)).find(is_open) else { return };
        if self.told.insert((open.to_owned(), check)) {
            let message = format!("anyone on this machine can change {what}");
            self.report.error(&open.display(), check, message, format!("chmod o-w {}", quoted(open)));
        }
    }

    /// Agents that nobody has reviewed in time.
    fn reviews(&mut self, policy: &Policy) {
        for agent in policy.principals().filter(|one| one.kind == PrincipalKind::Agent) {
            let Some(date) = agent.review_by.filter(|date| date.is_past(self.now)) else { continue };
            let place = format!("{}:{}", agent.at.file, agent.at.line);
            let message = format!("agent {} was to be reviewed by {date} and is suspended", agent.id);
            self.report.warn(&place, "review", message, "review it and move review-by, or remove it");
        }
    }
}

/// What of a ledger this user may not write to.
fn not_writable(directory: &Path) -> Option<PathBuf> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(_) => return Some(directory.to_owned()),
    };
    let all = std::iter::once(directory.to_owned()).chain(entries.flatten().map(|entry| entry.path()));
    all.into_iter().find(|path| path.exists() && !may_write(path))
}
