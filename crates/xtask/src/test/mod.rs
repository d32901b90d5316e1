//! `cargo xtask test`: everything that must hold, in the order of the quickest answer first.
//!
//! It needs Rust alone. What else is installed (see the crate `parts`) is told to the tests in environment variables;
//! tests of what is missing are skipped, and what is missing is named at the end. One temporary PostgreSQL server
//! serves the whole run. The last thing printed by a run that misses nothing is the test runner's own summary.

mod documentation;
mod install;

use std::env;
use std::process::Command;

use parts::Part;

use crate::step::{self, cargo, step};
use crate::{postgres, tidy};

#[derive(clap::Args)]
pub struct Arguments {
    /// Fail when a part that some test needs is not installed.
    #[arg(long)]
    all: bool,
    /// Install missing parts first: Debian packages, and Python and Node packages under target/.
    #[arg(long)]
    install: bool,
    /// Run only the tests whose name contains this, and none of the checks before them.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<(), String> {
    if arguments.install {
        install::missing_parts()?;
    }
    let missing: Vec<&Part> = parts::ALL.iter().filter(|part| part.find().is_none()).collect();
    if arguments.all && !missing.is_empty() {
        return Err(format!("{}\nWithout --all, what needs them is skipped.", describe(&missing)));
    }
    if arguments.filter.is_none() {
        check_sources()?;
    }
    let outcome = run_tests(arguments);
    if !missing.is_empty() {
        println!("\n{}", describe(&missing));
    }
    outcome
}

fn check_sources() -> Result<(), String> {
    step("Formatting", || step::run(cargo().args(["fmt", "--all", "--check"])))
        .map_err(|error| format!("{error}\n`cargo fmt --all` formats the sources."))?;
    step("Tidy", tidy::run)?;
    step("Clippy", || {
        step::run(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    })
}

/// The run of the tests comes last and is not timed, so that the runner's summary closes the output.
fn run_tests(arguments: &Arguments) -> Result<(), String> {
    let is_wanted = env::var_os(parts::POSTGRES_URL_VARIABLE).is_none() && postgres::is_installed();
    let cluster = if is_wanted { step("Temporary PostgreSQL server", postgres::start)? } else { None };
    let prepare = |mut command: Command| {
        if let Some(cluster) = &cluster {
            command.env(parts::POSTGRES_URL_VARIABLE, cluster.url());
        }
        for part in &parts::ALL {
            command.env(part.variable, part.find().unwrap_or_default());
        }
        command.env(parts::ALL_PARTS_VARIABLE, if arguments.all { "1" } else { "0" });
        command
    };
    let with_examples = documentation::crates_with_examples()?;
    if arguments.filter.is_none() && !with_examples.is_empty() {
        let mut examples = prepare(cargo());
        examples.args(["test", "--doc", "--quiet"]);
        examples.args(with_examples.iter().flat_map(|name| ["--package", name]));
        step("Examples in the documentation", || step::run(&mut examples))?;
    }
    println!("==> Tests");
    let mut tests = prepare(cargo());
    if nextest_is_installed() {
        tests.args(["nextest", "run", "--workspace", "--no-fail-fast", "--test-threads", &tests_at_once().to_string()]);
        tests.args(&arguments.filter);
    } else {
        tests.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"]).args(&arguments.filter);
    }
    step::run(&mut tests)
}

/// Half as many more than processors: most tests wait for a server longer than they compute.
fn tests_at_once() -> usize {
    std::thread::available_parallelism().map_or(2, |processors| processors.get() * 3 / 2)
}

fn describe(missing: &[&Part]) -> String {
    let mut text = String::from("These parts are not installed:\n");
    for part in missing {
        text += &format!("  {} ({}): {}\n", part.name, part.needed_for, install::instruction(part));
    }
    text + "`cargo xtask test --install` installs them."
}

fn nextest_is_installed() -> bool {
    cargo().args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_cure() {
        let text = describe(&parts::ALL.iter().collect::<Vec<_>>());
        for expected in [
            "PostgreSQL",
            "nginx",
            "apt-get install strace",
            "crates/testkit/requirements.txt",
            "crates/testkit/node",
            "--install",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
