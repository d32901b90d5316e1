//! The plans of the simulation: as a catalog for the product, and as plain rules for the auditor.

use crate::auditor::Rule;

pub const CATALOG: &str = r#"
    product = "Simulation"
    default_plan = "free"
    [meters.requests]
    [meters.tokens]
    [meters.seats]
    kind = "level"
    [plans.free.limits]
    requests = [{ amount = 20, per = "day" }, { amount = 50, per = "period" }, { amount = 12, per = "day", each = "member" }]
    tokens = { amount = 200, per = "month" }
    seats = 5
    [plans.pro]
    price = 15
    [plans.pro.limits]
    requests = 200
    tokens = { amount = 300, per = "month", past = { charge = "0.50", each = 10, up_to = "5.00" } }
    seats = 50
    [plans.team]
    price = 50
    [plans.team.limits]
    requests = { amount = 100, past = "warn" }
    tokens = { amount = 100, per = "day" }
    seats = { amount = 10, enforce = "observe" }
"#;

pub const PLANS: [&str; 3] = ["free", "pro", "team"];
pub const UNIT: i64 = 1_000_000;

/// Where meters are counted, whatever the plan.
const PLACES: [(&str, &str, &str); 7] = [
    ("requests", "account", "day"),
    ("requests", "account", "period"),
    ("requests", "member", "day"),
    ("tokens", "account", "day"),
    ("tokens", "account", "month"),
    ("tokens", "account", "period"),
    ("seats", "account", "lifetime"),
];

/// Amount and most, in units, of a plan at a place.
fn limit(plan: &str, place: (&str, &str, &str)) -> Option<(i64, Option<i64>)> {
    Some(match (plan, place) {
        ("free", ("requests", "account", "day")) => (20, Some(20)),
        ("free", ("requests", "account", "period")) => (50, Some(50)),
        ("free", ("requests", "member", "day")) => (12, Some(12)),
        ("free", ("tokens", "account", "month")) => (200, Some(200)),
        ("free", ("seats", "account", "lifetime")) => (5, Some(5)),
        ("pro", ("requests", "account", "period")) => (200, Some(200)),
        // Ten times 0.50 for ten each: a hundred more.
        ("pro", ("tokens", "account", "month")) => (300, Some(400)),
        ("pro", ("seats", "account", "lifetime")) => (50, Some(50)),
        ("team", ("requests", "account", "period")) => (100, None),
        ("team", ("tokens", "account", "day")) => (100, Some(100)),
        ("team", ("seats", "account", "lifetime")) => (10, None),
        _ => return None,
    })
}

/// What the auditor judges by: a plan, and an amount of requests a day that was agreed for the account alone.
pub fn rules(plan: &str, agreed_a_day: Option<i64>) -> Vec<Rule> {
    let rule = |place: (&'static str, &'static str, &'static str)| {
        let limit = match agreed_a_day {
            Some(agreed) if place == ("requests", "account", "day") => Some((agreed, Some(agreed))),
            _ => limit(plan, place),
        };
        let amount = limit.map(|(amount, _)| amount * UNIT);
        let most = limit.and_then(|(_, most)| most).map(|most| most * UNIT);
        Rule { meter: place.0, scope: place.1, window: place.2, amount, most }
    };
    PLACES.into_iter().map(rule).collect()
}
