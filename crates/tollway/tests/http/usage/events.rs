//! Work already done, told of in batches: each event once, in order, never denied.

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use crate::stage::{Customer, SMALL_CATALOG, assert_problem, limit, seconds, with_catalog};

const EVENTS: &str = "/api/v1/usage/events";

async fn record(server: &TestServer, events: Value) -> Vec<Value> {
    let answer = server.post(EVENTS, json!({ "events": events })).await.expect(200);
    answer.json()["results"].as_array().expect("results").clone()
}

fn event(id: &str, quantity: i64) -> Value {
    json!({ "external_id": "batch", "meter": "pages", "quantity": quantity, "id": id })
}

/// Status and code of each result.
fn told(results: &[Value]) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    results.iter().map(|result| (text(&result["status"]).unwrap_or_default(), text(&result["code"]))).collect()
}

fn as_told(expected: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    expected.iter().map(|(status, code)| ((*status).to_owned(), code.map(str::to_owned))).collect()
}

#[tokio::test]
async fn each_event_is_answered_in_order_and_counted_once() {
    with_catalog(SMALL_CATALOG, async |server| {
        let batch = json!([
            event("a", 1),
            event("b", 2),
            event("a", 1),
            event("a", 7),
            { "external_id": "batch", "meter": "pagges", "id": "c" },
            { "external_id": "batch", "meter": "pages", "id": "d", "quantity": "-1" },
            { "external_id": "batch", "meter": "pages", "id": "e", "unheard": 1 },
            7,
            { "external_id": "batch", "meter": "pages", "quantity": 4 },
        ]);
        let results = record(server, batch.clone()).await;
        let rejected = |code| ("rejected", Some(code));
        let mut expected = vec![
            ("accepted", None),
            ("accepted", None),
            ("duplicate", None),
            ("conflict", Some("idempotency_key_reused")),
            rejected("meter_unknown"),
            rejected("quantity_negative"),
            rejected("invalid_request"),
            rejected("invalid_request"),
            ("accepted", None),
        ];
        assert_eq!(told(&results), as_told(&expected), "{results:?}");
        let ids: Vec<&Value> = results.iter().map(|result| &result["id"]).collect();
        assert_eq!(ids[..6], ["a", "b", "a", "a", "c", "d"].map(|id| json!(id)).iter().collect::<Vec<_>>());
        assert_eq!(results[2]["event"], results[0]["event"]);
        let customer = Customer::new(server, "batch");
        assert_eq!(customer.used("pages").await, 7);
        // Sent again whole: what has an id counts no second time.
        expected[0] = ("duplicate", None);
        expected[1] = ("duplicate", None);
        assert_eq!(told(&record(server, batch).await), as_told(&expected));
        assert_eq!(customer.used("pages").await, 11);
        // A consume with the same id and content is the same command to nobody: verbs are told apart.
        let consumed = customer.post("/api/v1/usage/consume", event("a", 1)).await;
        assert_problem(&consumed, 422, "idempotency_key_reused");
    })
    .await;
}

#[tokio::test]
async fn of_two_events_with_one_id_the_first_counts() {
    with_catalog(SMALL_CATALOG, async |server| {
        for number in 0..20 {
            // An account that nobody has loaded yet makes its first event wait.
            let of_account = |quantity: i64| {
                let external_id = format!("fresh-{number}");
                json!({ "external_id": external_id, "meter": "pages", "quantity": quantity, "id": "same" })
            };
            let batch: Vec<Value> = [1, 1, 2, 3].map(of_account).into_iter().cycle().take(40).collect();
            let results = record(server, json!(batch)).await;
            assert_eq!(results[0]["status"], "accepted", "{results:?}");
            assert_eq!((&results[1]["status"], &results[2]["status"]), (&json!("duplicate"), &json!("conflict")));
            assert_eq!(results.iter().filter(|result| result["status"] == "accepted").count(), 1);
            let external_id = format!("fresh-{number}");
            assert_eq!(Customer::new(server, &external_id).used("pages").await, 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_thousand_events_pass_the_limit_visibly_and_one_more_is_refused() {
    with_catalog(SMALL_CATALOG, async |server| {
        let events: Vec<Value> = (0..1_000).map(|number| event(&format!("event-{number}"), 1)).collect();
        let results = record(server, json!(events)).await;
        assert_eq!(results.len(), 1_000);
        assert!(results.iter().all(|result| result["status"] == "accepted"));
        assert_eq!(results.iter().filter(|result| result["over_limit"] == true).count(), 950);
        let customer = Customer::new(server, "batch");
        let pages = limit(&customer.usage().await, "pages");
        assert_eq!((&pages["used"], &pages["remaining"]), (&json!(1_000), &json!(0)));
        assert_problem(&customer.consume_of("pages", 1).await, 429, "quota_exceeded");
        let again = record(server, json!(events)).await;
        assert!(again.iter().all(|result| result["status"] == "duplicate"));
        let too_many: Vec<Value> = (0..1_001).map(|number| event(&format!("more-{number}"), 1)).collect();
        let refused = server.post(EVENTS, json!({ "events": too_many })).await;
        assert_eq!(assert_problem(&refused, 422, "invalid_request")["field"], "events");
        assert_eq!(customer.used("pages").await, 1_000);
        assert_eq!(record(server, json!([])).await.len(), 0);
    })
    .await;
}

async fn cloud_event(server: &TestServer, kind: &str, body: &Value) -> Answer {
    let request = server.request("POST", EVENTS).header("content-type", kind).body(body.to_string());
    server.send(request).await.expect("the server answers")
}

fn pages_event(id: &str, quantity: i64) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/app", "type": "pages", "subject": "batch",
        "time": "2020-01-01T00:00:00Z", "traceparent": "00-1-2-3",
        "data": { "meter": "pages", "quantity": quantity },
    })
}

#[tokio::test]
async fn cloud_events_come_structured_batched_and_in_headers() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "batch");
        customer.consume(1).await.expect(200);
        let timely = |id: &str, quantity: i64| {
            let mut event = pages_event(id, quantity);
            event.as_object_mut().expect("an object").remove("time");
            event
        };
        let one = cloud_event(server, "application/cloudevents+json; charset=utf-8", &timely("1", 2)).await.expect(200);
        assert_eq!(one.json()["results"][0]["status"], "accepted");
        let mut elsewhere = timely("1", 2);
        elsewhere["source"] = json!("/other-app");
        let batch = json!([timely("1", 2), timely("1", 3), elsewhere, timely("2", 4), pages_event("old", 1)]);
        let answer = cloud_event(server, "application/cloudevents-batch+json", &batch).await.expect(200).json();
        let results = answer["results"].as_array().expect("results").clone();
        let expected = [
            ("duplicate", None),
            ("conflict", Some("idempotency_key_reused")),
            ("accepted", None),
            ("accepted", None),
            ("rejected", Some("time_too_old")),
        ];
        assert_eq!(told(&results), as_told(&expected));
        let request = server.request("POST", EVENTS).header("ce-specversion", "1.0").header("ce-id", "3");
        let request = request.header("ce-source", "/app").header("ce-type", "pages").header("ce-subject", "batch");
        let answer = server.send(request.json(&json!({ "quantity": 5, "meter": "pages" }))).await.expect("an answer");
        assert_eq!(answer.expect(200).json()["results"][0]["status"], "accepted");
        assert_eq!(customer.used("pages").await, 13);
    })
    .await;
}

