//! What accounts pay for and what they have by it: plans that are bought, given, changed and ended; invoices; payments.
//!
//! Stripe is the truth about money, Tollway about access. Use cases here ask Stripe for something and then learn what has
//! become of it the same way as from an event of Stripe's; start at [`settle`] for what follows from it.

mod apply_stripe_invoice;
mod apply_stripe_subscription;
mod bill_overage;
mod buy_credits;
pub(crate) mod cancel;
mod change;
mod change_plan;
mod charge_overage;
pub mod check_stripe;
pub(crate) mod checkout;
pub(crate) mod converge;
mod customer;
pub(crate) mod end_double;
mod end_grant;
pub(crate) mod expire_pages;
mod grant_plan;
mod intents;
mod lists;
mod overrides;
mod pause;
mod plan_of_price;
mod portal;
mod preview_change;
mod read_stripe;
pub(crate) mod receive_event;
pub(crate) mod reconcile;
pub(crate) mod reconcile_all;
mod report_overage;
mod resume;
mod selling;
pub mod set_up_stripe;
mod settings;
pub(crate) mod settle;
mod subscribe;
mod subscription;
mod tell;

pub use buy_credits::{CreditPurchase, buy_credits, is_money, list_credit_packs};
pub use cancel::cancel;
pub use change::{WantedChange, When};
pub use change_plan::{Changed, change_plan};
pub use checkout::{Checkout, Purchase, checkout};
pub use converge::Converged;
pub use domain::billing::{Source, Status};
pub use end_grant::end_grant;
pub use grant_plan::grant_plan;
pub use lists::{get_invoice, list_history, list_invoices, list_payments};
pub use overrides::{get_overrides, put_overrides};
pub use pause::pause;
pub use portal::portal;
pub use preview_change::{ChangePreview, PreviewLine, preview_change};
pub use receive_event::receive_event;
pub use reconcile::{Reconciled, reconcile};
pub use reconcile_all::{ReconciliationView, begin_reconciliation, get_reconciliation, reconcile_all};
pub use resume::resume;
pub use settings::{BillingSettings, is_origin};
pub use storage::records::invoices::{Invoice, Line};
pub use storage::records::payments::Payment;
pub use storage::records::reconciliations::{Finding, Reconciliation, ReconciliationState};
pub use storage::records::subscription_history::HistoryEntry;
pub use subscribe::{Begun, subscribe};
pub use subscription::{BillingView, ScheduledChange, SubscriptionView, subscription};
