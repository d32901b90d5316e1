//! One file a subcommand.

pub mod admin;
pub mod catalog;
pub mod config;
pub mod development;
mod development_stripe;
pub mod doctor;
pub mod keys;
pub mod ledger;
pub mod mail;
pub mod migrate;
pub mod serve;
pub mod stripe;
