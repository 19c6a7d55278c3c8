//! What a process costs: processor time of all its threads, and the anonymous memory that it holds at most.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::lab::Lab;

/// User and system time of one command, whose output goes nowhere. Bash tells milliseconds.
pub fn processor_time(lab: &Lab, command: &Command) -> Duration {
    let mut timed = lab.command("bash", command.get_current_dir().unwrap_or_else(|| Path::new(".")));
    timed.args(["-c", "TIMEFORMAT='%U %S'; time \"$@\" <\"${INPUT:-/dev/null}\" >/dev/null 2>&1", "timed"]);
    timed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            timed.env(name, value);
        }
    }
    let output = timed.output().unwrap();
    assert_ne!(output.status.code(), Some(2), "{command:?} could not decide");
    let said = String::from_utf8(output.stderr).unwrap();
    let seconds = said.split_whitespace().map(|word| word.parse::<f64>().unwrap()).sum();
    Duration::from_secs_f64(seconds)
}

/// The middle of five runs of each, in turn.
pub fn in_turn<const N: usize>(lab: &Lab, commands: [&Command; N]) -> [Duration; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..5 {
        for (command, times) in commands.iter().zip(&mut times) {
            times.push(processor_time(lab, command));
        }
    }
    times.map(|mut times| {
        times.sort();
        times[2]
    })
}

/// One run, watched.
pub struct Watched {
    pub took: Duration,
    /// Where there is no /proc, nothing.
    pub peak_kibibytes: Option<u64>,
    pub status: std::process::ExitStatus,
}

impl Watched {
    /// Runs a command to its end and looks at it every millisecond.
    pub fn run(mut command: Command) -> Self {
        let start = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut peak_kibibytes = None;
        loop {
            peak_kibibytes = peak_kibibytes.max(anonymous_kibibytes(child.id()));
            if let Some(status) = child.try_wait().unwrap() {
                return Self { took: start.elapsed(), peak_kibibytes, status };
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn memory(&self) -> String {
        self.peak_kibibytes
            .map_or_else(|| "not measured: there is no /proc".into(), |peak| format!("{} MiB", peak / 1024))
    }
}

/// Anonymous memory of a process (proc(5)), of all its threads.
fn anonymous_kibibytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse().ok()
}
