//! `countersign install` and `countersign uninstall`: a server's repositories, or this clone.

use crate::desk::install as client;
use crate::server::{Install, Layout, Uninstall, install, uninstall};
use crate::system::{Failure, Result};

pub(super) fn protect(arguments: Install) -> Result {
    let layout = arguments.layout.unwrap_or_else(|| Layout::of(arguments.submitter));
    if arguments.servers.is_empty() && !layout.is_elsewhere() {
        let meant = !arguments.policies.is_empty() || arguments.submitter.is_some() || arguments.dry_run;
        if meant || arguments.layout.is_some() || arguments.observe || arguments.deadline.is_some() {
            return Err(Failure::new("these options are about a server, and none is given")
                .hint("countersign install --server REPO.git --policy FILE"));
        }
        return client::install();
    }
    if arguments.policies.is_empty() {
        return Err(Failure::new("no policy is given: without one there is nothing to enforce")
            .hint("name one; init writes a starter policy:\ncountersign init\ncountersign install --server REPO.git --policy FILE"));
    }
    install::install(&arguments, layout)
}

pub(super) fn restore(arguments: Uninstall) -> Result {
    if arguments.servers.is_empty() {
        return client::uninstall();
    }
    uninstall::uninstall(&arguments)
}
