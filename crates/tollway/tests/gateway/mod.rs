//! Model calls through `/v1`, answered by the stand-in provider behind the gateway.

mod caller;
mod denials;
mod discretion;
mod endings;
mod limits;
mod official_clients;
mod served;
mod upstreams;
