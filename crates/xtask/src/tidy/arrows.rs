//! Which crate may depend on which. Arrows point one way: nothing points up or sideways.

use toml::{Table, Value};

use super::{Source, Violation};

/// Each crate of the workspace and the ones of ours that its product code may use.
const ARROWS: [(&str, &[&str]); 10] = [
    ("domain", &[]),
    ("storage", &["domain"]),
    ("providers", &["domain"]),
    ("app", &["domain", "providers", "storage"]),
    ("web", &["app", "domain"]),
    ("sandbox", &["domain"]),
    ("tollway", &["app", "domain", "providers", "sandbox", "storage", "web"]),
    ("parts", &[]),
    ("testkit", &["app", "domain", "parts", "providers", "sandbox", "storage", "tollway", "web"]),
    // The benchmark of the gateway runs the stand-in for a model provider in a process of its own.
    ("xtask", &["parts", "sandbox"]),
];

/// Crates of others that only some of ours may use, and why. Dev-dependencies are free.
const RESERVED: [(&str, &[&str], &str); 8] = [
    // xtask: the floor that the gateway is measured against is a proxy of axum.
    ("axum", &["web", "sandbox", "testkit", "xtask"], "HTTP is spoken in web and sandbox alone"),
    ("axum-extra", &["web", "sandbox", "testkit"], "HTTP is spoken in web and sandbox alone"),
    ("utoipa-axum", &["web", "sandbox", "testkit"], "HTTP is spoken in web and sandbox alone"),
    ("rusqlite", &["storage", "testkit"], "storage is the only crate that knows SQL"),
    ("tokio-postgres", &["storage", "testkit"], "storage is the only crate that knows SQL"),
    ("deadpool-postgres", &["storage", "testkit"], "storage is the only crate that knows SQL"),
    ("sqlx", &[], "storage is the only crate that knows SQL, by its own thin layer"),
    ("diesel", &[], "storage is the only crate that knows SQL, by its own thin layer"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Product,
    Tests,
}

pub fn check(sources: &[Source]) -> Vec<Violation> {
    let is_manifest = |source: &&Source| source.path.starts_with("crates/") && source.path.ends_with("/Cargo.toml");
    sources.iter().filter(is_manifest).flat_map(check_manifest).collect()
}

fn check_manifest(source: &Source) -> Vec<Violation> {
    let Some(name) = source.crate_name() else { return Vec::new() };
    let manifest: Table = match source.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![source.violation(1, format!("this is not valid TOML: {error}"))],
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(other, _)| *other == name) else {
        let message = format!("no rule says what {name} may depend on. Add it to crates/xtask/src/tidy/arrows.rs.");
        return vec![source.violation(1, message)];
    };
    let dependencies = dependencies(&manifest);
    let judged = dependencies.iter().filter_map(|(section, dependency, purpose)| {
        let message = objection(name, allowed, dependency, *purpose)?;
        Some(source.violation(line_of(&source.text, section, dependency), message))
    });
    judged.collect()
}

fn objection(name: &str, allowed: &[&str], dependency: &str, purpose: Use) -> Option<String> {
    if ARROWS.iter().any(|(ours, _)| *ours == dependency) {
        let for_tests = purpose == Use::Tests && ["testkit", "parts"].contains(&dependency);
        let message = match dependency {
            _ if allowed.contains(&dependency) || for_tests => return None,
            "testkit" => format!("{name} uses testkit outside its tests. Move it to [dev-dependencies]."),
            _ if allowed.is_empty() => {
                format!("{name} may not depend on {dependency}: it depends on no crate of this workspace.")
            }
            _ => format!("{name} may not depend on {dependency}, only on {}.", allowed.join(", ")),
        };
        return Some(format!("{message} docs/architecture.md shows where things go."));
    }
    let (_, users, reason) = RESERVED.iter().find(|(reserved, _, _)| *reserved == dependency)?;
    (purpose == Use::Product && !users.contains(&name))
        .then(|| format!("{name} may not depend on {dependency}: {reason}. Call that crate instead."))
}

