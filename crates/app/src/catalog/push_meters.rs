//! Makes at Stripe what limits need that are reported to a meter there: the meter itself, a product that names it on
//! invoices, and a price for each plan. A part of [`push_to_stripe`](super::push_to_stripe).

use std::collections::{BTreeMap, BTreeSet};

use domain::billing::price_of_one;
use domain::catalog::{Catalog, Interval, Limit, Past, Plan};
use domain::money::Currency;
use domain::name::Name;
use providers::stripe::{Meter, NewMeter, NewMeteredPrice, Price, Stripe, StripeError};

use super::push_to_stripe::{INTERVAL_METADATA, PLAN_METADATA, Step, StepKind, product_id_of};

/// Where a price says at Stripe which meter's events it is for.
pub const METER_METADATA: &str = "tollway_meter";

/// A price as the catalog has it: for each unit past a limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeteredPrice {
    pub lookup_key: String,
    /// The event name of its meter.
    pub event: Name,
    pub currency: Currency,
    /// Decimal text of minor units.
    pub amount: String,
    /// The same in other currencies, by their code.
    pub others: BTreeMap<String, String>,
}

/// The prices of a plan's limits that are reported.
fn prices(catalog: &Catalog, plan: &Plan) -> Vec<MeteredPrice> {
    let priced = |(event, limit): (&Name, &Limit)| {
        let lookup_key = plan.metered_lookup_key(event, Interval::Monthly)?;
        let Past::Charge { charge_nano, each, other_currencies, .. } = &limit.past else { return None };
        let currency = catalog.money_currency();
        let other = |(code, charge): (&String, &domain::catalog::Charge)| {
            let decimals = Currency::parse(code).ok()?.decimals();
            Some((code.clone(), price_of_one((charge.charge_nano, *each), decimals)?))
        };
        Some(MeteredPrice {
            lookup_key,
            event: event.clone(),
            currency,
            amount: price_of_one((*charge_nano, *each), currency.decimals())?,
            others: other_currencies.iter().filter_map(other).collect(),
        })
    };
    plan.stripe_meters().filter_map(priced).collect()
}

/// What is to be done about the meters of these plans, and their prices.
pub(super) async fn plan_meters(
    stripe: &Stripe,
    catalog: &Catalog,
    plans: &[&Plan],
    replace: bool,
) -> Result<Vec<Step>, StripeError> {
    let wanted: Vec<(&Plan, MeteredPrice)> =
        plans.iter().flat_map(|plan| prices(catalog, plan).into_iter().map(|price| (*plan, price))).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let meters = stripe.list_meters().await?;
    let keys: Vec<&str> = wanted.iter().map(|(_, price)| price.lookup_key.as_str()).collect();
    let found = stripe.prices_by_lookup_keys(&keys).await?;
    let (mut steps, mut told) = (Vec::new(), BTreeSet::new());
    for (plan, price) in wanted {
        let step = |what| Step { plan: plan.key.clone(), what };
        let there = found.iter().find(|found| found.lookup_key.as_ref() == Some(&price.lookup_key));
        let product = product_id_of(catalog, &format!("meter_{}", price.event));
        if told.insert(price.event.clone()) {
            steps.push(step(about_meter(&meters, &price.event)));
            steps.push(step(about_product(stripe, catalog, plan, &price.event, &product).await?));
        }
        steps.push(step(about_price(price, there, product, replace)));
    }
    Ok(steps)
}

fn about_meter(meters: &[Meter], event: &Name) -> StepKind {
    match active(meters, event) {
        Some(meter) => StepKind::FoundMeter { event: event.clone(), id: meter.id.clone() },
        None => StepKind::CreateMeter { event: event.clone() },
    }
}

fn active<'m>(meters: &'m [Meter], event: &Name) -> Option<&'m Meter> {
    let is_it = |meter: &&Meter| meter.event_name == event.as_str() && meter.status.as_deref() == Some("active");
    meters.iter().find(is_it)
}

