//! Stand-ins for the outside world, for development, demos, tests and benchmarks.
//!
//! What lives here: servers that are spoken to over HTTP alone, as their originals are. What must not: anything that
//! the product needs to work. Nothing here shares code with the clients that call it, so that a mistake in how those
//! understand the original is found. Start with [`models`], the model provider, or [`stripe`].

// Objects with fifty fields are written down as one `json!`.
#![recursion_limit = "512"]

pub mod models;
pub mod stripe;
