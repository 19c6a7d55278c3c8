//! Server repositories: the pre-receive shim carries what the admin decided.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::shim::{Planned, is_in_place, plan, program, quote, quote_path, remove, script, write};
use crate::cli::engine::{Settings, repository_name};
use crate::cli::gather::StoredRefs;
use crate::cli::hook::engine_failure;
use crate::cli::local::git;
use crate::cli::policy_source::{InRepository, PolicyArg, PolicyReader};
use crate::cli::{Exit, Failure, Result, print};
use crate::git::{GitDir, Objects, Quarantine, Refs};
use crate::id::RepositoryName;
use crate::oid::ObjectFormat;
use crate::policy::check_self_protection;

/// Whether what the refs hold now is exempt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Baseline {
    None,
    FromRefs,
}

/// What is to be written for one repository, once all have been checked.
struct Ready {
    hook: Planned,
    baseline: Option<(PathBuf, String)>,
}

/// Protects repositories. All are checked before the first is written.
pub(super) fn install(
    servers: &[PathBuf],
    policies: &[PolicyArg],
    name: Option<&RepositoryName>,
    baseline: Baseline,
) -> Result {
    let mut ready = Vec::new();
    for server in servers {
        let prepared = prepare(server, policies, name, baseline)
            .map_err(|failure| Failure { message: format!("{}: {}", server.display(), failure.message), ..failure })?;
        ready.push((server, prepared));
    }
    for (server, Ready { hook, baseline }) in ready {
        if let Some((path, text)) = baseline {
            write_baseline(&path, &text)?;
        }
        if is_in_place(&hook)? {
            print(&format!("{}: already installed, nothing changed\n", server.display()))?;
        } else {
            write(&hook)?;
            print(&format!("{}: installed {}\n", server.display(), hook.path.display()))?;
        }
    }
    Ok(Exit::Accepted)
}

fn prepare(server: &Path, policies: &[PolicyArg], name: Option<&RepositoryName>, baseline: Baseline) -> Result<Ready> {
    let repository = Repository::open(server)?;
    let policies = repository.settle(policies)?;
    let settings = Settings { policies, repository: name.cloned(), baseline: None };
    let name = repository.check(&settings)?;
    let baseline = match baseline {
        Baseline::FromRefs => Some((repository.git_dir.join("countersign").join("baseline"), repository.tips()?)),
        Baseline::None => None,
    };
    let mut words = vec![quote_path(&program()?)?, "hook pre-receive".to_owned()];
    for policy in &settings.policies {
        words.push(format!("--policy {}", quote(&policy.to_string())?));
    }
    words.push(format!("--repository {}", quote(name.as_str())?));
    if let Some((path, _)) = &baseline {
        words.push(format!("--baseline {}", quote_path(path)?));
    }
    let hook = plan(&repository.git_dir.join("hooks").join("pre-receive"), |chained| {
        let chain =
            chained.and_then(|path| quote_path(path).ok()).map(|path| format!(" --chain {path}")).unwrap_or_default();
        script(&format!("exec {}{chain} \"$@\"\n", words.join(" ")))
    })?;
    Ok(Ready { hook, baseline })
}

struct Repository {
    git_dir: PathBuf,
    dir: GitDir,
    format: ObjectFormat,
}

