//! `cargo xtask bench`: what a durable, exact consume costs beside the same server's request that does nothing.
//!
//! Everything is measured in one run on one machine and told as ratios. Each figure is measured between two
//! measurements of the no-op, so that a machine that speeds up or slows down meanwhile does not change the ratio.

mod connection;
mod gateway;
mod load;
mod process;
mod processors;
mod profile;
mod server;
mod sign_in;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use connection::Target;
use load::{Body, Measured, Stretch};
use parts::cluster::Cluster;
use processors::Processors;
use profile::Profile;
use server::Server;

const CONNECTIONS: u64 = 64;
/// The programs that are measured beside Tollway are this one, with another subcommand.
const PACKAGE: &str = "xtask";
const INSTALLED: &str = "target/dist/xtask";
/// What figures are held to, in percent of the no-op: on SQLite, on PostgreSQL.
const HELD_TO: [(&str, u32, u32); 4] = [(SPREAD, 50, 40), (HOT, 40, 32), (DENIAL, 90, 90), (CHECK, 85, 85)];
const SQLITE: &str = "SQLite";
const SPREAD: &str = "consume, durable, spread out";
/// At least 80 % of the same spread out.
const HOT: &str = "consume, durable, one account";
const DENIAL: &str = "denial from memory";
const CHECK: &str = "check";
/// How much faster than reading, comparing and writing.
const TIMES_THE_REFERENCE: f64 = 10.0;
/// Percent of the figure with few accounts and a short history.
const FLAT: f64 = 85.0;
const HOT_LIMIT: u64 = 2_000;
/// How many accounts the cost is held to be flat over, beside [`FEW_ACCOUNTS`].
const MANY_ACCOUNTS: u64 = 1_000_000;
const FEW_ACCOUNTS: u64 = 1_000;
const SEEDED_AT_ONCE: usize = 250_000;
/// As `docs/operations.md` recommends, for a machine of a few gigabytes.
const POSTGRESQL_SETTINGS: &str = "shared_buffers = 1GB
wal_compression = on
checkpoint_timeout = 15min
max_wal_size = 8GB
";
/// The share of idle time from which on the machine counts as quiet.
const QUIET: f64 = 0.9;
/// After a start, before the memory of an idle server is read.
const IDLE: Duration = Duration::from_secs(3);

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// Seconds for each figure.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Accounts that the load is spread over.
    #[arg(long, default_value_t = 100_000)]
    accounts: u64,
    /// Measure again with a million accounts and this many events in the tables (10000000 for the full run).
    #[arg(long, default_value_t = 0)]
    events: u64,
    /// Leave PostgreSQL out.
    #[arg(long)]
    sqlite_only: bool,
    /// Leave SQLite out.
    #[arg(long, conflicts_with = "sqlite_only")]
    postgres_only: bool,
    /// Measure only what has this in its name, such as `denial`.
    #[arg(long)]
    only: Option<String>,
    /// A server that is built already, instead of this workspace's.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Say what the server's time goes into, by `perf`, for every figure; otherwise only where one is missed.
    #[arg(long)]
    profile: bool,
}

#[derive(clap::Subcommand)]
enum Other {
    /// Measure the gateway beside direct calls, a proxy that does nothing else, and other gateways.
    Gateway(gateway::Arguments),
    /// Compare what is answered about known and unknown addresses, in time.
    SignIn(sign_in::Arguments),
    /// Serve the stand-in for a model provider.
    #[command(hide = true)]
    StandIn(gateway::Listen),
    /// Serve a proxy that does nothing but forward.
    #[command(hide = true)]
    Floor(gateway::Floor),
}

pub fn run(arguments: &Arguments) -> Result<(), String> {
    match &arguments.other {
        Some(Other::StandIn(listen)) => gateway::stand_in(listen),
        Some(Other::Floor(floor)) => floor.run(),
        _ if cfg!(debug_assertions) => run_installed(),
        Some(Other::Gateway(arguments)) => gateway::run(arguments),
        Some(Other::SignIn(arguments)) => sign_in::run(arguments),
        None => compare(arguments),
    }
}

/// What asks, and what stands beside the server, takes a share of the machine; it has to be the same small one for all.
fn run_installed() -> Result<(), String> {
    build(PACKAGE)?;
    let status = Command::new(INSTALLED).args(std::env::args_os().skip(1)).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("The benchmark ended early: {status}.")),
        Err(error) => Err(format!("{INSTALLED}: {error}")),
    }
}

/// Builds a package as it is installed.
fn build(package: &str) -> Result<(), String> {
    let built = crate::step::cargo().args(["build", "--profile", "dist", "--package", package]).status();
    if built.is_ok_and(|status| status.success()) { Ok(()) } else { Err(format!("{package} could not be built.")) }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())
}

