//! What accounts pay for and what they have by it: plans that are bought, given, changed and ended; invoices; payments.
//!
//! Stripe is the truth about money, Tollway about access. Use cases here ask Stripe for something and then learn what has
//! become of it the same way as from an event of Stripe's; start at [`settle`] for what follows from it.

mod end_grant;
mod grant_plan;
mod overrides;
pub(crate) mod settle;
mod subscription;

pub use domain::billing::{Source, Status};
pub use end_grant::end_grant;
pub use grant_plan::grant_plan;
pub use overrides::{get_overrides, put_overrides};
pub use subscription::{SubscriptionView, subscription};
