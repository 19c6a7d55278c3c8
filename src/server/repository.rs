//! One server's repository: what install asks of it, and the ledger that it keeps there.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::core::digest::Digest;
use crate::core::id::RepositoryName;
use crate::core::oid::ObjectFormat;
use crate::core::policy::Policy;
use crate::gate::engine::{EngineError, Settings, repository_name, unprotected};
use crate::gate::hook::engine_failure;
use crate::gate::own_files::{ledger_directory, open_ledger};
use crate::gate::policy_source::{InRepository, PolicyArg, PolicyReader};
use crate::gate::recording::{Beginning, Begun, ServerRefs, begin_ledger, ledger_failure, stored_approvals};
use crate::gate::ref_values::StoredRefs;
use crate::gate::shim::quoted;
use crate::ledger::LedgerError;
use crate::server::targets::{Naming, Target, resolved};
use crate::store::{GitDir, Objects, Quarantine, Refs};
use crate::system::process::server_git;
use crate::system::{Failure, OnDisk as _, Result, disk, now};

/// When a ledger takes the refs as they are for right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AsFound {
    /// At its start.
    AtStart,
    /// And now, because the admin says so.
    Again,
}

/// A repository that pushes come to.
pub(super) struct Repository {
    pub(super) git_dir: PathBuf,
    pub(super) dir: GitDir,
    format: ObjectFormat,
    /// Where git looks for its hooks.
    hooks: PathBuf,
}

impl Repository {
    /// Opens a server's repository.
    pub(super) fn open(server: &Path) -> Result<Self> {
        let hint = "give the path of a bare repository, such as /srv/git/project.git";
        let absolute = server.on_disk().canonicalize().map_err(|error| Failure::new(error).hint(hint))?;
        let git_dir = resolved(&absolute).ok_or_else(|| Failure::new("this is not a git repository").hint(hint))?;
        let words = ["rev-parse", "--absolute-git-dir", "--show-object-format", "--git-path", "hooks"];
        let answer = server_git(&git_dir, &words).run().map_err(|failure| failure.hint(hint))?;
        let answer = String::from_utf8(answer).map_err(|_| Failure::new("its path is not UTF-8"))?;
        let mut lines = answer.lines();
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let (git_dir, format, hooks) = (PathBuf::from(line()), line(), absolute.join(line()));
        let format = match format.as_str() {
            "sha1" => ObjectFormat::Sha1,
            "sha256" => ObjectFormat::Sha256,
            other => return Err(Failure::new(format!("the object format {other} is unknown"))),
        };
        let dir = GitDir::at(&git_dir).map_err(Failure::new)?;
        Ok(Self { git_dir, dir, format, hooks })
    }

    /// Whether several users push here as themselves.
    pub(super) fn is_shared(&self) -> Result<bool> {
        let config = disk::read_to_string(self.dir.common_dir.join("config")).unwrap_or_default();
        if !config.to_ascii_lowercase().contains("sharedrepository") {
            return Ok(false);
        }
        let value =
            server_git(&self.git_dir, &["config", "--default", "umask", "--get", "core.sharedRepository"]).line()?;
        Ok(!["umask", "false", "no", "off", "0"].contains(&value.to_ascii_lowercase().as_str()))
    }

    /// Makes sure that git looks for its hooks where we would put them.
    pub(super) fn check_hooks_path(&self) -> Result<()> {
        let expected = self.git_dir.join("hooks");
        if self.hooks.on_disk().canonicalize().unwrap_or(self.hooks.clone())
            != expected.on_disk().canonicalize().unwrap_or(expected)
        {
            return Err(Failure::new(format!("core.hooksPath sends git to {} for hooks", self.hooks.display()))
                .hint("unset core.hooksPath for this repository, or place the shim there by hand: see the README"));
        }
        let own = self.git_dir.join("hooks");
        if let Ok(target) = disk::read_link(&own) {
            return Err(Failure::new(format!("{} is a link to {}, which others may share", own.display(), target.display()))
                .hint("make it a directory of this repository's own; or place the shim there by hand, with --below: see hooks/pre-receive"));
        }
        Ok(())
    }

