//! Subscriptions that are paid for: what each status allows, which plan an account is on, and what past its limits costs.
//!
//! Stripe is the truth about money; these rules say what follows from it for access. They are told facts and are pure, so
//! that the same facts, in whatever order they came, lead to the same plan. Start at [`standing`].

mod change;
mod overage;
mod standing;
mod status;

pub use change::{Direction, direction};
pub use overage::{OverageLine, Stretch, booked_before, overage_line, past_limits, price_of_one, units_to_report};
pub use standing::{Billed, CollectionPause, Grant, Kept, Source, Standing, current, doubles, standing};
pub use status::{Access, Status};
