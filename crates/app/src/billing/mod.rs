//! Which plan an account is on and why: plans given without payment, and what was agreed with one account alone.

pub mod check_stripe;
pub(crate) mod end_due_grants;
mod end_grant;
mod grant_plan;
mod overrides;
pub mod set_up_stripe;
mod settings;
mod subscription;

pub use end_grant::end_grant;
pub use grant_plan::grant_plan;
pub use overrides::{get_overrides, put_overrides};
pub use settings::{BillingSettings, is_origin};
pub use storage::records::subscriptions::{Source, Status};
pub use subscription::{SubscriptionView, subscription};
