use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::core::canonical::{CanonicalOid, Time};
use crate::core::decide::Timestamp;
use crate::core::dsse::{RecordError, pre_authentication};
use crate::core::id::{Id, RepositoryName};
use crate::core::oid::Oid;
use crate::core::policy::{Policy, Source, load};
use crate::core::ssh::{PrivateKey, SignatureError};

const NOW: i64 = 1_795_489_864;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32]).unwrap()
}

fn id(text: &str) -> Id {
    Id::parse(text.as_bytes()).unwrap()
}

fn at(seconds: i64) -> Time {
    Time(Timestamp(NOW + seconds))
}

fn repository() -> RepositoryName {
    RepositoryName::parse(b"acme/payments").unwrap()
}

fn claude() -> Whom {
    Whom::Agent(id("claude-code"))
}

pub(super) fn freeze() -> Order {
    Order {
        scope: Scope::Policy(id("acme")),
        act: Act::Freeze { whom: claude(), since: None },
        by: By::Person(id("alice")),
        reason: "it pushes to every branch".into(),
        issued: at(0),
        expires: None,
    }
}

fn override_of(by: &str) -> Order {
    let value = |number: u8| Some(CanonicalOid(Oid::from_bytes(&[number; 20]).unwrap()));
    let of = Move {
        name: "refs/heads/main".into(),
        old: value(1),
        new: value(2),
        codes: vec!["approval-missing".into(), "unsigned-commit".into()],
    };
    Order {
        scope: Scope::Repository(repository()),
        act: Act::Override(of),
        by: By::Person(id(by)),
        reason: "payments are down".into(),
        issued: at(0),
        expires: Some(at(HOUR)),
    }
}

fn seed_of(by: &By) -> u8 {
    match by.id().as_str() {
        "alice" => 7,
        "bob" => 8,
        "carol" => 9,
        _ => 10,
    }
}

pub(super) fn record(order: &Order) -> String {
    let statement = order.to_statement().unwrap();
    let signature = key(seed_of(&order.by)).sign(NAMESPACE, &pre_authentication(statement.as_bytes()));
    seal_envelope(&statement, &signature).unwrap()
}

fn verified(order: &Order) -> VerifiedOrder {
    ClaimedOrder::parse(record(order).as_bytes()).unwrap().verify().unwrap()
}

fn around(statement: &str) -> Result<VerifiedOrder, OrderError> {
    let signature = key(7).sign(NAMESPACE, &pre_authentication(statement.as_bytes()));
    ClaimedOrder::parse(seal_envelope(statement, &signature)?.as_bytes())?.verify()
}

fn policy(more: &str) -> Policy {
    let line = |seed: u8| key(seed).public().to_line();
    let text = format!(
        "version = 1\nname = \"acme\"\n[people.alice]\nkeys = [\"{}\"]\n[people.bob]\nkeys = [\"{}\"]\n[people.carol]\nkeys = [\"{}\"]\n\
         [agents.claude-code]\ntool = \"claude-code\"\nowner = \"bob\"\nkeys = [\"{}\"]\n[agents.codex]\nowner = \"bob\"\nkeys = [\"{}\"]\n{more}",
        line(7),
        line(8),
        line(9),
        line(10),
        line(11)
    );
    load(vec![Source { name: "policy.toml".into(), text }], &mut |_, _| Err(String::new())).unwrap().policy
}

fn every_kind() -> Vec<Order> {
    let acts = [
        Act::Freeze { whom: Whom::All, since: Some(at(-60)) },
        Act::Freeze { whom: Whom::Tool(id("codex")), since: None },
        Act::Thaw { whom: claude() },
        Act::Revoke { agent: id("codex"), serial: u64::MAX },
        Act::RevokeAll { agent: id("all"), until: at(7) },
    ];
    let mut all: Vec<Order> = acts.into_iter().map(|act| Order { act, ..freeze() }).collect();
    all.push(freeze());
    all.push(override_of("alice"));
    let mut created = override_of("alice");
    if let Act::Override(of) = &mut created.act {
        of.old = None;
    }
    all.push(created);
    all.push(Order { by: By::Agent(id("claude-code")), expires: Some(at(1)), ..freeze() });
    all
}

