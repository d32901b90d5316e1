//! Holding an estimate, and settling it: less, more, twice, late, never.

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use crate::stage::{Customer, SMALL_CATALOG, assert_problem, limit, seconds, until, with_catalog};

const RESERVATIONS: &str = "/api/v1/usage/reservations";

struct Held<'s> {
    server: &'s TestServer,
    id: String,
}

impl Held<'_> {
    async fn commit(&self, body: Value) -> Answer {
        self.server.post(&format!("{RESERVATIONS}/{}/commit", self.id), body).await
    }

    async fn commit_pages(&self, quantity: impl Into<Value>) -> Answer {
        let quantity: Value = quantity.into();
        self.commit(json!({ "usage": [{ "meter": "pages", "quantity": quantity }] })).await
    }

    async fn release(&self) -> Answer {
        self.server.post(&format!("{RESERVATIONS}/{}/release", self.id), json!({})).await
    }
}

async fn hold<'s>(customer: &Customer<'s>, pages: i64, more: Value) -> Held<'s> {
    let mut body = json!({ "meter": "pages", "quantity": pages });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let answer = customer.reserve(body).await.expect(201).json();
    let id = answer["reservation"].as_str().expect("a reservation").to_owned();
    assert!(id.starts_with("rsv_"), "{id}");
    assert!(answer["expires_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{answer}");
    Held { server: customer.server, id }
}

/// Used, reserved and remaining pages.
async fn pages(customer: &Customer<'_>) -> (Value, Value, Value) {
    let pages = limit(&customer.usage().await, "pages");
    (pages["used"].clone(), pages["reserved"].clone(), pages["remaining"].clone())
}

fn amounts(used: impl Into<Value>, reserved: i64, remaining: impl Into<Value>) -> (Value, Value, Value) {
    (used.into(), reserved.into(), remaining.into())
}

#[tokio::test]
async fn what_was_held_too_much_is_free_at_once() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "holder");
        let held = hold(&customer, 40, json!({ "ttl_seconds": 300 })).await;
        assert_eq!(pages(&customer).await, amounts(0, 40, 10));
        assert_problem(&customer.consume_of("pages", 11).await, 429, "quota_exceeded");
        let committed = held.commit_pages("29.5").await.expect(200).json();
        assert_eq!(limit(&committed, "pages")["used"], 29.5);
        assert_eq!(pages(&customer).await, amounts(29.5, 0, 20.5));
        customer.consume_of("pages", "20.5").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_reservation_is_settled_once() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "settler");
        let held = hold(&customer, 10, json!({})).await;
        let first = held.commit_pages(4).await.expect(200).json();
        let second = held.commit_pages(4).await.expect(200).json();
        assert_eq!((&second["event"], &second["replayed"]), (&first["event"], &json!(true)));
        assert_problem(&held.release().await, 409, "reservation_committed");
        assert_eq!(pages(&customer).await, amounts(4, 0, 46));
        let held = hold(&customer, 10, json!({})).await;
        let first = held.release().await.expect(200).json();
        let second = held.release().await.expect(200).json();
        assert_eq!(second["event"], first["event"]);
        assert_problem(&held.commit_pages(1).await, 409, "reservation_released");
        assert_eq!(pages(&customer).await, amounts(4, 0, 46));
        // Without usage, what was held is what was used.
        hold(&customer, 6, json!({})).await.commit(json!({})).await.expect(200);
        assert_eq!(pages(&customer).await, amounts(10, 0, 40));
        let nobodys = Held { server, id: "rsv_unknown".into() };
        assert_problem(&nobodys.commit(json!({})).await, 404, "reservation_unknown");
    })
    .await;
}

#[tokio::test]
async fn a_commit_may_pass_the_limit_and_shows_that_it_did() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "overrunner");
        let held = hold(&customer, 45, json!({})).await;
        customer.consume_of("pages", 5).await.expect(200);
        let committed = held.commit_pages(60).await.expect(200).json();
        assert_eq!(committed["warnings"][0]["percent"], 100);
        assert_eq!(pages(&customer).await, amounts(65, 0, 0));
        assert_problem(&customer.consume_of("pages", 1).await, 429, "quota_exceeded");
    })
    .await;
}

#[tokio::test]
async fn an_expired_reservation_settles_itself() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "forgetful");
        let released = hold(&customer, 20, json!({ "ttl_seconds": 60 })).await;
        let committed = hold(&customer, 20, json!({ "ttl_seconds": 60, "on_expiry": "commit" })).await;
        assert_problem(&customer.consume_of("pages", 11).await, 429, "quota_exceeded");
        server.advance(59).await;
        assert_eq!(pages(&customer).await, amounts(0, 40, 10));
        server.advance(2).await;
        // The denial that was remembered holds no longer than the first hold.
        customer.consume_of("pages", 11).await.expect(200);
        until("the holds are settled", async || pages(&customer).await == amounts(31, 0, 19)).await;
        // What was really used is booked also after its time, and takes the place of an estimate.
        released.commit_pages(5).await.expect(200);
        committed.commit_pages(23).await.expect(200);
        assert_eq!(pages(&customer).await, amounts(39, 0, 11));
        released.commit_pages(5).await.expect(200);
        assert_eq!(pages(&customer).await, amounts(39, 0, 11));
    })
    .await;
}

#[tokio::test]
async fn a_reservation_belongs_to_its_window() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "month-end");
        customer.consume(1).await.expect(200);
        let first = customer.usage().await["period"].clone();
        server.advance(seconds(&first["end"]) - seconds(&first["start"]) - 600).await;
        let held = hold(&customer, 30, json!({ "ttl_seconds": 3_600 })).await;
        assert_eq!(pages(&customer).await, amounts(0, 30, 20));
        server.advance(1_200).await;
        assert_eq!(customer.usage().await["period"]["start"], first["end"]);
        assert_eq!(pages(&customer).await, amounts(0, 0, 50));
        held.commit_pages(30).await.expect(200);
        assert_eq!(pages(&customer).await, amounts(0, 0, 50));
    })
    .await;
}

#[tokio::test]
async fn holds_are_between_a_second_and_a_day() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "precise");
        for (field, value) in [
            ("ttl_seconds", json!(0)),
            ("ttl_seconds", json!(86_401)),
            ("ttl_seconds", json!(-1)),
            ("ttl_seconds", json!("60")),
            ("on_expiry", json!("explode")),
        ] {
            let mut body = json!({ "meter": "pages", "quantity": 1 });
            body[field] = value;
            let problem = assert_problem(&customer.reserve(body).await, 422, "invalid_request");
            assert_eq!(problem["field"], field);
        }
        let body = json!({ "meter": "pages", "quantity": 1, "id": "one-hold" });
        let first = customer.reserve(body.clone()).await.expect(201).json();
        let again = customer.reserve(body).await.expect(201);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.json()["reservation"], first["reservation"]);
        assert_eq!(again.json()["expires_at"], first["expires_at"]);
        assert_eq!(pages(&customer).await, amounts(0, 1, 49));
    })
    .await;
}
