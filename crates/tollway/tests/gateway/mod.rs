//! `/v1`: model calls through Tollway to the stand-in for a provider.

mod official_clients;
mod served;
