//! The API, one folder an area, as the app's backend sees it.

mod accounts;
mod authorize;
mod catalog;
mod identity;
mod rate_limits;
mod teams;
mod usage;
mod webhooks;
