//! `credit-packs`, `invoices` and `payments`, the webhook of Stripe, and the comparison with it.

pub mod credit_packs;
pub mod invoices;
pub mod payments;
pub mod reconcile;
pub mod stripe_webhook;
