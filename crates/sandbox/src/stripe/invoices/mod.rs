//! Invoices: made as drafts, finalized, then paid, voided or given up. `/v1/invoices`.
//!
//! [`lines`] are what is billed; [`drafts`] adds them up; [`finalizing`] opens an invoice for payment; [`paying`] takes
//! the money and tells the subscription; [`endpoints`] are the requests.

pub mod drafts;
pub mod endpoints;
pub mod finalizing;
pub mod lines;
pub mod paying;
pub mod payments;
pub mod preview;
