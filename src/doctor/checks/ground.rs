//! Who else can change what root, or whom root started, would run or write to.

use std::path::{Path, PathBuf};

use super::Check;
use crate::core::policy::Policy;
use crate::doctor::gate::{Examined, Gate, Seen};
use crate::doctor::report::Severity;
use crate::doctor::server::Checkup;
use crate::gate::policy_source::PolicyArg;
use crate::server::RunBy;
use crate::system::ground::By;

/// How safely something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::doctor) enum Footing {
    /// Root and the owner of the repository alone can change it.
    Firm,
    /// Others can put things beside it.
    Shared,
    /// Others can put something else in its place.
    Open,
}

impl Checkup<'_> {
    /// How safely what a path leads to stands; whoever runs this for themselves answers for it.
    pub(in crate::doctor) fn footing(&mut self, path: &Path) -> Footing {
        let Some(ground) = &self.ground else { return Footing::Firm };
        let (shown, footing, message, fix) = match ground.changeable(path) {
            Ok(None) => return Footing::Firm,
            Ok(Some(found)) => {
                let footing = if found.by == By::Newcomers { Footing::Shared } else { Footing::Open };
                (found.path.clone(), footing, found.message(), found.fix())
            }
            Err(error) => {
                let message = format!("nobody can tell who may change it: {error}");
                (path.to_owned(), Footing::Open, message, "look at the directories above it".to_owned())
            }
        };
        if self.told.insert((shown.clone(), Check::Ground)) {
            let severity = if footing == Footing::Open { Severity::Error } else { Severity::Warning };
            let message = format!("{message}, and nothing is run that others can change: nobody tried the gate");
            self.report.add(severity, &shown.display(), Check::Ground, message, fix);
        }
        footing
    }

    /// Whether all stands firmly that a canary would run or lie beside.
    pub(in crate::doctor) fn may_be_run(&mut self, examined: &Examined<'_>, policy: &Policy) -> bool {
        let places = places(examined.seen, examined.gate, policy);
        // Each is looked at, so that all is told at once.
        let footings: Vec<Footing> = places.iter().map(|place| self.footing(place)).collect();
        footings.iter().all(|footing| *footing == Footing::Firm)
    }
}

/// What decides about a push to a repository.
fn places(seen: &Seen, gate: &Gate, policy: &Policy) -> Vec<PathBuf> {
    let mut places = vec![seen.path.join("config"), seen.hooks.clone(), gate.program.clone()];
    if !matches!(gate.layout.run_by(), RunBy::Configuration) {
        places.push(gate.hook.clone());
        places.push(seen.hooks.join("pre-receive"));
    }
    places.extend(gate.server.chain.clone());
    places.extend(gate.server.ledger.as_ref().map(|ledger| seen.path.join(ledger)));
    for (layer, arg) in gate.server.policies.iter().enumerate() {
        let PolicyArg::File(path) = arg else { continue };
        let directory = path.parent().unwrap_or(Path::new("/"));
        places.extend(policy.files(layer).skip(1).map(|name| directory.join(name)));
        places.push(path.clone());
    }
    places
}
