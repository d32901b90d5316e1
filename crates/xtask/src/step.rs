//! One step of a longer command: a title, a program that is run or a check that is made, and how long it took.

use std::env;
use std::process::Command;
use std::time::Instant;

/// Says what begins, does it, and says how long it took.
pub fn step<T>(title: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    println!("==> {title}");
    let begun = now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "done" } else { "failed" };
    println!("    {title}: {verdict} in {:.1} s", begun.elapsed().as_secs_f64());
    outcome
}

/// Runs a program whose output goes to the terminal. Its failure is the step's.
pub fn run(command: &mut Command) -> Result<(), String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("This command failed ({status}): {line}")),
        Err(error) => Err(format!("This command could not be started: {line}: {error}")),
    }
}

/// The cargo that runs this, in the workspace. What it has told of this package is left out: build scripts (that of `ring`)
/// take it for their own, and with everything above them would run anew at each change between this cargo and one by hand.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(parts::workspace_root());
    for (name, _) in env::vars_os() {
        let is_of_this = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_of_this) {
            command.env_remove(name);
        }
    }
    command
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the duration of a step is measured for whoever waits for it")]
    Instant::now()
}
