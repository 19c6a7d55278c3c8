//! The program that the hook calls, and what is known of the hook before the repository is opened.

use std::path::PathBuf;

use super::Check;
use crate::doctor::gate::{Gate, Seen};
use crate::doctor::server::Checkup;
use crate::gate::shim::{is_executable, quoted};
use crate::server::RunBy;
use crate::system::env;

impl Checkup<'_> {
    /// Returns whether the program can run.
    pub(in crate::doctor) fn program(&mut self, seen: &Seen, gate: &Gate) -> bool {
        let place = &seen.place;
        if !is_executable(&gate.program) {
            let program = gate.program.display();
            let message =
                format!("the hook calls {program}, which the user that git runs as cannot run: no push is accepted");
            let own = env::current_exe().unwrap_or_else(|_| PathBuf::from("countersign"));
            let fix = format!(
                "put the program where everybody may run it, and install with that one:\ncp {} /usr/local/bin/countersign\n/usr/local/bin/{}",
                quoted(&own),
                gate.install(&seen.path)
            );
            self.report.error(place, Check::NoProgram, message, fix);
            return false;
        }
        self.guard(&gate.program, Check::OpenProgram, "the program that decides");
        let run_by = gate.layout.run_by();
        if !matches!(run_by, RunBy::Configuration) {
            self.guard(&gate.hook, Check::OpenHook, "the hook that decides");
        }
        if matches!(run_by, RunBy::Server) && self.told.insert((PathBuf::from("/"), Check::CustomHooks)) {
            let message = "git itself does not run custom_hooks, GitLab does: this cannot be seen from here";
            self.report.warn(place, Check::CustomHooks, message, "push a commit that must be refused, once");
        }
        if gate.server.observe {
            let message = "it was installed with --observe and refuses nothing";
            self.report.warn(place, Check::Observes, message, gate.install(&seen.path));
        }
        true
    }
}
