//! Which plan a price of Stripe's is for, and which price sells a plan.

use domain::catalog::{Interval, Plan, PlanPrice};
use domain::ids::PlanVersionId;
use domain::name::Name;
use providers::stripe::{Metadata, Price, Stripe};
use storage::ledger::plan_book::{PlanBook, PlanVersion};
use storage::records::stripe_prices;
use storage::{StorageError, Tx};

use crate::{App, AppError};

/// On subscriptions at Stripe: the plan version that was bought.
pub(super) const PLAN_VERSION: &str = "tollway_plan_version";

/// What a price is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sold {
    /// `None`: the catalog never knew the price.
    pub plan: Option<PlanVersionId>,
    pub interval: Interval,
}

/// By the price's id where it was seen before, else by its lookup key. The version is the one that the purchase or the last
/// change named. Where that was another plan, who has a version of this one keeps it, and who comes to it has the newest.
pub(super) fn plan_of_price(
    tx: &mut Tx<'_>,
    plans: &PlanBook,
    price: &Price,
    metadata: &Metadata,
    former: Option<PlanVersionId>,
) -> Result<Sold, StorageError> {
    let yearly = price.recurring.as_ref().is_some_and(|every| every.interval == "year");
    let told = if yearly { Interval::Annual } else { Interval::Monthly };
    let Some((key, interval)) = find(tx, plans, price)? else { return Ok(Sold { plan: None, interval: told }) };
    let of_plan = |id: PlanVersionId| plans.versions.get(&id).filter(|version| version.plan.key == key);
    let named = metadata.get(PLAN_VERSION).and_then(|text| PlanVersionId::parse(text));
    let version = named.and_then(of_plan).or_else(|| former.and_then(of_plan)).or_else(|| plans.current.get(&key));
    Ok(Sold { plan: version.map(|version| version.id), interval })
}

/// The plan and interval that a price sells, which is remembered. `Ok(None)`: it is none of the catalog's.
pub(super) fn find(tx: &mut Tx<'_>, plans: &PlanBook, price: &Price) -> Result<Option<(Name, Interval)>, StorageError> {
    if let Some(known) = stripe_prices::get(tx, &price.id)? {
        return Ok(Some(known));
    }
    let Some(lookup_key) = &price.lookup_key else { return Ok(None) };
    let found = plans.current.values().chain(plans.versions.values()).find_map(|version| sells(version, lookup_key));
    if let Some((plan, interval)) = &found {
        stripe_prices::put(tx, &price.id, lookup_key, plan, *interval)?;
    }
    Ok(found)
}

fn sells(version: &PlanVersion, lookup_key: &str) -> Option<(Name, Interval)> {
    let keys = &version.plan.stripe_lookup_keys;
    keys.iter().find(|(_, key)| *key == lookup_key).map(|(interval, _)| (version.plan.key.clone(), *interval))
}

/// What a plan costs in a currency, in minor units. `None`: it is not sold so.
pub(super) fn amount(plan: &Plan, catalog_currency: &str, currency: &str, interval: Interval) -> Option<i64> {
    let PlanPrice::Paid { by_interval, other_currencies } = &plan.price else { return None };
    let amounts = if currency == catalog_currency { by_interval } else { other_currencies.get(currency)? };
    amounts.get(&interval).copied()
}

/// What Stripe sells a plan by.
pub(super) struct Prices {
    /// The id of what is paid ahead.
    pub bought: String,
    /// The ids of what its meters count.
    pub metered: Vec<String>,
}

/// The prices at Stripe that sell a plan.
///
/// # Errors
/// [`AppError::PlanNotSold`] when Stripe lacks one.
pub(super) async fn prices_of_plan(
    app: &App,
    stripe: &Stripe,
    plan: &Plan,
    interval: Interval,
) -> Result<Prices, AppError> {
    let not_sold = |reason: String| AppError::PlanNotSold { plan: plan.key.clone(), reason };
    let Some(lookup_key) = plan.stripe_lookup_keys.get(&interval) else {
        return Err(not_sold(format!("The plan {} has no {} price.", plan.key, interval.as_str())));
    };
    let metered = plan.stripe_meters().filter_map(|(event, _)| plan.metered_lookup_key(event, interval));
    let keys: Vec<String> = [lookup_key.clone()].into_iter().chain(metered).collect();
    let found = stripe.prices_by_lookup_keys(&keys).await?;
    let mut ids = Vec::new();
    for key in &keys {
        let Some(price) = found.iter().find(|price| price.active && price.lookup_key.as_ref() == Some(key)) else {
            return Err(not_sold(format!(
                "Stripe has no price with the lookup key {key} yet. Run `tollway catalog push-to-stripe`."
            )));
        };
        ids.push(price.id.clone());
    }
    let bought = ids.remove(0);
    let (id, key, plan) = (bought.clone(), lookup_key.clone(), plan.key.clone());
    let write =
        move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(stripe_prices::put(tx, &id, &key, &plan, interval)?) };
    app.database.write("remember_price", write).await?;
    Ok(Prices { bought, metered: ids })
}
