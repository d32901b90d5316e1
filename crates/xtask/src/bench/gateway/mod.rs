//! `cargo xtask bench gateway`: what a model call through Tollway costs, metering and all, beside a direct call, beside
//! a proxy that does nothing else ([`floor`]), and beside other gateways ([`others`]).
//!
//! All of them call the same stand-in for a provider, on one machine, in one run. Each is measured in
//! turns of half a second: its rate in turn with the floor, and told as a share of it; its delay in turn with direct calls,
//! and told as what it adds. A machine that changes its speed meanwhile changes neither. Start with [`run`], then [`calls::Comparison`].

mod bars;
mod calls;
mod floor;
mod others;
mod stand_in;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::connection::{Connection, Target};
use super::process::Process;
use super::server::{BINARY, Server};
use bars::Found;
use calls::{Comparison, Figures, Subject};
pub use floor::Floor;
use others::Gateway;
pub use stand_in::{Listen, stand_in};

pub const PATH: &str = "/v1/chat/completions";
pub const MODEL: &str = "small";
const STARTER: &str = "catalogs/starter.toml";
const RATE_OF_CALLS: &str = "api = \"";
const RATE: &str = "api = \"1000000000 per 60s\"";
const CATALOG: &str = "target/bench/catalog.toml";
const IDLE_STREAMS: usize = 1_000;
/// What is answered and not counted yet is counted by then.
const COUNTED_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

#[derive(clap::Args)]
pub struct Arguments {
    /// Seconds for each figure under load; with one caller half of it.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Also through LiteLLM, from PyPI. It is installed under target/.
    #[arg(long)]
    litellm: bool,
    /// Also through Portkey, from npm. It is installed under target/.
    #[arg(long)]
    portkey: bool,
    /// Also through every other gateway that this benchmark knows.
    #[arg(long)]
    others: bool,
    /// Leave Tollway out.
    #[arg(long)]
    without_tollway: bool,
    /// A server that is built already, instead of this workspace's.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Say what the server's time goes into, by `perf`. Sampling slows the figures down a little.
    #[arg(long)]
    profile: bool,
}

impl Arguments {
    fn others(&self) -> Vec<Gateway> {
        let asked = [(Gateway::LiteLlm, self.litellm), (Gateway::Portkey, self.portkey)];
        asked.into_iter().filter(|(_, asked)| *asked || self.others).map(|(gateway, _)| gateway).collect()
    }
}

pub fn run(arguments: &Arguments) -> Result<(), String> {
    if arguments.binary.is_none() && !arguments.without_tollway {
        super::build("tollway")?;
    }
    for other in arguments.others() {
        other.install()?;
    }
    super::runtime()?.block_on(async {
        tokio::select! {
            compared = compare(arguments) => compared,
            () = told_to_stop() => Err("The benchmark was stopped, and what it had started.".into()),
        }
    })
}

/// Whoever stops the benchmark stops the servers that it started, too.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut end)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = end.recv() => {}
    }
}

async fn compare(arguments: &Arguments) -> Result<(), String> {
    let (_provider, provider) = start_own(&["stand-in"])?;
    let (floor, floor_address) = start_own(&["floor", "--to", &format!("http://{provider}{PATH}")])?;
    let comparison = Comparison {
        direct: Target::new(&provider, "any", PATH),
        floor: Target::new(&floor_address, "any", PATH),
        turns: 2 * arguments.seconds,
    };
    calls::print_head();
    let mut found = Found::default();
    let direct = Subject { name: "no gateway", target: &comparison.direct, process: None };
    comparison.measure(&direct).await?;
    let bare = Subject { name: "the floor", target: &comparison.floor, process: Some(&floor) };
    comparison.measure(&bare).await?;
    if !arguments.without_tollway {
        found.tollway = Some(measure_tollway(&comparison, arguments, &provider, &mut found.idle_mb).await?);
    }
    for other in arguments.others() {
        let figures = measure_other(&comparison, other, &provider).await;
        match (figures, other) {
            (Ok(figures), Gateway::LiteLlm) => found.litellm = Some(figures),
            (Ok(figures), Gateway::Portkey) => found.portkey = Some(figures),
            (Err(message), _) => println!("\n{} was not measured: {message}\n", other.name()),
        }
    }
    found.print();
    Ok(())
}

