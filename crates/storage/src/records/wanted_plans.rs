//! The plan and interval that a person chose when signing up, until it is paid for.

use domain::catalog::Interval;
use domain::ids::AccountId;
use domain::name::Name;
use domain::time::Timestamp;

use crate::{StorageError, Tx};

const PUT: &str = "INSERT INTO wanted_plans (account_id, plan_key, billing_interval, created_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (account_id) DO UPDATE SET plan_key = excluded.plan_key, \
    billing_interval = excluded.billing_interval, created_at = excluded.created_at";
const GET: &str = "SELECT plan_key, billing_interval FROM wanted_plans WHERE account_id = $1";
const DELETE: &str = "DELETE FROM wanted_plans WHERE account_id = $1";

pub(crate) const STATEMENTS: &[&str] = &[PUT, GET, DELETE];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedPlan {
    pub plan: Name,
    pub interval: Interval,
}

pub fn put(tx: &mut Tx<'_>, account: AccountId, wanted: &WantedPlan, now: Timestamp) -> Result<(), StorageError> {
    let values = [account.into(), wanted.plan.as_str().into(), wanted.interval.as_str().into(), now.into()];
    tx.execute(PUT, &values).map(|_| ())
}

pub fn get(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<WantedPlan>, StorageError> {
    let row = tx.query_optional(GET, &[account.into()])?;
    row.map(|row| {
        let interval = row.parsed("billing_interval", Interval::parse)?;
        Ok(WantedPlan { plan: Name::new(row.text("plan_key")?), interval })
    })
    .transpose()
}

pub fn delete(tx: &mut Tx<'_>, account: AccountId) -> Result<(), StorageError> {
    tx.execute(DELETE, &[account.into()]).map(|_| ())
}
