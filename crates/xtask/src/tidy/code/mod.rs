//! What is read from the syntax of Rust: how long functions are, and what may not stand in product code.
//!
//! Product code is all that is not compiled for tests alone: not under `#[cfg(test)]` or a test attribute, not in a
//! folder `tests` or `benches`, not in testkit.

mod reader;

use std::collections::BTreeSet;

use reader::Reader;

use super::{Source, Violation};

pub fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut parsed = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        match syn::parse_file(&source.text) {
            Ok(file) => parsed.push((source, file)),
            Err(error) => {
                let line = error.span().start().line;
                violations.push(source.violation(line, format!("this is not valid Rust: {error}")));
            }
        }
    }
    let test_modules: BTreeSet<String> =
        parsed.iter().flat_map(|(source, file)| test_modules_declared_in(&source.path, file)).collect();
    for (source, file) in &parsed {
        let is_test = is_test_file(source) || is_within(&source.path, &test_modules);
        violations.extend(Reader::read(source, file, is_test));
    }
    violations
}

fn is_test_file(source: &Source) -> bool {
    let folders = source.path.split('/');
    source.crate_name() == Some("testkit") || folders.into_iter().any(|name| ["tests", "benches"].contains(&name))
}

/// `#[cfg(test)] mod name;` makes the file `name.rs` and the folder `name/` beside it test code.
fn test_modules_declared_in(path: &str, file: &syn::File) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder,
        _ => stem,
    };
    let modules = file.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && reader::is_for_tests(&module.attrs) => Some(module),
        _ => None,
    });
    modules.map(|module| format!("{folder}/{}", module.ident)).collect()
}

fn is_within(path: &str, modules: &BTreeSet<String>) -> bool {
    modules
        .iter()
        .any(|module| path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_files(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: (*text).to_owned() };
        let sources: Vec<Source> = files.iter().map(source).collect();
        check(&sources).iter().map(Violation::to_string).collect()
    }

    fn check_text(text: &str) -> Vec<String> {
        check_files(&[("crates/app/src/a.rs", text)])
    }

    #[test]
    fn a_function_past_the_limit_is_found_at_its_line() {
        let function = |lines: usize| format!("\n/// Long.\nfn long() {{\n{}}}\n", "call();\n".repeat(lines - 2));
        assert!(check_text(&function(70)).is_empty());
        let found = check_text(&function(71));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/app/src/a.rs:3: long has 71 lines"), "{found:?}");
        assert_eq!(check_text(&format!("impl A {{ {} }}", function(71))).len(), 1);
        assert_eq!(check_text(&format!("trait A {{ {} }}", function(71))).len(), 1);
        assert_eq!(check_text(&format!("#[cfg(test)] mod tests {{ {} }}", function(71))).len(), 1);
    }

    #[test]
    fn unwrap_is_found_outside_of_tests() {
        let found = check_text("fn f() {\n    g().unwrap();\n}");
        assert!(found[0].starts_with("crates/app/src/a.rs:2: .unwrap() "), "{found:?}");
        assert_eq!(check_text("fn f() { println!(\"{}\", g().unwrap()); }").len(), 1);
        assert!(check_text("fn f() { g().unwrap_or_default(); }").is_empty());
        for attribute in ["#[test]", "#[tokio::test]", "#[cfg(test)]", "#[cfg(all(test, unix))]"] {
            assert!(check_text(&format!("{attribute} fn f() {{ g().unwrap(); }}")).is_empty(), "{attribute}");
        }
        assert_eq!(check_text("#[cfg(not(test))] fn f() { g().unwrap(); }").len(), 1);
        assert!(check_text("#[cfg(test)] mod tests { fn f() { g().unwrap(); } }").is_empty());
    }

    #[test]
    fn files_that_are_only_for_tests_are_known() {
        let body = "fn f() { g().unwrap(); }";
        assert!(check_files(&[("crates/app/tests/a.rs", body)]).is_empty());
        assert!(check_files(&[("crates/testkit/src/a.rs", body)]).is_empty());
        let files = |parent| [(parent, "#[cfg(test)] mod stories;"), ("crates/app/src/ledger/stories.rs", body)];
        assert!(check_files(&files("crates/app/src/ledger/mod.rs")).is_empty());
        assert!(check_files(&files("crates/app/src/ledger.rs")).is_empty());
        assert_eq!(check_files(&files("crates/app/src/lib.rs")).len(), 1);
    }

    #[test]
    fn sql_is_found_outside_of_storage() {
        for sql in [
            "SELECT 1",
            "  INSERT INTO a VALUES (1)",
            "UPDATE a\\n SET b = 1",
            "DELETE FROM a",
            "CREATE TABLE a (b INT)",
            "WITH a AS (SELECT 1) SELECT * FROM a",
        ] {
            let text = format!("fn f() {{ run(\"{sql}\"); }}");
            assert!(check_text(&text)[0].contains("SQL"), "{sql}");
            assert_eq!(check_text(&format!("fn f() {{ run(format!(\"{sql}\")); }}")).len(), 1, "{sql}");
            assert!(check_files(&[("crates/storage/src/a.rs", &text)]).is_empty());
            assert!(check_text(&format!("#[test] {text}")).is_empty());
        }
        assert!(check_text("fn f() { say(\"Select a plan. DELETE removes it. WITH care.\"); }").is_empty());
        assert!(check_text("/// SELECT a plan\nfn f() {}").is_empty());
    }

    #[test]
    fn axum_is_found_outside_of_web_and_sandbox() {
        for text in ["use axum::Router;", "fn f() -> axum::Router { g() }", "use axum_extra::{A, B};"] {
            assert!(check_text(text)[0].contains("web and sandbox"), "{text}");
            assert!(check_files(&[("crates/web/src/a.rs", text), ("crates/sandbox/src/a.rs", text)]).is_empty());
        }
        let of_xtask =
            |file: &str| check_files(&[(&format!("crates/xtask/src/bench/gateway/{file}"), "use axum::Router;")]);
        assert_eq!((of_xtask("floor.rs").len(), of_xtask("mod.rs").len()), (0, 1));
        assert_eq!(check_text("use ::{axum::Router, std::fmt};").len(), 1);
        assert!(check_text("use crate::axum::Router;").is_empty());
    }

    #[test]
    fn unfinished_code_and_ignored_tests_are_found() {
        for text in ["fn f() { todo!() }", "fn f() { g(vec![unimplemented!()]); }", "#[test] #[ignore] fn f() {}"] {
            assert_eq!(check_text(text).len(), 1, "{text}");
        }
        assert_eq!(check_text("#[test]\n#[ignore = \"slow\"]\nfn f() {}").len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        assert!(check_text("\nfn {")[0].starts_with("crates/app/src/a.rs:2: this is not valid Rust"));
    }
}
