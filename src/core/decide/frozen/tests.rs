use proptest::prelude::*;

use crate::core::canonical::Time;
use crate::core::decide::story::*;
use crate::core::decide::{Code, Outcome, Subject, Timestamp};
use crate::core::facts::{FrozenWork, OrderUpdate};
use crate::core::order::{Act, By, Order, Whom};
use crate::core::submitter::{Said, Submitter, Via, Who};

fn pushes(story: Story, key_of: u8) -> Story {
    let who = Who::Key(key(key_of).public().clone());
    story.with(|facts| facts.submitter = Submitter::Said(Said { who, via: Via::Push }))
}

fn brings(story: Story, agent: &str) -> Story {
    let subject = Subject::Commit { id: oid(0), summary: b"Work".to_vec(), position: 0 };
    let work = FrozenWork { agent: id(agent), subject };
    story.moves(|update| update.frozen.push(work))
}

fn main() -> Story {
    Story::under(&rule("main", "")).gains((Proof::Nothing, false))
}

#[test]
fn the_finding_says_who_froze_whom_when_and_why() {
    let frozen = [(order_by("alice", freeze_of("claude-code")), ALICE)];
    insta::assert_snapshot!("pushes", pushes(main(), CLAUDE).ordered(&frozen).report());
    insta::assert_snapshot!("brings", brings(main(), "claude-code").ordered(&frozen).report());
    let all = Order {
        expires: Some(Time(Timestamp(NOW.0 + 60))),
        act: Act::Freeze { whom: Whom::All, since: Some(Time(Timestamp(NOW.0 - 3600))) },
        ..order_by("bob", freeze_of("codex"))
    };
    insta::assert_snapshot!("everybody", brings(main(), "codex").ordered(&[(all, BOB)]).report());
}

#[test]
fn each_is_refused_beside_a_twin_that_is_not() {
    let frozen = |by: &str| order_by(by, freeze_of("claude-code"));
    let itself = Order { by: By::Agent(id("claude-code")), ..frozen("alice") };
    let over = Order { expires: Some(Time(Timestamp(NOW.0 - 1))), ..frozen("alice") };
    let thaw =
        |by: &str| Order { issued: Time(NOW), ..order_by(by, Act::Thaw { whom: Whom::Agent(id("claude-code")) }) };
    for (story, orders, refused) in [
        (pushes(main(), CLAUDE), vec![(frozen("alice"), ALICE)], true),
        (pushes(main(), CODEX), vec![(frozen("alice"), ALICE)], false),
        (pushes(main(), ALICE), vec![(frozen("alice"), ALICE)], false),
        (pushes(main(), CLAUDE), vec![(itself, CLAUDE)], true),
        (pushes(main(), CLAUDE), vec![(over, ALICE)], false),
        // Somebody else's signature under a person's name.
        (pushes(main(), CLAUDE), vec![(frozen("alice"), BOB)], false),
        (pushes(main(), CLAUDE), vec![(frozen("alice"), ALICE), (thaw("alice"), ALICE)], false),
        (pushes(main(), CLAUDE), vec![(frozen("alice"), ALICE), (thaw("bob"), BOB)], true),
        (pushes(main(), CLAUDE), vec![(order_by("bob", Act::Freeze { whom: Whom::All, since: None }), BOB)], true),
        (brings(main(), "claude-code"), vec![(frozen("bob"), BOB)], true),
        (brings(main(), "codex"), vec![(frozen("bob"), BOB)], false),
    ] {
        let verdict = story.ordered(&orders).verdict();
        let codes: Vec<Code> = verdict.refs[0].findings.iter().map(|finding| finding.code).collect();
        let expected = if refused { vec![Code::AgentFrozen] } else { Vec::new() };
        assert_eq!(codes, expected, "{orders:?}");
    }
}

#[test]
fn it_holds_whatever_the_rules_ask_and_orders_pass() {
    let frozen = [(order_by("alice", freeze_of("claude-code")), ALICE)];
    let under = |rules: &str| Story::under(rules).gains((Proof::Nothing, false));
    for rules in [rule("main", ""), rule("main", "mode = \"observe\""), rule("main", "mode = \"off\"")] {
        let verdict = pushes(under(&rules), CLAUDE).ordered(&frozen).verdict();
        assert_eq!(verdict.outcome(), Outcome::Rejected, "{rules}");
    }
    let order = signed_order(&order_by("bob", freeze_of("codex")), BOB);
    let update =
        OrderUpdate { place: Some(order.order().place()), record: Some(Ok(order)), replaces: None, stored: (1, 0) };
    let carried = pushes(Story::under(""), CLAUDE).ordered(&frozen).moves(|moved| {
        moved.name = b"refs/countersign/orders/freeze/agent/codex/person/bob".as_slice().into();
        moved.order = Some(update);
    });
    assert_eq!(carried.verdict().outcome(), Outcome::Accepted);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// An order more never accepts more; an override and a thaw are there to.
    #[test]
    fn an_order_more_never_accepts_more(
        chosen in proptest::collection::vec((0..6_usize, 0..3_usize), 0..5),
        more in (0..6_usize, 0..3_usize),
        (pusher, brought) in (prop_oneof![Just(CLAUDE), Just(CODEX), Just(ALICE)], any::<bool>()),
    ) {
        let act = |which: usize| match which {
            0 => freeze_of("claude-code"),
            1 => freeze_of("codex"),
            2 => Act::Freeze { whom: Whom::All, since: None },
            3 => Act::Revoke { agent: id("codex"), serial: 7 },
            4 => Act::RevokeAll { agent: id("codex"), until: Time(NOW) },
            _ => Act::Freeze { whom: Whom::Tool(id("claude-code")), since: None },
        };
        let by = |which: usize| [("alice", ALICE), ("bob", BOB), ("carol", CAROL)][which];
        let given = |(which, whose): (usize, usize)| (order_by(by(whose).0, act(which)), by(whose).1);
        let orders: Vec<(Order, u8)> = chosen.into_iter().map(given).collect();
        let with = [orders.clone(), vec![given(more)]].concat();
        let story = || {
            let story = pushes(main(), pusher);
            if brought { brings(story, "codex") } else { story }
        };
        let (before, after) = (story().ordered(&orders).verdict(), story().ordered(&with).verdict());
        prop_assert!(after.outcome() >= before.outcome());
    }
}
