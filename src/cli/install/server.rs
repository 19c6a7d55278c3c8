//! Server repositories: the pre-receive shim carries what the admin decided.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::Install;
use super::shim::{Planned, is_in_place, plan, program, quote, quote_path, remove, script, write};
use crate::cli::agent::random_seed;
use crate::cli::engine::{Settings, repository_name, unprotected};
use crate::cli::gather::StoredRefs;
use crate::cli::hook::engine_failure;
use crate::cli::local::git;
use crate::cli::policy_source::{InRepository, PolicyArg, PolicyReader};
use crate::cli::recording::{ServerRefs, ledger_failure};
use crate::cli::{Exit, Failure, Result, now, print};
use crate::git::{GitDir, Objects, Quarantine, Refs};
use crate::id::RepositoryName;
use crate::ledger::{Ledger, LedgerError};
use crate::oid::ObjectFormat;
use crate::policy::OutOfBand;
use crate::ssh::PrivateKey;

/// What is to be written for one repository, once all have been checked.
struct Ready {
    repository: Repository,
    name: RepositoryName,
    ledger: PathBuf,
    /// The one that decides comes first: what it lets through while the others are not there yet, the next push settles.
    hooks: Vec<Planned>,
    baseline: Option<(PathBuf, String)>,
}

/// Protects repositories. All are checked before the first is written.
pub(super) fn install(arguments: &Install) -> Result {
    let mut ready = Vec::new();
    for server in &arguments.servers {
        let prepared = prepare(server, arguments)
            .map_err(|failure| Failure { message: format!("{}: {}", server.display(), failure.message), ..failure })?;
        ready.push((server, prepared));
    }
    for (server, ready) in ready {
        if let Some((path, text)) = &ready.baseline {
            write_baseline(path, text)?;
        }
        ready.repository.keep_ledger(&ready.ledger, &ready.name, ready.baseline.is_some())?;
        let mut changed = false;
        for hook in &ready.hooks {
            if !is_in_place(hook)? {
                write(hook)?;
                changed = true;
                print(&format!("{}: installed {}\n", server.display(), hook.path.display()))?;
            }
        }
        if !changed {
            print(&format!("{}: already installed, nothing changed\n", server.display()))?;
        }
    }
    Ok(Exit::Accepted)
}

fn prepare(server: &Path, arguments: &Install) -> Result<Ready> {
    let repository = Repository::open(server)?;
    let policies = repository.settle(&arguments.policies)?;
    let settings = Settings { policies, repository: arguments.repository.clone(), baseline: None };
    let (name, out_of_band) = repository.check(&settings)?;
    let own = repository.git_dir.join("countersign");
    let baseline = arguments.baseline.then(|| repository.tips()).transpose()?.map(|tips| (own.join("baseline"), tips));
    let ledger = match &arguments.ledger {
        Some(directory) => std::path::absolute(directory).map_err(Failure::new)?,
        None => own.join("ledger"),
    };
    let program = quote_path(&program()?)?;
    let kept = format!("--ledger {}", quote_path(&ledger)?);
    let mut policies = Vec::new();
    for policy in &settings.policies {
        policies.push(format!("--policy {}", quote(&policy.to_string())?));
    }
    let policies = policies.join(" ");
    let mut decide = format!("{policies} --repository {} {kept}", quote(name.as_str())?);
    if let Some((path, _)) = &baseline {
        decide.push_str(&format!(" --baseline {}", quote_path(path)?));
    }
    if arguments.observe {
        decide.push_str(" --observe");
    }
    let mut wanted = vec![("pre-receive", decide), ("post-receive", kept.clone())];
    if arguments.reference_transaction || out_of_band == OutOfBand::Refuse {
        wanted.push(("reference-transaction", format!("{policies} {kept}")));
    }
    let mut hooks = Vec::new();
    for (hook, words) in wanted {
        hooks.push(plan(&repository.git_dir.join("hooks").join(hook), |chained| {
            let chain = chained.and_then(|path| quote_path(path).ok()).map(|path| format!(" --chain {path}"));
            script(&format!("exec {program} hook {hook} {words}{} \"$@\"\n", chain.unwrap_or_default()))
        })?);
    }
    Ok(Ready { repository, name, ledger, hooks, baseline })
}

/// The hooks of a server's repository that can be ours.
const HOOKS: [&str; 3] = ["pre-receive", "post-receive", "reference-transaction"];

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

    /// Loads the policies as the hook will. Returns the name that seals will be bound to, and what happens to refs that move
    /// with no decision.
    fn check(&self, settings: &Settings) -> Result<(RepositoryName, OutOfBand)> {
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
                let name = settings.repository.clone().ok_or_else(missing_name)?;
                return Ok((name, OutOfBand::Record));
            }
            let policy = reader.load(&settings.policies).map_err(|error| engine_failure(&error.into()))?.policy;
            if let Some(place) = place
                && let Some(problem) = unprotected(settings, &policy, place).first()
            {
                return Err(Failure::new(problem).hint(problem.fix.clone()));
            }
            let name = repository_name(settings, &policy).map_err(|error| engine_failure(&error))?;
            Ok((name, policy.out_of_band()))
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

impl Repository {
    /// Makes the ledger, if there is none, and lets it take the refs as they are for right: at its start, and where the admin
    /// says so again.
    fn keep_ledger(&self, directory: &Path, name: &RepositoryName, again: bool) -> Result<()> {
        let refs = Refs::open(&self.dir, self.format).map_err(Failure::new)?;
        let failed = |error: LedgerError| ledger_failure(&error);
        let (ledger, fresh) = match Ledger::open(directory) {
            Ok(ledger) => (ledger, false),
            Err(LedgerError::Absent(_)) => {
                let key = PrivateKey::from_seed(&random_seed()?).map_err(Failure::new)?;
                (Ledger::create(directory, name, key, now()?).map_err(failed)?, true)
            }
            Err(error) => return Err(failed(error)),
        };
        if fresh || again {
            ledger.take_as_found(now()?, &ServerRefs(&refs)).map_err(failed)?;
        } else {
            ledger.state().map_err(failed)?;
        }
        self.give_to_owner(directory)
    }

    /// What root makes for a repository of another user's must be that user's: the hook runs as whoever receives pushes.
    fn give_to_owner(&self, directory: &Path) -> Result<()> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot give {} to the repository's owner: {error}", directory.display()))
                .hint("install as the user that git runs as")
        };
        let owner = self.git_dir.metadata().map_err(failed)?;
        let mut paths = vec![directory.to_owned()];
        paths.extend(directory.parent().filter(|parent| parent.starts_with(&self.git_dir)).map(Path::to_owned));
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        for path in paths {
            if path.metadata().map_err(failed)?.uid() != owner.uid() {
                std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).map_err(failed)?;
            }
        }
        Ok(())
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
    let mut removed = false;
    for hook in HOOKS {
        removed |= remove(&repository.git_dir.join("hooks").join(hook))?;
    }
    let own = repository.git_dir.join("countersign");
    match std::fs::remove_file(own.join("baseline")) {
        // Something else may live there; then it stays.
        Ok(()) => drop(std::fs::remove_dir(&own)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::new(format!("cannot remove the baseline: {error}"))),
    }
    let words = match (removed, own.join("ledger").exists()) {
        (false, _) => "no hook of ours was there",
        (true, false) => "uninstalled",
        (true, true) => "uninstalled; the ledger stays where it is",
    };
    print(&format!("{}: {words}\n", server.display()))
}
