//! The repository that a command runs in, on a desk: git itself answers what is local.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::core::id::RepositoryName;
use crate::core::objects::ReadError;
use crate::core::oid::{ObjectFormat, Oid};
use crate::gate::engine::{EngineError, Settings, repository_name};
use crate::gate::hook::engine_failure;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::ref_values::RefValues;
use crate::store::{GitDir, Objects, Quarantine, Refs, SymbolicRef, peel};
use crate::system::process::{git, server_git};
use crate::system::{Configuration, Failure, OnDisk as _, Result, disk, env};

/// A clone, opened for reading.
pub(crate) struct Local {
    pub(crate) dir: GitDir,
    pub(crate) objects: Objects,
    pub(crate) refs: Refs,
}

impl Local {
    /// Opens the repository around the current directory.
    pub(crate) fn open() -> Result<Self> {
        let git_dir = PathBuf::from(git(&["rev-parse", "--absolute-git-dir"]).line()?);
        Self::at(&git_dir, &git(&["rev-parse", "--show-object-format"]).line()?)
    }

    /// Opens the repository of a hook: git starts the hooks of a clone at the top of its worktree, so that what it found is there.
    pub(crate) fn of_hook(configuration: &Configuration) -> Result<Self> {
        let format = configuration.value("extensions.objectformat").unwrap_or("sha1");
        let named = env::var_os("GIT_DIR").map(PathBuf::from);
        match named.or_else(|| git_dir_here(Path::new(".git"))) {
            Some(dir) => Self::at(&dir, format),
            None => Self::open(),
        }
    }

    /// Opens a server's repository, whoever owns it: an admin has named it.
    pub(crate) fn of_server(git_dir: &Path) -> Result<Self> {
        Self::at(git_dir, &server_git(git_dir, &["rev-parse", "--show-object-format"]).line()?)
    }

    fn at(git_dir: &Path, format: &str) -> Result<Self> {
        let format = match format {
            "sha1" => ObjectFormat::Sha1,
            "sha256" => ObjectFormat::Sha256,
            other => return Err(Failure::new(format!("this repository has the unknown object format {other}"))),
        };
        let cannot = |error: &dyn std::fmt::Display| Failure::new(format!("cannot open the repository: {error}"));
        let dir = GitDir::at(git_dir).map_err(|error| cannot(&error))?;
        let objects = Objects::open(&dir, &Quarantine::default(), format).map_err(|error| cannot(&error))?;
        let refs = Refs::open(&dir, format).map_err(|error| cannot(&error))?;
        Ok(Self { dir, objects, refs })
    }

    /// The commit that a revision names.
    pub(crate) fn commit(&self, revision: &str) -> Result<Oid> {
        self.named(&format!("{revision}^{{commit}}"))
            .map_err(|_| Failure::new(format!("{revision} names no commit in this repository")))
    }

    /// The object that a revision names, an annotated tag as itself.
    pub(crate) fn object(&self, revision: &str) -> Result<Oid> {
        self.named(revision).map_err(|_| Failure::new(format!("{revision} names nothing in this repository")))
    }

    fn named(&self, expression: &str) -> Result<Oid> {
        let line = git(&["rev-parse", "--verify", "--quiet", "--end-of-options", expression]).line()?;
        Oid::parse(line.as_bytes())
            .ok_or_else(|| Failure::new(format!("git names {expression} {line}, which is no object id")))
    }

    /// Whether the history of this clone ends before that of what it was cloned from.
    pub(crate) fn is_shallow(&self) -> bool {
        self.dir.common_dir.join("shallow").on_disk().exists()
    }
}

/// What the worktrees of the repository around share.
pub(crate) fn common_dir() -> Result<PathBuf> {
    Ok(PathBuf::from(git(&["rev-parse", "--path-format=absolute", "--git-common-dir"]).line()?))
}

/// What `.git` is: a directory, or a file that names one (gitrepository-layout(5)).
fn git_dir_here(path: &Path) -> Option<PathBuf> {
    if path.on_disk().is_dir() {
        return Some(path.to_owned());
    }
    let text = disk::read_to_string(path).ok()?;
    text.strip_prefix("gitdir: ")
        .map(|named| PathBuf::from(named.trim_end_matches('\n')))
        .filter(|dir| dir.on_disk().is_dir())
}

/// Whether a commit is contained in another, as git sees both.
pub(crate) fn is_ancestor(one: Oid, other: Oid) -> Result<bool> {
    git(&["merge-base", "--is-ancestor", &one.to_string(), &other.to_string()]).succeeds()
}

/// Policies and name as a clone has them: as given, else from git config, else from the work tree.
pub(crate) fn settings(policies: &[PolicyArg], repository: Option<RepositoryName>) -> Result<Settings> {
    let top = git(&["rev-parse", "--show-toplevel"]).line().ok().map(PathBuf::from);
    let own = settings_by(&Configuration::load()?, top.as_deref())?;
    let policies = if policies.is_empty() { own.policies } else { policies.to_vec() };
    Ok(Settings { policies, repository: repository.or(own.repository), baseline: None })
}

