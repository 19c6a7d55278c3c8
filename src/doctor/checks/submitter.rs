//! Whether the server says who pushes, where the policy asks.

use super::Check;
use crate::core::policy::Policy;
use crate::core::submitter::Adapter;
use crate::doctor::gate::Examined;
use crate::doctor::report::Report;
use crate::system::process::server_git;

pub(in crate::doctor) fn examine(examined: &Examined<'_>, policy: &Policy, report: &mut Report) {
    let Examined { seen, gate, opened } = examined;
    let place = &seen.place;
    if policy.asks_for_submitter() && !gate.server.names_submitter() {
        let message = "the policy says who may push, and nothing says who pushes: no such push is accepted";
        report.error(place, Check::Submitter, message, format!("{} --submitter KIND", examined.install()));
    }
    if gate.server.submitter.is_some_and(Adapter::asks_for_certificate) {
        let seed = server_git(&opened.dir.git_dir, &["config", "--get", "receive.certNonceSeed"]).succeeds();
        if !seed.unwrap_or(false) {
            let message =
                "who pushes is told by signed pushes, and the server asks for none: receive.certNonceSeed is not set";
            let fix = "git config --system receive.certNonceSeed SECRET: see examples/servers/signed-pushes.md";
            report.error(place, Check::Submitter, message, fix);
        }
    }
    if policy.asks_for_independence() && !gate.server.names_submitter() {
        let message =
            "the policy asks for independent approvals, and nothing says who pushes: an approval by who pushes counts";
        report.warn(place, Check::Submitter, message, format!("{} --submitter KIND", examined.install()));
    }
}