#[tokio::test]
async fn events_count_when_they_occurred_until_that_window_is_closed() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "batch");
        customer.consume(1).await.expect(200);
        let first = customer.usage().await["period"].clone();
        let at = |time: &Value, id: &str| {
            let mut event = event(id, 1);
            event["occurred_at"] = time.clone();
            event
        };
        let (future, past) = (json!("2999-01-01T00:00:00Z"), json!("2001-01-01T00:00:00Z"));
        let results = record(server, json!([at(&first["start"], "a"), at(&future, "b"), at(&past, "c")])).await;
        let expected = [("accepted", None), ("rejected", Some("time_in_future")), ("rejected", Some("time_too_old"))];
        assert_eq!(told(&results), as_told(&expected));
        assert_eq!(customer.used("pages").await, 1);
        // Half an hour after its end the first period still takes what belongs to it, an hour later no more.
        server.advance(seconds(&first["end"]) - seconds(&first["start"]) + 1_800).await;
        let second = customer.usage().await["period"].clone();
        assert_eq!(second["start"], first["end"]);
        let timely = record(server, json!([at(&first["start"], "d"), at(&second["start"], "e")])).await;
        assert_eq!((&timely[0]["late"], &timely[1]["late"]), (&json!(false), &json!(false)), "{timely:?}");
        assert_eq!(customer.used("pages").await, 1);
        server.advance(3_600).await;
        let late = record(server, json!([at(&first["start"], "f")])).await;
        assert_eq!((&late[0]["status"], &late[0]["late"]), (&json!("accepted"), &json!(true)));
        assert_eq!(customer.used("pages").await, 2);
        // 36 days are too old; a duplicate stays one, whenever it is said to have occurred.
        server.advance(8 * 86_400).await;
        let old = record(server, json!([at(&first["start"], "g"), at(&second["start"], "a")])).await;
        assert_eq!(told(&old), as_told(&[("rejected", Some("time_too_old")), ("duplicate", None)]));
        assert_eq!(customer.used("pages").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_batch_speaks_for_many_accounts_and_an_own_key_for_its_own() {
    with_catalog(SMALL_CATALOG, async |server| {
        let of = |external_id: &str| json!({ "external_id": external_id, "meter": "pages" });
        let batch = json!([of("one"), of("two"), of("one"), { "meter": "pages" }]);
        let results = record(server, batch).await;
        assert_eq!(told(&results[3..]), as_told(&[("rejected", Some("account_not_named"))]));
        assert_eq!(Customer::new(server, "one").used("pages").await, 2);
        assert_eq!(Customer::new(server, "two").used("pages").await, 1);
        let body = json!({ "events": [{ "meter": "pages" }, of("one")] });
        let request = server.request("POST", EVENTS).header("x-api-key", &server.api_key).json(&body);
        let answer = server.send(request).await.expect("an answer").expect(200).json();
        let results = answer["results"].as_array().expect("results").clone();
        assert_eq!(told(&results), as_told(&[("accepted", None), ("rejected", Some("account_unknown"))]));
    })
    .await;
}
