//! What must be so in the end, worked out from Stripe's own objects and from what customers did.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::super::DAY;
use super::history::{Customer, Prices, Town};
use super::usage::compare_overage;
use crate::stage::{Shop, seconds};

const GRACE_DAYS: i64 = 3;
const AT_ONCE: usize = 8;
/// Something may fall due in the middle of the comparison.
const TRIES: u32 = 3;

/// Compares every customer, and tells everything that is wrong at once.
pub async fn judge(town: &Town<'_>, customers: &[Customer]) {
    let judged = stream::iter(customers).map(async |customer| {
        let mut wrong = Vec::new();
        for attempt in 1..=TRIES {
            wrong = wrong_with(town, customer).await;
            if wrong.is_empty() || attempt == TRIES {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        }
        (!wrong.is_empty()).then(|| format!("{}: {wrong:#?}\n{:#?}", customer.id, customer.story))
    });
    let wrong: Vec<String> = judged.buffer_unordered(AT_ONCE).filter_map(async |wrong| wrong).collect().await;
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), customers.len(), wrong.join("\n"));
}

/// What Stripe has of one customer.
pub struct AtStripe {
    pub now: i64,
    pub subscriptions: Vec<Value>,
    /// Oldest first.
    invoices: Vec<Value>,
    pub items: Vec<Value>,
    intents: Vec<Value>,
    charges: Vec<Value>,
}

async fn wrong_with(town: &Town<'_>, customer: &Customer) -> Vec<String> {
    let Some(stripe) = &customer.stripe else { return Vec::new() };
    let list = async |path: &str| town.stand_in.all(&format!("{path}customer={stripe}")).await;
    let mut invoices = list("invoices?").await;
    invoices.reverse();
    let seen = AtStripe {
        now: town.stand_in.stripe.now(),
        subscriptions: list("subscriptions?status=all&").await,
        invoices,
        items: list("invoiceitems?").await,
        intents: list("payment_intents?").await,
        charges: list("charges?").await,
    };
    let mut wrong = Vec::new();
    let shop = Shop::at(town.server, town.stand_in);
    let told = shop.subscription(&customer.id).await;
    compare_subscription(town.prices, &seen, customer, &told, &mut wrong);
    compare_invoices(&seen, &shop.invoices(&customer.id).await, &mut wrong);
    compare_payments(&seen, &shop.payments(&customer.id).await, &mut wrong);
    compare_overage(town.prices, &seen, customer, &mut wrong);
    wrong
}

fn is_running(subscription: &Value) -> bool {
    let status = subscription["status"].as_str().unwrap_or_default();
    ["trialing", "active", "past_due", "unpaid", "paused"].contains(&status)
}

/// The one that stands for the customer.
fn current(seen: &AtStripe) -> Option<&Value> {
    let running = seen.subscriptions.iter().find(|subscription| is_running(subscription));
    let begun = seen.subscriptions.iter().filter(|subscription| subscription["status"] == "incomplete");
    running.or(begun.min_by_key(|begun| (begun["created"].as_i64(), begun["id"].as_str().map(str::to_owned))))
}

