//! The branch that people push to: whether they can, and whether the policy is about it.

use super::Check;
use crate::core::policy::Policy;
use crate::doctor::gate::{Examined, Seen};
use crate::doctor::report::Report;
use crate::gate::ref_values::{RefValues as _, StoredRefs};
use crate::system::process::server_git;

pub(in crate::doctor) fn examine(examined: &Examined<'_>, policy: &Policy, report: &mut Report) {
    let Examined { seen, opened, .. } = examined;
    let place = &seen.place;
    let values = StoredRefs { refs: &opened.refs, objects: &opened.objects };
    let head = values.head_branch().ok().flatten();
    let is_open = |head: &String| {
        let name = head.as_bytes();
        !policy.refuses_unmatched(name) && !policy.rules().iter().any(|rule| rule.matches_ref(name))
    };
    if let Some(head) = head.as_ref().filter(|head| hides(seen, head)) {
        let message = format!("its configuration hides {head}, its main branch: git refuses every push to it");
        let look = seen.git("config --show-origin --get-regexp '^(receive|transfer).hiderefs$'");
        report.error(place, Check::Hidden, message, format!("look where it is hidden:\n{look}"));
    }
    if let Some(head) = head.filter(is_open) {
        let message = format!("no rule is about {head}, its main branch: every push to it is accepted");
        let fix = format!("add a rule with refs = [\"{head}\"], or one that says identity = \"none\" if that is meant");
        report.error(place, Check::Ungoverned, message, fix);
    }
}

/// Whether git hides a ref from pushes, in the configuration of the repository.
fn hides(seen: &Seen, name: &str) -> bool {
    if !seen.config.to_ascii_lowercase().contains("hiderefs") {
        return false;
    }
    let asked = server_git(&seen.path, &["config", "--get-regexp", "^(receive|transfer)\\.hiderefs$"])
        .run()
        .unwrap_or_default();
    let patterns = String::from_utf8_lossy(&asked).into_owned();
    let hidden = patterns.lines().filter_map(|line| line.split_once(' ')).rev().find_map(|(_, pattern)| {
        let (shown, prefix) = pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest));
        let prefix = prefix.trim_start_matches('^').trim_end_matches('/');
        let covers = name == prefix || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        covers.then_some(!shown)
    });
    hidden.unwrap_or(false)
}