fn compare(arguments: &Arguments) -> Result<(), String> {
    if arguments.binary.is_none() {
        build("tollway")?;
    }
    let runtime = runtime()?;
    println!("| database | what | per second | of the no-op | held to | p50 ms | p99 ms |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    if !arguments.postgres_only {
        runtime.block_on(measure(SQLITE, None, arguments))?;
    }
    if arguments.sqlite_only {
        return Ok(());
    }
    let Some(programs) = parts::named(parts::POSTGRES).and_then(parts::Part::find) else {
        println!("PostgreSQL is not installed; `cargo xtask test --install` installs it.");
        return Ok(());
    };
    let cluster = Cluster::create_with(&programs, POSTGRESQL_SETTINGS).map_err(|error| error.to_string())?;
    runtime.block_on(measure("PostgreSQL", Some(&cluster.url()), arguments))
}

/// What was measured of one kind of request.
struct Figure {
    /// A second.
    rate: f64,
    /// Of the no-op's rate at the same time.
    share: f64,
}

/// One database: every figure in turn.
struct Bench<'a> {
    database: &'a str,
    server: &'a Server,
    stretch: Stretch,
    arguments: &'a Arguments,
}

async fn measure(database: &str, url: Option<&str>, arguments: &Arguments) -> Result<(), String> {
    let binary = arguments.binary.as_deref().unwrap_or(Path::new(server::BINARY));
    let server = Server::start(binary, url, &[])?;
    // At once it has touched little of its own program yet.
    tokio::time::sleep(IDLE).await;
    let idle_mb = server.process.memory_mb();
    let stretch =
        Stretch { connections: CONNECTIONS, duration: Duration::from_secs(arguments.seconds), requests: u64::MAX };
    let bench = Bench { database, server: &server, stretch, arguments };
    bench.seed_accounts(0, arguments.accounts).await?;
    bench.no_op_warm_up().await?;
    bench.hold_account_exhausted().await?;
    bench.visit_every_account(arguments.accounts).await?;
    let consume = bench.consume_body(arguments.accounts);
    let spread = bench.row(SPREAD, "/api/v1/usage/consume", &consume).await?;
    let hot = bench.row(HOT, "/api/v1/usage/consume", &hot_body).await?;
    bench.row(DENIAL, "/api/v1/usage/consume", &denied_body).await?;
    let check = bench.consume_body(1_000);
    bench.row(CHECK, "/api/v1/usage/check", &check).await?;
    if let (Some(spread), Some(hot)) = (&spread, &hot) {
        let share = 100.0 * hot.share / spread.share;
        println!("| {database} | one account beside spread out | | {share:.0} % | 80 % | | |");
        bench.reference(spread.rate).await?;
    }
    if arguments.events > 0 {
        bench.flat_cost(arguments.events).await?;
    }
    println!(
        "| {database} | memory when idle / after the run | {idle_mb:.0} MB / {:.0} MB | | 50 MB when idle | | |",
        server.process.memory_mb()
    );
    Ok(())
}

/// Waits until the machine is quiet, for two minutes at most. What was seeded is gigabytes that the system goes on writing
/// for a while, and the server adds up for its reports, both on the processors that are measured.
async fn until_quiet() {
    if let Err(error) = std::process::Command::new("sync").status() {
        println!("`sync` cannot be run ({error}): the next figure is lower than it should be.");
    }
    for _ in 0..120 {
        let before = Processors::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (Some(before), Some(after)) = (before, Processors::now()) else { return };
        if after.idle_since(&before) >= QUIET {
            return;
        }
    }
    println!("Something else kept the processors busy: the next figure is lower than it should be.");
}

/// A different account each time, in an order without pattern.
fn scattered(number: u64, accounts: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % accounts
}

fn hot_body(_: u64, _: u64) -> String {
    "{\"external_id\":\"bench-hot\",\"meter\":\"requests\",\"quantity\":1}".into()
}

fn denied_body(_: u64, _: u64) -> String {
    "{\"external_id\":\"bench-exhausted\",\"meter\":\"requests\",\"quantity\":1}".into()
}

