//! The only crate that knows SQL.
//!
//! [`database::Database`] runs named transactions on SQLite or PostgreSQL for everything that is not hot; `records` holds
//! one file a table family, its SQL written once for both engines. [`ledger::Ledger`] is the hot path: it gathers waiting
//! commands, judges them by `domain::ledger` and writes a batch in one transaction. No rule of the product lives here.

pub mod benchmark;
pub mod bounded_map;
pub mod clock;
pub mod database;
pub mod entropy;
pub mod error;
pub mod id_map;
pub mod ledger;
pub mod migrations;
mod postgres;
pub mod records;
mod sqlite;
pub mod tx;
pub mod value;

pub use clock::Clock;
pub use database::{Database, DatabaseUrl};
pub use entropy::Entropy;
pub use error::StorageError;
pub use tx::Tx;
