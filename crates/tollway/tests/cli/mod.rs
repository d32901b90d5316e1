//! The command line, as an operator types it.

mod admin;
mod catalog;
mod config;
mod keys;
mod stripe;
