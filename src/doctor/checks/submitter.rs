//! Whether the server says who pushes, where the policy asks.

use std::path::Path;

use super::{Check, sshd};
use crate::core::policy::Policy;
use crate::core::submitter::Adapter;
use crate::doctor::gate::Examined;
use crate::doctor::report::Report;
use crate::system::process::server_git;
use crate::system::{disk, env};

pub(in crate::doctor) fn examine(examined: &Examined<'_>, policy: &Policy, sshd_config: &Path, report: &mut Report) {
    let Examined { seen, gate, opened } = examined;
    let place = &seen.place;
    if policy.asks_for_submitter() && !gate.server.names_submitter() {
        let message = "the policy says who may push, and nothing says who pushes: no such push is accepted";
        report.error(place, Check::Submitter, message, who_says(examined));
    }
    if gate.server.submitter.is_some_and(Adapter::asks_for_certificate) {
        let seed = server_git(&opened.dir.git_dir, &["config", "--get", "receive.certNonceSeed"]).succeeds();
        if !seed.unwrap_or(false) {
            let message =
                "who pushes is told by signed pushes, and the server asks for none: receive.certNonceSeed is not set";
            let fix = "set a secret that nobody knows, as examples/servers/signed-pushes.md says:\ngit config --system receive.certNonceSeed \"$(head -c 32 /dev/urandom | base64)\"";
            report.error(place, Check::Submitter, message, fix);
        }
    }
    if gate.server.submitter == Some(Adapter::Ssh) && policy.asks_for_submitter() {
        let keys = env::home_dir().map(|home| home.join(".ssh/authorized_keys"));
        let keys = keys.and_then(|path| disk::read(path).ok()).unwrap_or_default();
        if !sshd::can_tell(sshd_config, &seen.owner(), &String::from_utf8_lossy(&keys)) {
            let message = format!(
                "the policy says who may push, and sshd tells no session's key, without ExposeAuthInfo in {}: no such push is accepted",
                sshd_config.display()
            );
            let fix = "put the line `ExposeAuthInfo yes` there, above every Match, and let sshd read it: see examples/servers/ssh.md";
            report.error(place, Check::Submitter, message, fix);
        }
    }
    if policy.asks_for_independence() && !gate.server.names_submitter() {
        let message =
            "the policy asks for independent approvals, and nothing says who pushes: an approval by who pushes counts";
        report.warn(place, Check::Submitter, message, who_says(examined));
    }
}

/// How it comes to be said who pushes.
fn who_says(examined: &Examined<'_>) -> String {
    let kinds = Adapter::ALL.iter().filter(|adapter| **adapter != Adapter::None).map(|adapter| adapter.name());
    format!(
        "say what kind of server it is, for KIND one of {}:\n{} --submitter KIND",
        kinds.collect::<Vec<_>>().join(", "),
        examined.gate.install_without_submitter(&examined.opened.dir.git_dir)
    )
}
