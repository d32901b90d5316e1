//! The stand-in for a model provider, spoken to over real HTTP.

mod audio;
mod chat;
mod faults;
mod messages;
mod official_clients;
mod responses;
mod served;
mod stage;
