//! What the tests of each kind say: an environment, and who pushes by it.

use super::{Adapter, Answer, Said, Submitter, Tells, Via, Who};

/// Variables with their values.
pub(super) type Environment = &'static [(&'static str, &'static str)];

/// An account of the server, which used this.
pub(super) fn said(account: &str, via: Via) -> Submitter {
    Submitter::Said(Said { who: Who::Account(account.to_owned()), via })
}

/// What a kind of server answers in an environment.
pub(super) fn ask(adapter: Adapter, environment: Environment) -> Answer {
    adapter.ask(&|name| environment.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_bytes().to_vec()))
}

/// Holds a kind that names accounts against its documented environments. A variable of another kind says nothing, nor does one
/// that is empty or holds no account.
pub(super) fn check(adapter: Adapter, rows: &[(Environment, Submitter)]) {
    for (environment, expected) in rows {
        assert_eq!(ask(adapter, environment), Answer::Told(expected.clone()), "{adapter} {environment:?}");
    }
    let Tells::Variables(variables) = &adapter.kind().tells else { panic!("{adapter} names nobody") };
    let unknown = |reason: String| Answer::Told(Submitter::Unknown(reason));
    let own = variables.account;
    let not_set = unknown(format!("the server says nobody: {own} is not set"));
    assert_eq!(ask(adapter, &[("USER", "alice"), ("LOGNAME", "alice"), ("COUNTERSIGN_USER", "alice")]), not_set);
    for other in Adapter::ALL.iter().filter(|other| **other != adapter) {
        let Tells::Variables(variables) = &other.kind().tells else { continue };
        let theirs = |name: &'static str| (name == variables.account).then(|| b"alice".to_vec());
        assert_eq!(adapter.ask(&theirs), not_set, "{adapter} listens to {other}");
    }
    for (value, answer) in [("", not_set), (" alice", unknown(format!("{own} does not hold the name of an account")))] {
        assert_eq!(adapter.ask(&|name| (name == own).then(|| value.as_bytes().to_vec())), answer, "{value:?}");
    }
}
