//! Who orders, with which key; and an order from its draft to where it is delivered.

use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::core::id::RepositoryName;
use crate::core::order::{Act, By, ClaimedOrder, NAMESPACE, Order, OrderPlace, PREFIX, Scope, entitled, seal_envelope};
use crate::core::policy::{Policy, Principal, PrincipalKind, Span};
use crate::core::report::escape;
use crate::desk::approve::{confirm, deliver, find_key, sign_statement};
use crate::desk::clone::{Local, TrackedRefs, desk_failure, settings};
use crate::desk::orders::{Delivery, Destination};
use crate::desk::person_key::PersonKey;
use crate::desk::who::trace_of_agent;
use crate::gate::engine::{EngineError, repository_name};
use crate::gate::policy_source::PolicyReader;
use crate::system::process::git;
use crate::system::{Configuration, Failure, Result, now};

/// Whoever is at the desk, with what an order needs to know.
pub(super) struct Orderer<'a> {
    delivery: &'a Delivery,
    local: Local,
    policy: Policy,
    repository: RepositoryName,
    key: PersonKey,
}

/// An order before it is signed.
pub(super) struct Draft {
    pub(super) scope: Scope,
    pub(super) act: Act,
    pub(super) expires: Option<Span>,
    /// What it does, in words that follow its author's id.
    pub(super) heading: String,
    pub(super) verb: &'static str,
}