    fn with_refs<T>(&self, look: impl FnOnce(&Objects, &Refs) -> Result<T>) -> Result<T> {
        let objects = Objects::open(&self.dir, &Quarantine::default(), self.format).map_err(Failure::new)?;
        look(&objects, &self.refs()?)
    }

    fn refs(&self) -> Result<Refs> {
        let asked = format!("git --git-dir={} config extensions.refStorage", quoted(&self.git_dir));
        let unread = |error| Failure::new(error).hint(format!("ask git where it keeps them:\n{asked}"));
        Refs::open(&self.dir, self.format).map_err(unread)
    }

    /// Files by their absolute path; a policy in the repository pinned by the digest of its first value.
    pub(super) fn settle(&self, policies: &[PolicyArg]) -> Result<Vec<PolicyArg>> {
        let mut settled = Vec::with_capacity(policies.len());
        for policy in policies {
            settled.push(match policy {
                PolicyArg::File(path) => PolicyArg::File(settled_file(path)?),
                PolicyArg::InRepository(place) => PolicyArg::InRepository(place.clone()),
            });
        }
        let in_repository = settled.iter().filter(|policy| matches!(policy, PolicyArg::InRepository(_))).count();
        if in_repository > 1 {
            return Err(Failure::new("only one policy can live in the repository").hint("include the others from it"));
        }
        let place = settled.iter().find_map(|policy| match policy {
            PolicyArg::InRepository(place) => Some(place.clone()),
            PolicyArg::File(_) => None,
        });
        let Some(place) = place.filter(|place| place.pin.is_none()) else { return Ok(settled) };
        let pin = self.with_refs(|objects, refs| {
            if refs.value(&place.name).map_err(Failure::new)?.is_none() {
                return Err(Failure::new(format!(
                    "{} does not exist yet, so whoever pushes first would choose the policy",
                    place.name
                ))
                .hint(format!(
                    "append its digest: ref:{}:{}@$(countersign policy digest FILE)",
                    place.name, place.path
                )));
            }
            let values = StoredRefs { refs, objects };
            let loaded = PolicyReader { repository: Some((objects, &values)) }.load(&settled);
            Ok(loaded.map_err(|error| engine_failure(&error.into()))?.policy.digest())
        })?;
        let pinned = InRepository { pin: Some(pin), ..place };
        let repin = |policy| match policy {
            PolicyArg::InRepository(_) => PolicyArg::InRepository(pinned.clone()),
            file => file,
        };
        Ok(settled.into_iter().map(repin).collect())
    }

    /// Loads the policies as the hook will. Returns the name that seals will be bound to, unless the server says it at each push,
    /// and the policy; `None` where it is not there yet.
    pub(super) fn check(
        &self,
        settings: &Settings,
        naming: Naming,
        target: &Target,
    ) -> Result<(Option<RepositoryName>, Option<Policy>)> {
        self.with_refs(|objects, refs| {
            let values = StoredRefs { refs, objects };
            let reader = PolicyReader { repository: Some((objects, &values)) };
            let place = settings.policies.iter().find_map(|policy| match policy {
                PolicyArg::InRepository(place) => Some(place),
                PolicyArg::File(_) => None,
            });
            let absent = match place {
                Some(place) => refs.value(&place.name).map_err(Failure::new)?.is_none(),
                None => false,
            };
            let missing_name = || {
                Failure::new("neither --repository, the policy nor its path gives it a name of at most 64 bytes").hint(
                    "install it by itself:\ncountersign install --server REPO.git --repository NAME --policy FILE",
                )
            };
            if absent {
                let name = settings.repository.clone();
                return if name.is_some() || naming == Naming::ByServer {
                    Ok((name, None))
                } else {
                    Err(missing_name())
                };
            }
            let policy = reader.load(&settings.policies).map_err(|error| engine_failure(&error.into()))?.policy;
            if let Some(place) = place
                && let Some(problem) = unprotected(settings, &policy, place).first()
            {
                return Err(Failure::new(problem).hint(problem.fix.clone()));
            }
            if let (Some(name), Some(_)) = (policy.repository(), &target.root)
                && settings.repository.as_ref() != Some(name)
            {
                let message = format!("the policy is for one repository, {name}, and is given for a directory of them");
                let hint = format!(
                    "take the line repository = \"{name}\" out of the policy, or give the path of that repository"
                );
                return Err(Failure::new(message).hint(hint));
            }
            let name = match repository_name(settings, &policy) {
                Ok(name) => Some(name),
                Err(EngineError::NoRepositoryName) if naming == Naming::ByServer => None,
                Err(error) => return Err(engine_failure(&error)),
            };
            Ok((name, Some(policy)))
        })
    }

