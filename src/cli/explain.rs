//! `countersign explain`: what a ref needs, or what a finding means.

use clap::Args;

use crate::core::decide::Code;
use crate::core::policy::{Below, Mode};
use crate::core::report::escape;
use crate::core::text::nearest::nearest;
use crate::desk::check::full_name;
use crate::desk::clone::{Local, TrackedRefs, settings};
use crate::gate::engine::repository_name;
use crate::gate::hook::engine_failure;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::ref_values::RefValues as _;
use crate::system::{Exit, Failure, Result, print};

#[derive(Args)]
pub(crate) struct Arguments {
    /// A finding code such as unsealed-agent-commit, or a ref
    #[arg(value_name = "REF|CODE")]
    topic: String,
    /// Paths that the push would touch
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// A policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
}

pub(crate) fn run(arguments: Arguments) -> Result {
    if let Some(code) = Code::parse(&arguments.topic) {
        print(&format!("{}\n", code.section()))?;
        return Ok(Exit::Accepted);
    }
    let meant = nearest(&arguments.topic, Code::ALL.iter().map(|code| code.name()));
    let mistyped = meant.map(|code| {
        let typed = escape(arguments.topic.as_bytes(), 100);
        Failure::new(format!("{typed} is no finding code"))
            .hint(format!("did you mean {code}?\ncountersign explain {code}"))
    });
    let local = match (Local::open(), mistyped) {
        (Ok(local), Some(mistyped)) if !is_branch(&local, &arguments.topic)? => return Err(mistyped),
        (Err(_), Some(mistyped)) => return Err(mistyped),
        (local, _) => local?,
    };
    let refs = TrackedRefs { local: &local, remote: "origin".to_owned() };
    let settings = settings(&arguments.policies, None)?;
    if settings.policies.is_empty() {
        let message = format!(
            "{} is no finding code, and this clone knows no policy that could be about a ref of that name",
            escape(arguments.topic.as_bytes(), 100)
        );
        return Err(Failure::new(message)
            .hint("commit .countersign/policy.toml, or name a file:\ngit config countersign.policy FILE"));
    }
    let reader = PolicyReader { repository: Some((&local.objects, &refs)) };
    let policy = reader.load(&settings.policies).map_err(|error| engine_failure(&error.into()))?.policy;
    let name = full_name(&arguments.topic);
    let mut text = String::new();
    match repository_name(&settings, &policy) {
        Ok(repository) => text += &format!("A push to {} of {repository}:\n", escape(name.as_bytes(), 200)),
        Err(_) => text += &format!("A push to {}:\n", escape(name.as_bytes(), 200)),
    }
    let rules = policy.rules().iter().filter(|rule| rule.mode != Mode::Off && rule.matches_ref(name.as_bytes()));
    let mut matched = 0;
    for rule in rules {
        let touched = arguments.paths.iter().find(|path| rule.touches(path.as_bytes(), Below::Named).is_some());
        if rule.is_path_rule() && !arguments.paths.is_empty() && touched.is_none() {
            continue;
        }
        matched += 1;
        text += &format!("\nrule \"{}\" ({}:{})\n", rule.name, rule.at.file, rule.at.line);
        for sentence in policy.describe(rule) {
            text += &format!("  {sentence}\n");
        }
    }
    if matched == 0 {
        text += if policy.refuses_unmatched(name.as_bytes()) {
            "\nNo rule matches it, and the policy refuses what no rule matches.\n"
        } else {
            "\nNo rule matches it: anything is accepted.\n"
        };
    }
    let orders = policy.describe_orders();
    if !orders.is_empty() {
        text += "\norders\n";
        text.extend(orders.iter().map(|sentence| format!("  {sentence}\n")));
    }
    print(&text)?;
    Ok(Exit::Accepted)
}

/// Whether a branch here or at the remote is called so.
fn is_branch(local: &Local, name: &str) -> Result<bool> {
    let name = full_name(name);
    let tracked = TrackedRefs { local, remote: "origin".to_owned() };
    let known = local.refs.value(&name).map_err(Failure::new)?.or(tracked.value(&name).map_err(Failure::new)?);
    Ok(known.is_some())
}
