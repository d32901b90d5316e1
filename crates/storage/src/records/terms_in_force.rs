//! What prices an account's usage past limits, and since when: one row each time that it became another.
//!
//! A row is written in the transaction that changes a plan, learns of a change, or changes what was agreed. A change that is
//! learned late comes before rows that are there, and those of the plan before it become rows of the new one; what was
//! booked by them stays as it is.

use domain::entitlements::Overrides;
use domain::ids::{AccountId, PlanVersionId};
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const PUT: &str = "INSERT INTO terms_in_force (account_id, since, plan_version_id, subscription, overrides) VALUES \
    ($1, $2, $3, $4, $5) ON CONFLICT (account_id, since) DO UPDATE SET plan_version_id = excluded.plan_version_id, \
    subscription = excluded.subscription, overrides = excluded.overrides";
const LAST: &str = "SELECT account_id, since, plan_version_id, subscription, overrides FROM terms_in_force \
    WHERE account_id = $1 ORDER BY since DESC LIMIT 1";
const OF_ACCOUNT: &str = "SELECT account_id, since, plan_version_id, subscription, overrides FROM terms_in_force \
    WHERE account_id = $1 ORDER BY since";

pub(crate) const STATEMENTS: &[&str] = &[PUT, LAST, OF_ACCOUNT];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    pub account: AccountId,
    pub since: Timestamp,
    /// `None`: the default plan.
    pub plan: Option<PlanVersionId>,
    /// Stripe's id of the subscription that pays for it. `None`: nothing is paid, and nothing charged.
    pub subscription: Option<String>,
    /// What was agreed beside the plan.
    pub overrides: Overrides,
}

/// From `since` on these hold, until the next ones. Those of the same moment they replace.
pub fn put(tx: &mut Tx<'_>, terms: &Terms) -> Result<(), StorageError> {
    let values: [Value; 5] = [
        terms.account.into(),
        terms.since.into(),
        terms.plan.into(),
        terms.subscription.as_ref().into(),
        serde_json::to_string(&terms.overrides).map_err(StorageError::unexpected)?.into(),
    ];
    tx.execute(PUT, &values).map(|_| ())
}

/// Those that hold now. `Ok(None)`: nothing was ever paid for.
pub fn last(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<Terms>, StorageError> {
    tx.query_optional(LAST, &[account.into()])?.as_ref().map(decode).transpose()
}

/// All there were, the oldest first.
pub fn of_account(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<Terms>, StorageError> {
    tx.query(OF_ACCOUNT, &[account.into()])?.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<Terms, StorageError> {
    Ok(Terms {
        account: row.parsed("account_id", AccountId::parse)?,
        since: row.time("since")?,
        plan: row.parsed_or_null("plan_version_id", PlanVersionId::parse)?,
        subscription: row.text_or_null("subscription")?.map(str::to_owned),
        overrides: row.json("overrides")?,
    })
}
