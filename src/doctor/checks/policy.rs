//! The policy in force, and the agents that nobody has reviewed in time.

use std::path::Path;

use super::Check;
use crate::core::policy::{Policy, PrincipalKind};
use crate::doctor::gate::Examined;
use crate::doctor::server::Checkup;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::ref_values::StoredRefs;
use crate::gate::shim::quoted;

impl Checkup<'_> {
    /// The policy in force, read once for all repositories that have it from the same files.
    pub(in crate::doctor) fn policy(&mut self, examined: &Examined<'_>) -> Option<Policy> {
        let Examined { seen, gate, opened } = examined;
        let place = &seen.place;
        let args = &gate.server.policies;
        let names: Vec<String> = args.iter().map(ToString::to_string).collect();
        let shared = args.iter().all(|arg| matches!(arg, PolicyArg::File(_)));
        let name = if shared { names.join(" ") } else { format!("{place} {}", names.join(" ")) };
        if let Some(known) = self.policies.get(&name) {
            return known.clone();
        }
        let values = StoredRefs { refs: &opened.refs, objects: &opened.objects };
        let loaded = match (PolicyReader { repository: Some((&opened.objects, &values)) }).load(args) {
            Ok(loaded) => {
                let digest = loaded.policy.digest().to_string();
                self.report.policies.insert(name.clone(), digest);
                self.reviews(&loaded.policy);
                self.report.tolerated(&loaded.policy);
                Some(loaded.policy)
            }
            Err(error) => {
                let files = args.iter().filter_map(|arg| match arg {
                    PolicyArg::File(path) => Some(quoted(path)),
                    PolicyArg::InRepository(_) => None,
                });
                let files: Vec<String> = files.collect();
                let fix = match files.as_slice() {
                    [] => "push a policy that is valid, as an admin who may: see the README".to_owned(),
                    files => {
                        format!("see what is wrong, as {}:\ncountersign policy check {}", seen.owner(), files.join(" "))
                    }
                };
                self.report.error(&name, Check::Policy, format!("{error}: no push is accepted"), fix);
                None
            }
        };
        for (layer, arg) in args.iter().enumerate() {
            let PolicyArg::File(path) = arg else { continue };
            self.guard(path, Check::OpenPolicy, "the policy");
            let directory = path.parent().unwrap_or(Path::new("/"));
            let included = loaded.iter().flat_map(|policy| policy.files(layer).skip(1));
            for name in included {
                self.guard(&directory.join(name), Check::OpenPolicy, "the policy");
            }
        }
        self.policies.insert(name, loaded.clone());
        loaded
    }

    /// Agents that nobody has reviewed in time.
    fn reviews(&mut self, policy: &Policy) {
        for agent in policy.principals().filter(|one| one.kind == PrincipalKind::Agent) {
            let Some(date) = agent.review_by.filter(|date| date.is_past(self.now)) else { continue };
            let place = format!("{}:{}", agent.at.file, agent.at.line);
            let message = format!("agent {} was to be reviewed by {date} and is suspended", agent.id);
            self.report.warn(&place, Check::Review, message, "review it and move review-by, or remove it");
        }
    }
}
