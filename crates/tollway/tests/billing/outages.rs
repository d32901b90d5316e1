//! Stripe is away, or tells in other ways: what goes on without it, what waits for it, and that it is asked once for each
//! thing when it is back.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use testkit::server::{Answer, Engine, TestServer};

use super::CATALOG;
use crate::stage::{
    Customer, GOOD_CARD, Person, Shop, Site, StandIn, TextFile, WEBHOOK_SECRET, ask, assert_problem, reconcile_all,
    until,
};

const HOUR: i64 = 3_600;
const OLD_VERSION: &str = "2025-02-24.acacia";

/// Tells a story on each engine, on a server that sells through a stand-in apart from it.
async fn apart(settings: &[(&str, &str)], story: impl AsyncFn(&TestServer, &mut StandIn)) {
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let mut stand_in = StandIn::start().await;
        let (server, _site, _catalog) = open(engine, &stand_in, settings).await;
        stand_in.tell(&server).await;
        story(&server, &mut stand_in).await;
    }
}

async fn open(engine: Engine, stand_in: &StandIn, settings: &[(&str, &str)]) -> (TestServer, Site, TextFile) {
    let catalog = TextFile::new("catalog.toml", CATALOG);
    stand_in.put_up(catalog.path()).await;
    let mut site = Site::on(engine);
    site.arguments = vec!["--catalog".into(), catalog.path().into()];
    site.environment = stand_in.environment();
    for (name, value) in settings {
        site.environment.retain(|(known, _)| known != name);
        site.environment.push(((*name).to_owned(), (*value).to_owned()));
    }
    (site.start(), site, catalog)
}

/// Both clocks.
async fn advance(server: &TestServer, stand_in: &StandIn, seconds: i64) {
    server.advance(seconds).await;
    stand_in.follow(server).await;
}

/// What needs no Stripe.
async fn goes_on(server: &TestServer, person: &Person<'_>, paying: &str) {
    let customer = Customer::new(server, paying);
    customer.consume(1).await.expect(200);
    let check = customer.check(json!({ "meter": "requests", "quantity": 1 })).await;
    assert_eq!(check["allowed"], true, "{check}");
    let path = format!("/api/v1/subscription?external_id={paying}");
    assert_eq!(server.get(&path).await.expect(200).json()["plan"], "basic");
    let signed_in = json!({ "login": person.email, "password": crate::stage::PASSWORD });
    ask(server, "POST", "/api/v1/auth/login", signed_in).await.expect(200);
    server.get("/readyz").await.expect(200);
}

