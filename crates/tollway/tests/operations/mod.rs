//! Running it: starting, stopping, crashing, watching, standing behind a proxy.

mod durability;
mod health;
mod life;
mod proxies;
mod specification;
mod synced;
