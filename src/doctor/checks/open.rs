//! What everybody on the machine can change.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Check;
use crate::doctor::server::Checkup;
use crate::gate::shim::quoted;
use crate::system::OnDisk as _;

impl Checkup<'_> {
    /// Tells where everybody on the machine can change a file, or put another in its place.
    pub(in crate::doctor) fn guard(&mut self, path: &Path, check: Check, what: &str) {
        let Ok(real) = path.on_disk().canonicalize() else { return };
        // In a directory with the sticky bit everybody changes their own only (inode(7)).
        let is_open = |path: &&Path| {
            path.on_disk().metadata().is_ok_and(|found| {
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
}
