//! The flows that make calls to Stripe: what stands before, what is asked, and what must be so afterwards.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use crate::stage::{Customer, GOOD_CARD, Shop, StandIn, seconds};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    Checkout,
    Form,
    Portal,
    Credits,
    ChangeNow,
    ChangePastLimit,
    ChangePastLimitByYear,
    ChangeLater,
    CancelNow,
    CancelLater,
    Resume,
    Overage,
    OwnInvoice,
    /// The subscription was ended at Stripe while something waited for its next invoice.
    Ended,
    Webhook,
}

/// Those of one lane are played on one server.
pub const LANES: [&[Flow]; 4] = [
    &[Flow::Checkout, Flow::Form, Flow::Credits, Flow::Ended],
    &[Flow::ChangeNow, Flow::ChangePastLimit, Flow::CancelNow, Flow::Portal],
    &[Flow::ChangeLater, Flow::CancelLater, Flow::Resume, Flow::ChangePastLimitByYear],
    &[Flow::Overage, Flow::OwnInvoice, Flow::Webhook],
];

/// A job that failed some times waits for seconds before each further attempt.
const HEARD_WITHIN: Duration = Duration::from_secs(45);

type Asked = Result<Answer, reqwest::Error>;

impl Flow {
    /// What is there before.
    pub async fn arrange(self, server: &TestServer, stand_in: &StandIn, id: &str) {
        let customer = Customer::new(server, id);
        customer.account().await;
        match self {
            Flow::Checkout | Flow::Form | Flow::Portal | Flow::Credits => {}
            Flow::ChangeNow | Flow::CancelNow | Flow::CancelLater => {
                buy(server, stand_in, id, ("basic", "monthly")).await
            }
            Flow::ChangePastLimit | Flow::ChangePastLimitByYear => {
                buy(server, stand_in, id, ("basic", self.interval())).await;
                customer.consume_of("tokens", 1_250).await.expect(200);
            }
            Flow::Ended => {
                buy(server, stand_in, id, ("basic", "monthly")).await;
                customer.consume_of("tokens", 1_250).await.expect(200);
                let to_pro = json!({ "plan": "pro", "interval": "monthly", "when": "now" });
                post(server, "/api/v1/subscription/change", id, to_pro).await.expect("an answer").expect(200);
                let told = Shop::at(server, stand_in).subscription(id).await;
                let subscription = told["billing"]["subscription"].as_str().expect("a subscription");
                let ended = stand_in.delete(&format!("subscriptions/{subscription}")).await;
                assert_eq!(ended["status"], "canceled", "{ended}");
            }
            Flow::ChangeLater => buy(server, stand_in, id, ("pro", "monthly")).await,
            Flow::Resume => {
                buy(server, stand_in, id, ("basic", "monthly")).await;
                post(server, "/api/v1/subscription/cancel", id, json!({})).await.expect("an answer").expect(200);
            }
            Flow::Overage | Flow::OwnInvoice => {
                buy(server, stand_in, id, ("basic", self.interval())).await;
                customer.consume_of("tokens", 1_250).await.expect(200);
                let period = customer.usage().await["period"].clone();
                let until_end = seconds(&period["end"]) - stand_in.stripe.now();
                server.advance(until_end + 60).await;
                stand_in.follow(server).await;
            }
            Flow::Webhook => {
                let page = checkout(server, id, ("basic", "monthly")).await;
                stand_in.steer("webhooks", json!({ "hold": true })).await;
                pay(stand_in, &page).await;
                stand_in.steer("webhooks", json!({ "lose": 100 })).await;
            }
        }
    }

