//! The same asked for many times at once, by impatient people and by machines that repeat themselves: one deed at Stripe,
//! and everybody is told that it is done, or plainly that there is nothing left to do.

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::server::Answer;

use super::CATALOG;
use crate::stage::{GOOD_CARD, Shop, with_catalog};

const TIMES: usize = 8;
/// What may be said to whoever was not the first.
const CLEAR: [&str; 4] = ["already_subscribed", "not_subscribed", "nothing_to_change", "idempotency_still_running"];

/// Who asks, and whether each asks under the same idempotency key.
struct Crowd<'s> {
    shop: Shop<'s>,
    id: &'s str,
    has_key: bool,
}

impl Crowd<'_> {
    /// Asks for the same at once; the answers of those that did it. The others were told clearly.
    async fn ask(&self, path: &str, mut body: Value) -> Vec<Value> {
        body["external_id"] = json!(self.id);
        let key = format!("{path}:{body}");
        let asked = (0..TIMES).map(|_| {
            let mut request = self.shop.server.request("POST", &format!("/api/v1/{path}")).json(&body);
            if self.has_key {
                request = request.header("Idempotency-Key", &key);
            }
            self.shop.server.send(request)
        });
        let answers: Vec<Answer> = join_all(asked).await.into_iter().map(|answer| answer.expect("an answer")).collect();
        let is_clear = |answer: &Answer| {
            answer.status < 300 || (answer.status == 409 && CLEAR.iter().any(|code| answer.json()["code"] == *code))
        };
        for answer in &answers {
            assert!(is_clear(answer), "{path} {body}: {} {}", answer.status, answer.text);
        }
        let done: Vec<Value> =
            answers.iter().filter(|answer| answer.status < 300).map(|answer| answer.json()).collect();
        assert!(!done.is_empty(), "{path} {body}: nobody did it");
        done
    }

    async fn counts(&self, names: [&str; 4]) -> [i64; 4] {
        let counts = self.shop.counts().await;
        names.map(|name| counts[name].as_i64().unwrap_or_else(|| panic!("{name} in {counts}")))
    }

    /// What was made at Stripe meanwhile: customers, subscriptions, charges, invoices.
    async fn made_by(&self, deed: impl Future<Output = ()>) -> [i64; 4] {
        let names = ["customers", "subscriptions", "charges_succeeded", "invoices"];
        let before = self.counts(names).await;
        deed.await;
        self.shop.settled().await;
        let after = self.counts(names).await;
        std::array::from_fn(|place| after[place] - before[place])
    }
}

fn is_same(answers: &[Value], field: &str) -> bool {
    answers.windows(2).all(|pair| pair[0][field] == pair[1][field]) && !answers[0][field].is_null()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_eight_times_at_once_is_done_once() {
    with_catalog(CATALOG, async |server| {
        for (id, has_key) in [("ada", false), ("bob", true)] {
            let crowd = Crowd { shop: Shop::of(server), id, has_key };
            crowd.shop.customer(id).account().await;
            buys_once(&crowd).await;
            changes_once(&crowd).await;
            ends_once(&crowd).await;
        }
    })
    .await;
}

async fn buys_once(crowd: &Crowd<'_>) {
    let made = crowd.made_by(async {
        let pages = crowd.ask("subscription/checkout", json!({ "plan": "basic", "interval": "monthly" })).await;
        assert!(is_same(&pages, "session"), "{pages:#?}");
        crowd.shop.pay(pages[0]["session"].as_str().expect("a session"), GOOD_CARD).await;
        crowd.shop.until_on(crowd.id, "basic").await;
    });
    assert_eq!(made.await, [1, 1, 1, 1], "one customer, one subscription, one charge");
    let made = crowd.made_by(async {
        let pages = crowd.ask("credit-packs/checkout", json!({ "pack": "small" })).await;
        assert!(is_same(&pages, "session"), "{pages:#?}");
        crowd.shop.pay(pages[0]["session"].as_str().expect("a session"), GOOD_CARD).await;
    });
    let [customers, subscriptions, charges, _] = made.await;
    assert_eq!([customers, subscriptions, charges], [0, 0, 1], "one credit pack");
    let account = crowd.shop.customer(crowd.id).account().await;
    let credits = crowd.shop.server.get(&format!("/api/v1/accounts/{account}/credits")).await.expect(200).json();
    assert_eq!(credits["data"].as_array().map(Vec::len), Some(1), "{credits}");
}

async fn changes_once(crowd: &Crowd<'_>) {
    let made = crowd.made_by(async {
        let change = json!({ "plan": "pro", "interval": "monthly", "when": "now" });
        let changed = crowd.ask("subscription/change", change).await;
        assert!(changed.iter().all(|changed| changed["subscription"]["plan"] == "pro"), "{changed:#?}");
    });
    assert_eq!(made.await, [0, 0, 1, 1], "one change is charged");
    let made = crowd.made_by(async {
        let change = json!({ "plan": "basic", "interval": "monthly", "when": "period_end" });
        let changed = crowd.ask("subscription/change", change).await;
        assert!(
            changed.iter().all(|changed| changed["subscription"]["billing"]["scheduled_change"]["plan"] == "basic"),
            "{changed:#?}"
        );
    });
    assert_eq!(made.await, [0; 4], "a smaller plan for later costs nothing now");
}

async fn ends_once(crowd: &Crowd<'_>) {
    let made = crowd.made_by(async {
        let canceled = crowd.ask("subscription/cancel", json!({})).await;
        assert!(canceled.iter().all(|canceled| canceled["billing"]["cancel_at"].is_string()), "{canceled:#?}");
        let resumed = crowd.ask("subscription/resume", json!({})).await;
        assert!(resumed.iter().all(|resumed| resumed["billing"]["cancel_at"].is_null()), "{resumed:#?}");
        let ended = crowd.ask("subscription/cancel", json!({ "when": "now" })).await;
        assert!(ended.iter().all(|ended| ended["plan"] == "free"), "{ended:#?}");
    });
    assert_eq!(made.await, [0; 4], "an end costs nothing and pays nothing back");
    let once =
        ["created", "activated", "upgraded", "change_scheduled", "cancellation_scheduled", "resumed", "canceled"];
    let story = crowd.shop.story(crowd.id).await;
    for kind in once {
        assert_eq!(story.iter().filter(|told| *told == kind).count(), 1, "{kind} in {story:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_begun_eight_times_at_once_is_one() {
    with_catalog(CATALOG, async |server| {
        for (id, has_key) in [("ada", false), ("bob", true)] {
            let crowd = Crowd { shop: Shop::of(server), id, has_key };
            crowd.shop.customer(id).account().await;
            let made = crowd.made_by(async {
                let begun = crowd.ask("subscription", json!({ "plan": "pro", "interval": "annual" })).await;
                assert!(is_same(&begun, "subscription") && is_same(&begun, "client_secret"), "{begun:#?}");
            });
            assert_eq!(made.await, [1, 1, 0, 1]);
        }
    })
    .await;
}
