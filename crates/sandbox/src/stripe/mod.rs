//! A stand-in for Stripe: its API of version 2026-10-28.endive over HTTP, with a state of its own, a clock that can be
//! moved ahead, signed webhooks, and pages that a person can click through. No money moves here.
//!
//! What lives here: Stripe's objects and what becomes of them, one object or flow a file, kept as the JSON that is shown
//! ([`state`]); every address of the API is in [`routes`], with the parameters that it takes in [`parameters`]. What must
//! not: anything of the product's own client, so that a mistake there is found here.
//!
//! Every request and everything that falls due is one piece of [`work`] on the state, undone whole when it is refused.
//! Tests and the development console steer the stand-in under `/sandbox` ([`control`]): its clock, faults, and how
//! webhooks travel. Tax, where it is automatic, is 10 % on top. Start with [`Stripe`], then [`subscriptions`].

mod account;
mod call;
mod cards;
mod charges;
mod checkout;
mod clock;
mod control;
mod customers;
mod delivery;
mod discounts;
mod events;
mod faults;
mod fields;
mod form;
mod idempotency;
mod invoice_items;
mod invoices;
mod lists;
mod meters;
mod money;
mod names;
mod old_shape;
mod pages;
mod parameters;
mod params;
mod payment_intents;
mod payment_methods;
mod periods;
mod play;
mod portal;
mod portal_actions;
mod prices;
mod products;
mod refunds;
mod refusal;
mod request;
mod routes;
mod sandbox;
mod server;
mod setup_intents;
mod shown;
mod state;
mod subscriptions;
mod table;
mod test_clocks;
mod travel;
mod webhook_endpoints;
mod work;

pub use sandbox::{Options, Stripe};
pub use server::serve;
