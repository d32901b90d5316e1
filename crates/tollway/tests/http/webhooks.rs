//! Customers are told at endpoints of their own, signed, until they have taken it.

use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::stage::{Customer, Person, Received, Receiver, SMALL_CATALOG, assert_problem, until, with_catalog};

fn endpoints(person: &Person<'_>) -> String {
    format!("/api/v1/accounts/{}/webhook-endpoints", person.account)
}

async fn endpoint(person: &Person<'_>, receiver: &Receiver, events: &[&str]) -> Value {
    let body = json!({ "url": receiver.url, "events": events });
    person.post(&endpoints(person), body).await.expect(201).json()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// By the reference library of the specification.
fn is_signed_with(received: &Received, secret: &str) -> bool {
    let pairs = received.headers.iter();
    let headers: HeaderMap = pairs
        .filter_map(|(name, value)| Some((HeaderName::try_from(name.as_str()).ok()?, value.parse().ok()?)))
        .collect();
    Webhook::new(secret).expect("a secret").verify(received.body.as_bytes(), &headers).is_ok()
}

#[tokio::test]
async fn an_endpoint_is_told_signed_and_once() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let (receiver, other) = (Receiver::start().await, Receiver::start().await);
        let made = endpoint(&person, &receiver, &[]).await;
        endpoint(&person, &other, &["usage.threshold_reached"]).await;
        let key = person.post(&format!("/api/v1/accounts/{}/api-keys", person.account), json!({ "name": "ci" })).await;
        let key = key.expect(201).json();
        until("the endpoint is told", async || receiver.received().await.len() == 1).await;
        let told = receiver.received().await[0].clone();
        assert!(is_signed_with(&told, text(&made, "secret")), "{told:?}");
        assert!(!is_signed_with(
            &Received { body: told.body.replace("ci", "cj"), ..told.clone() },
            text(&made, "secret")
        ));
        let body: Value = serde_json::from_str(&told.body).expect("JSON");
        assert_eq!((&body["type"], &body["account"]), (&json!("api_key.created"), &json!(person.account)));
        assert_eq!(body["data"]["id"], key["id"]);
        assert!(!told.body.contains(text(&key, "secret")));
        person.post("/api/v1/usage/consume", json!({ "meter": "requests", "quantity": 95 })).await.expect(200);
        until("both are told of both thresholds", async || {
            receiver.received().await.len() == 3 && other.received().await.len() == 2
        })
        .await;
        let warnings = other.received().await;
        let percents = warnings.iter().map(|told| {
            let body: Value = serde_json::from_str(&told.body).expect("JSON");
            assert_eq!((text(&body["data"], "used"), text(&body["data"], "limit")), ("95", "100"));
            body["data"]["percent"].as_u64().expect("a number")
        });
        assert_eq!(percents.collect::<std::collections::BTreeSet<_>>(), [80, 90].into());
    })
    .await;
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_and_can_be_by_hand() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let receiver = Receiver::start().await;
        let made = endpoint(&person, &receiver, &[]).await;
        let one = format!("{}/{}", endpoints(&person), text(&made, "id"));
        receiver.answer_with(500);
        person.post(&format!("{one}/test"), json!({})).await.expect(202);
        until("a first attempt", async || receiver.received().await.len() == 1).await;
        receiver.answer_with(204);
        server.advance(60).await;
        until("a second attempt", async || receiver.received().await.len() == 2).await;
        let delivered = async || person.get(&format!("{one}/deliveries")).await.expect(200).json();
        until("it is noted", async || delivered().await["data"][0]["state"] == "delivered").await;
        let listed = delivered().await["data"][0].clone();
        assert_eq!(
            (&listed["attempts"], &listed["last_status"], &listed["event"]),
            (&json!(2), &json!(204), &json!("test"))
        );
        let replay = format!("{one}/deliveries/{}/replay", text(&listed, "id"));
        person.post(&replay, json!({})).await.expect(202);
        until("it is sent once more", async || receiver.received().await.len() == 3).await;
        let received = receiver.received().await;
        let ids = received.iter().map(|told| told.headers["webhook-id"].clone());
        assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_replaced_with_both_good_for_a_day_and_an_endpoint_that_is_gone_is_disabled() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let receiver = Receiver::start().await;
        let made = endpoint(&person, &receiver, &[]).await;
        let one = format!("{}/{}", endpoints(&person), text(&made, "id"));
        let rotated = person.post(&format!("{one}/rotate-secret"), json!({})).await.expect(200).json();
        person.post(&format!("{one}/test"), json!({})).await.expect(202);
        until("the endpoint is told", async || receiver.received().await.len() == 1).await;
        let told = receiver.received().await[0].clone();
        assert!([&made, &rotated].iter().all(|made| is_signed_with(&told, text(made, "secret"))));
        assert!(!person.get(&one).await.expect(200).text.contains("secret"));
        receiver.answer_with(410);
        person.post(&format!("{one}/test"), json!({})).await.expect(202);
        until("it is disabled", async || person.get(&one).await.json()["status"] == "disabled").await;
        let listed = person.get(&format!("{one}/deliveries")).await.expect(200).json();
        assert_eq!(listed["data"][0]["state"], "failed");
        person.delete(&one).await.expect(204);
        assert_problem(&person.get(&one).await, 404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_is_told_who_comes_and_goes() {
    with_catalog(SMALL_CATALOG, async |server| {
        let (owner, other) =
            (Person::new(server, "ada@example.com").await, Person::new(server, "grace@example.com").await);
        let receiver = Receiver::start().await;
        endpoint(&owner, &receiver, &["member.joined", "member.changed", "member.left"]).await;
        let member = format!("/api/v1/accounts/{}/members/{}", owner.account, other.user);
        server.put(&member, json!({ "role": "member" })).await.expect(201);
        owner.patch(&member, json!({ "role": "admin" })).await.expect(200);
        other.delete(&member).await.expect(204);
        until("all three are told", async || receiver.received().await.len() == 3).await;
        let told = receiver.received().await;
        let mut told: Vec<(String, String)> = told
            .iter()
            .map(|told| {
                let body: Value = serde_json::from_str(&told.body).expect("JSON");
                assert_eq!(body["data"]["user"], other.user.as_str());
                (text(&body, "type").to_owned(), text(&body["data"], "role").to_owned())
            })
            .collect();
        told.sort();
        let wanted = [("member.changed", "admin"), ("member.joined", "member"), ("member.left", "admin")];
        assert_eq!(told, wanted.map(|(event, role)| (event.to_owned(), role.to_owned())));
    })
    .await;
}

#[tokio::test]
async fn endpoints_are_their_accounts_alone() {
    with_catalog(SMALL_CATALOG, async |server| {
        let (person, stranger) =
            (Person::new(server, "ada@example.com").await, Person::new(server, "eve@example.com").await);
        let receiver = Receiver::start().await;
        let made = endpoint(&person, &receiver, &[]).await;
        let one = format!("{}/{}", endpoints(&person), text(&made, "id"));
        assert_problem(&stranger.get(&one).await, 404, "account_unknown");
        let smuggled = format!("{}/{}", endpoints(&stranger), text(&made, "id"));
        assert_problem(&stranger.get(&smuggled).await, 404, "not_found");
        assert_problem(&stranger.delete(&smuggled).await, 404, "not_found");
        server.get(&one).await.expect(200);
        for (field, value) in
            [("url", json!("ftp://example.com")), ("url", json!("nowhere")), ("events", json!(["no.such"]))]
        {
            let mut body = json!({ "url": "https://example.com/hooks" });
            body[field] = value;
            let refused = person.post(&endpoints(&person), body).await;
            assert_eq!(assert_problem(&refused, 422, "invalid_request")["field"], field);
        }
        let customer = Customer::new(server, "user-42").api_key(json!({ "name": "own" })).await;
        let by_key = server.request_of_nobody("GET", &one).bearer_auth(text(&customer, "secret"));
        assert_problem(&server.send(by_key).await.expect("an answer"), 404, "account_unknown");
    })
    .await;
}

#[test]
fn the_documents_name_every_event() {
    let documents = include_str!("../../../../docs/webhooks.md");
    for (event, _) in app::webhooks::EVENTS {
        assert!(documents.contains(&format!("| `{}` |", event.as_str())), "{event:?}");
    }
}
