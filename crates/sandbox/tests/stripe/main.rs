//! The stand-in for Stripe, spoken to over real HTTP.

mod api;
mod basics;
mod cycle;
mod stage;
