//! Tests of the database, each on SQLite and on PostgreSQL. One binary, so that it is linked once; everything else here
//! is a folder, because each file beside this one would become a binary of its own.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod engines;
mod ledger;
mod records;
mod schema;
mod statements;
