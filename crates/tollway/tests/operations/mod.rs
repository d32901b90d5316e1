//! Running it: starting, stopping, crashing, watching, standing behind a proxy.

mod durability;
mod health;
mod life;
mod proxies;
mod shared_limits;
mod specification;
mod synced;
