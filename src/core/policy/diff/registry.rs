//! Who is registered, with which keys.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Comparison, Direction};
use crate::core::openpgp::Certificate;
use crate::core::policy::grants::ISSUING;
use crate::core::policy::{Date, Issuing, Policy, Principal, PrincipalKind, Rule, Whose};

impl Comparison<'_> {
    /// Compares principals, and what became of keys.
    pub(super) fn registry(&mut self) {
        let (old, new) = (self.old, self.new);
        for principal in new.principals() {
            let known = old.principal(&principal.id).filter(|before| before.kind == principal.kind);
            match known {
                Some(before) => self.principal(before, principal),
                None => {
                    let keyless =
                        principal.keys.is_empty() && principal.certificates.is_empty() && principal.issuers.is_empty();
                    let idle = keyless && principal.accounts.is_empty() && !principal.unsigned && !principal.attests;
                    let direction = if idle { Direction::Changed } else { Direction::Weaker };
                    let accounts = match principal.accounts.as_slice() {
                        [] => String::new(),
                        names => format!(" and the account {}", names.join(", ")),
                    };
                    let message = format!("it is new, with {}{accounts}", keys(principal));
                    self.add(direction, about(principal), message);
                }
            }
        }
        for principal in old.principals() {
            if new.principal(&principal.id).is_none_or(|after| after.kind != principal.kind) {
                // The addresses of a person who is gone no longer keep anybody from approving.
                let (direction, why) = match principal.kind {
                    PrincipalKind::Service => self.without_service(),
                    PrincipalKind::Person | PrincipalKind::Agent if principal.emails.is_empty() => {
                        (Direction::Stricter, "")
                    }
                    PrincipalKind::Person | PrincipalKind::Agent => (Direction::Weaker, ""),
                };
                let message = format!("it is gone, with {}{why}", keys(principal));
                self.add(direction, about(principal), message);
            }
        }
        self.became_of_keys(old, new);
    }

    fn principal(&mut self, old: &Principal, new: &Principal) {
        // The keys are compared by their fingerprints.
        let Principal {
            id: _,
            kind: _,
            owner,
            tool,
            name: display,
            emails,
            keys: _,
            certificates: _,
            accounts,
            unsigned,
            attests,
            review_by,
            issuers,
            max_grant,
            issuing,
            at: _,
            layer: _,
        } = old;
        let name = about(new);
        let set = |principal: &Principal| -> BTreeSet<String> {
            let certificate = |one: &Certificate| format!("of certificate {} ({})", one.fingerprint(), one.digest());
            let own = principal.keys.iter().map(|key| key.fingerprint().to_string());
            own.chain(principal.certificates.iter().map(certificate)).collect()
        };
        let (before, after) = (set(old), set(new));
        for key in after.difference(&before) {
            self.add(Direction::Weaker, name.clone(), format!("the key {key} is new"));
        }
        for key in before.difference(&after) {
            let (direction, why) =
                if new.kind == PrincipalKind::Service { self.without_service() } else { (Direction::Stricter, "") };
            self.add(direction, name.clone(), format!("the key {key} is gone{why}"));
        }
        for account in new.accounts.iter().filter(|account| !accounts.contains(account)) {
            self.add(Direction::Weaker, name.clone(), format!("the account {account} is new"));
        }
        for account in accounts.iter().filter(|account| !new.accounts.contains(account)) {
            self.add(Direction::Stricter, name.clone(), format!("the account {account} is gone"));
        }
        if *unsigned != new.unsigned {
            let message = format!("unsigned {} -> {}", unsigned, new.unsigned);
            let (direction, why) = if new.unsigned { (Direction::Weaker, "") } else { self.without_service() };
            self.add(direction, name.clone(), message + why);
        }
        if *attests != new.attests {
            let direction = if new.attests { Direction::Weaker } else { Direction::Stricter };
            self.add(direction, name.clone(), format!("attests {} -> {}", attests, new.attests));
        }
        if *owner != new.owner {
            let owner = |principal: &Principal| principal.owner.as_ref().map_or(String::new(), ToString::to_string);
            let message = format!("owner {} -> {}", owner(old), owner(new));
            let counts = self.asks_independent();
            let direction = if counts { Direction::Weaker } else { Direction::Changed };
            let why = if counts { ": an approval by the former owner is independent now" } else { "" };
            self.add(direction, name.clone(), message + why);
        }
        if *tool != new.tool {
            let tool = |principal: &Principal| principal.tool.as_ref().map_or("none".to_owned(), ToString::to_string);
            self.add(Direction::Changed, name.clone(), format!("tool {} -> {}", tool(old), tool(new)));
        }
        if *display != new.name {
            self.add(Direction::Changed, name.clone(), "its display name is another");
        }
        for email in new.emails.iter().filter(|email| !emails.contains(email)) {
            self.add(
                Direction::Stricter,
                name.clone(),
                format!("{email} is its address: it does not approve such work"),
            );
        }
        for email in emails.iter().filter(|email| !new.emails.contains(email)) {
            let message = format!("{email} is no longer its address: it can approve such work");
            self.add(Direction::Weaker, name.clone(), message);
        }
        for issuer in new.issuers.difference(issuers) {
            self.add(Direction::Weaker, name.clone(), format!("{issuer} may issue its grants"));
        }
        for issuer in issuers.difference(&new.issuers) {
            self.add(Direction::Stricter, name.clone(), format!("{issuer} may no longer issue its grants"));
        }
        if *max_grant != new.max_grant {
            let direction = Direction::between(&Reverse(*max_grant), &Reverse(new.max_grant));
            self.add(direction, name.clone(), format!("max-grant {max_grant} -> {}", new.max_grant));
        }
        if *issuing != new.issuing {
            let word = |own: Issuing| ISSUING.iter().find(|(_, value)| *value == own).map_or("", |(word, _)| word);
            let message = format!("issuing \"{}\" -> \"{}\"", word(*issuing), word(new.issuing));
            self.add(Direction::between(issuing, &new.issuing), name.clone(), message);
        }
        if *review_by != new.review_by {
            let text = |date: Option<Date>| date.map_or("none".to_owned(), |date| date.to_string());
            let term = |date: Option<Date>| Reverse((date.is_none(), date));
            let message = format!("review-by {} -> {}", text(*review_by), text(new.review_by));
            self.add(Direction::between(&term(*review_by), &term(new.review_by)), name, message);
        }
    }

    /// What it means that commits are no longer known to be a service's. All that a service makes needs approvals that are asked for
    /// agents' work; what is nobody's needs them only where it shows an agent.
    fn without_service(&self) -> (Direction, &'static str) {
        let asks = |rule: &Rule| rule.approvals.as_ref().is_some_and(|asked| asked.whose == Whose::Agents);
        if self.old.rules().iter().any(asks) {
            (Direction::Weaker, ": what it made needed approvals, and is nobody's now")
        } else {
            (Direction::Stricter, "")
        }
    }

    fn asks_independent(&self) -> bool {
        let asks = |rule: &crate::core::policy::Rule| rule.approvals.as_ref().is_some_and(|asked| asked.independent);
        self.old.rules().iter().any(asks)
    }

    fn became_of_keys(&mut self, old: &Policy, new: &Policy) {
        for key in old.revoked.difference(&new.revoked) {
            self.add(Direction::Weaker, "revoked", format!("{key} is no longer revoked"));
        }
        for key in new.revoked.difference(&old.revoked) {
            self.add(Direction::Stricter, "revoked", format!("{key} is revoked"));
        }
        for (key, date) in &old.retired {
            match new.retired.get(key) {
                None => self.add(Direction::Weaker, "retired", format!("{key} is no longer retired")),
                Some(later) if later > date => {
                    self.add(Direction::Weaker, "retired", format!("{key} is retired on {later}, not on {date}"));
                }
                Some(earlier) if earlier < date => {
                    self.add(Direction::Stricter, "retired", format!("{key} is retired on {earlier}, not on {date}"));
                }
                Some(_) => {}
            }
        }
        for (key, date) in new.retired.iter().filter(|(key, _)| !old.retired.contains_key(key)) {
            self.add(Direction::Stricter, "retired", format!("{key} is retired on {date}"));
        }
    }
}

fn about(principal: &Principal) -> String {
    format!("{} \"{}\"", principal.kind.noun(), principal.id)
}

fn keys(principal: &Principal) -> String {
    match principal.keys.len() + principal.certificates.len() {
        0 => "no key".to_owned(),
        1 => "one key".to_owned(),
        more => format!("{more} keys"),
    }
}