    /// The digest of the policy that a hook which is there decides by, if it loads.
    pub(super) fn in_force(&self, policies: &[PolicyArg]) -> Result<Option<Digest>> {
        self.with_refs(|objects, refs| {
            let values = StoredRefs { refs, objects };
            let loaded = PolicyReader { repository: Some((objects, &values)) }.load(policies);
            Ok(loaded.ok().map(|loaded| loaded.policy.digest()))
        })
    }

    /// Every commit that a ref leads to, one id a line.
    pub(super) fn tips(&self) -> Result<String> {
        self.with_refs(|objects, refs| {
            let selected = refs.select(objects, |_| true).map_err(Failure::new)?;
            let tips: BTreeSet<String> = selected.into_iter().map(|found| found.commit.to_string()).collect();
            Ok(tips.into_iter().map(|tip| tip + "\n").collect())
        })
    }
}

impl Repository {
    /// Makes the ledger, if there is none, and lets it take the refs as they are for right: at its start, and where the admin
    /// says so again. How many stored approvals it takes for landed, because it has just been made beside them.
    pub(super) fn keep_ledger(&self, named: &Path, name: &RepositoryName, found: AsFound) -> Result<usize> {
        let refs = self.refs()?;
        let beginning = Beginning { name, dir: &self.dir, refs: &refs, format: self.format };
        let failed = |error: LedgerError| ledger_failure(&error);
        let begun = begin_ledger(&ledger_directory(named, &self.dir), beginning)?;
        let ledger = open_ledger(named, &self.dir).map_err(failed)?;
        match (begun, found) {
            (Begun::Now(spent), _) => return Ok(spent),
            (Begun::Before, AsFound::Again) => {
                ledger.take_as_found(now()?, &ServerRefs(&refs)).map_err(failed)?;
            }
            (Begun::Before, AsFound::AtStart) => drop(ledger.state().map_err(failed)?),
        }
        Ok(0)
    }

    /// The digests of the statements of all approvals that are stored.
    pub(super) fn stored_approvals(&self) -> Result<Vec<Digest>> {
        let refs = Refs::open(&self.dir, self.format).map_err(Failure::new)?;
        stored_approvals(&self.dir, &refs, self.format).map_err(|error| ledger_failure(&error))
    }
}

/// The absolute path of a policy file that only its keepers can change.
pub(super) fn settled_file(path: &Path) -> Result<PathBuf> {
    let failed = |error: std::io::Error| {
        let shown = path.display();
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                format!("chmod o+r {shown}, and o+x the directories above it: whom git runs as must read it")
            }
            _ => "countersign init writes a starter policy".to_owned(),
        };
        Failure::new(format!("the policy {shown}: {error}")).hint(hint)
    };
    // A link stays one: an admin may let it lead to the next version.
    let path = std::path::absolute(path).map_err(failed)?;
    if !path.on_disk().metadata().map_err(failed)?.is_file() {
        return Err(Failure::new(format!("the policy {} is no file", path.display())));
    }
    disk::open(&path).map_err(failed)?;
    if path.on_disk().metadata().map_err(failed)?.permissions().mode() & 0o002 != 0 {
        let shown = path.display();
        return Err(Failure::new(format!("anyone on this machine can change the policy {shown}"))
            .hint(format!("chmod o-w {shown}")));
    }
    Ok(path)
}
