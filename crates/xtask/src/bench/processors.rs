//! Who used the machine's processors during a measurement, as Linux counts it under `/proc`.

use std::collections::BTreeMap;
use std::path::Path;

const SERVER: &str = "server";
const BENCHMARK: &str = "this benchmark";
const OTHERS: &str = "others";

/// Linux tells user programs a hundred ticks a second, whatever it counts by itself.
const MICROS_A_TICK: f64 = 10_000.0;

/// Programs by the name that the kernel knows them by.
const PROGRAMS: &[(&str, &str)] = &[("tollway", SERVER), ("xtask", BENCHMARK), ("postgres", "PostgreSQL")];

/// Clock ticks since the machine started.
pub struct Processors {
    all: u64,
    idle: u64,
    by_program: BTreeMap<&'static str, u64>,
}

impl Processors {
    /// `None` where there is no `/proc`.
    pub fn now() -> Option<Self> {
        let (all, idle) = all_and_idle(&std::fs::read_to_string("/proc/stat").ok()?)?;
        let mut by_program = BTreeMap::new();
        for entry in std::fs::read_dir("/proc").ok()?.flatten() {
            if let Some((program, ticks)) = ticks_of(&entry.path()) {
                *by_program.entry(program).or_default() += ticks;
            }
        }
        Some(Self { all, idle, by_program })
    }

    /// The share of all time since then in which nobody used a processor, from 0 to 1.
    pub fn idle_since(&self, before: &Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        self.idle.saturating_sub(before.idle) as f64 / all as f64
    }

    /// `server 9.1 µs, PostgreSQL 7.3 µs, …` for each of so many answers since then, the largest first.
    pub fn since(&self, before: &Self, answers: usize) -> String {
        let counted = self.all.saturating_sub(before.all);
        let idle = self.idle.saturating_sub(before.idle);
        let known = self.by_program.iter().map(|(program, ticks)| {
            (*program, ticks.saturating_sub(before.by_program.get(program).copied().unwrap_or(0)))
        });
        let mut parts: Vec<(&str, u64)> = known.chain([("idle or waiting for the disk", idle)]).collect();
        let told: u64 = parts.iter().map(|(_, ticks)| ticks).sum();
        // A virtual machine may count less in all than for its processes.
        let all = counted.max(told).max(1);
        parts.push((OTHERS, all - told));
        parts.sort_by_key(|(_, ticks)| std::cmp::Reverse(*ticks));
        let micros = |ticks: u64| ticks as f64 * MICROS_A_TICK / answers.max(1) as f64;
        let told = parts.iter().filter(|(_, ticks)| ticks * 200 >= all);
        told.map(|(name, ticks)| format!("{name} {:.1} µs", micros(*ticks))).collect::<Vec<_>>().join(", ")
    }
}

/// Of the line `cpu user nice system idle iowait …`.
fn all_and_idle(stat: &str) -> Option<(u64, u64)> {
    let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|one| one.parse().ok()).collect();
    // The last two are part of the first two.
    Some((ticks.iter().take(8).sum(), ticks.get(3)? + ticks.get(4)?))
}

fn ticks_of(process: &Path) -> Option<(&'static str, u64)> {
    let name = std::fs::read_to_string(process.join("comm")).ok()?;
    let (_, program) = PROGRAMS.iter().find(|(comm, _)| *comm == name.trim())?;
    Some((program, user_and_system(&std::fs::read_to_string(process.join("stat")).ok()?)?))
}

/// The name, which may hold spaces, ends with the last parenthesis; the 12th and 13th fields after it are wanted.
fn user_and_system(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_of_what_was_used_since() {
        let at = |all, idle, server, postgres| Processors {
            all,
            idle,
            by_program: BTreeMap::from([(SERVER, server), ("PostgreSQL", postgres)]),
        };
        let told = at(1_200, 320, 160, 72).since(&at(1_000, 300, 70, 0), 100_000);
        assert!((at(1_200, 320, 0, 0).idle_since(&at(1_000, 300, 0, 0)) - 0.1).abs() < 1e-9);
        assert_eq!(told, "server 9.0 µs, PostgreSQL 7.2 µs, idle or waiting for the disk 2.0 µs, others 1.8 µs");
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(all_and_idle("cpu  10 1 20 300 5 0 4 0 0 0\ncpu0 1 2"), Some((340, 305)));
        let stat = "77 (a (b) c) S 1 77 77 0 -1 4194560 100 0 0 0 31 12 0 0 20 0 1 0 5";
        assert_eq!(user_and_system(stat), Some(43));
    }
}
