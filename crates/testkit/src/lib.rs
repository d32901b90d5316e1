//! What tests of Tollway stand on: real databases and real programs, made for one test and gone after it.
//!
//! Development only: crates use it as a dev-dependency. A test whose part is not installed is skipped, or fails under
//! `cargo xtask test --all`; see [`parts`].

pub mod auditor;
pub mod nginx;
pub mod oidc_provider;
pub mod parts;
pub mod plans;
pub mod postgres;
pub mod proxy;
pub mod random;
pub mod redis;
pub mod server;
pub mod simulation;
pub mod smtp;
