//! The `tollway` command: configuration, wiring, and one file a subcommand. `serve` is where a server starts.

mod commands;
mod config;
mod logging;
mod wiring;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "tollway", version, about, propagate_version = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands; each wins over the file and the environment.
#[derive(Args, Clone, Default)]
pub struct Common {
    /// The configuration file [default: tollway.toml, where there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// `postgres://…`, or the path of a SQLite file.
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Folder of the SQLite file.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// The catalog file [default: the starter catalog that is built in].
    #[arg(long, global = true, value_name = "FILE")]
    catalog: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve. With --dev: everything on this machine, with a demo customer and keys that are printed.
    Serve(commands::serve::ServeArguments),
    /// Bring the database's schema up to this version.
    Migrate,
    /// Check, compare or apply a catalog, or make at Stripe what it sells.
    #[command(subcommand)]
    Catalog(commands::catalog::CatalogCommand),
    /// Make API keys.
    #[command(subcommand)]
    Keys(commands::keys::KeysCommand),
    /// Make who operates the platform.
    #[command(subcommand)]
    Admin(commands::admin::AdminCommand),
    /// Check the configuration, or print what can be configured.
    #[command(subcommand)]
    Config(commands::config::ConfigCommand),
    /// Say what would stop this server in production.
    Doctor,
    /// Try the mail server.
    #[command(subcommand)]
    Mail(commands::mail::MailCommand),
    /// Set a Stripe account up.
    #[command(subcommand)]
    Stripe(commands::stripe::StripeCommand),
    /// Verify the ledger.
    #[command(subcommand)]
    Ledger(commands::ledger::LedgerCommand),
}

fn main() -> ExitCode {
    take_small_pages();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("The server's threads could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The allocator asks for pages of 2 MB, of which a server that is quiet or has many idle streams uses little: it would
/// take up half as much memory again.
fn take_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        eprintln!("Huge pages could not be switched off, so that more memory is taken up: {error}");
    }
}

async fn run(Arguments { common, command }: Arguments) -> Result<ExitCode, String> {
    match command {
        Command::Serve(arguments) => commands::serve::run(&common, arguments).await,
        Command::Migrate => commands::migrate::run(&common).await,
        Command::Catalog(command) => commands::catalog::run(&common, command).await,
        Command::Keys(command) => commands::keys::run(&common, command).await,
        Command::Admin(command) => commands::admin::run(&common, command).await,
        Command::Config(command) => commands::config::run(&common, command),
        Command::Doctor => commands::doctor::run(&common).await,
        Command::Mail(command) => commands::mail::run(&common, command).await,
        Command::Stripe(command) => commands::stripe::run(&common, command).await,
        Command::Ledger(command) => commands::ledger::run(&common, command).await,
    }
}