impl Repository {
    /// Opens a server's repository, and makes sure that git looks for its hooks where we would put them.
    fn open(server: &Path) -> Result<Self> {
        let hint = "give the path of a bare repository, such as /srv/git/project.git";
        let absolute = server.canonicalize().map_err(|error| Failure::new(error).hint(hint))?;
        let ask = |arguments: &[&str]| git(&[&["rev-parse"], arguments].concat()).in_repository(&absolute).line();
        let answer =
            ask(&["--absolute-git-dir"]).map_err(|_| Failure::new("this is not a git repository").hint(hint))?;
        let git_dir = PathBuf::from(answer);
        let hooks = PathBuf::from(ask(&["--git-path", "hooks"])?);
        let hooks = if hooks.is_absolute() { hooks } else { absolute.join(hooks) };
        let expected = git_dir.join("hooks");
        if hooks.canonicalize().unwrap_or(hooks.clone()) != expected.canonicalize().unwrap_or(expected) {
            return Err(Failure::new(format!("core.hooksPath sends git to {} for hooks", hooks.display()))
                .hint("unset core.hooksPath for this repository, or place the shim there by hand: see the README"));
        }
        let format = match ask(&["--show-object-format"])?.as_str() {
            "sha1" => ObjectFormat::Sha1,
            "sha256" => ObjectFormat::Sha256,
            other => return Err(Failure::new(format!("the object format {other} is unknown"))),
        };
        let dir = GitDir::at(&git_dir).map_err(Failure::new)?;
        Ok(Self { git_dir, dir, format })
    }

    fn with_refs<T>(&self, look: impl FnOnce(&Objects, &Refs) -> Result<T>) -> Result<T> {
        let objects = Objects::open(&self.dir, &Quarantine::default(), self.format).map_err(Failure::new)?;
        let refs = Refs::open(&self.dir, self.format).map_err(Failure::new)?;
        look(&objects, &refs)
    }

    /// Files by their absolute path; a policy in the repository pinned by the digest of its first value.
    fn settle(&self, policies: &[PolicyArg]) -> Result<Vec<PolicyArg>> {
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

    /// Loads the policies as the hook will. Returns the name that seals will be bound to.
    fn check(&self, settings: &Settings) -> Result<RepositoryName> {
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
                Failure::new("neither --repository nor the policy says the repository's name")
                    .hint("add --repository NAME")
            };
            if absent {
                return settings.repository.clone().ok_or_else(missing_name);
            }
            let policy = reader.load(&settings.policies).map_err(|error| engine_failure(&error.into()))?.policy;
            if let Some(place) = place
                && let Some(problem) =
                    check_self_protection(&policy, place.name.as_bytes(), place.path.as_bytes()).first()
            {
                return Err(Failure::new(problem).hint(problem.fix.clone()));
            }
            repository_name(settings, &policy).map_err(|error| engine_failure(&error))
        })
    }

    /// Every commit that a ref leads to, one id a line.
    fn tips(&self) -> Result<String> {
        self.with_refs(|objects, refs| {
            let selected = refs.select(objects, |_| true).map_err(Failure::new)?;
            let tips: BTreeSet<String> = selected.into_iter().map(|found| found.commit.to_string()).collect();
            Ok(tips.into_iter().map(|tip| tip + "\n").collect())
        })
    }
}

/// The absolute path of a policy file that only its keepers can change.
fn settled_file(path: &Path) -> Result<PathBuf> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("the policy {}: {error}", path.display())).hint("countersign init writes a starter policy")
    };
    let path = path.canonicalize().map_err(failed)?;
    if path.metadata().map_err(failed)?.permissions().mode() & 0o002 != 0 {
        let shown = path.display();
        return Err(Failure::new(format!("anyone on this machine can change the policy {shown}"))
            .hint(format!("chmod o-w {shown}")));
    }
    Ok(path)
}

fn write_baseline(path: &Path, text: &str) -> Result<()> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}

/// Puts one repository back as it was.
pub(super) fn uninstall(server: &Path) -> Result<()> {
    let repository = Repository::open(server)?;
    let removed = remove(&repository.git_dir.join("hooks").join("pre-receive"))?;
    let own = repository.git_dir.join("countersign");
    match std::fs::remove_file(own.join("baseline")) {
        // Something else may live there; then it stays.
        Ok(()) => drop(std::fs::remove_dir(&own)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::new(format!("cannot remove the baseline: {error}"))),
    }
    let words = if removed { "uninstalled" } else { "no hook of ours was there" };
    print(&format!("{}: {words}\n", server.display()))
}
