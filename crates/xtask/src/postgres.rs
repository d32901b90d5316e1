//! `cargo xtask postgres`: a temporary server, for `cargo test` by hand without one being started by each process.

use std::path::PathBuf;
use std::thread;

use parts::cluster::Cluster;

pub fn run() -> Result<(), String> {
    let cluster = start()?.ok_or("PostgreSQL is not installed. `cargo xtask test --install` installs it.")?;
    println!("A temporary PostgreSQL server runs until Ctrl-C. In another terminal:");
    println!("export {}={}", parts::POSTGRES_URL_VARIABLE, cluster.url());
    loop {
        thread::park();
    }
}

pub fn is_installed() -> bool {
    programs().is_some()
}

/// A temporary cluster, or `None` where PostgreSQL is missing.
pub fn start() -> Result<Option<Cluster>, String> {
    let Some(programs) = programs() else { return Ok(None) };
    let cluster = Cluster::create(&programs);
    cluster.map(Some).map_err(|error| format!("No temporary PostgreSQL server could be started: {error}"))
}

fn programs() -> Option<PathBuf> {
    parts::named(parts::POSTGRES)?.find()
}
