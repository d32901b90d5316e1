//! Stripe, spoken to by a client of our own: thin, typed, without rules. Start at [`Stripe::new`].
//!
//! One file an object, with what is asked of it and what of it is read. What is read is what Tollway needs, from the
//! shape of the pinned version and from the one before 2025-03-31, in which old events may still come. Fields and words
//! that are not known are never a mistake.
//!
//! - `client`: one call, tried again where that is safe; its key for doing things once is always the caller's
//! - `form`: the bodies of calls
//! - `object`: how answers are read
//! - [`signature`]: whether a webhook is Stripe's

mod account;
mod charges;
mod checkout_sessions;
mod client;
#[cfg(test)]
mod contract;
mod customers;
mod disputes;
mod error;
pub mod events;
mod form;
mod invoice_items;
mod invoice_payments;
mod invoices;
mod meters;
mod new_checkout;
mod new_invoices;
mod object;
mod payment_intents;
mod portal;
mod portal_configurations;
mod prices;
mod products;
mod refunds;
mod settings;
pub mod signature;
mod subscription_requests;
mod subscriptions;
mod test_clocks;
#[cfg(test)]
mod test_server;
mod webhook_endpoints;

pub use account::Account;
pub use charges::Charge;
pub use checkout_sessions::CheckoutSession;
pub use client::Stripe;
pub use customers::{Customer, NewCustomer};
pub use disputes::Dispute;
pub use error::StripeError;
pub use events::Event;
pub use form::{Metadata, Setting};
pub use invoice_items::{InvoiceItem, InvoiceItemAmount, InvoiceItemsOf, NewInvoiceItem};
pub use invoice_payments::InvoicePayment;
pub use invoices::{Invoice, InvoiceLine};
pub use meters::{Meter, MeterEvent, NewMeter};
pub use new_checkout::{CheckoutLine, CheckoutMode, CheckoutPrice, NewCheckout};
pub use new_invoices::{NewInvoice, Preview};
pub use object::Unreadable;
pub use payment_intents::{PaymentIntent, PaymentProblem};
pub use portal::{NewPortalSession, PortalFlow, PortalSession};
pub use portal_configurations::{NewPortalConfiguration, PortalConfiguration, PortalProduct};
pub use prices::{NewMeteredPrice, NewPrice, Price, Recurrence};
pub use products::{NewProduct, Product};
pub use refunds::Refund;
pub use settings::{API_VERSION, DEFAULT_BASE_URL, SettingsError, StripeSettings};
pub use subscription_requests::{
    BillingCycleAnchor, MeteredChange, MissingPaymentMethod, NewSubscription, PauseCollection, PaymentBehavior,
    ProrationBehavior, SubscriptionChange, TrialEnd,
};
pub use subscriptions::{Subscription, SubscriptionItem};
pub use test_clocks::TestClock;
pub use webhook_endpoints::WebhookEndpoint;