/// Every dependency with the name of the section it stands in, also those for one platform.
fn dependencies(manifest: &Table) -> Vec<(&'static str, String, Use)> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(platforms.filter_map(Value::as_table));
    let sections =
        [("dependencies", Use::Product), ("build-dependencies", Use::Product), ("dev-dependencies", Use::Tests)];
    let mut found = Vec::new();
    for table in tables {
        for (section, purpose) in sections {
            let Some(entries) = table.get(section).and_then(Value::as_table) else { continue };
            for (key, value) in entries {
                let renamed = value.get("package").and_then(Value::as_str);
                found.push((section, renamed.unwrap_or(key).to_owned(), purpose));
            }
        }
    }
    found
}

fn line_of(text: &str, section: &str, dependency: &str) -> usize {
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.trim().ends_with(&format!("{section}]"));
        }
        let key = line.split(['.', '=', ' ']).next().unwrap_or_default();
        if inside && key == dependency {
            return index + 1;
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::super::tests::messages;
    use super::*;

    fn check_crate(name: &str, text: &str) -> Vec<String> {
        messages(check_manifest, &format!("crates/{name}/Cargo.toml"), text)
    }

    #[test]
    fn arrows_that_point_down_are_allowed() {
        assert!(check_crate("app", "[dependencies]\ndomain.workspace = true\nstorage.workspace = true\n").is_empty());
        assert!(check_crate("tollway", "[dependencies]\nsandbox.workspace = true\n").is_empty());
        assert!(check_crate("web", "[dev-dependencies]\ntestkit.workspace = true\n").is_empty());
        assert!(check_crate("xtask", "[dependencies]\nsandbox.workspace = true\n").is_empty());
    }

    #[test]
    fn an_arrow_that_points_up_or_sideways_is_found_at_its_line() {
        let found = check_crate("storage", "[package]\nname = \"storage\"\n\n[dependencies]\napp.workspace = true\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/storage/Cargo.toml:5: storage may not depend on app, only on domain."));
        assert_eq!(check_crate("web", "[dependencies]\nsandbox.workspace = true\n").len(), 1);
        assert_eq!(check_crate("web", "[dev-dependencies]\nstorage.workspace = true\n").len(), 1);
        assert_eq!(check_crate("domain", "[build-dependencies]\nparts.workspace = true\n").len(), 1);
        assert_eq!(check_crate("domain", "[target.'cfg(unix)'.dependencies]\napp.workspace = true\n").len(), 1);
        assert_eq!(check_crate("domain", "[dependencies]\nx = { package = \"app\", path = \"../app\" }\n").len(), 1);
    }

    #[test]
    fn testkit_outside_of_tests_is_found() {
        let found = check_crate("app", "[dependencies]\ntestkit.workspace = true\n");
        assert!(found[0].contains("Move it to [dev-dependencies]."), "{found:?}");
    }

    #[test]
    fn drivers_and_frameworks_outside_of_their_crates_are_found() {
        for (name, dependency) in [("app", "axum"), ("tollway", "axum"), ("web", "rusqlite"), ("storage", "sqlx")] {
            assert_eq!(check_crate(name, &format!("[dependencies]\n{dependency} = \"1\"\n")).len(), 1);
        }
        for name in ["web", "xtask"] {
            assert!(check_crate(name, "[dependencies]\naxum = \"1\"\n").is_empty());
        }
        assert_eq!(check_crate("xtask", "[dependencies]\naxum-extra = \"1\"\n").len(), 1);
        assert!(check_crate("app", "[dev-dependencies]\naxum = \"1\"\n").is_empty());
    }

    #[test]
    fn an_unknown_crate_and_a_broken_manifest_are_found() {
        assert!(check_crate("surprise", "")[0].contains("no rule says what surprise may depend on"));
        assert!(check_crate("app", "[dependencies")[0].contains("not valid TOML"));
    }
}
