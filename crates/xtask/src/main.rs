//! The commands behind `cargo xtask`, one file a command. Development only: nothing here is part of the product.

mod bench;
mod postgres;
mod step;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The same as the server's: what the benchmark compares it with is not slower for its memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development commands of Tollway")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check and test: formatting, clippy, tidy, and the tests with all parts that are installed.
    Test(test::Arguments),
    /// Check the rules of the house: crate arrows, sizes, names, and what may appear where.
    Tidy,
    /// Start a temporary PostgreSQL server for tests that are run by hand, and keep it until Ctrl-C.
    Postgres,
    /// Measure the server beside its own no-op, or its gateway beside others, and print ratios.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Tidy => tidy::run(),
        Command::Postgres => postgres::run(),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
