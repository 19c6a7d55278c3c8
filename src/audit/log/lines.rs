//! Entries in lines for people.

use std::collections::BTreeMap;

use crate::core::canonical::{CanonicalOid, RefName, Time};
use crate::core::report::escape;
use crate::core::text::plural;
use crate::ledger::{Entry, How, Moved, OrderRecord, Outcome, Settled, UpdateRecord};

pub(crate) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Undecided => "undecided",
    }
}

pub(crate) fn value(id: Option<CanonicalOid>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.0.short())
}

pub(crate) fn shown(name: &RefName) -> String {
    escape(&name.0, 200)
}

fn moved_text(moved: &Moved) -> String {
    format!("{} from {} to {}", shown(&moved.name), value(moved.from), value(moved.to))
}

pub(super) fn text(number: u64, entry: &Entry) -> String {
    let time = entry.time().map_or_else(|| " ".repeat(20), |time| Time(time).to_string());
    let head = |words: String| format!("{time} #{number} {words}\n");
    let refs = |settled: &Settled| settled.refs.iter().map(shown).collect::<Vec<_>>().join(" ");
    match entry {
        Entry::Opened(opened) => head(format!("opened for {}, signed by {}", opened.repository, opened.key)),
        Entry::Raised(raised) => head(format!("goes on in version {} of the format", raised.version)),
        Entry::Placed(placed) => {
            let how = match placed.how {
                How::Seen => "kept for",
                How::Moved => "an admin says that it was moved or restored to",
                How::Copied => "an admin says that it goes on for a copy,",
            };
            head(format!("{how} {}", escape(placed.place.path().as_os_str().as_encoded_bytes(), 1000)))
        }
        Entry::Rekeyed(rekeyed) => head(format!("from here on signed by {}", rekeyed.key)),
        Entry::Continues(continues) => head(format!(
            "generation {}, after {} with root {}",
            continues.generation,
            plural(continues.size, "entry"),
            continues.root
        )),
        Entry::Carried(carried) => head(format!("{} of generations before", plural(carried.receipts.len(), "receipt"))),
        Entry::Spent(presumed) => head(format!("{} taken for landed", plural(presumed.approvals.len(), "approval"))),
        Entry::Unspent(presumed) => {
            head(format!("{} not landed yet, as an admin says", plural(presumed.approvals.len(), "approval")))
        }
        Entry::Clock(_) => head("an admin says that the clock is right: times go on from here".to_owned()),
        Entry::Refs(found) => head(format!("{} taken as found", plural(found.refs.len(), "ref"))),
        Entry::Decided(decided) => {
            let policy = decided.policy.map_or_else(|| "no policy".to_owned(), |digest| format!("policy {}", &digest));
            let submitter = decided.submitter.as_ref().map(|id| format!(" from {id}")).unwrap_or_default();
            let clock = decided.clock.map(|clock| format!(", clock {clock}")).unwrap_or_default();
            let again = decided.again.map(|number| format!(", again: #{number} before")).unwrap_or_default();
            let mut lines = head(format!("{}{submitter} ({policy}{clock}{again})", word(decided.outcome)));
            lines.extend(decided.error.iter().map(|error| format!("  {error}\n")));
            lines.extend(decided.updates.iter().map(update_text));
            lines
        }
        Entry::Continued(continued) => {
            let mut lines = head(format!("more of #{}", continued.decision));
            lines.extend(continued.updates.iter().map(update_text));
            lines
        }
        Entry::Committed(settled) => head(format!("committed #{}: {}", settled.decision, refs(settled))),
        Entry::Aborted(settled) => head(format!("aborted #{}: {}", settled.decision, refs(settled))),
        Entry::Unexplained(unexplained) => {
            let moves: Vec<String> = unexplained.refs.iter().map(moved_text).collect();
            head(format!("moved with no decision: {}", moves.join(", ")))
        }
        Entry::Ordered(ordered) => head(format!("at the server, {}", order_text(&ordered.order))),
        Entry::Overrode(overrode) => {
            let moves: Vec<String> = overrode.moves.iter().map(|moved| shown(&moved.name)).collect();
            head(format!("accepted in spite of findings in a generation before: {}", moves.join(", ")))
        }
        Entry::Suppressed(suppressed) => {
            let submitter = suppressed.submitter.as_deref().unwrap_or("anybody");
            head(format!("{} more pushes of {submitter} refused since {}", suppressed.refused, suppressed.hour))
        }
        Entry::Recovered(recovered) => {
            head(format!("{} cut off, which a crash had left", plural(recovered.cut, "byte")))
        }
    }
}

fn order_text(order: &OrderRecord) -> String {
    let expires = order.expires.map(|end| format!(" until {end}")).unwrap_or_default();
    let OrderRecord { order, subject, by, reason, issued, .. } = order;
    format!("{by} orders {order} {subject} at {issued}{expires}: {reason}")
}

fn update_text(update: &UpdateRecord) -> String {
    let commits = plural(update.commits, "commit");
    let who: Vec<String> =
        update.work.iter().map(|work| format!("{} of {}", work.commits.len(), work.principal)).collect();
    let who: Vec<String> =
        who.into_iter().chain(update.approvals.iter().map(|one| format!("approved by {}", one.by()))).collect();
    let work = if who.is_empty() { String::new() } else { format!(", {}", who.join(", ")) };
    let (old, new) = (value(update.old), value(update.new));
    let mut lines = format!("  {} {old}..{new}: {}, {commits}{work}\n", shown(&update.name), word(update.outcome));
    lines.extend(update.order.iter().map(|order| format!("    {}\n", order_text(order))));
    for one in &update.overrides {
        lines.push_str(&format!("    override: {} passes over {}: {}\n", one.by, one.codes.join(", "), one.reason));
    }
    for finding in &update.findings {
        let object = finding.object.map(|id| format!(" {}", id.0.short())).unwrap_or_default();
        let rule = finding.rule.as_ref().map(|rule| format!(" [{rule}]")).unwrap_or_default();
        lines.push_str(&format!("    {}: {}{object}: {}{rule}\n", finding.severity, finding.code, finding.detail));
    }
    if let Some(left_out) = &update.left_out {
        let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
        left_out.kinds.iter().for_each(|kind| *codes.entry(&kind.code).or_default() += kind.findings);
        let codes: Vec<String> = codes.iter().map(|(code, findings)| format!("{findings} {code}")).collect();
        let codes = if codes.is_empty() { String::new() } else { format!(": {}", codes.join(", ")) };
        lines.push_str(&format!("    and {} more findings{codes}\n", left_out.findings));
    }
    lines
}
