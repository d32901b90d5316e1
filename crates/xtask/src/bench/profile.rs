//! What the server's time goes into while it is under load: samples of its own functions, gathered into a few parts.
//!
//! Needs Debian's `linux-perf`. Samples are of the function that runs, not of who called it, so that shares add up.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const SAMPLES_A_SECOND: u32 = 997;
/// The last report, function by function.
const KEPT: &str = "target/bench/profile.txt";

/// A part of the server, and words that its functions' names hold. The first that fits takes the sample.
const PARTS: &[(&str, &[&str])] = &[
    (
        "SQLite",
        &[
            "sqlite3",
            "vdbe",
            "btree",
            "balanceN",
            "balance_",
            "pcache",
            "walFrame",
            "walWrite",
            "walIndex",
            "walChecksum",
            "rusqlite",
            "patternCompare",
        ],
    ),
    ("PostgreSQL driver", &["postgres"]),
    ("reading of models' answers", &["providers::"]),
    ("SHA-256", &["sha2::", "sha256"]),
    ("ledger and rules", &["domain::", "storage::", "jiff::"]),
    ("use cases", &["app::"]),
    ("answers and requests", &["web::", "serde", "itoa", "ryu", "core::fmt", "alloc::fmt"]),
    ("logging and counting", &["tracing", "metrics", "sharded_slab"]),
    ("HTTP", &["hyper", "axum", "http::", "httparse", "tower", "matchit", "httpdate", "h1::"]),
    ("scheduling", &["tokio", "parking_lot", "crossbeam", "std::sync", "futures", "mio::", "schedule", "futex"]),
    ("allocation and copies", &["mi_", "_mi", "malloc", "memcpy", "memmove", "memset", "alloc::", "bytes::", "memcmp"]),
    ("kernel", &["[k]"]),
];

/// `perf` watching a process.
pub struct Profile {
    perf: Child,
    file: PathBuf,
}

impl Profile {
    /// Starts to sample. `None` where `perf` cannot be run.
    pub fn start(process: u32) -> Option<Self> {
        let file = PathBuf::from(format!("target/bench/perf-{process}.data"));
        let perf = Command::new("perf")
            .args(["record", "--event", "cpu-clock", "--freq", &SAMPLES_A_SECOND.to_string(), "--output"])
            .arg(&file)
            .args(["--pid", &process.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        perf.ok().map(|perf| Self { perf, file })
    }

    /// Ends sampling and says what share of the time went where, the largest first.
    pub fn end(mut self) -> Result<String, String> {
        let stopped = Command::new("kill").args(["-INT", &self.perf.id().to_string()]).status();
        stopped.and_then(|_| self.perf.wait()).map_err(|error| format!("perf: {error}"))?;
        let report = Command::new("perf")
            .args(["report", "--stdio", "--sort", "symbol", "--field-separator", "\t", "--input"])
            .arg(&self.file)
            .stderr(Stdio::null())
            .output()
            .map_err(|error| format!("perf report: {error}"))?;
        let _ = std::fs::remove_file(&self.file);
        let report = String::from_utf8_lossy(&report.stdout);
        std::fs::write(KEPT, report.as_bytes()).map_err(|error| format!("{KEPT}: {error}"))?;
        Ok(shares(&report))
    }
}

/// `SQLite 31 %, HTTP 20 %, …` of a report with one function a line.
fn shares(report: &str) -> String {
    let mut parts: Vec<(&str, f64)> = Vec::new();
    for (percent, symbol) in report.lines().filter_map(sample) {
        let part = PARTS.iter().find(|(_, words)| words.iter().any(|word| symbol.contains(word)));
        let name = part.map_or("other", |(name, _)| *name);
        match parts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, share)) => *share += percent,
            None => parts.push((name, percent)),
        }
    }
    parts.sort_by(|one, other| other.1.total_cmp(&one.1));
    let told = parts.iter().filter(|(_, share)| *share >= 0.5).map(|(name, share)| format!("{name} {share:.0} %"));
    told.collect::<Vec<_>>().join(", ")
}

fn sample(line: &str) -> Option<(f64, &str)> {
    let (percent, symbol) = line.split_once('\t')?;
    Some((percent.trim().trim_end_matches('%').parse().ok()?, symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_gathered_into_parts() {
        let report = "# comment\n  40.00%\t[.] sqlite3VdbeExec\n 20.50%\t[k] tcp_sendmsg\n 10.00%\t[.] walFrames\n\
            5.00%\t[.] strange\n0.10%\t[.] hyper::proto\n";
        assert_eq!(shares(report), "SQLite 50 %, kernel 20 %, other 5 %");
    }
}
