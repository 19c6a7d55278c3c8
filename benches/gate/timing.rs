//! Two things timed in turn.

use std::time::{Duration, Instant};

/// The middle times of our work and its peer over `runs` rounds. Each round runs both, and rounds take turns in which comes
/// first: what else the machine does meets both alike.
pub fn side_by_side(
    runs: usize,
    mut ours: impl FnMut() -> Duration,
    mut peer: impl FnMut() -> Duration,
) -> (Duration, Duration) {
    let (mut our_times, mut peer_times) = (Vec::new(), Vec::new());
    for round in 0..runs {
        if round % 2 == 0 {
            our_times.push(ours());
            peer_times.push(peer());
        } else {
            peer_times.push(peer());
            our_times.push(ours());
        }
    }
    (median(our_times), median(peer_times))
}

/// How long `work` takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// `a` over `b`.
pub fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

/// A time in the unit that suits it.
pub fn show(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1e3;
    if milliseconds < 1.0 {
        format!("{:.1} µs", milliseconds * 1e3)
    } else if milliseconds < 100.0 {
        format!("{milliseconds:.2} ms")
    } else if milliseconds < 10_000.0 {
        format!("{milliseconds:.0} ms")
    } else {
        format!("{:.1} s", milliseconds / 1e3)
    }
}
