//! The reading of the ledger's own files for a fuzzer; see [`crate::fuzzing`].

use super::merkle::Frontier;
use super::note::Checkpoint;
use super::proof::ClaimedProof;
use super::record::Record;
use super::state::State;
use super::store::{check, is_torn};
use crate::core::ssh::WitnessKey;

/// A log: each line is taken apart, written again, and, where it is the next one, taken into a state.
pub(crate) fn record(bytes: &[u8]) -> bool {
    let (mut state, mut frontier) = (State::empty(), Frontier::default());
    let mut taken = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        let _ = is_torn(line);
        let Ok(record) = Record::parse(line) else { continue };
        assert_eq!(record.written(), String::from_utf8_lossy(line), "it is written otherwise");
        let Ok(entry) = record.entry() else { continue };
        assert_eq!(entry.to_json().ok().as_deref(), Some(record.json), "its entry is written otherwise");
        taken = true;
        if let Ok((entry, leaf)) = check(&record, &mut frontier, state.version) {
            state.apply(&entry, leaf, u64::try_from(line.len()).unwrap_or(u64::MAX), &frontier);
            assert_eq!(state.frontier().as_ref(), Some(&frontier));
        }
    }
    assert!(read_again(&state) == Some(state), "the state is written otherwise");
    taken
}

/// The state that is kept beside the log.
pub(crate) fn state(bytes: &[u8]) -> bool {
    let Ok(mut state) = serde_json::from_slice::<State>(bytes) else { return false };
    assert!(read_again(&state).as_ref() == Some(&state), "it is written otherwise");
    let _ = (state.frontier(), state.replayed(), state.lands(b"refs/heads/main", None));
    let now = state.time;
    let _ = state.refusals(Some("account:x"), now);
    true
}

/// A proof: what is read is written as it was, and verifies or does not with any key.
pub(crate) fn proof(bytes: &[u8]) -> bool {
    let Ok(claimed) = ClaimedProof::parse(bytes) else { return false };
    assert_eq!(claimed.to_text().as_deref().map(str::as_bytes), Ok(bytes), "it is written otherwise");
    let key = crate::core::ssh::PrivateKey::from_seed(&[7; 32]);
    key.is_ok_and(|key| claimed.verify(key.public()).is_ok())
}

/// A signed checkpoint, or the key of a witness.
pub(crate) fn note(bytes: &[u8]) -> bool {
    if let Some(witness) = std::str::from_utf8(bytes).ok().and_then(WitnessKey::parse) {
        return !witness.name().is_empty();
    }
    let Ok(checkpoint) = Checkpoint::parse(bytes) else { return false };
    assert_eq!(checkpoint.to_note().as_bytes(), bytes, "it is written otherwise");
    true
}

fn read_again(state: &State) -> Option<State> {
    serde_json::from_slice(&serde_json::to_vec(state).ok()?).ok()
}
