//! The hooks beside the one that decides, and the one that ran before ours.

use std::path::Path;

use super::Check;
use crate::doctor::gate::{Gate, Seen, found_program, is_whole};
use crate::doctor::report::Report;
use crate::gate::command::{HookCommand, Watch};
use crate::gate::own_files::settled;
use crate::gate::shim::{is_executable, is_ours, quoted};
use crate::server::RunBy;
use crate::system::disk;

pub(super) fn examine(seen: &Seen, gate: &Gate, report: &mut Report) {
    let Gate { layout, server, .. } = gate;
    let at = |name| match layout.run_by() {
        RunBy::Git => seen.hooks.join(name),
        RunBy::Delegate(_) | RunBy::Server | RunBy::Configuration => layout.path(&seen.path, name),
    };
    if !is_executable(&at("post-receive")) {
        let message = "the post-receive hook is not there, so what became of a decision is known at the next push only";
        report.warn(&seen.place, Check::NoPostReceive, message, gate.install(&seen.path));
    }
    let chained = |chain: &Path| settled(chain, &seen.path);
    if let Some(chained) = server.chain.as_deref().map(chained).filter(|chained| !is_executable(chained)) {
        let message =
            format!("the hook that ran before ours, {}, does not run: no push is accepted", chained.display());
        report.error(&seen.place, Check::Chain, message, format!("chmod +x {}", quoted(&chained)));
    }
    let watch = at("reference-transaction");
    if is_ours(&watch) {
        let text = disk::read_to_string(&watch).ok().filter(|text| is_whole(text));
        let fits = match text.and_then(|text| HookCommand::read(&text)) {
            Some((program, HookCommand::ReferenceTransaction(Watch { policies, ledger, chain, .. }))) => {
                let same = policies == server.policies && Some(ledger.as_path()) == server.ledger.as_deref();
                let chains = chain.is_none_or(|chain| is_executable(&chained(&chain)));
                same && is_executable(&found_program(program)) && chains
            }
            _ => false,
        };
        if !fits || !is_executable(&watch) {
            let message =
                format!("{} does not run, or not as pre-receive does: a push may be refused by it", watch.display());
            report.error(&seen.place, Check::Replaced, message, gate.install(&seen.path));
        }
    }
}
