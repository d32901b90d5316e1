//! Money: what is bought, changed, failed and ended, through the front door, with the stand-in for Stripe behind it.

mod at_once;
mod buying;
mod calendar;
mod changes;
mod convergence;
mod corners;
mod crashes;
mod credits;
mod ending;
mod failing;
mod outages;
mod overage;
mod overage_at_changes;
mod reconciling;
mod stripe_meters;
mod walks;
mod webhooks;

/// Plans of two ranks by month and by year, one with a trial, one that is agreed on, one that is not sold any more.
pub const CATALOG: &str = r#"
product = "Shop"
currency = "USD"
default_plan = "free"
grace_days = 3

[meters.requests]
[meters.tokens]

[credit_packs.small]
name = "500 requests"
meter = "requests"
amount = 500
price = "5.00"
expires_after_days = 90

[plans.free]
rank = 0
limits = { requests = 100 }

[plans.basic]
rank = 2
price = { monthly = "10.00", annual = "100.00" }
limits = { requests = 1_000, tokens = { amount = 1_000, past = { charge = "0.50", each = 100, up_to = "5.00" } } }

[plans.pro]
rank = 4
price = { monthly = "30.00", annual = "300.00" }
limits = { requests = 10_000, tokens = 1_000_000 }

[plans.tried]
rank = 3
price = { monthly = "12.00" }
trial_days = 14
trial_card = false
limits = { requests = 2_000 }

[plans.enterprise]
rank = 5
price = "custom"

[plans.old]
rank = 1
active = false
price = { monthly = "5.00" }
"#;

/// The same, with one plan that is sold in euros too.
pub fn in_euros() -> String {
    let prices = r#"annual = "100.00", EUR = { monthly = "9.00", annual = "90.00" } }"#;
    let charge = r#"up_to = "5.00", EUR = { charge = "0.45", up_to = "4.00" } } }"#;
    CATALOG.replace(r#"annual = "100.00" }"#, prices).replace(r#"up_to = "5.00" } }"#, charge)
}

pub const DAY: i64 = 86_400;
