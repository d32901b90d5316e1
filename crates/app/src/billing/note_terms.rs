//! Writes down what prices an account's usage past limits each time that it becomes another, and has what was used past
//! the old limits charged.

use domain::entitlements::Overrides;
use domain::ids::{AccountId, PlanVersionId};
use domain::time::Timestamp;
use storage::records::jobs::{self, NewJob};
use storage::records::terms_in_force::{self, Terms};
use storage::records::{billing_customers, subscriptions};
use storage::{StorageError, Tx};

use super::charge_overage::CHARGE_OVERAGE;
use crate::App;

/// From `since` on the account is on this plan, paid for by this subscription. What is so already changes nothing, and
/// who has never paid has nothing to be charged.
pub(super) fn note_plan(
    tx: &mut Tx<'_>,
    account: AccountId,
    (plan, subscription): (Option<PlanVersionId>, Option<String>),
    since: Timestamp,
) -> Result<(), StorageError> {
    let last = terms_in_force::last(tx, account)?;
    if last.is_none() && subscription.is_none() {
        return Ok(());
    }
    let overrides = subscriptions::overrides(tx, account)?.unwrap_or_default();
    note(tx, last, Terms { account, since, plan, subscription, overrides }).map(|_| ())
}

/// From `since` on this is agreed beside the account's plan. False: nothing has changed by it.
pub(super) fn note_overrides(
    tx: &mut Tx<'_>,
    account: AccountId,
    overrides: &Overrides,
    since: Timestamp,
) -> Result<bool, StorageError> {
    let Some(last) = terms_in_force::last(tx, account)? else { return Ok(false) };
    let terms = Terms { since, overrides: overrides.clone(), ..last.clone() };
    note(tx, Some(last), terms)
}

fn note(tx: &mut Tx<'_>, last: Option<Terms>, terms: Terms) -> Result<bool, StorageError> {
    let since = last.as_ref().map_or(terms.since, |last| terms.since.max(last.since));
    if last.is_some_and(|last| Terms { since: terms.since, ..last } == terms) {
        return Ok(false);
    }
    terms_in_force::put(tx, &Terms { since, ..terms })?;
    Ok(true)
}

/// Leaves a job that charges what was used past limits until now. To be called in the transaction that changed them; who
/// has learned of a change at Stripe charges right after it.
pub(super) fn charge_soon(tx: &mut Tx<'_>, app: &App, account: AccountId, now: Timestamp) -> Result<(), StorageError> {
    let is_customer = billing_customers::by_account(tx, account)?.is_some_and(|row| row.customer.is_some());
    if !is_customer {
        return Ok(());
    }
    let (kind, account, payload) = (CHARGE_OVERAGE, Some(account), "{}".to_owned());
    jobs::insert(tx, &NewJob { id: app.new_id(), kind, account, payload, run_at: now }, now)
}