fn compare_subscription(prices: &Prices, seen: &AtStripe, customer: &Customer, told: &Value, wrong: &mut Vec<String>) {
    let running = seen.subscriptions.iter().filter(|subscription| is_running(subscription)).count();
    if running > 1 {
        wrong.push(format!("{running} subscriptions run"));
    }
    let mut expect = |what: &str, is: &Value, expected: Value| {
        if *is != expected {
            wrong.push(format!("{what} is {is}, and by Stripe {expected}"));
        }
    };
    let Some(subscription) = current(seen) else {
        expect("the plan", &told["plan"], json!("free"));
        expect("the source", &told["source"], json!("default"));
        return expect("what is paid for", &told["billing"], Value::Null);
    };
    let item = &subscription["items"]["data"][0];
    let plan = plan(prices, seen, customer, subscription);
    let source = if plan.is_some() { "paid" } else { "default" };
    expect("the source", &told["source"], json!(source));
    expect("the plan", &told["plan"], json!(plan.unwrap_or_else(|| "free".into())));
    expect("the status", &told["status"], subscription["status"].clone());
    let billing = &told["billing"];
    expect("the subscription", &billing["subscription"], subscription["id"].clone());
    let interval =
        prices.plan_of(item["price"]["id"].as_str().unwrap_or_default()).map(|(_, interval)| interval.clone());
    expect("the interval", &told["interval"], json!(interval));
    let time = |told: &Value| if told.is_null() { Value::Null } else { json!(seconds(told)) };
    expect("the period's start", &time(&billing["period"]["start"]), item["current_period_start"].clone());
    expect("the period's end", &time(&billing["period"]["end"]), item["current_period_end"].clone());
    expect("its end", &time(&billing["cancel_at"]), subscription["cancel_at"].clone());
    expect("the pause", &billing["paused"], json!(!subscription["pause_collection"].is_null()));
}

/// The plan in force by what is paid. `None`: the default one.
fn plan(prices: &Prices, seen: &AtStripe, customer: &Customer, subscription: &Value) -> Option<String> {
    let status = subscription["status"].as_str().unwrap_or_default();
    let item = &subscription["items"]["data"][0];
    let period_end = item["current_period_end"].as_i64()?;
    let of_it = |invoice: &&Value| invoice["parent"]["subscription_details"]["subscription"] == subscription["id"];
    let own: Vec<&Value> = seen.invoices.iter().filter(of_it).collect();
    let ends_by_status = match status {
        "trialing" | "active" => i64::MAX,
        "past_due" => {
            let failed = own.iter().filter(|invoice| {
                invoice["status"] == "open" && invoice["attempt_count"].as_i64().is_some_and(|count| count > 0)
            });
            let since = failed.filter_map(|invoice| invoice["status_transitions"]["finalized_at"].as_i64()).min();
            since.or(subscription["created"].as_i64())? + GRACE_DAYS * DAY
        }
        _ => return None,
    };
    let paid = own.iter().filter(|invoice| invoice["status"] == "paid");
    let lines: Vec<&Value> =
        paid.flat_map(|invoice| invoice["lines"]["data"].as_array().into_iter().flatten()).collect();
    let lines = lines.into_iter().filter(|line| line["amount"].as_i64().is_some_and(|amount| amount >= 0));
    let lines: Vec<&Value> = lines.collect();
    let ends_by_pause = match subscription["pause_collection"]["behavior"].as_str() {
        None => i64::MAX,
        Some(_) => {
            let ends = lines.iter().filter_map(|line| line["period"]["end"].as_i64());
            ends.filter(|end| *end <= period_end).max().or(item["current_period_start"].as_i64())?
        }
    };
    let cancel_at = subscription["cancel_at"].as_i64().unwrap_or(i64::MAX);
    if ends_by_status.min(ends_by_pause).min(cancel_at) <= seen.now {
        return None;
    }
    let kept_until = subscription["metadata"]["tollway_kept_until"].as_str().and_then(|text| text.parse::<i64>().ok());
    let was_set_since = customer.set_at_stripe.last().is_some_and(|(at, _)| Some(*at) >= customer.chosen_for_later);
    // A smaller plan was chosen for later: what held last, for now, holds till then.
    let kept = kept_until.is_some_and(|until| until > seen.now) && !was_set_since;
    let held = |counts: fn(&Value) -> bool| plan_billed(prices, seen, (customer, subscription), seen.now + 1, counts);
    // While nothing is collected what is kept was asked for, and given up.
    let kept = if kept { held(is_in_force).or_else(|| held(|invoice| invoice["status"] == "void")) } else { None };
    kept.or_else(|| named(prices, &item["price"]["id"]))
}

fn named(prices: &Prices, price: &Value) -> Option<String> {
    prices.plan_of(price.as_str().unwrap_or_default()).map(|(plan, _)| plan.clone())
}

