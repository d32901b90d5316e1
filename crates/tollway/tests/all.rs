//! Tollway through its front door: the built program, started as an operator starts it, on both engines, spoken to over
//! HTTP and its command line. [`stage`] is what the stories play on.

mod billing;
mod cli;
mod gateway;
mod http;
mod mail;
mod operations;
mod stage;
mod stripe_client;
