use crate::core::canonical::Time;
use crate::core::decide::story::*;
use crate::core::decide::{Code, Timestamp};
use crate::core::facts::OrderUpdate;
use crate::core::limits;
use crate::core::order::{Act, By, ClaimedOrder, Order, Scope, Whom};

/// The codes and details of a push that stores an order.
fn stores(order: &Order, by: u8, spoil: impl FnOnce(&mut OrderUpdate)) -> Vec<(Code, String)> {
    let record = signed_order(order, by);
    let mut update =
        OrderUpdate { place: Some(order.place()), record: Some(Ok(record)), replaces: None, stored: (1, 0) };
    spoil(&mut update);
    let name = order.place().to_string().into_bytes().into();
    // Whatever the policy says of refs that no rule matches.
    let story = Story::under_policy("unmatched = \"refuse\"", "")
        .moves(|moved| (moved.name, moved.order) = (name, Some(update)));
    let story = story.ordered(&[(order_by("bob", freeze_of("codex")), BOB)]);
    let verdict = story.verdict();
    verdict.refs[0].findings.iter().map(|finding| (finding.code, finding.detail.clone())).collect()
}

fn malformed(detail: &str) -> Vec<(Code, String)> {
    vec![(Code::OrderMalformed, detail.to_owned())]
}

#[test]
fn each_forbidden_order_beside_an_allowed_twin() {
    let freeze = || order_by("bob", freeze_of("claude-code"));
    let thaw = |by: &str, agent: &str| order_by(by, Act::Thaw { whom: Whom::Agent(id(agent)) });
    let itself = |agent: &str| Order { by: By::Agent(id("claude-code")), ..order_by("bob", freeze_of(agent)) };
    let at = |seconds: i64| Time(Timestamp(NOW.0 + seconds));
    let nothing = |_: &mut OrderUpdate| {};
    assert_eq!(stores(&freeze(), BOB, nothing), []);
    assert_eq!(
        stores(&freeze(), CAROL, nothing),
        malformed("it says to be by person/bob, and the key is that of person carol")
    );
    assert!(stores(&freeze(), STRANGER, nothing)[0].1.starts_with("nobody has registered the key SHA256:"));
    assert_eq!(stores(&itself("claude-code"), CLAUDE, nothing), []);
    assert!(stores(&itself("claude-code"), REVOKED, nothing)[0].1.starts_with("it is signed with the revoked key"));
    assert_eq!(
        stores(&itself("codex"), CLAUDE, nothing),
        malformed("agent claude-code may freeze itself, and order nothing else")
    );
    assert_eq!(stores(&thaw("bob", "codex"), BOB, nothing), []);
    assert_eq!(
        stores(&thaw("bob", "claude-code"), BOB, nothing),
        malformed("bob has not frozen agent claude-code, and may not end freezes of others")
    );
    assert_eq!(
        stores(&thaw("carol", "codex"), CAROL, nothing),
        malformed("carol has not frozen agent codex, and may not end freezes of others")
    );
    let revoke = |by: &str| order_by(by, Act::Revoke { agent: id("codex"), serial: 7 });
    assert_eq!(stores(&revoke("alice"), ALICE, nothing), []);
    assert!(stores(&revoke("bob"), BOB, nothing)[0].1.starts_with("bob is neither the owner of codex"));
    for (seconds, refused) in [(limits::CLOCK_SKEW, false), (limits::CLOCK_SKEW + 1, true)] {
        let later = Order { issued: at(seconds), ..freeze() };
        assert_eq!(!stores(&later, BOB, nothing).is_empty(), refused);
    }
    for (seconds, refused) in [(0, false), (-1, true)] {
        let over = Order { expires: Some(at(seconds)), ..freeze() };
        assert_eq!(!stores(&over, BOB, nothing).is_empty(), refused);
    }
    let elsewhere = Order { scope: Scope::parse("acme/other").unwrap(), ..freeze() };
    assert_eq!(stores(&elsewhere, BOB, nothing), malformed("it is for the repository acme/other"));
    let unnamed = Order { scope: Scope::parse("policy:acme").unwrap(), ..freeze() };
    assert_eq!(stores(&unnamed, BOB, nothing), malformed("it is for the policy called acme, and this one is not"));
}

#[test]
fn an_order_stands_in_its_place_and_is_replaced_by_a_later_one() {
    let freeze = order_by("bob", freeze_of("claude-code"));
    let other = order_by("bob", freeze_of("codex")).place();
    let wrong = stores(&freeze, BOB, |update| update.place = Some(other));
    assert_eq!(wrong, malformed(&format!("its place is {}", freeze.place())));
    let replaces = |seconds: i64| move |update: &mut OrderUpdate| update.replaces = Some(Timestamp(NOW.0 + seconds));
    assert_eq!(stores(&freeze, BOB, replaces(-61)), []);
    assert_eq!(stores(&freeze, BOB, replaces(-60)), malformed("the record that is there was not issued before it"));
    assert_eq!(stores(&freeze, BOB, |update| update.record = None)[0].0, Code::DeleteDenied);
    let nowhere = stores(&freeze, BOB, |update| update.place = None);
    assert_eq!(nowhere[0].0, Code::RefDenied);
    let junk = stores(&freeze, BOB, |update| update.record = Some(Err(ClaimedOrder::parse(b"{}").unwrap_err())));
    assert!(junk[0].1.starts_with("it is no order: "), "{junk:?}");
    let full = limits::ORDERS_OF_ONE;
    for (stored, refused) in [
        ((full, limits::ORDERS_OF_ONE_BYTES), false),
        ((full + 1, 0), true),
        ((1, limits::ORDERS_OF_ONE_BYTES + 1), true),
    ] {
        assert_eq!(!stores(&freeze, BOB, |update| update.stored = stored).is_empty(), refused);
    }
}