/// Policies and name, where git's configuration and the top of the work tree are at hand.
pub(crate) fn settings_by(configuration: &Configuration, top: Option<&Path>) -> Result<Settings> {
    let named = configuration.value("countersign.repository").map(|text| {
        RepositoryName::parse(text.as_bytes()).ok_or_else(|| {
            Failure::new(format!("git config countersign.repository is {text:?}, which is no repository name"))
        })
    });
    let policies = match configuration.value("countersign.policy") {
        Some(text) => {
            vec![text.parse().map_err(|error| Failure::new(format!("git config countersign.policy: {error}")))?]
        }
        None => top.and_then(work_tree_policy).into_iter().collect(),
    };
    Ok(Settings { policies, repository: named.transpose()?, baseline: None })
}

fn work_tree_policy(top: &Path) -> Option<PolicyArg> {
    let path = top.join(".countersign").join("policy.toml");
    path.on_disk().exists().then_some(PolicyArg::File(path))
}

/// Why the engine cannot decide, to whoever works in a clone: what a clone does not know, a clone is told.
pub(crate) fn desk_failure(error: &EngineError) -> Failure {
    match error {
        EngineError::NoPolicy => {
            Failure::new("this clone does not know the policy").hint("git config countersign.policy FILE")
        }
        EngineError::NoRepositoryName => Failure::new("nothing says what the server calls this repository")
            .hint("git config countersign.repository NAME"),
        EngineError::OtherRepository { installed, policy } => {
            Failure::new(format!("git config countersign.repository is {installed}, and the policy is for {policy}"))
                .hint(format!("git config countersign.repository {policy}"))
        }
        EngineError::Policy(_) | EngineError::Objects(_) | EngineError::Orders(_) => engine_failure(error),
    }
}

/// The name that seals made on this desk are bound to.
pub(crate) fn repository_by(
    configuration: &Configuration,
    local: &Local,
    top: Option<&Path>,
) -> Result<RepositoryName> {
    let hint = "name it as the server has it, here or by `repository` in .countersign/policy.toml:\ngit config countersign.repository NAME";
    let settings = settings_by(configuration, top)?;
    if let Some(name) = &settings.repository {
        return Ok(name.clone());
    }
    if settings.policies.is_empty() {
        return Err(Failure::new("this repository has no name that seals could be bound to").hint(hint));
    }
    let refs = TrackedRefs { local, remote: "origin".to_owned() };
    let reader = PolicyReader { repository: Some((&local.objects, &refs)) };
    let loaded = reader.load(&settings.policies).map_err(|error| desk_failure(&error.into()))?;
    repository_name(&settings, &loaded.policy).map_err(|error| desk_failure(&error))
}

/// What a clone knows of a remote's refs: its remote-tracking branches, as of the last fetch.
pub(crate) struct TrackedRefs<'a> {
    pub(crate) local: &'a Local,
    pub(crate) remote: String,
}

impl TrackedRefs<'_> {
    fn prefix(&self) -> String {
        format!("refs/remotes/{}/", self.remote)
    }
}

impl RefValues for TrackedRefs<'_> {
    fn value(&self, name: &str) -> std::result::Result<Option<Oid>, ReadError> {
        match name.strip_prefix("refs/heads/") {
            Some(branch) => self.local.refs.value(&format!("{}{branch}", self.prefix())),
            None => self.local.refs.value(name),
        }
    }

    fn select(&self, wanted: &mut dyn FnMut(&[u8]) -> bool) -> std::result::Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        let prefix = self.prefix();
        let on_remote =
            |name: &[u8]| name.strip_prefix(prefix.as_bytes()).map(|branch| [b"refs/heads/", branch].concat());
        let tracked =
            self.local.refs.select(&self.local.objects, |name| on_remote(name).is_some_and(|name| wanted(&name)))?;
        Ok(tracked.into_iter().filter_map(|found| Some((on_remote(&found.name)?, found.commit))).collect())
    }

    fn list(&self, prefix: &str) -> std::result::Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        self.local.refs.list(prefix)
    }

    fn symbolic_refs(&self, _: &BTreeSet<String>) -> std::result::Result<Vec<SymbolicRef>, ReadError> {
        // A clone knows of its remote what was fetched, by the names that were fetched.
        Ok(Vec::new())
    }

    fn head_branch(&self) -> std::result::Result<Option<String>, ReadError> {
        let head = self.local.refs.symbolic(&format!("{}HEAD", self.prefix()))?;
        Ok(head.and_then(|name| name.strip_prefix(&self.prefix()).map(|branch| format!("refs/heads/{branch}"))))
    }
}

/// The value of a remote's ref that a clone last saw, as a commit.
pub(crate) fn tracked_commit(refs: &TrackedRefs<'_>, name: &str) -> Result<Option<Oid>> {
    let value = refs.value(name).map_err(Failure::new)?;
    Ok(value.map(|id| peel(&refs.local.objects, id)).transpose().map_err(Failure::new)?.flatten())
}
