//! The tables that are not the ledger's: one file a table family, SQL written once for both engines.

pub mod accounts;
pub mod api_keys;
pub mod audit_events;
pub mod authenticators;
pub mod billed_subscriptions;
pub mod billing_customers;
pub mod billing_intents;
pub mod catalogs;
pub mod idempotent_answers;
pub mod identities;
pub mod invitations;
pub mod invoices;
pub mod jobs;
pub mod mails;
pub mod members;
pub mod one_time_tokens;
pub mod overage_charges;
pub mod payments;
pub mod reconciliations;
pub mod sessions;
pub mod settings;
pub mod signing_keys;
pub mod stripe_events;
pub mod stripe_prices;
pub mod subscription_history;
pub mod subscriptions;
pub mod terms_in_force;
pub mod usage_daily;
pub mod usage_splits;
pub mod users;
pub mod wanted_plans;
pub mod webhooks;

/// Every statement of this folder, for the test that prepares them all on both engines.
pub fn statements() -> Vec<&'static str> {
    [
        accounts::STATEMENTS,
        api_keys::STATEMENTS,
        audit_events::STATEMENTS,
        authenticators::STATEMENTS,
        billed_subscriptions::STATEMENTS,
        billing_customers::STATEMENTS,
        billing_intents::STATEMENTS,
        catalogs::STATEMENTS,
        idempotent_answers::STATEMENTS,
        identities::STATEMENTS,
        invitations::STATEMENTS,
        invoices::STATEMENTS,
        jobs::STATEMENTS,
        mails::STATEMENTS,
        members::STATEMENTS,
        one_time_tokens::STATEMENTS,
        overage_charges::STATEMENTS,
        payments::STATEMENTS,
        reconciliations::STATEMENTS,
        sessions::STATEMENTS,
        settings::STATEMENTS,
        signing_keys::STATEMENTS,
        stripe_events::STATEMENTS,
        stripe_prices::STATEMENTS,
        subscription_history::STATEMENTS,
        subscriptions::STATEMENTS,
        terms_in_force::STATEMENTS,
        usage_daily::STATEMENTS,
        usage_splits::STATEMENTS,
        users::STATEMENTS,
        wanted_plans::STATEMENTS,
        webhooks::STATEMENTS,
    ]
    .concat()
}

/// Those that only PostgreSQL is given.
pub fn postgres_statements() -> Vec<&'static str> {
    jobs::POSTGRES_STATEMENTS.to_vec()
}
