//! Subscriptions: `/v1/subscriptions`. Their periods, their invoices, and how they stand.
//!
//! [`start`] makes one; [`cycle`] brings it from one period to the next; [`change`] is what an update does to its items,
//! with [`proration`]; [`schedules`] keep changes for the end of a period; [`standing`] follows its invoices; [`cancel`] ends it; [`endpoints`] are the requests.

pub mod cancel;
pub mod change;
pub mod cycle;
pub mod endpoints;
pub mod item_endpoints;
pub mod items;
pub mod proration;
pub mod schedules;
pub mod settings;
pub mod standing;
pub mod start;
pub mod update;
