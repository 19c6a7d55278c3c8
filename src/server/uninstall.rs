//! `countersign uninstall --server`: what was there before.

use std::path::Path;

use crate::gate::hook::LEDGER;
use crate::gate::own_files::BASELINE;
use crate::gate::shim::remove;
use crate::server::commands::HOOKS;
use crate::server::install::{about, take_away};
use crate::server::installed::installed_ledger;
use crate::server::others::{Others, Printed};
use crate::server::repository::Repository;
use crate::server::targets::{Naming, found_below, targets};
use crate::server::{Exclude, Layout, Uninstall};
use crate::system::{Exit, Failure, OnDisk as _, Result, disk, print};

/// Puts servers back as they were.
pub(crate) fn uninstall(arguments: &Uninstall) -> Result {
    if let Some(shared) = arguments.layout.and_then(Layout::shared) {
        arguments.servers.iter().try_for_each(|server| (shared.remove)(server))?;
        return Ok(Exit::Accepted);
    }
    // What they are called is no matter.
    let mut targets = match &arguments.root {
        Some(root) => found_below(root, &arguments.servers, Naming::ByServer).targets,
        None => targets(&arguments.servers, Layout::Hooks, Naming::ByServer, &Exclude::default())?.targets,
    };
    take_away(&targets)?;
    let others = Others::split(&mut targets, arguments.owners)?;
    targets.iter().try_for_each(|target| restore(&target.path))?;
    others.run(&[], Printed::Shown)?;
    Ok(Exit::Accepted)
}

/// Where nothing is taken away.
pub(super) const NOTHING: &str = "no hook of ours was there";

/// Puts one repository back as it was, whatever its layout.
fn restore(server: &Path) -> Result<()> {
    let repository = Repository::open(server).map_err(|failure| about(server, failure))?;
    let ledger = installed_ledger(&repository.git_dir);
    let mut removed = false;
    for layout in Layout::in_repository() {
        for hook in HOOKS {
            let path = layout.path(&repository.git_dir, hook);
            // A link is not what install writes: gitolite's lead to what serves every repository.
            if !path.on_disk().symlink_metadata().is_ok_and(|found| found.is_symlink()) {
                removed |= remove(&path)?;
            }
        }
    }
    let own = repository.git_dir.join("countersign");
    match disk::remove_file(repository.git_dir.join(BASELINE)) {
        // Something else may live there; then it stays.
        Ok(()) => drop(disk::remove_dir(&own)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::new(format!("cannot remove the baseline: {error}"))),
    }
    let words = match (removed, ledger.on_disk().exists()) {
        (false, _) => NOTHING.to_owned(),
        (true, false) => "uninstalled".to_owned(),
        (true, true) if ledger == repository.git_dir.join(LEDGER) => {
            "uninstalled; the ledger stays where it is".to_owned()
        }
        (true, true) => {
            format!("uninstalled; the ledger stays: --ledger {} at install uses it again", ledger.display())
        }
    };
    print(&format!("{}: {words}\n", server.display()))
}
