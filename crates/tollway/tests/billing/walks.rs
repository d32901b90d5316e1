//! One customer's way through each of the ready catalogs: sign up, buy, use, be warned, be denied, upgrade, be allowed,
//! renew, cancel, and be free again. Prices and amounts are those of the products that the catalogs describe.

use serde_json::{Value, json};
use testkit::server::TestServer;

use super::DAY;
use crate::stage::{GOOD_CARD, PASSWORD, Person, Shop, ask, limit, mails_to, until, with_catalog};

/// What a walk looks for.
struct Walk {
    catalog: &'static str,
    meter: &'static str,
    first: &'static str,
    /// Each month.
    first_price: &'static str,
    /// How much of the meter the first plan includes.
    included: i64,
    second: &'static str,
    second_price: &'static str,
    /// The status of a denial.
    denied: u16,
    /// `None`: there is nothing without a paid plan.
    free: Option<&'static str>,
    trial: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_document_assistant() {
    walk(Walk {
        catalog: include_str!("../../../../catalogs/document-assistant.toml"),
        meter: "requests",
        first: "pro",
        first_price: "15.00",
        included: 10_000,
        second: "enterprise",
        second_price: "30.00",
        denied: 429,
        free: Some("free"),
        trial: false,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_job_platform() {
    walk(Walk {
        catalog: include_str!("../../../../catalogs/job-platform.toml"),
        meter: "jobs",
        first: "pro",
        first_price: "19.99",
        included: 500,
        second: "enterprise",
        second_price: "99.99",
        denied: 402,
        free: Some("free"),
        trial: false,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_chat_product_with_its_trial() {
    walk(Walk {
        catalog: include_str!("../../../../catalogs/chat.toml"),
        meter: "chats",
        first: "starter",
        first_price: "29.00",
        included: 100,
        second: "pro",
        second_price: "79.00",
        denied: 429,
        free: Some("free"),
        trial: true,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_voice_product_of_a_group() {
    walk(Walk {
        catalog: include_str!("../../../../catalogs/team-voice.toml"),
        meter: "llm_tokens",
        first: "basic",
        first_price: "29.99",
        included: 100_000,
        second: "plus",
        second_price: "89.99",
        denied: 429,
        free: None,
        trial: false,
    })
    .await;
}

/// Its next plan is agreed on with the seller, so that the plan that is bought is the upgrade.
#[tokio::test(flavor = "multi_thread")]
async fn through_the_document_extraction_by_the_year() {
    with_catalog(include_str!("../../../../catalogs/document-extraction.toml"), async |server| {
        let shop = Shop::of(server);
        let person = Person::new(server, "walker@example.com").await;
        name_account(server, &person).await;
        let customer = shop.customer("walker");
        customer.consume_of("documents", 50).await.expect(200);
        let denied = customer.consume_of("documents", 1).await.expect(429).json();
        assert_eq!(denied["suggested_plan"], "pro");
        let refused = shop.checkout("walker", "enterprise", "annual").await.expect(422).json();
        assert!(refused["detail"].as_str().unwrap().contains("contact sales"), "{refused}");
        shop.buy("walker", "pro", "annual").await;
        shop.settled().await;
        assert_eq!(totals(&shop).await, ["990.00"]);
        let usage = customer.usage().await;
        assert_eq!(limit(&usage, "documents")["limit"], 1_000);
        customer.consume_of("documents", 950).await.expect(200);
        customer.consume_of("documents", 1).await.expect(429);
        // Months of usage go on within the year.
        shop.advance(32 * DAY).await;
        customer.consume_of("documents", 1).await.expect(200);
        assert_eq!(totals(&shop).await, ["990.00"]);
        shop.advance(335 * DAY).await;
        assert_eq!(totals(&shop).await, ["990.00", "990.00"]);
        shop.post("cancel", "walker", json!({})).await.expect(200);
        shop.advance(367 * DAY).await;
        shop.until_on("walker", "free").await;
        assert_eq!(totals(&shop).await, ["990.00", "990.00"]);
    })
    .await;
}

async fn walk(walk: Walk) {
    with_catalog(walk.catalog, async |server| {
        let shop = Shop::of(server);
        let person = sign_up_and_buy(&shop, &walk).await;
        let customer = shop.customer("walker");
        let meter = walk.meter;
        let to_warning = walk.included * 8 / 10;
        customer.consume_of(meter, to_warning - 1).await.expect(200);
        let warned = customer.consume_of(meter, 1).await.expect(200).json();
        assert_eq!(warned["warnings"][0]["percent"], 80, "{warned}");
        until("the warning is mailed", async || !mails_to(server, &person.email, "usage_threshold").await.is_empty())
            .await;
        customer.consume_of(meter, walk.included - to_warning).await.expect(200);
        let denied = customer.consume_of(meter, 1).await.expect(walk.denied).json();
        assert_eq!((&denied["code"], &denied["suggested_plan"]), (&json!("quota_exceeded"), &json!(walk.second)));

        let wanted = json!({ "plan": walk.second, "interval": "monthly", "when": "now" });
        let changed = shop.post("change", "walker", wanted).await.expect(200).json();
        assert_eq!(changed["subscription"]["plan"], walk.second);
        customer.consume_of(meter, 1).await.expect(200);
        shop.advance(if walk.trial { 8 } else { 32 } * DAY).await;
        assert_eq!(totals(&shop).await.last().map(String::as_str), Some(walk.second_price));
        shop.advance(32 * DAY).await;
        assert_eq!(shop.subscription("walker").await["billing"]["amount"], walk.second_price);
        assert_eq!(customer.used(meter).await, 0, "renewed, with nothing used");

        shop.post("cancel", "walker", json!({})).await.expect(200);
        assert_eq!(shop.subscription("walker").await["plan"], walk.second);
        shop.advance(32 * DAY).await;
        let ended = shop.subscription("walker").await;
        assert_eq!(ended["plan"], json!(walk.free));
        match walk.free {
            Some(_) => drop(customer.consume_of(meter, 1).await.expect(200)),
            None => assert_eq!(customer.consume_of(meter, 1).await.expect(402).json()["code"], "subscription_required"),
        }
    })
    .await;
}

async fn sign_up_and_buy<'s>(shop: &Shop<'s>, walk: &Walk) -> Person<'s> {
    let (server, email) = (shop.server, "walker@example.com");
    let body = json!({ "email": email, "password": PASSWORD, "plan": walk.first, "interval": "monthly" });
    let answer = ask(server, "POST", "/api/v1/auth/register", body).await.expect(201).json();
    let person = Person::of(server, email, &answer);
    name_account(server, &person).await;
    let customer = shop.customer("walker");
    if walk.free.is_none() {
        let refused = customer.consume_of(walk.meter, 1).await.expect(402).json();
        assert_eq!(refused["code"], "subscription_required");
    }
    let page = shop.checkout("walker", walk.first, "monthly").await.expect(201).json();
    assert_eq!(answer["checkout_url"], page["checkout_url"], "signing up has put the plan up for payment");
    shop.pay(page["session"].as_str().expect("a session"), GOOD_CARD).await;
    shop.until_on("walker", walk.first).await;
    shop.settled().await;
    let paid = if walk.trial { "0.00" } else { walk.first_price };
    assert_eq!(totals(shop).await, [paid]);
    assert_eq!(shop.subscription("walker").await["billing"]["amount"], walk.first_price);
    person
}

/// So that the account can be named as any app's customer is.
async fn name_account(server: &TestServer, person: &Person<'_>) {
    let body = json!({ "external_id": "walker", "email": person.email });
    let request = server.request("PATCH", &format!("/api/v1/accounts/{}", person.account)).json(&body);
    server.send(request).await.expect("an answer").expect(200);
}

/// What the invoices come to, oldest first.
async fn totals(shop: &Shop<'_>) -> Vec<String> {
    let invoices = shop.invoices("walker").await;
    invoices.iter().map(|invoice: &Value| invoice["total"].as_str().unwrap_or_default().to_owned()).collect()
}
