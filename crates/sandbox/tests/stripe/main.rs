//! The stand-in for Stripe, spoken to over real HTTP.

mod api;
mod basics;
mod changes;
mod cycle;
mod official_client;
mod pages;
mod payments;
mod schemas;
mod stage;
