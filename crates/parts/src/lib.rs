//! The programs that tests run against beside Rust itself: what they are called, where they are found, how they are
//! installed, and a temporary PostgreSQL cluster made of one of them.
//!
//! Shared by the task runner (`xtask`), which finds and installs them, and by `testkit`, which hands them to tests.
//! Nothing here knows Tollway's own crates. Start with [`ALL`], then [`cluster::Cluster`].

pub mod cluster;
pub mod port;

use std::env;
use std::path::{Path, PathBuf};

/// A program that some tests need. Tests that do not find theirs are skipped, or fail where all parts are demanded.
pub struct Part {
    /// What people call it.
    pub name: &'static str,
    /// The environment variable that carries its place to the tests. Set and empty means: do as if it were missing.
    pub variable: &'static str,
    /// What cannot be tested without it.
    pub needed_for: &'static str,
    /// How it gets onto a machine.
    pub install: Install,
    locate: fn() -> Option<PathBuf>,
}

/// How a part gets onto a machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// Debian packages.
    Packages(&'static [&'static str]),
    /// The Python packages of `crates/testkit/requirements.txt`, in a virtual environment at [`virtual_environment`].
    Python,
    /// The packages of `crates/testkit/node/package.json`, in [`node_folder`].
    Node,
}

pub const POSTGRES: &str = "PostgreSQL";
pub const NGINX: &str = "nginx";
pub const REDIS: &str = "Redis";
pub const STRACE: &str = "strace";
pub const SCHEMATHESIS: &str = "schemathesis";
pub const OFFICIAL_CLIENTS: &str = "the Python clients of OpenAI and Anthropic";
pub const STRIPE_CLIENT: &str = "the Python client of Stripe";
pub const SMTP_SERVER: &str = "the SMTP server aiosmtpd";
pub const TOKEN_VERIFIER: &str = "the Python package PyJWT";
pub const NODE_CLIENTS: &str = "the Node client of OpenAI";
pub const OIDC_PROVIDER: &str = "an OpenID Connect provider";

/// Set to `1` by `cargo xtask test --all`: a test whose part is missing fails instead of being skipped.
pub const ALL_PARTS_VARIABLE: &str = "TOLLWAY_TEST_ALL";

/// The URL of a running PostgreSQL server in which tests may create and drop databases.
pub const POSTGRES_URL_VARIABLE: &str = "TOLLWAY_TEST_POSTGRES_URL";

/// Every part there is.
pub static ALL: [Part; 11] = [
    Part {
        name: POSTGRES,
        variable: "TOLLWAY_TEST_POSTGRES_BIN",
        needed_for: "every storage and HTTP test on the second engine",
        install: Install::Packages(&["postgresql"]),
        locate: locate_postgres,
    },
    Part {
        name: NGINX,
        variable: "TOLLWAY_TEST_NGINX",
        needed_for: "forward authorization behind a real proxy",
        install: Install::Packages(&["nginx"]),
        locate: || locate_program("nginx"),
    },
    Part {
        name: REDIS,
        variable: "TOLLWAY_TEST_REDIS",
        needed_for: "rate limits that several nodes share",
        install: Install::Packages(&["redis-server"]),
        locate: || locate_program("redis-server"),
    },
    Part {
        name: STRACE,
        variable: "TOLLWAY_TEST_STRACE",
        needed_for: "proof that what was answered had been synced to disk",
        install: Install::Packages(&["strace"]),
        locate: || locate_program("strace"),
    },
    Part {
        name: SCHEMATHESIS,
        variable: "TOLLWAY_TEST_SCHEMATHESIS",
        needed_for: "the API held against its own OpenAPI description",
        install: Install::Python,
        locate: || Some(virtual_environment().join("bin/schemathesis")).filter(|path| path.is_file()),
    },
    Part {
        name: OFFICIAL_CLIENTS,
        variable: "TOLLWAY_TEST_OFFICIAL_CLIENTS",
        needed_for: "model calls made by those who invented their shapes",
        install: Install::Python,
        locate: || locate_python_with(&["openai", "anthropic"]),
    },
    Part {
        name: STRIPE_CLIENT,
        variable: "TOLLWAY_TEST_STRIPE_CLIENT",
        needed_for: "the stand-in for Stripe and signatures held against Stripe's own client",
        install: Install::Python,
        locate: || locate_python_with(&["stripe"]),
    },
    Part {
        name: SMTP_SERVER,
        variable: "TOLLWAY_TEST_SMTP_SERVER",
        needed_for: "mails handed to a real server",
        install: Install::Python,
        locate: || locate_python_with(&["aiosmtpd"]),
    },
    Part {
        name: TOKEN_VERIFIER,
        variable: "TOLLWAY_TEST_TOKEN_VERIFIER",
        needed_for: "access tokens verified by another service",
        install: Install::Python,
        locate: || locate_python_with(&["jwt", "cryptography"]),
    },
    Part {
        name: NODE_CLIENTS,
        variable: "TOLLWAY_TEST_NODE_CLIENTS",
        needed_for: "model calls made as a web app makes them",
        install: Install::Node,
        locate: || locate_node_package("openai"),
    },
    Part {
        name: OIDC_PROVIDER,
        variable: "TOLLWAY_TEST_OIDC_PROVIDER",
        needed_for: "signing in by a provider that Tollway did not make",
        install: Install::Node,
        locate: || locate_node_package("oidc-provider"),
    },
];

