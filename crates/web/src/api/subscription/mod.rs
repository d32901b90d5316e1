//! `subscription/…`: which plan an account is on, and buying, changing and ending it.

pub mod cancel;
pub mod change;
pub mod checkout;
pub mod create;
pub mod history;
pub mod pause;
pub mod portal;
pub mod preview;
pub mod resume;
pub mod show;

use app::billing::When;
use domain::catalog::Interval;
use domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How often a plan is billed.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalName {
    Monthly,
    Annual,
}

impl From<IntervalName> for Interval {
    fn from(name: IntervalName) -> Self {
        match name {
            IntervalName::Monthly => Interval::Monthly,
            IntervalName::Annual => Interval::Annual,
        }
    }
}

/// At once, or when what is paid for is over.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenName {
    Now,
    #[default]
    PeriodEnd,
}

impl From<WhenName> for When {
    fn from(name: WhenName) -> Self {
        match name {
            WhenName::Now => When::Now,
            WhenName::PeriodEnd => When::PeriodEnd,
        }
    }
}

/// Minor units as a decimal: `15.00`.
pub fn money(minor_units: i64, currency: &str) -> String {
    match Currency::parse(currency) {
        Ok(currency) => Money::new(minor_units, currency).amount_text(),
        Err(_) => minor_units.to_string(),
    }
}
