//! Several users who push are several whom hooks run as, and only one of them owns the ledger.

use std::os::unix::fs::PermissionsExt as _;

use super::Check;
use crate::doctor::gate::Examined;
use crate::doctor::report::Report;
use crate::gate::shim::quoted;
use crate::system::OnDisk as _;

pub(in crate::doctor) fn examine(examined: &Examined<'_>, report: &mut Report) {
    let Examined { seen, gate, .. } = examined;
    if !seen.config.to_ascii_lowercase().contains("sharedrepository") {
        return;
    }
    let closed = gate
        .hook
        .ancestors()
        .take(2)
        .find(|path| path.on_disk().metadata().is_ok_and(|found| found.permissions().mode() & 0o011 == 0));
    if let Some(closed) = closed {
        let message =
            format!("the group that it is shared with may not run {}: their pushes are all accepted", closed.display());
        report.error(&seen.place, Check::NotExecutable, message, format!("chmod 755 {}", quoted(closed)));
    }
    let words = ["umask", "false", "no", "off", "0"];
    let alone = |line: &str| line.split_once('=').is_some_and(|(_, value)| words.contains(&value.trim()));
    let config = seen.config.to_ascii_lowercase();
    let shared = config.lines().filter(|line| line.contains("sharedrepository")).any(|line| !alone(line));
    if shared && gate.server.ledger.is_some() {
        let message = "core.sharedRepository lets several users push, and the ledger is its owner's: pushes of the others are refused";
        let fix = "let one user own the repositories and run git: see examples/servers/ssh.md";
        report.warn(&seen.place, Check::Shared, message, fix);
    }
}
