//! Time: a decision that takes too long refuses the push and says how far it came. A slow disk or a huge push never hangs a
//! server, whose own limits might end the hook in another way than by refusing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::{chain, say};

/// What a hook is doing.
#[derive(Clone, Copy)]
pub(super) enum Stage {
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
pub(super) fn reached(stage: Stage) {
    let place = match stage {
        Stage::Reading => 0,
        Stage::Ledger => 1,
        Stage::Deciding => 2,
        Stage::Recording => 3,
    };
    STAGE.store(place, Ordering::Relaxed);
}

/// Counts one commit more.
pub(super) fn examined() {
    EXAMINED.fetch_add(1, Ordering::Relaxed);
}

/// What happens when the time is over.
#[derive(Clone, Copy)]
pub(super) enum Over {
    /// The push is refused.
    Refuse,
    /// Nothing is refused by it: a hook that observes, or that runs when the refs have moved.
    Pass,
}

/// Says what happens when the time is over, now that it is known.
pub(super) fn when_over(over: Over) {
    REFUSES.store(matches!(over, Over::Refuse), Ordering::Relaxed);
}

/// Time for the last words, which a pusher that reads nothing may hold up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Ends this process after `seconds`, unless it has ended or become another program by then.
pub(super) fn start(seconds: u64, over: Over) {
    when_over(over);
    let watch = move || {
        std::thread::sleep(Duration::from_secs(seconds));
        let (done, told) = mpsc::channel();
        if !REFUSES.load(Ordering::Relaxed) {
            #[allow(clippy::exit)]
            std::process::exit(chain::pass().into());
        }
        let tell = std::thread::Builder::new().spawn(move || {
            tell(seconds);
            let _ = done.send(());
        });
        if tell.is_ok() {
            let _ = told.recv_timeout(LAST_WORDS);
        }
        #[allow(clippy::exit)]
        std::process::exit(2);
    };
    // Where no thread can be started the server's own limits are left.
    let _ = std::thread::Builder::new().spawn(watch);
}

fn tell(seconds: u64) {
    let doing = WORDS.get(STAGE.load(Ordering::Relaxed)).copied().unwrap_or_default();
    let examined = EXAMINED.load(Ordering::Relaxed);
    say(&format!(
        "error: [limit-exceeded] not decided within {seconds} s: {doing}, {examined} commits examined; nothing is accepted \
         that is not decided"
    ));
    say("hint: push in smaller parts; an admin can give it more time: countersign install --deadline SECONDS");
}
