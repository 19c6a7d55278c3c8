//! What git copies into a repository that it makes (git-init(1), "TEMPLATE DIRECTORY"): the hooks of a plain server, so that a new
//! repository is protected before `install` is run again. Its ledger begins with its first push.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::shared;
use crate::gate::command::{HookCommand, PreReceive};
use crate::gate::hook::LEDGER;
use crate::gate::policy_source::PolicyArg;
use crate::gate::shim::{Planned, is_in_place, program, quote_path, quoted, remove, write};
use crate::server::commands::{Calls, HOOKS, Options, Served, shim};
use crate::server::targets::{Naming, Target};
use crate::server::{Install, Layout};
use crate::system::ground::{By, Ground};
use crate::system::process::git;
use crate::system::users::{Owner, current_user};
use crate::system::{Failure, OnDisk as _, Result, disk, print};

/// Where it lies below the directory of repositories, and where git looks for hooks in it.
const PLACE: [&str; 3] = [".countersign", "template", "hooks"];

/// The template of one directory of repositories.
pub(super) struct Template {
    pub(super) root: PathBuf,
    pub(super) hooks: Vec<Planned>,
}

/// The directories that these were found below, as far as they are this user's to write to.
fn roots(targets: &[Target]) -> BTreeSet<PathBuf> {
    let roots: BTreeSet<PathBuf> =
        targets.iter().filter_map(|target| target.root.as_ref()?.on_disk().canonicalize().ok()).collect();
    let ground = Ground::of(current_user());
    // Who may put things into the directory itself could have laid a link there.
    let is_firm = |root: &PathBuf| {
        ground
            .changeable(root)
            .is_ok_and(|found| found.is_none_or(|found| found.by == By::Newcomers && found.path != *root))
    };
    let own = roots.into_iter().filter(|root| Owner::of(root).is_ok_and(Owner::is_this));
    own.filter(|root| !current_user().is(0) || is_firm(root)).collect()
}

/// Plans the templates of a plain server. Where hooks lie elsewhere, or each repository has a policy of its own, there are none.
pub(super) fn plan(arguments: &Install, layout: Layout, targets: &[Target]) -> Result<Vec<Template>> {
    let own = arguments.policies.iter().any(|policy| matches!(policy, PolicyArg::InRepository(_)));
    if layout != Layout::Hooks || own {
        return Ok(Vec::new());
    }
    roots(targets).into_iter().map(|root| plan_one(arguments, root)).collect()
}

fn plan_one(arguments: &Install, root: PathBuf) -> Result<Template> {
    let directory = root.join(PLACE.join("/"));
    let before = disk::read_to_string(directory.join("pre-receive")).ok().and_then(|text| PreReceive::read(&text));
    let options = Options::at(arguments, before.as_ref().map(|(_, before)| before));
    let served = Served {
        policies: shared::settled_files(&arguments.policies)?,
        repository: None,
        below: (arguments.naming() == Naming::ByPath).then(|| root.clone()),
        ledger: LEDGER.into(),
        baseline: None,
        // Where refs move while the repository is made, there is no ledger yet.
        watch: false,
    };
    let program = quote_path(&program()?)?;
    let calls = Calls { program: &program, from: None };
    let place = |command: HookCommand| shim(&directory.join(command.hook()), command, calls);
    let hooks = served.hooks(&options)?.into_iter().map(place).collect::<Result<_>>()?;
    Ok(Template { root, hooks })
}

impl Template {
    /// Writes it, and says by which setting git uses it.
    pub(super) fn write(&self) -> Result<()> {
        let failed = |error: std::io::Error| Failure::new(format!("cannot make its template directory: {error}"));
        let mut directory = self.root.clone();
        for name in PLACE {
            directory.push(name);
            if !directory.on_disk().exists() {
                disk::create_dir(&directory).map_err(failed)?;
                // Whoever makes repositories reads it, whatever mask this process has.
                disk::set_permissions(&directory, Permissions::from_mode(0o755)).map_err(failed)?;
            }
        }
        let template = directory.parent().unwrap_or(&self.root);
        for hook in &self.hooks {
            if !is_in_place(hook)? {
                write(hook)?;
            }
        }
        let set = git(&["config", "--get", "--type=path", "init.templateDir"]).in_repository(&self.root).output()?;
        if Path::new(String::from_utf8_lossy(&set.stdout).trim_end()) == template {
            return Ok(());
        }
        print(&format!(
            "new repositories are protected from their first push where git is told so, by whoever makes them:\ngit config --global init.templateDir {}\n",
            quoted(template)
        ))
    }
}

/// Takes the templates away.
pub(in crate::server) fn take_away(targets: &[Target]) -> Result<()> {
    for root in roots(targets) {
        let directory = root.join(PLACE.join("/"));
        let mut removed = false;
        for hook in HOOKS {
            removed |= remove(&directory.join(hook))?;
        }
        if removed {
            // Where somebody keeps more there, it stays.
            let _ = directory.ancestors().take(PLACE.len()).try_for_each(disk::remove_dir);
            print(&format!("{}: took the template for new repositories away\n", root.display()))?;
        }
    }
    Ok(())
}
