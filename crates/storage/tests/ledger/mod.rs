//! The ledger on real databases: exact under load, on several nodes, through lost commits, restarts and full disks.
//!
//! [`node`] opens ledgers and asks them; everything else is one promise a file.

mod batches;
mod checkpoints;
mod durability;
mod held;
mod journal;
mod keys;
mod limits;
mod lost_commits;
mod node;
mod nodes;
mod ownership;
mod pressure;
mod remembered;
mod reservations;
mod restarts;
mod simulation;
mod verify;
mod write_back;
