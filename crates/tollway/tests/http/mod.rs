//! The API, one folder an area, as the app's backend sees it.

mod accounts;
mod addresses;
mod authorize;
mod catalog;
mod identity;
mod rate_limits;
mod strangers;
mod teams;
mod usage;
mod webhooks;
