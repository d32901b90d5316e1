//! The stand-in for a model provider, spoken to over real HTTP.

mod chat;
mod stage;
