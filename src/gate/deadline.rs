//! Time: a decision that takes too long refuses the push and says how far it came. A slow disk or a huge push never hangs a
//! server, whose own limits might end the hook in another way than by refusing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::gate::chain;
use crate::system::say;

/// What a hook is doing.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    Reading,
    Ledger,
    Deciding,
    Recording,
}

const WORDS: [&str; 4] =
    ["reading the push", "opening the repository and its ledger", "looking at the commits", "recording the decision"];

static STAGE: AtomicUsize = AtomicUsize::new(0);
static REFUSES: AtomicBool = AtomicBool::new(true);
static EXAMINED: AtomicUsize = AtomicUsize::new(0);

/// Says what is done from here on.
pub(crate) fn reached(stage: Stage) {
    let place = match stage {
        Stage::Reading => 0,
        Stage::Ledger => 1,
        Stage::Deciding => 2,
        Stage::Recording => 3,
    };
    STAGE.store(place, Ordering::Relaxed);
}

/// Counts one commit more.
pub(crate) fn examined() {
    EXAMINED.fetch_add(1, Ordering::Relaxed);
}

/// What happens when the time is over.
#[derive(Clone, Copy)]
pub(crate) enum Over {
    /// The push is refused.
    Refuse,
    /// Nothing is refused by it: a hook that observes, or that runs when the refs have moved.
    Pass,
}

/// Says what happens when the time is over, now that it is known.
pub(crate) fn when_over(over: Over) {
    REFUSES.store(matches!(over, Over::Refuse), Ordering::Relaxed);
}

/// Time for the last words, which a pusher that reads nothing may hold up, and for the record of them, which a disk may.
const LAST_WORDS: Duration = Duration::from_millis(700);

/// Writes down why a push was not decided.
type Record = Box<dyn Fn(&str) + Send + Sync>;

static RECORD: OnceLock<Record> = OnceLock::new();
static OVER: AtomicBool = AtomicBool::new(false);

/// Says how what was not decided in time is recorded.
pub(crate) fn record_with(record: Record) {
    let _ = RECORD.set(record);
}

/// Ends this process after `seconds`, unless it has ended or become another program by then.
pub(crate) fn start(seconds: u64, over: Over) {
    when_over(over);
    let watch = move || {
        std::thread::sleep(Duration::from_secs(seconds));
        OVER.store(true, Ordering::SeqCst);
        let refuses = REFUSES.load(Ordering::Relaxed);
        let (done, told) = mpsc::channel();
        let last_words = std::thread::Builder::new().spawn(move || {
            let reason = reason(seconds);
            if refuses {
                say(&format!("error: [limit-exceeded] {reason}; nothing is accepted that is not decided"));
                say("hint: push in smaller parts; an admin can give it more time by installing the hook again:");
                say("hint: countersign install --server REPO.git --policy FILE --deadline SECONDS");
            }
            if let Some(record) = RECORD.get() {
                record(&reason);
            }
            let _ = done.send(());
        });
        if last_words.is_ok() {
            let _ = told.recv_timeout(LAST_WORDS);
        }
        #[allow(clippy::exit)]
        std::process::exit(if refuses { 2 } else { chain::pass().into() });
    };
    // Where no thread can be started the server's own limits are left.
    let _ = std::thread::Builder::new().spawn(watch);
}

/// Returns if there is time left. What is decided after it was said that it was not does not count.
pub(crate) fn still_in_time() {
    while OVER.load(Ordering::SeqCst) {
        std::thread::sleep(LAST_WORDS);
    }
}

fn reason(seconds: u64) -> String {
    let doing = WORDS.get(STAGE.load(Ordering::Relaxed)).copied().unwrap_or_default();
    let examined = EXAMINED.load(Ordering::Relaxed);
    format!("not decided within {seconds} s: {doing}, {examined} commits examined")
}
