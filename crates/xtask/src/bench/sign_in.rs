//! `cargo xtask bench sign-in`: whether the time of an answer tells if an address is known here.
//!
//! Each question is asked about a known and about an unknown address in turn, in the order known, unknown, unknown, known,
//! so that each follows each as often, and what one leaves running disturbs both alike. Passwords cost what they cost by
//! default.

use std::path::Path;
use std::time::Duration;

use parts::cluster::Cluster;

use super::connection::{Connection, Target, now};
use super::load::percentile_ms;
use super::server::{BINARY, Server};

const STARTER: &str = "catalogs/starter.toml";
const CATALOG: &str = "target/bench/sign-in.toml";
const KNOWN: &str = "known@example.com";
const PASSWORD: &str = "Violet-harbour-9-lantern";
const WRONG: &str = "Copper-kettle-4-orchard";
/// A job of private registration makes the person.
const REGISTERED_WITHIN: Duration = Duration::from_secs(30);
/// Between two questions, in which the first one's jobs mostly end.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct Arguments {
    /// Answers for each figure.
    #[arg(long, default_value_t = 300)]
    samples: u64,
    /// Leave PostgreSQL out.
    #[arg(long)]
    sqlite_only: bool,
}

/// What is asked about an address, which may be known or not.
struct Question {
    what: &'static str,
    path: &'static str,
    body: fn(&str) -> String,
    /// What both are answered.
    status: u16,
}

const QUESTIONS: [Question; 3] = [
    Question {
        what: "sign in with a wrong password",
        path: "/api/v1/auth/login",
        body: |address| format!("{{\"login\":\"{address}\",\"password\":\"{WRONG}\"}}"),
        status: 401,
    },
    Question {
        what: "ask for another password",
        path: "/api/v1/auth/password/forgot",
        body: |address| format!("{{\"email\":\"{address}\"}}"),
        status: 202,
    },
    Question {
        what: "register privately",
        path: "/api/v1/auth/register",
        body: |address| format!("{{\"email\":\"{address}\",\"password\":\"{PASSWORD}\"}}"),
        status: 202,
    },
];

pub fn run(arguments: &Arguments) -> Result<(), String> {
    super::build("tollway")?;
    write_catalog()?;
    let runtime = super::runtime()?;
    println!("| database | question | known p50 ms | unknown p50 ms | ratio | known p95 ms | unknown p95 ms | ratio |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    runtime.block_on(measure("SQLite", None, arguments.samples))?;
    if arguments.sqlite_only {
        return Ok(());
    }
    let Some(programs) = parts::named(parts::POSTGRES).and_then(parts::Part::find) else {
        println!("PostgreSQL is not installed; `cargo xtask test --install` installs it.");
        return Ok(());
    };
    let cluster = Cluster::create(&programs).map_err(|error| error.to_string())?;
    runtime.block_on(measure("PostgreSQL", Some(&cluster.url()), arguments.samples))
}

/// The starter catalog without its rates, which would soon refuse.
fn write_catalog() -> Result<(), String> {
    let starter = std::fs::read_to_string(STARTER).map_err(|error| format!("{STARTER}: {error}"))?;
    let (before, rates) = starter.split_once("[rates]\n").ok_or("the starter catalog has no rates")?;
    let after = rates.split_once("\n\n").map(|(_, after)| after).ok_or("the rates do not end")?;
    std::fs::create_dir_all("target/bench").map_err(|error| error.to_string())?;
    std::fs::write(CATALOG, format!("{before}\n{after}")).map_err(|error| format!("{CATALOG}: {error}"))
}

async fn measure(database: &str, url: Option<&str>, samples: u64) -> Result<(), String> {
    let catalog = std::fs::canonicalize(CATALOG).map_err(|error| error.to_string())?;
    let catalog = catalog.to_string_lossy();
    let settings = [("TOLLWAY_REGISTRATION", "private"), ("TOLLWAY_CATALOG", &*catalog)];
    let server = Server::start(Path::new(BINARY), url, &settings)?;
    register_known(&server).await?;
    for question in &QUESTIONS {
        let mut connection = Connection::open(&Target::new(&server.address, "", question.path)).await?;
        // The first answers of a server are slower.
        question.ask(&mut connection, 20).await?;
        let [known, unknown] = question.ask(&mut connection, samples).await?;
        let of = |share: f64| {
            let (known, unknown) = (percentile_ms(&known, share), percentile_ms(&unknown, share));
            format!("{known:.2} | {unknown:.2} | {:.3}", known / unknown)
        };
        println!("| {database} | {} | {} | {} |", question.what, of(0.5), of(0.95));
    }
    Ok(())
}

/// Registers the known address, and waits until it can sign in.
async fn register_known(server: &Server) -> Result<(), String> {
    let [_, _, register] = &QUESTIONS;
    server.post(register.path, &(register.body)(KNOWN)).await?;
    let body = format!("{{\"login\":\"{KNOWN}\",\"password\":\"{PASSWORD}\"}}");
    let began = now();
    loop {
        match server.post("/api/v1/auth/login", &body).await {
            Ok(_) => return Ok(()),
            Err(refused) if began.elapsed() > REGISTERED_WITHIN => return Err(refused),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

impl Question {
    /// Asks so often about the known and about unknown addresses. Sorted times in microseconds of both.
    async fn ask(&self, connection: &mut Connection, samples: u64) -> Result<[Vec<u32>; 2], String> {
        let mut times = [Vec::new(), Vec::new()];
        for number in 0..samples * 2 {
            let is_known = matches!(number % 4, 0 | 3);
            let address = if is_known { KNOWN.to_owned() } else { unknown(samples, number) };
            let answer = connection.post(&(self.body)(&address)).await?;
            if answer.status != self.status {
                return Err(format!("{}: {} {}", self.path, answer.status, connection.body()));
            }
            let micros = u32::try_from(answer.whole.as_micros()).unwrap_or(u32::MAX);
            times[usize::from(!is_known)].push(micros);
            tokio::time::sleep(PAUSE).await;
        }
        times.iter_mut().for_each(|times| times.sort_unstable());
        Ok(times)
    }
}

/// An address that nobody has, and that was not asked about before.
fn unknown(run: u64, number: u64) -> String {
    format!("unknown-{run}-{number}@example.com")
}
