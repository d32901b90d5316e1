//! The table families, one file each.

mod accounts;
mod api_keys;
mod idempotent_answers;
mod invitations;
mod jobs;
mod mails;
mod settings;
mod subscriptions;
mod usage_daily;
