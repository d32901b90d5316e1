//! `cargo xtask tidy`: the rules of the house that no compiler knows. Also a test of this crate.
//!
//! - [`arrows`]: which crate may depend on which, and which crates may use a driver or a web framework
//! - [`names`]: what files are called, how long they are, how they begin
//! - [`words`]: what may stand in no tracked text
//! - [`code`]: what is read from the syntax of Rust: function length, unwrap, SQL and axum outside their crates
//!
//! The clock and randomness are watched by `clippy.toml`. A new rule goes into one of these files, with a test in
//! which it is seen to fail.

mod arrows;
mod code;
mod names;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A place that breaks a rule, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    path: String,
    line: usize,
    message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A tracked text file, its path relative to the root of the workspace with `/` between folders.
#[derive(Clone)]
pub struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The crate this file belongs to, by its folder.
    fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split_once('/').map(|(name, _)| name)
    }

    fn violation(&self, line: usize, message: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, message: message.into() }
    }
}

pub fn run() -> Result<(), String> {
    let violations = check(&parts::workspace_root())?;
    if violations.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    Err(format!("{}\ntidy found {} places that break a rule of the house.", lines.join("\n"), violations.len()))
}

fn check(root: &Path) -> Result<Vec<Violation>, String> {
    let mut sources = Vec::new();
    for path in sources_to_read(root)? {
        // Pictures and fonts are no text, and no rule is about them.
        if let Ok(text) = fs::read_to_string(root.join(&path)) {
            sources.push(Source { path, text });
        }
    }
    Ok(check_sources(&sources))
}

fn check_sources(sources: &[Source]) -> Vec<Violation> {
    let mut violations = arrows::check(sources);
    for source in sources {
        violations.extend(names::check(source));
        violations.extend(words::check(source));
    }
    violations.extend(code::check(sources));
    violations.sort();
    violations
}

/// The paths of all files that are tracked or about to be, relative to the root.
pub fn sources(root: &Path) -> Result<Vec<String>, String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = git.output().map_err(|error| format!("git lists the files of this repository, but: {error}"))?;
    if !output.status.success() {
        return Err(format!("git could not list the files: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut paths: Vec<String> = text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// What others wrote is left as it came.
fn sources_to_read(root: &Path) -> Result<Vec<String>, String> {
    let is_ours = |path: &String| !path.split('/').any(|folder| folder == "vendor") && path != "LICENSE";
    Ok(sources(root)?.into_iter().filter(is_ours).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages for one file with this path and text.
    pub fn messages(check: impl Fn(&Source) -> Vec<Violation>, path: &str, text: &str) -> Vec<String> {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        check(&source).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn the_repository_is_tidy() {
        if let Err(message) = run() {
            panic!("{message}");
        }
    }

    #[test]
    fn a_violation_names_its_place_and_the_rules_come_together() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let sources = [
            source("crates/web/Cargo.toml", "[package]\nname = \"web\"\n[dependencies]\nstorage = \"1\"\n"),
            source("crates/web/src/utils.rs", "fn f() { g().unwrap(); }\n"),
        ];
        let found: Vec<String> = check_sources(&sources).iter().map(Violation::to_string).collect();
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("crates/web/Cargo.toml:4: "));
        assert!(found[1..].iter().all(|line| line.starts_with("crates/web/src/utils.rs:1: ")));
    }
}
