//! Warnings of usage: one mail for each threshold, meter and window, to whoever is to be told.

use serde_json::{Value, json};
use testkit::server::TestServer;

use crate::stage::{Customer, until, with_catalog};

use super::outbox;

const CATALOG: &str = r#"
product = "Acme Chat"
default_plan = "free"
warn_at = [80, 90, 100]
[meters.pages]
[meters.requests]
[meters.storage_mb]
[plans.free.limits]
pages = { amount = 2_000, per = "day" }
requests = [{ amount = 10, per = "month" }, { amount = 5, per = "day", each = "member" }]
storage_mb = 100
[plans.pro]
name = "Pro"
price = "10.00"
limits = { pages = { amount = 20_000, per = "day" } }
"#;

const DAY: i64 = 86_400;

async fn account(server: &TestServer, external_id: &str, more: Value) {
    let mut body = json!({ "external_id": external_id, "name": "Ada & Co" });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    server.post("/api/v1/accounts", body).await.expect(201);
}

/// The subjects of the mails to an address, the oldest first, once no job is left to be done but those that send.
async fn subjects(server: &TestServer, to: &str) -> Vec<String> {
    until("no warning is on its way", async || {
        let mut jobs = Vec::new();
        for state in ["ready", "running"] {
            let page = server.get(&format!("/api/v1/admin/jobs?state={state}&limit=200")).await.expect(200).json();
            jobs.extend(page["data"].as_array().expect("jobs are listed").clone());
        }
        jobs.iter().all(|job| job["kind"] != "usage_threshold")
    })
    .await;
    let listed = outbox(server, &format!("to={to}")).await;
    listed.iter().rev().map(|mail| mail["subject"].as_str().expect("a subject").to_owned()).collect()
}

fn reached(percents: &[u32]) -> Vec<String> {
    percents.iter().map(|percent| format!("{percent} % of your pages at Acme Chat are used")).collect()
}

#[tokio::test]
async fn each_threshold_is_told_once_and_again_after_a_reset() {
    with_catalog(CATALOG, async |server| {
        account(server, "warned", json!({ "email": "ada@example.com" })).await;
        let customer = Customer::new(server, "warned");
        customer.consume_of("pages", 1_599).await.expect(200);
        assert_eq!(subjects(server, "ada@example.com").await, reached(&[]));
        for (quantity, told) in [(1, vec![80]), (199, vec![80]), (50, vec![80, 90]), (151, vec![80, 90, 100])] {
            customer.consume_of("pages", quantity).await.expect(200);
            assert_eq!(subjects(server, "ada@example.com").await, reached(&told));
        }
        customer.consume_of("pages", 1).await.expect(429);
        let give_back = json!({ "meter": "pages", "quantity": -500, "reason": "A mistake of ours." });
        customer.post("/api/v1/usage/adjustments", give_back).await.expect(200);
        customer.consume_of("pages", 500).await.expect(200);
        assert_eq!(subjects(server, "ada@example.com").await, reached(&[80, 90, 100]));
        server.advance(DAY).await;
        // One call over two thresholds is told of once, by the higher.
        customer.consume_of("pages", "1899.5").await.expect(200);
        assert_eq!(subjects(server, "ada@example.com").await, reached(&[80, 90, 100, 90]));
    })
    .await;
}

#[tokio::test]
async fn a_warning_says_what_is_used_when_it_resets_and_what_to_do() {
    with_catalog(CATALOG, async |server| {
        account(server, "warned", json!({ "email": "ada@example.com", "billing_email": "books@example.com" })).await;
        let customer = Customer::new(server, "warned");
        customer.consume_of("pages", 1_620).await.expect(200);
        assert_eq!(subjects(server, "books@example.com").await, reached(&[80]));
        assert_eq!(subjects(server, "ada@example.com").await, reached(&[]), "invoices go elsewhere, and so does this");
        let mail = outbox(server, "to=books@example.com").await.remove(0);
        assert_eq!((&mail["kind"], &mail["state"]), (&json!("usage_threshold"), &json!("waiting")));
        assert_eq!(mail["account"], customer.account().await);
        let path = format!("/api/v1/admin/mails/{}", mail["id"].as_str().expect("an id"));
        let shown = server.get(&path).await.expect(200).json();
        let resets_at = customer.usage().await["limits"][0]["resets_at"].as_str().expect("a time").to_owned();
        let resets_at = domain::time::Timestamp::parse(&resets_at).expect("a time").for_people();
        let text = shown["text"].as_str().expect("a text");
        for expected in [
            "Ada & Co has used 1,620 of 2,000 pages and so reached 80 % of what the plan includes.",
            &format!("Counting starts again on {resets_at}."),
            &format!("See your usage:\n{}/usage", server.url),
            &format!("See the plan Pro:\n{}/pricing?plan=pro", server.url),
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        let html = shown["html"].as_str().expect("a page");
        assert!(html.contains("Ada &#38; Co has used 1,620 of 2,000 pages"), "{html}");
    })
    .await;
}

#[tokio::test]
async fn levels_are_warned_of_and_members_and_accounts_without_an_address_are_not() {
    with_catalog(CATALOG, async |server| {
        account(server, "silent", json!({})).await;
        Customer::new(server, "silent").consume_of("pages", 2_000).await.expect(200);
        account(server, "warned", json!({ "email": "ada@example.com" })).await;
        let customer = Customer::new(server, "warned");
        let member = json!({ "meter": "requests", "quantity": 5, "user": "grace" });
        customer.post("/api/v1/usage/consume", member).await.expect(200);
        assert_eq!(subjects(server, "ada@example.com").await, Vec::<String>::new());
        let level = json!({ "meter": "storage_mb", "quantity": 85 });
        customer.post("/api/v1/usage/levels", level).await.expect(200);
        assert_eq!(subjects(server, "ada@example.com").await, ["80 % of your storage mb at Acme Chat are used"]);
        assert_eq!(outbox(server, "").await.len(), 1);
    })
    .await;
}