impl Bench<'_> {
    /// Goes on from one stretch to the next: none meets only accounts that a stretch has just touched.
    fn consume_body(&self, accounts: u64) -> impl Fn(u64, u64) -> String + Sync + use<> {
        let next = AtomicU64::new(0);
        move |_, _| {
            let account = scattered(next.fetch_add(1, Ordering::Relaxed), accounts);
            format!("{{\"external_id\":\"bench-{account}\",\"meter\":\"requests\",\"quantity\":1}}")
        }
    }

    async fn post(&self, path: &str, body: Body<'_>, stretch: Stretch) -> Result<Measured, String> {
        let target = Target::new(&self.server.address, &self.server.service_key, path);
        let measured = load::post(&target, body, stretch).await?;
        if measured.failed > 0 {
            return Err(format!("{path}: {} answers were neither accepted nor denied", measured.failed));
        }
        Ok(measured)
    }

    async fn no_op(&self) -> Result<Measured, String> {
        let body = self.consume_body(self.arguments.accounts);
        self.post("/api/v1/noop", &body, self.stretch).await
    }

    async fn no_op_warm_up(&self) -> Result<(), String> {
        let measured = self.no_op().await?;
        print_row(self.database, "no-op, same authentication and body", &measured, (1.0, None));
        if self.arguments.profile {
            self.profile("/api/v1/noop", &self.consume_body(self.arguments.accounts)).await?;
        }
        Ok(())
    }

    async fn seed_accounts(&self, from: u64, to: u64) -> Result<(), String> {
        self.seed((from, to), |from, to| {
            format!("{{\"accounts_from\":{from},\"accounts_to\":{to},\"events_from\":0,\"events_to\":0}}")
        })
        .await
    }

    /// Of the seeded accounts in turn.
    async fn seed_events(&self, events: u64) -> Result<(), String> {
        self.seed((1, events), |from, to| {
            format!(
                "{{\"accounts_from\":{MANY_ACCOUNTS},\"accounts_to\":{MANY_ACCOUNTS},\"events_from\":{from},\
                 \"events_to\":{to}}}"
            )
        })
        .await
    }

    /// In slices that are answered within the patience of a request.
    async fn seed(&self, (from, to): (u64, u64), slice: impl Fn(u64, u64) -> String) -> Result<(), String> {
        for from in (from..to).step_by(SEEDED_AT_ONCE) {
            let body = slice(from, to.min(from + SEEDED_AT_ONCE as u64));
            self.server.post("/api/v1/benchmark/seed", &body).await?;
        }
        Ok(())
    }

    /// One consume of every account, so that what is measured after it is a server that has been running for a while.
    async fn visit_every_account(&self, accounts: u64) -> Result<(), String> {
        let each = |_: u64, number: u64| {
            let account = number % accounts;
            format!("{{\"external_id\":\"bench-{account}\",\"meter\":\"requests\",\"quantity\":1}}")
        };
        let once = Stretch { duration: Duration::from_secs(600), requests: accounts, ..self.stretch };
        let measured = self.post("/api/v1/usage/consume", &each, once).await?;
        print_row(self.database, "consume, each account for the first time", &measured, (f64::NAN, None));
        Ok(())
    }

    /// Measures between two no-ops, after a warm-up, and prints the ratio to their mean. `None`: it was not asked for.
    async fn row(&self, what: &str, path: &str, body: Body<'_>) -> Result<Option<Figure>, String> {
        if self.arguments.only.as_ref().is_some_and(|only| !what.contains(only.as_str())) {
            return Ok(None);
        }
        self.post(path, body, self.stretch).await?;
        let before = self.no_op().await?;
        let measured = self.post(path, body, self.stretch).await?;
        let after = self.no_op().await?;
        let share = measured.rate() / ((before.rate() + after.rate()) / 2.0);
        let held_to = self.held_to(what);
        print_row(self.database, what, &measured, (share, held_to));
        if self.arguments.profile || held_to.is_some_and(|percent| share * 100.0 < f64::from(percent)) {
            self.profile(path, body).await?;
        }
        Ok(Some(Figure { rate: measured.rate(), share }))
    }

    /// Says what the machine's processors and the server's time go into.
    async fn profile(&self, path: &str, body: Body<'_>) -> Result<(), String> {
        let before = Processors::now();
        let measured = self.post(path, body, self.stretch).await?;
        if let (Some(before), Some(after)) = (before, Processors::now()) {
            let told = after.since(&before, measured.answers());
            println!("| {} | processors, for each answer: {told} | {:.0} | | | | |", self.database, measured.rate());
        }
        let profile = Profile::start(self.server.process.id());
        self.post(path, body, self.stretch).await?;
        match profile {
            Some(profile) => println!("| {} | the server's time: {} | | | | | |", self.database, profile.end()?),
            None => {
                println!("| {} | the server's time: install Debian's linux-perf to see it | | | | | |", self.database)
            }
        }
        Ok(())
    }

    fn held_to(&self, what: &str) -> Option<u32> {
        let (_, sqlite, postgres) = HELD_TO.iter().find(|(of, ..)| *of == what)?;
        Some(if self.database == SQLITE { *sqlite } else { *postgres })
    }

    /// An account that has used all of its plan, and one with room for the run.
    async fn hold_account_exhausted(&self) -> Result<(), String> {
        let made = self.server.post("/api/v1/accounts", "{\"external_id\":\"bench-hot\",\"name\":\"Hot\"}").await?;
        let id = made.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
        self.server.post("/api/v1/benchmark/unlimited", &format!("{{\"account\":\"{id}\"}}")).await?;
        let all = "{\"external_id\":\"bench-exhausted\",\"meter\":\"requests\",\"quantity\":1000}";
        self.server.post("/api/v1/usage/consume", all).await.map(|_| ())
    }

    /// The usual way, for its speed and for how far it lets callers past a limit.
    async fn reference(&self, spread: f64) -> Result<(), String> {
        self.server.post("/api/v1/benchmark/clear", "{}").await?;
        let accounts = self.arguments.accounts;
        let body = move |_: u64, number: u64| {
            format!("{{\"account\":\"bench-{}\",\"limit\":1000000}}", scattered(number, accounts))
        };
        let measured = self.post("/api/v1/benchmark/reference", &body, self.stretch).await?;
        let what = "reference: read, compare, write";
        println!(
            "| {} | {what} | {:.0} | consume is {:.1} times as fast | {TIMES_THE_REFERENCE} times | {:.2} | {:.2} |",
            self.database,
            measured.rate(),
            spread / measured.rate(),
            measured.percentile_ms(0.5),
            measured.percentile_ms(0.99)
        );
        let one = |_: u64, _: u64| format!("{{\"account\":\"bench-one\",\"limit\":{HOT_LIMIT}}}");
        let most = Stretch { duration: Duration::from_secs(120), requests: HOT_LIMIT * 50, ..self.stretch };
        let past = self.post_until_denied(&one, most).await?;
        println!("| {} | reference: let through on a limit of {HOT_LIMIT} | {past} | | | | |", self.database);
        Ok(())
    }

    async fn post_until_denied(&self, body: Body<'_>, most: Stretch) -> Result<u64, String> {
        let mut accepted = 0;
        loop {
            let slice = Stretch { duration: Duration::from_secs(3), ..most };
            let measured = self.post("/api/v1/benchmark/reference", body, slice).await?;
            accepted += measured.accepted;
            if measured.denied > 0 || accepted > most.requests {
                return Ok(accepted);
            }
        }
    }

    /// The same figures with a thousand accounts, with a million, and with a long history.
    async fn flat_cost(&self, events: u64) -> Result<(), String> {
        let few = self.consume_body(FEW_ACCOUNTS);
        let small = self.row("consume over 1,000 accounts, short history", "/api/v1/usage/consume", &few).await?;
        self.seed_accounts(self.arguments.accounts, MANY_ACCOUNTS).await?;
        self.seed_events(events).await?;
        // Its due is the seeding's, not that of what is measured: a server has one every quarter of an hour.
        self.server.post("/api/v1/benchmark/checkpoint", "{}").await?;
        until_quiet().await;
        let again = self.row("consume over 1,000 accounts, long history", "/api/v1/usage/consume", &few).await?;
        self.visit_every_account(MANY_ACCOUNTS).await?;
        until_quiet().await;
        let many = self.consume_body(MANY_ACCOUNTS);
        let large = self.row("consume over 1,000,000 accounts, long history", "/api/v1/usage/consume", &many).await?;
        let (Some(small), Some(again), Some(large)) = (small, again, large) else { return Ok(()) };
        let bodies: [(&str, &Figure, Body<'_>); 2] =
            [("long beside short history", &again, &few), ("1,000,000 beside 1,000 accounts", &large, &many)];
        for (what, figure, body) in bodies {
            let percent = 100.0 * figure.share / small.share;
            println!("| {} | {what} | | {percent:.0} % | {FLAT} % | | |", self.database);
            if percent < FLAT {
                self.profile("/api/v1/usage/consume", body).await?;
            }
        }
        Ok(())
    }
}

fn print_row(database: &str, what: &str, measured: &Measured, (ratio, held_to): (f64, Option<u32>)) {
    let ratio = if ratio.is_nan() { String::new() } else { format!("{:.0} %", ratio * 100.0) };
    let held_to = held_to.map_or(String::new(), |percent| format!("{percent} %"));
    println!(
        "| {database} | {what} | {:.0} | {ratio} | {held_to} | {:.2} | {:.2} |",
        measured.rate(),
        measured.percentile_ms(0.5),
        measured.percentile_ms(0.99)
    );
}
