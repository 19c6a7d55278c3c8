//! What a repository is called: as the policy says, and not as another is.

use super::Check;
use crate::core::policy::Policy;
use crate::doctor::gate::Examined;
use crate::doctor::server::Checkup;

impl Checkup<'_> {
    pub(in crate::doctor) fn name(&mut self, examined: &Examined<'_>, policy: &Policy) {
        let (seen, place) = (examined.seen, &examined.seen.place);
        let Some(name) = examined.gate.server.name_of(&seen.path) else { return };
        if let Some(other) = policy.repository().filter(|other| **other != name) {
            let message = format!("the hook calls it {name}, and the policy is for {other}: no push is accepted");
            self.report.error(
                place,
                Check::Name,
                message,
                format!(
                    "take `repository` out of the policy, or call it so:\n{} --repository {other}",
                    examined.gate.install(&seen.path)
                ),
            );
        }
        let Some(other) = self.names.insert(name.clone(), place.to_owned()) else { return };
        let message = format!("it and {other} are both called {name}, so a seal for one of them counts in both");
        let fix = format!(
            "leave it so if it is a copy of the other, and else give it a name of its own for NAME:\n{} --repository NAME",
            examined.gate.install(&seen.path)
        );
        self.report.warn(place, Check::SameName, message, fix);
    }
}
