//! `cargo xtask postgres`: a temporary server, for `cargo test` by hand without one being started by each process.

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

/// A temporary cluster, or `None` where PostgreSQL is missing.
pub fn start() -> Result<Option<Cluster>, String> {
    let Some(programs) = parts::named(parts::POSTGRES).and_then(parts::Part::find) else { return Ok(None) };
    let cluster = Cluster::create(&programs);
    cluster.map(Some).map_err(|error| format!("No temporary PostgreSQL server could be started: {error}"))
}
