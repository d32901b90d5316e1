//! Which crates have examples in their documentation. The runner nextest leaves those out, and to let rustdoc look for
//! them in every crate costs more than to look here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of the library crates that have at least one example to run or to compile.
pub fn crates_with_examples() -> Result<BTreeSet<String>, String> {
    let root = parts::workspace_root();
    let paths = crate::tidy::sources(&root)?;
    Ok(paths
        .iter()
        .filter(|path| path.ends_with(".rs"))
        .filter_map(|path| path.strip_prefix("crates/")?.split_once("/src/"))
        .filter(|(name, rest)| {
            let folder = root.join("crates").join(name);
            folder.join("src/lib.rs").is_file() && file_has_example(&folder.join("src").join(rest))
        })
        .map(|(name, _)| name.to_owned())
        .collect())
}

fn file_has_example(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| has_example(&text))
}

fn has_example(text: &str) -> bool {
    let comment = |line: &str| line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::to_owned);
    let documentation = text.lines().filter_map(|line| comment(line.trim_start()));
    let fences = documentation.filter_map(|line| line.trim().strip_prefix("```").map(str::to_owned));
    // Every other fence closes a block.
    fences.step_by(2).any(|language| matches!(language.as_str(), "" | "rust" | "no_run" | "should_panic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rust_blocks_are_examples() {
        assert!(has_example("/// ```\n/// run();\n/// ```\n"));
        assert!(has_example("//! ```toml\n//! a = 1\n//! ```\n//! ```no_run\n//! run();\n//! ```\n"));
        assert!(!has_example("/// ```text\n/// picture\n/// ```\n"));
        assert!(!has_example("// ```\n"));
    }

    #[test]
    fn testkit_has_examples() {
        assert!(crates_with_examples().unwrap().contains("testkit"));
    }
}
