//! The ledger, and what it cannot explain.

use std::path::{Path, PathBuf};

use super::orders::Overrides;
use super::{Check, Footing};
use crate::core::decide::Timestamp;
use crate::core::policy::OutOfBand;
use crate::doctor::gate::Examined;
use crate::doctor::server::Checkup;
use crate::gate::own_files::{ledger_directory, open_ledger};
use crate::gate::recording::{SET_CLOCK, ServerRefs, clock_behind};
use crate::gate::shim::quoted;
use crate::ledger::{self, LedgerError, Signatures};
use crate::system::users::{current_user, may_write};
use crate::system::{OnDisk as _, disk};

impl Checkup<'_> {
    pub(in crate::doctor) fn ledger(&mut self, examined: &Examined<'_>) {
        let Examined { seen, gate, opened } = examined;
        let place = &seen.place;
        let Some(named) = gate.server.ledger.as_deref() else { return };
        let directory = ledger_directory(named, &opened.dir);
        let shown = directory.display();
        self.guard(&directory, Check::OpenLedger, "the ledger");
        // To read it is to write what is derived from it.
        if self.footing(&directory) == Footing::Open && current_user().is(0) {
            return;
        }
        if let Some(closed) = not_writable(&directory) {
            let message =
                format!("the user that git runs as may not write to {}: no push is accepted", closed.display());
            self.report.error(
                &shown,
                Check::Ledger,
                message,
                format!("chown -R {} {}", seen.owner(), quoted(&directory)),
            );
            return;
        }
        let mut overrides = Overrides::default();
        let mut looked = || -> std::result::Result<(usize, usize, Timestamp), LedgerError> {
            let ledger = open_ledger(named, &opened.dir)?;
            // All of it: a push reads the end alone.
            ledger::read(&directory, Signatures::Last, &mut |number, _, entry| overrides.note(number, entry))?;
            let refs = ServerRefs(&opened.refs);
            let (suspects, state) = (ledger.suspects(&refs)?, ledger.state()?);
            let (_, strange) = ledger.partition_news(&state, ledger.unexplained(&state, &suspects, &refs)?)?;
            Ok((strange.len(), state.unexplained().count(), state.time()))
        };
        let looked = looked().map(|(suspects, unexplained, last)| {
            if let Some(message) = clock_behind(last, self.now) {
                let fix =
                    format!("set this machine's clock right, and then: {SET_CLOCK} {}", quoted(&opened.dir.git_dir));
                self.report.error(place, Check::Clock, message, fix);
            }
            (suspects, unexplained)
        });
        self.overrides(place, &overrides);
        let mirrors = looked.as_ref().is_ok_and(|(suspects, _)| *suspects > 0)
            && self.policy(examined).is_some_and(|policy| policy.out_of_band() == OutOfBand::Mirror);
        match looked {
            Ok((_, 0)) if mirrors => {}
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
                    "look at them:\ncountersign log show --server {server}\nif they are right, say so:\n{} --baseline",
                    examined.install()
                );
                self.report.error(place, Check::Unexplained, message, fix);
            }
            // A hook for many repositories makes the ledger of a new one itself.
            Err(LedgerError::Absent(_))
                if gate.server.makes_ledgers() && opened.refs.values().is_ok_and(|all| all.is_empty()) => {}
            Err(error) => {
                let message = match error {
                    LedgerError::Corrupt { .. } => format!("{error}: nobody can trust what it says"),
                    _ => format!("{error}: no push is accepted"),
                };
                let fix = error.hint().replace("REPO.git", &quoted(&opened.dir.git_dir));
                self.report.error(&shown, Check::Ledger, message, fix);
            }
        }
    }
}

/// What of a ledger this user may not write to.
fn not_writable(directory: &Path) -> Option<PathBuf> {
    let entries = match disk::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(_) => return Some(directory.to_owned()),
    };
    let all = std::iter::once(directory.to_owned()).chain(entries.flatten().map(|entry| entry.path()));
    all.into_iter().find(|path| path.on_disk().exists() && !may_write(path))
}
