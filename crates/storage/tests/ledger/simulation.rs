//! Seeded simulations of both stores. `TOLLWAY_SIMULATION_RUNS=5000` runs more; a failing seed is named.

use testkit::simulation::{Engine, run_all, seeds};

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_stays_exact_through_everything_a_seed_can_think_of() {
    assert!(run_all(seeds(200), || async { Some(Engine::sqlite().await) }).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_stays_exact_through_everything_a_seed_can_think_of() {
    // Where PostgreSQL is missing this says so and is skipped.
    run_all(seeds(24), Engine::postgres).await;
}