fn is_unavailable(answer: &Answer) {
    assert_problem(answer, 503, "billing_unavailable");
    assert!(answer.header("retry-after").is_some(), "it is said when to come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_stripe_fails_for_hours_events_are_kept_and_applied_once_when_it_is_back() {
    apart(&[], async |server, stand_in| {
        let shop = Shop::at(server, stand_in);
        let person = Person::new(server, "person@example.com").await;
        for id in ["ada", "bob"] {
            Customer::new(server, id).account().await;
        }
        shop.buy("ada", "basic", "monthly").await;
        let page = shop.checkout("bob", "basic", "monthly").await.expect(201).json();
        shop.settled().await;
        stand_in.steer("faults", json!({ "path": "/v1/", "times": 1_000_000, "status": 503 })).await;
        // He pays on Stripe's own page, and Stripe tells of it.
        let session = page["session"].as_str().unwrap();
        stand_in.steer(&format!("checkout/{session}/pay"), json!({ "card": GOOD_CARD })).await;
        until("all is told and taken", async || {
            reqwest::get(format!("{}/sandbox/settled?timeout_ms=5000", stand_in.url)).await.unwrap().status() == 200
        })
        .await;
        for _ in 0..3 {
            goes_on(server, &person, "ada").await;
            assert_eq!(shop.subscription("bob").await["plan"], "free", "what is not known is not given");
            advance(server, stand_in, HOUR).await;
        }
        let before = stand_in.see("counts").await;
        Customer::new(server, "eve").account().await;
        is_unavailable(&shop.checkout("eve", "basic", "monthly").await);
        let body = json!({ "plan": "pro", "interval": "monthly", "when": "now" });
        is_unavailable(&shop.post("change", "ada", body).await);
        is_unavailable(&shop.post("cancel", "ada", json!({ "when": "now" })).await);
        assert_eq!(stand_in.see("counts").await, before, "nothing has changed at Stripe");
        assert_eq!(shop.subscription("ada").await["plan"], "basic", "nor here");
        stand_in.clear_faults().await;
        // The jobs come again within the half hour.
        advance(server, stand_in, HOUR).await;
        shop.until_on("bob", "basic").await;
        shop.settled().await;
        assert_eq!(shop.story("bob").await, ["created", "activated", "paid"]);
        let counts = stand_in.see("counts").await;
        assert_eq!(
            (&counts["customers"], &counts["subscriptions"], &counts["charges_succeeded"]),
            (&json!(2), &json!(2), &json!(2))
        );
        nothing_was_done_twice(stand_in).await;
        shop.checkout("eve", "basic", "monthly").await.expect(201);
    })
    .await;
}

/// No two calls that were answered had one name.
async fn nothing_was_done_twice(stand_in: &StandIn) {
    let asked = stand_in.see("requests").await;
    let done = asked["requests"].as_array().expect("requests").iter().filter(|call| call["status"] == 200);
    let mut names: Vec<&str> = done.filter_map(|call| call["idempotency_key"].as_str()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_listens_nothing_is_sold_and_afterwards_it_is() {
    apart(&[], async |server, stand_in| {
        let person = Person::new(server, "person@example.com").await;
        for id in ["ada", "bob"] {
            Customer::new(server, id).account().await;
        }
        Shop::at(server, stand_in).buy("ada", "basic", "monthly").await;
        Shop::at(server, stand_in).settled().await;
        stand_in.go_away().await;
        server.advance(5 * HOUR).await;
        goes_on(server, &person, "ada").await;
        let buy = json!({ "external_id": "bob", "plan": "basic", "interval": "monthly" });
        is_unavailable(&server.post("/api/v1/subscription/checkout", buy.clone()).await);
        is_unavailable(&server.post("/api/v1/subscription/portal", json!({ "external_id": "ada" })).await);
        is_unavailable(&server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await);
        let begun = server.post("/api/v1/admin/reconcile", json!({})).await.expect(202).json();
        stand_in.come_back().await;
        stand_in.follow(server).await;
        let shop = Shop::at(server, stand_in);
        shop.buy("bob", "basic", "monthly").await;
        // What was begun goes on when its job comes again.
        advance(server, stand_in, HOUR).await;
        let path = format!("/api/v1/admin/reconcile/{}", begun["id"].as_str().unwrap());
        until("it is done", async || server.get(&path).await.json()["state"] == "done").await;
        assert_eq!(server.get(&path).await.json()["compared"], 2);
        assert_eq!(stand_in.see("counts").await["customers"], 2);
        nothing_was_done_twice(stand_in).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_compared_keeps_no_other_from_it() {
    apart(&[], async |server, stand_in| {
        let shop = Shop::at(server, stand_in);
        for id in ["ada", "bob", "eve"] {
            Customer::new(server, id).account().await;
            shop.buy(id, "basic", "monthly").await;
        }
        shop.settled().await;
        stand_in.steer("webhooks", json!({ "lose": 100 })).await;
        let subscriptions = stand_in.all("subscriptions?").await;
        for subscription in &subscriptions {
            stand_in.delete(&format!("subscriptions/{}", subscription["id"].as_str().unwrap())).await;
        }
        // The last one was the first to buy.
        let broken = subscriptions.last().unwrap()["customer"].as_str().unwrap();
        let path = format!("/v1/customers/{broken}");
        stand_in.steer("faults", json!({ "path": path, "times": 1_000, "status": 400 })).await;
        let found = reconcile_all(server).await;
        assert_eq!(found["compared"], 3, "{found}");
        let drifts: Vec<&Value> =
            found["found"].as_array().unwrap().iter().filter(|one| one["drift"].is_string()).collect();
        assert_eq!(drifts.len(), 1, "{found}");
        for (id, plan) in [("ada", "basic"), ("bob", "free"), ("eve", "free")] {
            assert_eq!(shop.subscription(id).await["plan"], plan, "{id}");
        }
        stand_in.clear_faults().await;
        reconcile_all(server).await;
        assert_eq!(shop.subscription("ada").await["plan"], "free");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_to_check_by_nothing_is_taken_and_nothing_sold() {
    for engine in Engine::all() {
        let stand_in = StandIn::start().await;
        let (server, _site, _catalog) = open(engine, &stand_in, &[("TOLLWAY_STRIPE_WEBHOOK_SECRET", "")]).await;
        let asked = stand_in.see("requests").await["requests"].as_array().map(Vec::len);
        Customer::new(&server, "ada").account().await;
        let signed = sign("whsec_", now(), &event("evt_1"));
        assert_problem(&tell(&server, &signed, event("evt_1")).await, 503, "selling_not_set_up");
        let shop = Shop::at(&server, &stand_in);
        assert_problem(&shop.checkout("ada", "basic", "monthly").await, 503, "selling_not_set_up");
        let body = json!({ "external_id": "ada", "plan": "basic", "interval": "monthly" });
        assert_problem(&server.post("/api/v1/subscription", body).await, 503, "selling_not_set_up");
        let body = json!({ "external_id": "ada", "pack": "small" });
        assert_problem(&server.post("/api/v1/credit-packs/checkout", body).await, 503, "selling_not_set_up");
        assert_eq!(stand_in.see("requests").await["requests"].as_array().map(Vec::len), asked, "Stripe is not asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_what_was_sold_is_paused_ended_and_shown() {
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let stand_in = StandIn::start().await;
        let (mut server, mut site, _catalog) = open(engine, &stand_in, &[]).await;
        stand_in.tell(&server).await;
        Customer::new(&server, "ada").account().await;
        Shop::at(&server, &stand_in).buy("ada", "basic", "monthly").await;
        Shop::at(&server, &stand_in).settled().await;
        server.stop();
        site.environment.retain(|(name, _)| name != "TOLLWAY_STRIPE_WEBHOOK_SECRET");
        let server = site.start();
        let shop = Shop::at(&server, &stand_in);
        let change = json!({ "plan": "pro", "interval": "monthly", "when": "now" });
        assert_problem(&shop.post("change", "ada", change).await, 503, "selling_not_set_up");
        shop.post("portal", "ada", json!({})).await.expect(201);
        shop.post("pause", "ada", json!({})).await.expect(200);
        shop.post("resume", "ada", json!({})).await.expect(200);
        shop.post("cancel", "ada", json!({ "when": "period_end" })).await.expect(200);
        shop.post("resume", "ada", json!({})).await.expect(200);
        let ended = shop.post("cancel", "ada", json!({ "when": "now" })).await.expect(200).json();
        assert_eq!(ended["plan"], "free");
    }
}

#[expect(clippy::disallowed_methods, reason = "Stripe signs by the time of day, as here")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("before the end of time")
}

fn event(id: &str) -> String {
    json!({ "id": id, "object": "event", "type": "customer.subscription.updated", "created": now(),
        "data": { "object": { "id": "sub_1", "object": "subscription", "customer": "cus_1" } } })
    .to_string()
}

fn sign(secret: &str, at: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(format!("{at}.{body}").as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={digest}")
}

async fn tell(server: &TestServer, signature: &str, body: String) -> Answer {
    let request = server.request_of_nobody("POST", "/webhooks/stripe").header("Stripe-Signature", signature).body(body);
    server.send(request).await.expect("the server answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn either_secret_of_a_rotation_is_taken_and_no_old_signature_is() {
    let secrets = format!("whsec_next,{WEBHOOK_SECRET}");
    apart(&[("TOLLWAY_STRIPE_WEBHOOK_SECRET", &secrets)], async |server, stand_in| {
        for (number, secret) in ["whsec_next", WEBHOOK_SECRET].into_iter().enumerate() {
            let body = event(&format!("evt_{number}"));
            let signature = sign(secret, now(), &body);
            assert!(tell(server, &signature, body.clone()).await.status < 300);
            assert!(tell(server, &signature, body).await.status < 300, "told twice, it is taken once");
        }
        let body = event("evt_other");
        for (secret, at) in
            [("whsec_former", now()), ("whsec_next", now() - 310), ("whsec_next", now() + 310), ("whsec_next", 0)]
        {
            assert_problem(&tell(server, &sign(secret, at, &body), body.clone()).await, 400, "event_refused");
        }
        let signature = sign("whsec_next", now(), &body);
        assert_problem(&tell(server, &signature, body.replace("sub_1", "sub_2")).await, 400, "event_refused");
        // The development clock moves nothing here: Stripe signs by the time of day.
        server.advance(10 * 24 * HOUR).await;
        assert!(tell(server, &sign("whsec_next", now(), &body), body).await.status < 300);
        let shop = Shop::at(server, stand_in);
        Customer::new(server, "ada").account().await;
        stand_in.follow(server).await;
        shop.buy("ada", "basic", "monthly").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_the_shape_of_an_old_version_lead_to_the_same() {
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let stand_in = StandIn::start().await;
        let former = stand_in.get("webhook_endpoints").await["data"][0]["id"].as_str().unwrap().to_owned();
        stand_in.delete(&format!("webhook_endpoints/{former}")).await;
        let form = [("url", "http://127.0.0.1:9/"), ("enabled_events[]", "*"), ("api_version", OLD_VERSION)];
        let secret = stand_in.post("webhook_endpoints", &form).await["secret"].as_str().unwrap().to_owned();
        let (server, _site, _catalog) = open(engine, &stand_in, &[("TOLLWAY_STRIPE_WEBHOOK_SECRET", &secret)]).await;
        stand_in.tell(&server).await;
        let shop = Shop::at(&server, &stand_in);
        Customer::new(&server, "ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        let changed = shop.post("change", "ada", json!({ "plan": "pro", "interval": "monthly", "when": "now" })).await;
        changed.expect(200);
        advance(&server, &stand_in, 32 * 24 * HOUR).await;
        shop.settled().await;
        // Refunded by somebody at the Dashboard: only an event tells.
        let charge = stand_in.get("charges?limit=1").await["data"][0]["id"].as_str().unwrap().to_owned();
        stand_in.post("refunds", &[("charge", &charge), ("amount", "700")]).await;
        shop.settled().await;
        let payments = shop.payments("ada").await;
        let shown = |paid: &Value, name: &str| paid[name].as_str().unwrap_or_default().to_owned();
        let facts =
            payments.iter().map(|paid| ["amount", "refunded", "status"].map(|name| shown(paid, name)).join(" "));
        let mut facts: Vec<String> = facts.collect();
        facts.sort();
        assert_eq!(facts, ["10.00 0.00 succeeded", "20.00 0.00 succeeded", "30.00 7.00 succeeded"]);
        let told = shop.subscription("ada").await;
        assert_eq!((&told["plan"], &told["status"]), (&json!("pro"), &json!("active")), "{told}");
        let found = reconcile_all(&server).await;
        assert_eq!(found["found"], json!([]), "events have told everything");
    }
}