async fn about_product(
    stripe: &Stripe,
    catalog: &Catalog,
    plan: &Plan,
    event: &Name,
    id: &str,
) -> Result<StepKind, StripeError> {
    let id = id.to_owned();
    match stripe.get_product(&id).await {
        Ok(product) if !product.active => Ok(StepKind::ArchivedProduct { id }),
        Ok(product) => Ok(StepKind::FoundProduct { id, name: product.name }),
        Err(StripeError::NotFound { .. }) => {
            let limit = plan.stripe_meters().find(|(other, _)| *other == event).map(|(_, limit)| &limit.meter);
            let unit = limit.and_then(|meter| catalog.meters.get(meter)).map_or(event.as_str(), |meter| &meter.unit);
            Ok(StepKind::CreateProduct { id, name: format!("{} {unit} past the plan", catalog.product) })
        }
        Err(error) => Err(error),
    }
}

fn about_price(price: MeteredPrice, there: Option<&Price>, product: String, replace: bool) -> StepKind {
    let Some(there) = there else { return StepKind::CreateMeteredPrice { price, product, replaces: None } };
    let (id, differences) = (there.id.clone(), price.differences(there));
    match (differences.is_empty(), replace) {
        (true, _) => StepKind::FoundMeteredPrice { price, id },
        (false, true) => StepKind::CreateMeteredPrice { price, product, replaces: Some(id) },
        (false, false) => StepKind::DifferentMeteredPrice { price, id, differences },
    }
}

/// A meter that sums the events of this name.
pub(super) async fn create_meter(stripe: &Stripe, event: &Name, key: &str) -> Result<(), StripeError> {
    let new = NewMeter { display_name: event.to_string(), event_name: event.to_string() };
    stripe.create_meter(&new, key).await.map(|_| ())
}

/// Its meter is there by now.
pub(super) async fn create_price(
    stripe: &Stripe,
    plan: &Name,
    (price, product): (&MeteredPrice, &str),
    transfer_lookup_key: bool,
    key: &str,
) -> Result<(), StripeError> {
    let meters = stripe.list_meters().await?;
    let meter = active(&meters, &price.event).map(|meter| meter.id.clone());
    let meter = meter.ok_or_else(|| StripeError::NotFound { what: format!("no active meter {}", price.event) })?;
    let about = [
        (PLAN_METADATA, plan.to_string()),
        (INTERVAL_METADATA, Interval::Monthly.as_str().to_owned()),
        (METER_METADATA, price.event.to_string()),
    ];
    let new = NewMeteredPrice {
        product: product.to_owned(),
        meter,
        currency: price.currency.code().to_owned(),
        unit_amount: price.amount.clone(),
        currency_options: price.others.clone(),
        interval: "month".into(),
        lookup_key: price.lookup_key.clone(),
        transfer_lookup_key,
        metadata: about.map(|(name, text)| (name.to_owned(), text)).into(),
    };
    stripe.create_metered_price(&new, key).await.map(|_| ())
}

impl MeteredPrice {
    /// `0.0005 USD in minor units each extra_tokens`, with the same in other currencies behind.
    pub fn describe(&self) -> String {
        let others = self.others.iter().map(|(code, amount)| format!(", {amount} {code}"));
        format!("{} {}{} in minor units each {}", self.amount, self.currency, others.collect::<String>(), self.event)
    }

    /// What a customer would pay otherwise than the catalog says.
    fn differences(&self, there: &Price) -> Vec<String> {
        let own = [(self.currency.code().to_owned(), self.amount.clone())];
        let mut differences = Vec::new();
        for (code, amount) in own.into_iter().chain(self.others.clone()) {
            match there.exact_amounts.get(&code.to_ascii_lowercase()) {
                Some(written) if is_same(written, &amount) => {}
                Some(written) => differences.push(format!("{written} {code} there, {amount} {code} here")),
                None => differences.push(format!("not sold in {code} there, {amount} {code} here")),
            }
        }
        if !there.is_metered || there.recurring.as_ref().is_none_or(|every| every.interval != "month") {
            differences.push("not counted by a meter each month there".to_owned());
        }
        if !there.active {
            differences.push("archived there".to_owned());
        }
        differences
    }
}

/// `0.50` is `0.5`.
fn is_same(one: &str, other: &str) -> bool {
    let plain = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    plain(one) == plain(other)
}
