//! What happens seldom: banks that ask back, money that is given back or comes late, taxes, other currencies, and things
//! that were changed at Stripe past Tollway.

mod accounts;
mod payments;
mod prices;

use serde_json::{Value, json};
use testkit::server::{Engine, TestServer};

use crate::stage::{Shop, Site, TextFile};

/// Tells a story once on each engine, on servers with these settings.
async fn with_settings(catalog: &str, settings: &[(&str, &str)], story: impl AsyncFn(&TestServer)) {
    let file = TextFile::new("catalog.toml", catalog);
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), file.path().into()];
        site.environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        story(&site.start()).await;
    }
}

/// An account whose mails go to this address.
async fn with_mail(shop: &Shop<'_>, external_id: &'static str, email: &str) {
    let account = shop.customer(external_id).account().await;
    let request = shop.server.request("PATCH", &format!("/api/v1/accounts/{account}"));
    shop.server.send(request.json(&json!({ "email": email }))).await.expect("the server answers").expect(200);
}

/// Buys with a card that may need more than the click; what the stand-in answers.
async fn pay_with(shop: &Shop<'_>, external_id: &str, plan: &str, card: &str) -> Value {
    let page = shop.checkout(external_id, plan, "monthly").await.expect(201).json();
    shop.pay(page["session"].as_str().expect("a session"), card).await
}

/// The time on both clocks when the period that is paid for is over and its successor is charged.
pub async fn renew(shop: &Shop<'_>, external_id: &str) {
    let ends = shop.subscription(external_id).await["billing"]["period"]["end"].clone();
    shop.server.post("/api/v1/admin/clock", json!({ "now": ends })).await.expect(200);
    shop.settled().await;
    shop.advance(2 * 3_600).await;
}

/// The price that sells a plan by the month, at Stripe.
async fn price_of(shop: &Shop<'_>, lookup_key: &str) -> Value {
    let found = shop.stripe_get(&format!("prices?lookup_keys[]={lookup_key}")).await;
    found["data"][0].clone()
}

pub async fn totals(shop: &Shop<'_>, external_id: &str) -> Vec<String> {
    let invoices = shop.invoices(external_id).await;
    invoices.iter().map(|invoice| invoice["total"].as_str().expect("a total").to_owned()).collect()
}
