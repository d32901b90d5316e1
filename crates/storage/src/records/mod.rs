//! The tables that are not the ledger's: one file a table family, SQL written once for both engines.

pub mod accounts;
pub mod api_keys;
pub mod catalogs;
pub mod idempotent_answers;
pub mod jobs;
pub mod mails;
pub mod settings;
pub mod subscriptions;
pub mod usage_daily;

/// Every statement of this folder, for the test that prepares them all on both engines.
pub fn statements() -> Vec<&'static str> {
    [
        accounts::STATEMENTS,
        api_keys::STATEMENTS,
        catalogs::STATEMENTS,
        idempotent_answers::STATEMENTS,
        jobs::STATEMENTS,
        mails::STATEMENTS,
        settings::STATEMENTS,
        subscriptions::STATEMENTS,
        usage_daily::STATEMENTS,
    ]
    .concat()
}

/// Those that only PostgreSQL is given.
pub fn postgres_statements() -> Vec<&'static str> {
    jobs::POSTGRES_STATEMENTS.to_vec()
}
