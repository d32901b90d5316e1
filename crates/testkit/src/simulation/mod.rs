//! A seeded simulation of the real stores: random commands, duplicates, retries, changes of plan, jumps of the clock,
//! restarts, crashes and lost commits, all watched by the [`crate::auditor`].
//!
//! Start at [`run_all`]. A failure names its seed; `TOLLWAY_SIMULATION_SEED` runs that one alone.

mod commands;
mod engine;
mod plans;
mod session;

pub use engine::Engine;

use std::env;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::random::Random;

/// Stores that seeds run on at the same time; each store runs its seeds one after another.
const STORES: u64 = 4;
/// Then the store is a new one. Making stores takes time, and so does verifying those that have grown.
const SEEDS_A_STORE: u64 = 20;

/// The seeds to run: `default` of them, or as many as `TOLLWAY_SIMULATION_RUNS` says, or the one of
/// `TOLLWAY_SIMULATION_SEED`.
pub fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("TOLLWAY_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TOLLWAY_SIMULATION_RUNS").unwrap_or(default),
    }
}

/// Runs seeds on several stores at once. `false`: the store is missing, and the test is skipped.
pub async fn run_all<F>(seeds: std::ops::Range<u64>, open: impl Fn() -> F + Clone + Send + Sync + 'static) -> bool
where
    F: Future<Output = Option<Engine>> + Send,
{
    let next = Arc::new(AtomicU64::new(seeds.start));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..STORES.min(seeds.end - seeds.start) {
        let (next, last, open) = (next.clone(), seeds.end, open.clone());
        workers.spawn(async move {
            loop {
                let Some(mut engine) = open().await else { return false };
                for _ in 0..SEEDS_A_STORE {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last {
                        return true;
                    }
                    run(&mut engine, seed).await;
                }
            }
        });
    }
    let mut ran = true;
    while let Some(outcome) = workers.join_next().await {
        match outcome {
            Ok(found) => ran &= found,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    ran
}

/// Runs one seed on fresh accounts of a store that others may have used before.
async fn run(engine: &mut Engine, seed: u64) {
    let mut session = session::Session::open(engine, Random::seeded(seed)).await;
    let mut told = Vec::new();
    for step in 0..40 {
        if let Err(wrong) = session.step(&mut told).await {
            fail(seed, &format!("step {step}"), &wrong, &told);
        }
    }
    if let Err(wrong) = session.close().await {
        fail(seed, "at the end", &wrong, &told);
    }
}

fn fail(seed: u64, place: &str, wrong: &str, told: &[String]) -> ! {
    let steps = told.join("\n  ");
    panic!("seed {seed}, {place}: {wrong}\n  {steps}\nTo run it again: TOLLWAY_SIMULATION_SEED={seed}")
}
