//! Whether somebody watches for refs that move without a decision, where the policy refuses them.

use super::Check;
use crate::core::policy::{OutOfBand, Policy};
use crate::doctor::gate::Examined;
use crate::doctor::report::Report;
use crate::gate::shim::is_ours;
use crate::server::RunBy;

pub(in crate::doctor) fn examine(examined: &Examined<'_>, policy: &Policy, report: &mut Report) {
    let (gate, place) = (examined.gate, &examined.seen.place);
    let watch = gate.hook.with_file_name("reference-transaction");
    if policy.out_of_band() == OutOfBand::Refuse && matches!(gate.layout.run_by(), RunBy::Git) && !is_ours(&watch) {
        let message = "the policy refuses moves without a decision, and no reference-transaction hook watches for them";
        report.error(place, Check::OutOfBand, message, examined.install());
    }
}
