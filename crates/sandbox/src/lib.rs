//! Stand-ins for the outside world, for development, demos, tests and benchmarks.
//!
//! What lives here: servers that are spoken to over HTTP alone, as their originals are. What must not: anything that
//! the product needs to work. Nothing here shares code with the clients that call it, so that a mistake in how those
//! understand the original is found. Start with [`models`], the model provider.

pub mod models;