    fn interval(self) -> &'static str {
        if matches!(self, Flow::OwnInvoice | Flow::ChangePastLimitByYear) { "annual" } else { "monthly" }
    }

    /// What is asked, and asked again where it went wrong.
    pub async fn act(self, server: &TestServer, stand_in: &StandIn, id: &str) -> Asked {
        let plan = |plan: &str, interval: &str| json!({ "plan": plan, "interval": interval });
        let (path, body) = match self {
            Flow::Checkout => ("subscription/checkout", plan("basic", "monthly")),
            Flow::Form => ("subscription", plan("basic", "monthly")),
            Flow::Portal => ("subscription/portal", json!({})),
            Flow::Credits => ("credit-packs/checkout", json!({ "pack": "small" })),
            Flow::ChangeNow | Flow::ChangePastLimit | Flow::ChangePastLimitByYear => {
                ("subscription/change", json!({ "plan": "pro", "interval": self.interval(), "when": "now" }))
            }
            Flow::ChangeLater => {
                ("subscription/change", json!({ "plan": "basic", "interval": "monthly", "when": "period_end" }))
            }
            Flow::CancelNow => ("subscription/cancel", json!({ "when": "now" })),
            Flow::CancelLater => ("subscription/cancel", json!({ "when": "period_end" })),
            Flow::Resume => ("subscription/resume", json!({})),
            Flow::Overage | Flow::OwnInvoice | Flow::Ended => ("admin/reconcile", json!({})),
            Flow::Webhook => return hear(server, stand_in, id).await,
        };
        post(server, &format!("/api/v1/{path}"), id, body).await
    }

    /// What the server does by schedule.
    pub async fn compare(self, server: &TestServer, id: &str) {
        post(server, "/api/v1/admin/reconcile", id, json!({})).await.expect("an answer").expect(200);
    }

    /// What is so in the end.
    pub async fn prove(self, server: &TestServer, stand_in: &StandIn, id: &str) {
        let again = self.act(server, stand_in, id).await.expect("an answer");
        match self {
            Flow::Checkout | Flow::Credits => pay(stand_in, &again.expect(201).json()).await,
            Flow::Form => confirm(stand_in, &again.expect(201).json()).await,
            Flow::Portal => assert_eq!(again.status, 201, "{}", again.text),
            _ => {}
        }
        if matches!(self, Flow::OwnInvoice | Flow::ChangePastLimitByYear | Flow::Ended) {
            // What was left as a draft is collected by Stripe within the hour.
            server.advance(2 * 3_600).await;
            stand_in.follow(server).await;
        }
        self.compare(server, id).await;
        let seen = Seen::of(server, stand_in, id).await;
        let (plan, charged): (&str, &[i64]) = match self {
            Flow::Checkout | Flow::Form | Flow::Webhook | Flow::CancelLater | Flow::Resume => ("basic", &[1_000]),
            Flow::Portal => ("free", &[]),
            Flow::Credits => ("free", &[500]),
            Flow::ChangeNow | Flow::ChangePastLimit => ("pro", &[1_000, 2_000]),
            Flow::ChangePastLimitByYear => ("pro", &[10_000, 20_000, 125]),
            Flow::ChangeLater => ("pro", &[3_000]),
            Flow::CancelNow => ("free", &[1_000]),
            Flow::Ended => ("free", &[1_000, 2_000, 125]),
            Flow::Overage => ("basic", &[1_000]),
            Flow::OwnInvoice => ("basic", &[10_000, 125]),
        };
        assert_eq!(seen.told["plan"], plan, "{id}: {}", seen.told);
        seen.is_charged(charged);
        assert_eq!(seen.running.len(), usize::from(plan != "free"), "{id}: {:#?}", seen.running);
        match self {
            Flow::Credits => {
                let credits =
                    server.get(&format!("/api/v1/accounts/{}/credits", seen.account)).await.expect(200).json();
                let granted: Vec<&Value> =
                    credits["data"].as_array().into_iter().flatten().map(|one| &one["granted"]).collect();
                assert_eq!(granted, [&json!(500)], "{id}");
            }
            Flow::Form => assert_eq!(seen.subscriptions, 1, "{id}"),
            Flow::ChangeLater => assert_eq!(seen.told["billing"]["scheduled_change"]["plan"], "basic", "{id}"),
            Flow::CancelLater => assert!(seen.told["billing"]["cancel_at"].is_string(), "{id}: {}", seen.told),
            Flow::Resume => assert_eq!(seen.told["billing"]["cancel_at"], Value::Null, "{id}"),
            Flow::Overage | Flow::OwnInvoice | Flow::ChangePastLimit | Flow::ChangePastLimitByYear | Flow::Ended => {
                assert_eq!(seen.overage, [125], "{id}: one line for the window")
            }
            _ => {}
        }
    }
}

/// What Stripe and the server say of a customer.
struct Seen {
    id: String,
    account: String,
    told: Value,
    running: Vec<Value>,
    subscriptions: usize,
    charges: Vec<i64>,
    overage: Vec<i64>,
}