/// The part with this name.
pub fn named(name: &str) -> Option<&'static Part> {
    ALL.iter().find(|part| part.name == name)
}

impl Part {
    /// Where the part is: its variable first, then the usual places. For PostgreSQL it is the directory of its
    /// programs, for Python packages without one the Python that has them, for Node's the folder that they are in, for
    /// the others the program.
    pub fn find(&self) -> Option<PathBuf> {
        match env::var_os(self.variable) {
            Some(place) if place.is_empty() => None,
            Some(place) => Some(PathBuf::from(place)).filter(|path| path.exists()),
            None => (self.locate)(),
        }
    }
}

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate lies two levels under the workspace root").to_path_buf()
}

/// Where the Python parts are installed.
pub fn virtual_environment() -> PathBuf {
    workspace_root().join("target/venv")
}

/// Where the Node parts are installed.
pub fn node_folder() -> PathBuf {
    workspace_root().join("target/node")
}

/// The folder of the packages, once it has this one and there is a Node to run it.
fn locate_node_package(name: &str) -> Option<PathBuf> {
    locate_program("node")?;
    Some(node_folder()).filter(|folder| folder.join("node_modules").join(name).is_dir())
}

/// The Python of the virtual environment, once it has these packages.
fn locate_python_with(packages: &[&str]) -> Option<PathBuf> {
    let environment = virtual_environment();
    let mut versions = environment.join("lib").read_dir().ok()?.flatten();
    let has_all = versions.any(|version| {
        let folder = version.path().join("site-packages");
        packages.iter().all(|name| folder.join(name).is_dir())
    });
    Some(environment.join("bin/python")).filter(|python| has_all && python.is_file())
}

/// A program by its name, in PATH or where the system keeps its servers.
pub fn locate_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.map(|place| place.join(name)).find(|program| program.is_file())
}

/// Debian keeps the server's programs outside of PATH, one directory a major version; the newest is taken.
fn locate_postgres() -> Option<PathBuf> {
    let has_programs = |place: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| place.join(name).is_file());
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).find(has_programs).or_else(|| {
        let versions = Path::new("/usr/lib/postgresql").read_dir().ok()?;
        versions
            .filter_map(|version| {
                let name = version.ok()?.file_name().into_string().ok()?;
                Some((name.parse::<u32>().ok()?, Path::new("/usr/lib/postgresql").join(name).join("bin")))
            })
            .filter(|(_, place)| has_programs(place))
            .max()
            .map(|(_, place)| place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_name_and_a_variable_of_its_own() {
        for (index, part) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.name != part.name && other.variable != part.variable));
            assert_eq!(named(part.name).map(|found| found.variable), Some(part.variable));
        }
    }

    #[test]
    fn the_workspace_root_holds_the_lock_file() {
        assert!(workspace_root().join("Cargo.lock").is_file());
    }
}