/// The plan that a subscription gave just before a moment: what was billed for it, or was set at Stripe since.
pub fn plan_before(prices: &Prices, seen: &AtStripe, of: (&Customer, &Value), moment: i64) -> Option<String> {
    plan_billed(prices, seen, of, moment, is_in_force)
}

/// What was billed and is owed counts as well, but for a change that waits for its payment.
fn is_in_force(invoice: &Value) -> bool {
    invoice["status"] == "paid" || (invoice["status"] == "open" && invoice["billing_reason"] != "subscription_update")
}

fn plan_billed(
    prices: &Prices,
    seen: &AtStripe,
    (customer, subscription): (&Customer, &Value),
    moment: i64,
    counts: fn(&Value) -> bool,
) -> Option<String> {
    let of_it = |invoice: &&Value| invoice["parent"]["subscription_details"]["subscription"] == subscription["id"];
    let billed = seen.invoices.iter().filter(of_it).filter(|invoice| counts(invoice));
    let lines = billed.flat_map(|invoice| invoice["lines"]["data"].as_array().into_iter().flatten());
    let of_line = |line: &Value| {
        let (start, end) = (line["period"]["start"].as_i64()?, line["period"]["end"].as_i64()?);
        let covers = line["amount"].as_i64()? >= 0 && start < moment && moment <= end;
        covers.then_some(()).and(named(prices, &line["pricing"]["price_details"]["price"])).map(|plan| (start, plan))
    };
    let (start, billed) = lines.filter_map(of_line).max_by_key(|(start, _)| *start)?;
    let since = customer.set_at_stripe.iter().rfind(|(at, _)| start < *at && *at < moment);
    Some(since.map_or(billed, |(_, plan)| plan.clone()))
}

/// `10.00` in minor units.
fn minor(text: &Value) -> Option<i64> {
    text.as_str()?.replace('.', "").parse().ok()
}

fn compare(what: &str, here: BTreeMap<String, Value>, there: BTreeMap<String, Value>, wrong: &mut Vec<String>) {
    let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    for name in names {
        if here.get(name) != there.get(name) {
            wrong.push(format!("{what} {name} is {:?}, and at Stripe {:?}", here.get(name), there.get(name)));
        }
    }
}

fn compare_invoices(seen: &AtStripe, told: &[Value], wrong: &mut Vec<String>) {
    let id = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let here = told.iter().map(|invoice| {
        let facts = json!([
            invoice["status"],
            minor(&invoice["total"]),
            minor(&invoice["amount_due"]),
            minor(&invoice["amount_paid"])
        ]);
        (id(&invoice["stripe_id"]), facts)
    });
    let there = seen.invoices.iter().map(|invoice| {
        let facts = json!([invoice["status"], invoice["total"], invoice["amount_due"], invoice["amount_paid"]]);
        (id(&invoice["id"]), facts)
    });
    compare("the invoice", here.collect(), there.collect(), wrong);
}

fn compare_payments(seen: &AtStripe, told: &[Value], wrong: &mut Vec<String>) {
    let id = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let here = told.iter().map(|payment| {
        let facts = json!([payment["status"], minor(&payment["amount"]), minor(&payment["refunded"])]);
        (id(&payment["stripe_id"]), facts)
    });
    // What was begun on a page and never paid for belongs to nothing.
    let known: BTreeSet<String> = told.iter().map(|payment| id(&payment["stripe_id"])).collect();
    let intents =
        seen.intents.iter().filter(|intent| intent["status"] == "succeeded" || known.contains(&id(&intent["id"])));
    let there = intents.map(|intent| {
        let charge = seen.charges.iter().find(|charge| charge["id"] == intent["latest_charge"]);
        let refunded = charge.and_then(|charge| charge["amount_refunded"].as_i64()).unwrap_or(0);
        (id(&intent["id"]), json!([intent["status"], intent["amount"], refunded]))
    });
    compare("the payment", here.collect(), there.collect(), wrong);
}