impl Seen {
    async fn of(server: &TestServer, stand_in: &StandIn, id: &str) -> Seen {
        let account = Customer::new(server, id).account().await;
        let customers = stand_in.all("customers?").await;
        let own: Vec<&Value> =
            customers.iter().filter(|customer| customer["metadata"]["tollway_account"] == account.as_str()).collect();
        assert_eq!(own.len(), 1, "{id} is one customer");
        let customer = own[0]["id"].as_str().expect("an id");
        let list = async |path: &str| stand_in.all(&format!("{path}customer={customer}")).await;
        let subscriptions = list("subscriptions?status=all&").await;
        let is_running =
            |one: &&Value| ["active", "trialing", "past_due"].contains(&one["status"].as_str().unwrap_or(""));
        let mut charges: Vec<i64> = list("charges?")
            .await
            .iter()
            .filter(|charge| charge["status"] == "succeeded")
            .filter_map(|charge| charge["amount"].as_i64())
            .collect();
        charges.reverse();
        let items = list("invoiceitems?").await;
        let overage = items.iter().filter(|item| !item["metadata"]["tollway_overage"].is_null());
        Seen {
            id: id.to_owned(),
            told: Shop::at(server, stand_in).subscription(id).await,
            running: subscriptions.iter().filter(is_running).cloned().collect(),
            subscriptions: subscriptions.len(),
            charges,
            overage: overage.filter_map(|item| item["amount"].as_i64()).collect(),
            account,
        }
    }

    /// To the cent, but for what a few seconds of a month cost.
    fn is_charged(&self, expected: &[i64]) {
        let fits = |(charged, expected): (&i64, &i64)| (charged - expected).abs() <= 1;
        let all = self.charges.len() == expected.len() && self.charges.iter().zip(expected).all(fits);
        assert!(all, "{}: charged {:?} instead of {expected:?}", self.id, self.charges);
    }
}

async fn post(server: &TestServer, path: &str, id: &str, mut body: Value) -> Asked {
    body["external_id"] = json!(id);
    server.send(server.request("POST", path).json(&body)).await
}

async fn checkout(server: &TestServer, id: &str, (plan, interval): (&str, &str)) -> Value {
    let body = json!({ "plan": plan, "interval": interval });
    post(server, "/api/v1/subscription/checkout", id, body).await.expect("an answer").expect(201).json()
}

async fn pay(stand_in: &StandIn, page: &Value) {
    let session = page["session"].as_str().expect("a session");
    let paid = stand_in.steer(&format!("checkout/{session}/pay"), json!({ "card": GOOD_CARD })).await;
    assert_eq!(paid["status"], "complete", "{paid}");
}

async fn confirm(stand_in: &StandIn, begun: &Value) {
    let intent = begun["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("a secret");
    let form = [("payment_method", "pm_card_visa")];
    let paid = stand_in.post(&format!("payment_intents/{intent}/confirm"), &form).await;
    assert_eq!(paid["status"], "succeeded", "{paid}");
}

async fn buy(server: &TestServer, stand_in: &StandIn, id: &str, plan: (&str, &str)) {
    pay(stand_in, &checkout(server, id, plan).await).await;
    post(server, "/api/v1/admin/reconcile", id, json!({})).await.expect("an answer").expect(200);
    assert_eq!(Shop::at(server, stand_in).subscription(id).await["plan"], plan.0);
}

/// Lets what is held come, and waits until it is applied. The job may have to try again.
#[expect(clippy::disallowed_methods, reason = "for how long it is waited")]
async fn hear(server: &TestServer, stand_in: &StandIn, id: &str) -> Asked {
    stand_in.steer("webhooks/release", json!({})).await;
    let path = format!("/api/v1/subscription?external_id={id}");
    let begun = Instant::now();
    loop {
        let answer = server.send(server.request("GET", &path)).await?;
        if answer.json()["plan"] == "basic" {
            return Ok(answer);
        }
        if begun.elapsed() > HEARD_WITHIN {
            panic!("{id} is not on basic: {}\n{}", answer.text, standing(server, stand_in).await);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The jobs that there are, and both clocks, for whoever reads a failure.
async fn standing(server: &TestServer, stand_in: &StandIn) -> String {
    let clock = server.get("/api/v1/admin/clock").await.text;
    let mut shown = format!("clock {clock}, of the stand-in {}", stand_in.stripe.now());
    for state in ["ready", "running", "failed"] {
        let jobs = server.get(&format!("/api/v1/admin/jobs?state={state}&limit=200")).await.text;
        shown.push_str(&format!("\n{state}: {jobs}"));
    }
    shown
}
