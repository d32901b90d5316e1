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
/// who has never paid has nothing to be charged. What was agreed stays as it was noted, also where the plan is learned late:
/// then what was noted since of the plan before is of this one.
pub(super) fn note_plan(
    tx: &mut Tx<'_>,
    account: AccountId,
    (plan, subscription): (Option<PlanVersionId>, Option<String>),
    since: Timestamp,
) -> Result<(), StorageError> {
    let all = terms_in_force::of_account(tx, account)?;
    let Some(first) = all.first() else {
        if subscription.is_some() {
            let overrides = subscriptions::overrides(tx, account)?.unwrap_or_default();
            terms_in_force::put(tx, &Terms { account, since, plan, subscription, overrides })?;
        }
        return Ok(());
    };
    let since = since.max(first.since);
    let (before, later): (Vec<&Terms>, Vec<&Terms>) = all.iter().partition(|terms| terms.since <= since);
    let Some(former) = before.last() else { return Ok(()) };
    if (former.plan, &former.subscription) == (plan, &subscription) {
        return Ok(());
    }
    let is_of_former = |terms: &&&Terms| (terms.plan, &terms.subscription) == (former.plan, &former.subscription);
    terms_in_force::put(tx, &Terms { since, plan, subscription: subscription.clone(), ..(*former).clone() })?;
    for terms in later.iter().take_while(is_of_former) {
        terms_in_force::put(tx, &Terms { plan, subscription: subscription.clone(), ..(*terms).clone() })?;
    }
    Ok(())
}

/// From `since` on this is agreed beside the account's plan. False: nothing has changed by it.
pub(super) fn note_overrides(
    tx: &mut Tx<'_>,
    account: AccountId,
    overrides: &Overrides,
    since: Timestamp,
) -> Result<bool, StorageError> {
    let last = terms_in_force::last(tx, account)?;
    let Some(last) = last.filter(|last| last.overrides != *overrides) else { return Ok(false) };
    terms_in_force::put(tx, &Terms { since: since.max(last.since), overrides: overrides.clone(), ..last })?;
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