impl<'a> Orderer<'a> {
    /// Opens the clone, its policy and the key.
    pub(super) fn open(delivery: &'a Delivery) -> Result<Self> {
        let local = Local::open()?;
        let settings = settings(&delivery.policies, None)?;
        if settings.policies.is_empty() {
            return Err(desk_failure(&EngineError::NoPolicy));
        }
        let refs = TrackedRefs { local: &local, remote: delivery.remote.clone() };
        let reader = PolicyReader { repository: Some((&local.objects, &refs)) };
        let policy = reader.load(&settings.policies).map_err(|error| desk_failure(&error.into()))?.policy;
        let repository = repository_name(&settings, &policy).map_err(|error| desk_failure(&error))?;
        let key = find_key(delivery.key.as_deref(), &policy)?;
        Ok(Self { delivery, local, policy, repository, key })
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn local(&self) -> &Local {
        &self.local
    }

    pub(super) fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Shows an order, signs it and delivers it.
    pub(super) fn deliver(&self, draft: Draft) -> Result<()> {
        let Draft { scope, act, expires, heading, verb } = draft;
        let reason = self.delivery.reason()?;
        let by = self.author()?;
        let place = OrderPlace { topic: act.topic(), by: by.clone() };
        if self.delivery.to == Destination::Remote {
            self.fetch(&place)?;
        }
        let issued = Time(self.issued(&place, &act)?);
        let expires = expires.map(|span| Time(Timestamp(issued.0.0.saturating_add(span.seconds))));
        let order = Order { scope, act, by, reason, issued, expires };
        let statement = order.to_statement().map_err(|error| Failure::new(format!("it cannot be ordered: {error}")))?;
        confirm(&self.text(&order, &heading)?, verb, self.delivery.asks)?;
        let record = self.sign(&order, &statement)?;
        let records = [(order.place().to_string(), record)];
        match &self.delivery.to {
            Destination::File(file) => deliver::to_file(file, &records),
            Destination::Clone => deliver::to_clone(&records, &self.delivery.remote),
            Destination::Remote => deliver::to_remote(&records, &self.delivery.remote),
        }
    }

    /// Whose key it is: a person's, or that of an agent which means itself.
    fn author(&self) -> Result<By> {
        let public = self.key.public()?;
        let unknown = || {
            Failure::new(format!("{} is not a key that the policy registers", public.fingerprint()))
                .hint("ask an admin to register it under [people], or name another with --key FILE")
        };
        let holder = self.policy.by_key(&public).ok_or_else(unknown)?;
        match holder.kind {
            PrincipalKind::Person => self.refuse_agents(holder),
            PrincipalKind::Agent => Ok(By::Agent(holder.id.clone())),
            PrincipalKind::Service => {
                Err(Failure::new(format!("{} is the key of service {}", public.fingerprint(), holder.id))
                    .hint("a person gives orders, with a key of their own: --key FILE"))
            }
        }
    }

    /// Only a person uses a person's key.
    fn refuse_agents(&self, person: &Principal) -> Result<By> {
        match trace_of_agent(&Configuration::load()?) {
            None => Ok(By::Person(person.id.clone())),
            Some(mark) => Err(Failure::new(format!(
                "{mark} is set, so an agent may be running this, with the key of {}",
                person.id
            ))
            .hint("a person runs it in a terminal of their own; an agent freezes itself with --key FILE, its own")),
        }
    }

    /// Gets what is stored at the remote on the same topic, which the order may replace.
    fn fetch(&self, place: &OrderPlace) -> Result<()> {
        let (topic, remote) = (&place.topic, &self.delivery.remote);
        let others = ["freeze", "thaw"].map(|word| format!("{PREFIX}{word}/*"));
        let own = format!("{PREFIX}{}/{}/*", topic.word(), topic.subject());
        let wanted = others.iter().chain([&own]).map(|name| format!("+{name}:{name}\n"));
        let input: String = wanted.collect();
        git(&["fetch", "--quiet", "--no-tags", "--stdin", remote]).input(input.as_bytes()).run().map(drop).map_err(
            |failure| {
                Failure::new(failure.message).hint("--remote names another remote; --no-push keeps the order here")
            },
        )
    }

    /// When it is issued: now, and after what it replaces or ends. A second can hold both.
    fn issued(&self, place: &OrderPlace, act: &Act) -> Result<Timestamp> {
        let mut issued = now()?;
        let ends = |other: &OrderPlace| match (act, &other.topic) {
            (Act::Thaw { whom }, crate::core::order::Topic::Freeze(frozen)) => whom == frozen,
            _ => false,
        };
        for (name, blob) in self.local.refs.list(PREFIX).map_err(Failure::new)? {
            let Some(other) = OrderPlace::parse(&name).filter(|other| other == place || ends(other)) else { continue };
            let most = u64::try_from(crate::core::limits::ORDER_BYTES).unwrap_or(u64::MAX);
            let Ok(json) = self.local.objects.blob(blob, most) else { continue };
            let Ok(claimed) = ClaimedOrder::parse(&json) else { continue };
            if claimed.order().place() == other {
                issued = issued.max(Timestamp(claimed.order().issued.0.0.saturating_add(1)));
            }
        }
        Ok(issued)
    }

    /// What is shown before signing.
    fn text(&self, order: &Order, heading: &str) -> Result<String> {
        let expires = order.expires.map_or_else(|| "by another order".to_owned(), |end| end.to_string());
        let since = match &order.act {
            Act::Freeze { since: Some(since), .. } => format!("since   {since}\n"),
            _ => String::new(),
        };
        let scope = match &order.scope {
            Scope::Repository(name) => format!("the repository {name}"),
            Scope::Policy(name) => format!("every repository under the policy {name}"),
        };
        Ok(format!(
            "{} {heading}\nin      {scope}\nkey     {}\n{since}ends    {expires}\nbecause {}\n",
            order.by.id(),
            self.key.public()?.fingerprint(),
            escape(order.reason.as_bytes(), 1000),
        ))
    }

    /// Signs. Returns the record, which has been read back, and which the gate will take by what this clone knows.
    fn sign(&self, order: &Order, statement: &str) -> Result<String> {
        let blob = sign_statement(&self.key, NAMESPACE, statement)?;
        let wrong = |error| Failure::new(format!("the signed order does not hold: {error}"));
        let record = seal_envelope(statement, &blob).map_err(wrong)?;
        let verified = ClaimedOrder::parse(record.as_bytes()).and_then(ClaimedOrder::verify).map_err(wrong)?;
        if *verified.order() != *order {
            return Err(Failure::new("what was signed is another order"));
        }
        entitled(&self.policy, Some(&self.repository), &verified)
            .map_err(|objection| Failure::new(format!("it would count for nothing: {}", objection.0)))?;
        Ok(record)
    }
}
