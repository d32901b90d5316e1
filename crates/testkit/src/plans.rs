//! Puts accounts on plans without anybody paying, straight in the database.

use domain::billing::{Grant, standing};
use domain::ids::{AccountId, PlanVersionId};
use domain::time::Timestamp;
use storage::records::subscriptions::{self, GrantedPlan};
use storage::{StorageError, Tx};

/// Gives an account a plan version for good. False: it is on it already, or there is no such account.
///
/// # Errors
/// Those of the database.
pub fn grant(
    tx: &mut Tx<'_>,
    account: AccountId,
    version: PlanVersionId,
    now: Timestamp,
) -> Result<bool, StorageError> {
    subscriptions::set_grant(tx, account, Some(GrantedPlan { version, until: None }), now)?;
    let Some(row) = subscriptions::by_account(tx, account)? else { return Ok(false) };
    let granted = standing(None, Some(Grant { plan: version, rank: 0, until: None }), 0, now);
    subscriptions::put_standing(tx, &row, &granted, None, now)
}
