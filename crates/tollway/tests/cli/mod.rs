//! The command line, as an operator types it.

mod catalog;
mod config;
mod keys;
