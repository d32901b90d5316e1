//! The programs that tests run against, and the rule for a missing one: the test says `skipped: …` and passes, unless
//! `cargo xtask test --all` asked for every part; then it fails.
//!
//! ```no_run
//! let Some(nginx) = testkit::parts::nginx() else { return };
//! ```

use std::env;
use std::path::PathBuf;

use parts::{
    NGINX, NODE_CLIENTS, OFFICIAL_CLIENTS, OIDC_PROVIDER, POSTGRES, REDIS, SCHEMATHESIS, SMTP_SERVER, STRACE,
    STRIPE_CLIENT, TOKEN_VERIFIER,
};

/// The directory of PostgreSQL's programs. Tests that want a database take [`crate::postgres::TestDatabase`].
pub fn postgres() -> Option<PathBuf> {
    part_or_skip(POSTGRES)
}

/// The program `nginx`. Tests that want it running take [`crate::nginx::Nginx`].
pub fn nginx() -> Option<PathBuf> {
    part_or_skip(NGINX)
}

/// The program `redis-server`. Tests that want it running take [`crate::redis::Redis`].
pub fn redis() -> Option<PathBuf> {
    part_or_skip(REDIS)
}

/// The program `strace`.
pub fn strace() -> Option<PathBuf> {
    part_or_skip(STRACE)
}

/// The program `schemathesis`.
pub fn schemathesis() -> Option<PathBuf> {
    part_or_skip(SCHEMATHESIS)
}

/// The Python that has the packages `openai` and `anthropic`.
pub fn official_clients() -> Option<PathBuf> {
    part_or_skip(OFFICIAL_CLIENTS)
}

/// The Python that has the package `stripe`.
pub fn stripe_client() -> Option<PathBuf> {
    part_or_skip(STRIPE_CLIENT)
}

/// The Python that has the package `aiosmtpd`. Tests that want it running take [`crate::smtp::SmtpServer`].
pub fn smtp_server() -> Option<PathBuf> {
    part_or_skip(SMTP_SERVER)
}

/// The Python that has the package `PyJWT`.
pub fn token_verifier() -> Option<PathBuf> {
    part_or_skip(TOKEN_VERIFIER)
}

/// The folder whose `node_modules` has the package `openai`, for `node`.
pub fn node_clients() -> Option<PathBuf> {
    part_or_skip(NODE_CLIENTS)
}

/// The folder whose `node_modules` has the package `oidc-provider`, for `node`. Tests that want it running take
/// [`crate::oidc_provider::OidcProvider`].
pub fn oidc_provider() -> Option<PathBuf> {
    part_or_skip(OIDC_PROVIDER)
}

/// The place of the part with this name, one of the constants of the crate `parts`. `None`: return from the test.
pub fn part_or_skip(name: &str) -> Option<PathBuf> {
    let part = parts::named(name).unwrap_or_else(|| panic!("There is no part named {name}. See the crate `parts`."));
    let place = part.find();
    if place.is_none() {
        skip(name, env::var_os(parts::ALL_PARTS_VARIABLE).is_some_and(|value| value == "1"));
    }
    place
}

fn skip(name: &str, all_parts_are_demanded: bool) {
    let cure = "`cargo xtask test --install` installs it";
    assert!(!all_parts_are_demanded, "{name} is not installed, and this run demands every part. {cure}.");
    println!("skipped: {name} is not installed; {cure}.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_is_skipped() {
        skip("nginx", false);
    }

    #[test]
    #[should_panic(expected = "nginx is not installed, and this run demands every part.")]
    fn a_missing_part_fails_where_all_are_demanded() {
        skip("nginx", true);
    }

    #[test]
    #[should_panic(expected = "There is no part named teapot.")]
    fn an_unknown_part_is_a_mistake_in_the_test() {
        part_or_skip("teapot");
    }

    #[test]
    fn a_part_that_is_found_exists() {
        let parts = [
            postgres,
            nginx,
            redis,
            strace,
            schemathesis,
            official_clients,
            stripe_client,
            smtp_server,
            token_verifier,
            node_clients,
            oidc_provider,
        ];
        for find in parts {
            if let Some(place) = find() {
                assert!(place.exists(), "{} is said to exist", place.display());
            }
        }
    }
}
