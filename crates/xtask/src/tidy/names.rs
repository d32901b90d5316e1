//! What files are called, how long they are, how they begin.

use super::{Source, Violation};

const LONGEST_FILE_LINES: usize = 500;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] =
    ["common", "helper", "helpers", "manager", "managers", "misc", "util", "utils", "utilities"];

pub fn check(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    if let Some(name) = empty_name(&source.path) {
        let message = format!("{name} says nothing about what is inside. Name the file for the one thing it holds.");
        violations.push(source.violation(1, message));
    }
    if !source.is_rust() {
        return violations;
    }
    let lines = source.text.lines().count();
    if lines > LONGEST_FILE_LINES {
        let message =
            format!("this file has {lines} lines, and {LONGEST_FILE_LINES} is the most. Split it by what it does.");
        violations.push(source.violation(LONGEST_FILE_LINES + 1, message));
    }
    if !begins_with_documentation(&source.text) {
        let message = "a module begins with //! and says what lives here, what must not, and where to start.";
        violations.push(source.violation(1, message));
    }
    violations
}

fn empty_name(path: &str) -> Option<&str> {
    let names = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    names.into_iter().find(|name| EMPTY_NAMES.contains(name))
}

fn begins_with_documentation(text: &str) -> bool {
    text.lines().map(str::trim).find(|line| !line.is_empty()).is_some_and(|line| line.starts_with("//!"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::messages;
    use super::*;

    #[test]
    fn a_good_file_passes() {
        assert!(messages(check, "crates/app/src/metering/consume.rs", "//! Consumes usage.\nfn f() {}\n").is_empty());
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        for path in ["crates/app/src/utils.rs", "crates/app/src/helpers/mod.rs", "crates/web/static/common.css"] {
            assert!(messages(check, path, "//! Here.\n")[0].contains("says nothing about what is inside"));
        }
    }

    #[test]
    fn a_file_past_the_limit_is_found() {
        let at_limit = format!("//! Here.\n{}", "\n".repeat(LONGEST_FILE_LINES - 1));
        assert!(messages(check, "crates/app/src/a.rs", &at_limit).is_empty());
        let found = messages(check, "crates/app/src/a.rs", &format!("{at_limit}\n"));
        assert!(found[0].starts_with("crates/app/src/a.rs:501: this file has 501 lines"), "{found:?}");
    }

    #[test]
    fn a_module_without_documentation_is_found() {
        for text in ["fn f() {}\n", "/// For f.\nfn f() {}\n", ""] {
            assert!(messages(check, "crates/app/src/a.rs", text)[0].contains("begins with //!"));
        }
    }
}
