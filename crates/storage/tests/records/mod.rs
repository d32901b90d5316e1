//! The table families, one file each.

mod accounts;
mod api_keys;
mod idempotent_answers;
mod jobs;
mod mails;
mod settings;
mod subscriptions;
mod usage_daily;