#[test]
fn every_kind_reads_back_and_stands_in_a_place_of_its_own() {
    let mut places = BTreeSet::new();
    for order in every_kind() {
        assert_eq!(*verified(&order).order(), order);
        let name = order.place().to_string();
        assert_eq!(OrderPlace::parse(name.as_bytes()), Some(order.place()), "{name}");
        assert!(places.insert(name));
    }
    for bad in [
        "refs/countersign/orders/freeze/agent/Claude/person/alice",
        "refs/countersign/orders/freeze/agent/a..b/person/alice",
        "refs/countersign/orders/freeze/agent/a.lock/person/alice",
        "refs/countersign/orders/freeze/everybody/person/alice",
        "refs/countersign/orders/revoke/codex/007/person/alice",
        "refs/countersign/orders/revoke/codex/0/person/alice",
        "refs/countersign/orders/melt/agent/codex/person/alice",
        "refs/countersign/orders/freeze/agent/codex/service/alice",
        "refs/countersign/orders/freeze/agent/codex/alice",
        "refs/countersign/approvals/freeze/agent/codex/person/alice",
    ] {
        assert_eq!(OrderPlace::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn only_the_one_encoding_is_read() {
    for good in [freeze(), override_of("alice")] {
        let good = good.to_statement().unwrap();
        assert!(around(&good).is_ok());
        for (from, to) in [
            ("\"by\":\"person/alice\"", "\"by\":\"person/alice\",\"by\":\"person/alice\""),
            ("\"by\"", "\"extra\":1,\"by\""),
            ("\"issued\"", " \"issued\""),
            ("person/alice", "person/\\u0061lice"),
            ("person/alice", "person/bob"),
            ("order:v1", "order:v2"),
            (",\"by\":\"person/alice\"", ""),
            ("\"order\":\"", "\"order\":\"x"),
            ("\"expires\":", "\"since\":null,\"expires\":"),
            ("2026-11-24T03:11:04Z", "2026-11-24T03:11:04+00:00"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(around(&bad).is_err(), "{bad}");
        }
    }
    let other = "freeze".replace("freeze", "thaw");
    let place = freeze().to_statement().unwrap().replacen("\"order\":\"freeze\"", &format!("\"order\":\"{other}\""), 1);
    assert_eq!(around(&place).map(drop), Err(RecordError::Subject("the digest of its place")));
}

#[test]
fn a_signature_for_anything_else_does_not_count() {
    let statement = freeze().to_statement().unwrap();
    let with = |signature: &[u8]| {
        ClaimedOrder::parse(seal_envelope(&statement, signature).unwrap().as_bytes()).unwrap().verify().map(drop)
    };
    for namespace in ["git", "countersign-approval-v1"] {
        let signature = key(7).sign(namespace, &pre_authentication(statement.as_bytes()));
        let expected = SignatureError::Namespace(NAMESPACE.to_owned());
        assert_eq!(with(&signature), Err(RecordError::Signature(expected)));
    }
    let bare = key(7).sign(NAMESPACE, statement.as_bytes());
    assert_eq!(with(&bare), Err(RecordError::Signature(SignatureError::Mismatch)));
}

#[test]
fn values_that_no_order_may_hold() {
    let spoiled = |spoil: &dyn Fn(&mut Move)| {
        let mut order = override_of("alice");
        if let Act::Override(of) = &mut order.act {
            spoil(of);
        }
        order
    };
    for (bad, what) in [
        (Order { reason: String::new(), ..freeze() }, "reason"),
        (Order { reason: " x".into(), ..freeze() }, "reason"),
        (Order { reason: "x".repeat(REASON + 1), ..freeze() }, "reason"),
        (Order { reason: "a\u{1b}[31m".into(), ..freeze() }, "reason"),
        (Order { expires: Some(at(0)), ..freeze() }, "expires"),
        (Order { act: Act::Freeze { whom: claude(), since: Some(at(0)) }, ..freeze() }, "since"),
        (Order { act: Act::Revoke { agent: id("codex"), serial: 0 }, ..freeze() }, "subject"),
        (Order { act: Act::Freeze { whom: Whom::Agent(id("a.lock")), since: None }, ..freeze() }, "subject"),
        (Order { by: By::Person(id("a..b")), ..freeze() }, "by"),
        (Order { scope: Scope::Policy(id("acme")), ..override_of("alice") }, "repository"),
        (Order { expires: None, ..override_of("alice") }, "expires"),
        (Order { expires: Some(at(HOUR + 1)), ..override_of("alice") }, "expires"),
        (spoiled(&|of| of.name = "main".into()), "ref"),
        (spoiled(&|of| of.new = of.old), "new"),
        (spoiled(&|of| of.new = Some(CanonicalOid(Oid::from_bytes(&[2; 32]).unwrap()))), "new"),
        (spoiled(&|of| of.codes.clear()), "codes"),
        (spoiled(&|of| of.codes.reverse()), "codes"),
        (spoiled(&|of| of.codes.push("unsigned-commit".into())), "codes"),
        (spoiled(&|of| of.codes.push("x\n".into())), "codes"),
    ] {
        assert_eq!(bad.to_statement(), Err(RecordError::Value(what)));
    }
}

#[test]
fn who_may_order_what() {
    let open = policy("");
    let lists = policy(
        "[orders]\nfreeze-all = [\"alice\"]\nthaw = [\"carol\"]\nrevoke = [\"carol\"]\n[override]\nfrom = [\"alice\", \"bob\"]\ncodes = [\"approval-missing\"]\n",
    );
    let by = |name: &str, act: Act| Order { by: By::Person(id(name)), act, ..freeze() };
    let all = || Act::Freeze { whom: Whom::All, since: None };
    let revoke = || Act::Revoke { agent: id("codex"), serial: 7 };
    let itself = Order { by: By::Agent(id("claude-code")), ..freeze() };
    let thaw = Act::Thaw { whom: claude() };
    for (policy, order, may) in [
        (&open, freeze(), true),
        (&open, by("carol", all()), true),
        (&lists, by("carol", all()), false),
        (&lists, by("alice", all()), true),
        (&open, itself.clone(), true),
        (&open, Order { act: Act::Freeze { whom: Whom::Agent(id("codex")), since: None }, ..itself.clone() }, false),
        (
            &open,
            Order { act: Act::Freeze { whom: Whom::Tool(id("claude-code")), since: None }, ..itself.clone() },
            false,
        ),
        (&open, Order { act: thaw, ..itself.clone() }, false),
        (&open, by("bob", revoke()), true),
        (&open, by("carol", revoke()), false),
        (&lists, by("carol", revoke()), true),
        (&open, override_of("alice"), false),
        (&lists, override_of("alice"), true),
        (&lists, override_of("carol"), false),
        (&open, Order { scope: Scope::Policy(id("other")), ..freeze() }, false),
        (&open, Order { scope: Scope::Repository(repository()), ..freeze() }, true),
        (&open, Order { scope: Scope::Repository(RepositoryName::parse(b"acme/other").unwrap()), ..freeze() }, false),
        // Whose key it is, the policy says, not the order.
        (&open, Order { by: By::Person(id("mallory")), ..freeze() }, false),
    ] {
        let found = entitled(policy, Some(&repository()), &verified(&order));
        assert_eq!(found.is_ok(), may, "{order:?}: {found:?}");
    }
    let revoked = policy(&format!("[revoked]\nkeys = [\"{}\"]\n", key(7).public().fingerprint()));
    assert!(entitled(&revoked, Some(&repository()), &verified(&freeze())).is_err());
    assert!(entitled(&revoked, Some(&repository()), &verified(&by("bob", freeze().act))).is_ok());
}

fn frozen(policy: &Policy, orders: &[Order], admin: &[ServerThaw], agent: &str) -> bool {
    let stored: Vec<VerifiedOrder> = orders.iter().map(verified).collect();
    let orders = Orders::in_force(policy, &repository(), (&stored, admin), Timestamp(NOW + 100));
    orders.freeze_of(policy.principal(&id(agent)).unwrap()).is_some()
}

#[test]
fn a_freeze_holds_until_it_is_over_or_thawed_by_who_may() {
    let lists = policy("[orders]\nthaw = [\"carol\"]\n");
    let thaw = |by: &str, seconds: i64| Order {
        by: By::Person(id(by)),
        act: Act::Thaw { whom: claude() },
        issued: at(seconds),
        ..freeze()
    };
    let itself = || Order { by: By::Agent(id("claude-code")), ..freeze() };
    let admin = |whom: Whom, seconds: i64| ServerThaw { whom, reason: "x".into(), issued: at(seconds).0 };
    let is_frozen = |orders: &[Order], admin: &[ServerThaw]| frozen(&lists, orders, admin, "claude-code");
    assert!(is_frozen(&[freeze()], &[]));
    assert!(!frozen(&lists, &[freeze()], &[], "codex"));
    assert!(!is_frozen(&[], &[]));
    let over = Order { expires: Some(at(99)), ..freeze() };
    assert!(!is_frozen(&[over], &[]) && is_frozen(&[Order { expires: Some(at(100)), ..freeze() }], &[]));
    for (thaw, ends) in [
        (thaw("alice", 1), true),
        (thaw("alice", 0), false),
        (thaw("alice", -1), false),
        (thaw("carol", 1), true),
        // The agent's owner ends what the agent ordered, not what others did.
        (thaw("bob", 1), false),
        (Order { act: Act::Thaw { whom: Whom::All }, ..thaw("alice", 1) }, false),
    ] {
        assert_eq!(is_frozen(&[freeze(), thaw.clone()], &[]), !ends, "{thaw:?}");
    }
    assert!(is_frozen(&[itself()], &[]) && !is_frozen(&[itself(), thaw("bob", 1)], &[]));
    assert!(is_frozen(&[itself(), thaw("alice", 1)], &[]));
    // Each person's freeze is thawed by itself.
    let both = [freeze(), Order { by: By::Person(id("bob")), ..freeze() }];
    assert!(is_frozen(&[both[0].clone(), both[1].clone(), thaw("alice", 1)], &[]));
    assert!(!is_frozen(&[both[0].clone(), both[1].clone(), thaw("alice", 1), thaw("bob", 1)], &[]));
    assert!(!is_frozen(&[freeze()], &[admin(claude(), 0)]) && is_frozen(&[freeze()], &[admin(claude(), -1)]));
    assert!(is_frozen(&[freeze()], &[admin(Whom::All, 50)]));
    // Whom a word means.
    let of = |whom: Whom| Order { act: Act::Freeze { whom, since: None }, ..freeze() };
    assert!(is_frozen(&[of(Whom::All)], &[]) && frozen(&lists, &[of(Whom::All)], &[], "codex"));
    assert!(is_frozen(&[of(Whom::Tool(id("claude-code")))], &[]));
    assert!(!frozen(&lists, &[of(Whom::Tool(id("claude-code")))], &[], "codex"));
}

#[test]
fn a_policy_given_later_ends_no_freeze_of_one_given_before() {
    let line = |seed: u8| key(seed).public().to_line();
    let first = format!("version = 1\nname = \"acme\"\n[people.alice]\nkeys = [\"{}\"]\n", line(7));
    let second = format!(
        "version = 1\n[people.bob]\nkeys = [\"{}\"]\n[people.carol]\nkeys = [\"{}\"]\n[agents.claude-code]\nowner = \"bob\"\nkeys = [\"{}\"]\n[orders]\nthaw = [\"carol\"]\n",
        line(8),
        line(9),
        line(10)
    );
    let source = |name: &str, text: String| Source { name: name.into(), text };
    let both = load(vec![source("org", first), source("own", second)], &mut |_, _| Err(String::new())).unwrap().policy;
    let thaw = Order { by: By::Person(id("carol")), act: Act::Thaw { whom: claude() }, issued: at(1), ..freeze() };
    assert!(frozen(&both, &[freeze(), thaw.clone()], &[], "claude-code"));
    let by_bob = Order { by: By::Person(id("bob")), ..freeze() };
    assert!(!frozen(&both, &[by_bob, thaw], &[], "claude-code"));
}

#[test]
fn what_was_seen_before_a_freeze_is_not_stopped() {
    let policy = policy("");
    let agent = policy.principal(&id("claude-code")).unwrap();
    let stops = |order: &Order, sighted: Option<i64>| {
        let orders = Orders::in_force(&policy, &repository(), (&[verified(order)], &[]), Timestamp(NOW + 100));
        orders.stops(agent, sighted.map(|seconds| Timestamp(NOW + seconds))).is_some()
    };
    let since = Order { act: Act::Freeze { whom: claude(), since: Some(at(-60)) }, ..freeze() };
    for (order, sighted, stopped) in [
        (freeze(), None, true),
        (freeze(), Some(0), false),
        (freeze(), Some(1), true),
        (since.clone(), Some(-60), false),
        (since, Some(-59), true),
    ] {
        assert_eq!(stops(&order, sighted), stopped, "{sighted:?}");
    }
}

#[test]
fn a_grant_is_revoked_by_its_name_or_by_time() {
    let policy = policy("");
    let by = |name: &str, act: Act| verified(&Order { by: By::Person(id(name)), act, ..freeze() });
    let one = |name: &str| by(name, Act::Revoke { agent: id("codex"), serial: 7 });
    let all = |name: &str| by(name, Act::RevokeAll { agent: id("codex"), until: at(10) });
    let revoked = |stored: &[VerifiedOrder], serial: u64, begins: i64, sighted: Option<i64>| {
        let orders = Orders::in_force(&policy, &repository(), (stored, &[]), Timestamp(NOW + 100));
        let (codex, carol) = (id("codex"), id("carol"));
        let (begins, sighted) = (at(begins).0, sighted.map(|seconds| at(seconds).0));
        let grant = GrantUse { agent: &codex, serial, begins, sighted, issuers: std::slice::from_ref(&carol) };
        orders.revocation(&grant).map(|one| one.by.id().to_string())
    };
    assert_eq!(revoked(&[one("bob")], 7, 50, None).as_deref(), Some("bob"));
    assert_eq!(revoked(&[one("bob")], 8, 50, None), None);
    // Who issued it may, whom nothing lets revoke others.
    assert_eq!(revoked(&[one("carol")], 7, 50, None).as_deref(), Some("carol"));
    assert_eq!(revoked(&[one("alice")], 7, 50, None), None);
    assert_eq!(revoked(&[all("bob")], 8, 10, None).as_deref(), Some("bob"));
    assert_eq!(revoked(&[all("bob")], 8, 11, None), None);
    assert_eq!(revoked(&[all("bob")], 8, 11, Some(10)).as_deref(), Some("bob"));
    assert_eq!(revoked(&[all("bob")], 8, 11, Some(11)), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_parsing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(ClaimedOrder::parse(&bytes).is_err());
        prop_assert!(Order::from_statement(&bytes).is_err());
        let name = [PREFIX.as_bytes(), &bytes].concat();
        prop_assert!(OrderPlace::parse(&name).is_none_or(|place| place.to_string().as_bytes() == name));
    }

    #[test]
    fn a_changed_byte_is_noticed(place in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut bytes = record(&override_of("alice")).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        prop_assert!(ClaimedOrder::parse(&bytes).and_then(ClaimedOrder::verify).is_err());
    }

    #[test]
    fn one_freeze_more_thaws_nobody(
        chosen in proptest::collection::vec((0..9_usize, -5..5_i64), 0..6),
        (more, seconds) in (0..2_usize, -5..5_i64),
    ) {
        let policy = policy("[orders]\nthaw = [\"carol\"]\n");
        let shifted = |(which, seconds): (usize, i64)| {
            let mut order = every_kind()[which].clone();
            let Order { issued, expires, act, .. } = &mut order;
            *issued = at(seconds);
            *expires = expires.map(|_| at(seconds + 3_000));
            if let Act::Freeze { since, .. } = act {
                *since = None;
            }
            order
        };
        let orders: Vec<Order> = chosen.into_iter().map(shifted).collect();
        let with = [orders.clone(), vec![shifted((more, seconds))]].concat();
        for agent in ["claude-code", "codex"] {
            prop_assert!(frozen(&policy, &with, &[], agent) || !frozen(&policy, &orders, &[], agent));
        }
    }
}