fn start_own(arguments: &[&str]) -> Result<(Process, String), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    Process::start_and_read(Command::new(own).arg("bench").args(arguments))
}

async fn measure_other(comparison: &Comparison, other: Gateway, provider: &str) -> Result<Figures, String> {
    let (process, target) = other.start(provider).await?;
    comparison.measure(&Subject { name: other.name(), target: &target, process: Some(&process) }).await
}

async fn measure_tollway(
    comparison: &Comparison,
    arguments: &Arguments,
    provider: &str,
    idle_mb: &mut Option<f64>,
) -> Result<Figures, String> {
    let (url, catalog) = (format!("http://{provider}/v1"), write_catalog()?);
    let settings = [
        ("TOLLWAY_CATALOG", catalog.as_str()),
        ("TOLLWAY_UPSTREAM_STANDIN_URL", url.as_str()),
        ("TOLLWAY_UPSTREAM_STANDIN_KIND", "openai"),
        ("TOLLWAY_UPSTREAM_STANDIN_ALLOW_PRIVATE", "true"),
    ];
    let binary = arguments.binary.as_deref().unwrap_or(Path::new(BINARY));
    let server = Server::start(binary, None, &settings)?;
    let account = format!("{{\"account\":\"{}\"}}", server.account);
    server.post("/api/v1/benchmark/unlimited", &account).await?;
    let target = Target::new(&server.address, &server.api_key, PATH);
    let subject = Subject { name: "Tollway", target: &target, process: Some(&server.process) };
    let mut figures = comparison.measure(&subject).await?;
    figures.counted = Some(counted(&server, &figures).await?);
    if arguments.profile {
        comparison.profile(&subject).await?;
    }
    *idle_mb = Some(idle_streams(&server, &target).await?);
    Ok(figures)
}

/// The starter catalog, but with a rate that no caller here reaches. It is checked at every call as before.
fn write_catalog() -> Result<String, String> {
    let starter = parts::workspace_root().join(STARTER);
    let text = std::fs::read_to_string(starter).map_err(|error| format!("{STARTER}: {error}"))?;
    let lines = text.lines().map(|line| if line.starts_with(RATE_OF_CALLS) { RATE } else { line });
    let text = lines.collect::<Vec<_>>().join("\n");
    std::fs::create_dir_all("target/bench").map_err(|error| format!("target/bench: {error}"))?;
    std::fs::write(CATALOG, text).map_err(|error| format!("{CATALOG}: {error}"))?;
    Ok(CATALOG.into())
}

/// Requests and tokens that the server has counted, once they are as many as were answered, or else after a while.
async fn counted(server: &Server, figures: &Figures) -> Result<(u64, u64), String> {
    let mut connection = Connection::open(&Target::new(&server.address, &server.api_key, "/api/v1/usage")).await?;
    let end = super::connection::now() + COUNTED_WITHIN;
    loop {
        connection.get().await?;
        let usage: serde_json::Value = serde_json::from_str(&connection.body()).map_err(|error| error.to_string())?;
        let used = |meter: &str| {
            let limits = usage["limits"].as_array().into_iter().flatten();
            let mut used = limits.filter(|limit| limit["meter"] == meter && limit["scope"] == "account");
            used.find_map(|limit| limit["used"].as_u64()).unwrap_or(0)
        };
        let counted = (used("requests"), used("llm_tokens"));
        if counted == (figures.calls, figures.tokens) || super::connection::now() > end {
            return Ok(counted);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The server's memory with many streams open on a provider that says nothing more.
async fn idle_streams(server: &Server, target: &Target) -> Result<f64, String> {
    let mut open = Vec::new();
    for _ in 0..IDLE_STREAMS {
        let mut connection = Connection::open(target).await?;
        match connection.begin(&calls::stalled()).await? {
            200 => open.push(connection),
            status => return Err(format!("stream {} was answered {status}: {}", open.len() + 1, connection.body())),
        }
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let memory = server.process.memory_mb();
    calls::print_memory("Tollway", &format!("memory with {} idle streams", open.len()), memory);
    Ok(memory)
}
