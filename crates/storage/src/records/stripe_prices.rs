//! Which plan and interval each of Stripe's prices was sold for. A lookup key can move to another price; who pays the old
//! one keeps its plan.

use domain::catalog::Interval;
use domain::name::Name;

use crate::{StorageError, Tx};

const PUT: &str = "INSERT INTO stripe_prices (id, lookup_key, plan_key, billing_interval) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (id) DO NOTHING";
const GET: &str = "SELECT plan_key, billing_interval FROM stripe_prices WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] = &[PUT, GET];

/// Remembers it; what is known already stays.
pub fn put(
    tx: &mut Tx<'_>,
    price: &str,
    lookup_key: &str,
    plan: &Name,
    interval: Interval,
) -> Result<(), StorageError> {
    tx.execute(PUT, &[price.into(), lookup_key.into(), plan.as_str().into(), interval.as_str().into()]).map(|_| ())
}

pub fn get(tx: &mut Tx<'_>, price: &str) -> Result<Option<(Name, Interval)>, StorageError> {
    let row = tx.query_optional(GET, &[price.into()])?;
    row.map(|row| Ok((Name::new(row.text("plan_key")?), row.parsed("billing_interval", Interval::parse)?))).transpose()
}
