//! Windows end by themselves, and warnings come once each.

use serde_json::{Value, json};
use testkit::server::TestServer;

use crate::stage::{Customer, assert_problem, limit_of, seconds, with_catalog};

const CATALOG: &str = r#"
product = "Windows"
default_plan = "free"
warn_at = [80, 90, 100]
[meters.pages]
[plans.free.limits]
pages = [
  { amount = 10, per = "day" },
  { amount = 30, per = "month" },
  { amount = 40, per = "period" },
  { amount = 1_000, per = "lifetime" },
]
[plans.pro]
price = "10.00"
limits = { pages = { amount = 100, per = "day" } }
"#;

const DAY: i64 = 86_400;

async fn used(customer: &Customer<'_>, window: &str) -> Value {
    limit_of(&customer.usage().await, "pages", window, "account")["used"].clone()
}

#[tokio::test]
async fn windows_start_again_for_an_account_that_nobody_touches() {
    with_catalog(CATALOG, async |server| {
        let customer = Customer::new(server, "sleeper");
        let counted = customer.consume_of("pages", 10).await.expect(200).json();
        let day = limit_of(&counted, "pages", "day", "account");
        assert_eq!(seconds(&day["resets_at"]) % DAY, 0);
        let problem = assert_problem(&customer.consume_of("pages", 1).await, 429, "quota_exceeded");
        assert_eq!((&problem["window"], &problem["resets_at"]), (&json!("day"), &day["resets_at"]));
        server.advance(DAY).await;
        assert_eq!(used(&customer, "day").await, 0);
        assert_eq!(used(&customer, "period").await, 10);
        customer.consume_of("pages", 10).await.expect(200);
        server.advance(40 * DAY).await;
        for (window, expected) in [("day", 0), ("month", 0), ("period", 0), ("lifetime", 20)] {
            assert_eq!(used(&customer, window).await, expected, "{window}");
        }
        let month = limit_of(&customer.usage().await, "pages", "month", "account");
        assert!(month["resets_at"].as_str().is_some_and(|time| time[7..].starts_with("-01T00:00:00")), "{month}");
        assert_eq!(limit_of(&customer.usage().await, "pages", "lifetime", "account")["resets_at"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn of_several_windows_in_the_way_the_longest_is_told() {
    with_catalog(CATALOG, async |server| {
        // A period that begins with a month ends with it: too early to use up more than the month has.
        let asked = Customer::new(server, "asked").consume_of("pages", 1).await.expect(200).json();
        let resets = |window: &str| seconds(&limit_of(&asked, "pages", window, "account")["resets_at"]);
        if resets("month") - resets("day") > 20 * DAY {
            server.advance(10 * DAY).await;
        }
        let customer = Customer::new(server, "steady");
        customer.consume_of("pages", 10).await.expect(200);
        let period = customer.usage().await["period"].clone();
        let mut days = 1;
        while used(&customer, "period").await.as_i64() < Some(40) {
            server.advance(DAY).await;
            days += 1;
            // At the end of a month the month may be in the way; then the next day has room.
            customer.consume_of("pages", 10).await;
            assert!(days < 27, "{}", customer.usage().await);
        }
        assert_eq!(customer.usage().await["period"], period);
        let problem = assert_problem(&customer.consume_of("pages", 1).await, 429, "quota_exceeded");
        assert!(["period", "month"].contains(&problem["window"].as_str().expect("a window")), "{problem}");
        assert!(seconds(&problem["resets_at"]) >= seconds(&period["end"]), "{problem}");
    })
    .await;
}

/// The warnings on one window, by percent.
async fn warned(server: &TestServer, external_id: &str, window: &str) -> Vec<i64> {
    let usage = Customer::new(server, external_id).usage().await;
    let warnings = usage["warnings"].as_array().expect("warnings are listed").clone();
    let of_window = warnings.iter().filter(|warning| warning["window"] == window);
    of_window.filter_map(|warning| warning["percent"].as_i64()).collect()
}

#[tokio::test]
async fn warnings_are_shown_at_their_thresholds_and_gone_after_a_reset() {
    with_catalog(CATALOG, async |server| {
        let customer = Customer::new(server, "warned");
        for (quantity, expected) in [(7, vec![]), (1, vec![80]), (1, vec![90]), (1, vec![100])] {
            let counted = customer.consume_of("pages", quantity).await.expect(200).json();
            assert_eq!(warned(server, "warned", "day").await, expected);
            let shown =
                counted["warnings"].as_array().expect("warnings").iter().filter(|warning| warning["window"] == "day");
            assert_eq!(shown.count(), expected.len());
            if !expected.is_empty() {
                assert_eq!(counted["suggested_plan"], "pro");
                assert_eq!(counted["upgrade_url"], format!("{}/pricing?plan=pro", server.url));
            }
        }
        server.advance(DAY).await;
        assert_eq!(warned(server, "warned", "day").await, Vec::<i64>::new());
        customer.consume_of("pages", "9.5").await.expect(200);
        assert_eq!(warned(server, "warned", "day").await, [90]);
    })
    .await;
}
