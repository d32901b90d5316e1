//! Every call with every option, sent to a server that keeps it, and then judged by what Stripe publishes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::super::test_server::{Asked, Reply, TestServer};
use super::super::*;
use super::{material, schema};

const AT: Timestamp = Timestamp::EPOCH;
const KEY: &str = "the/key";

/// Published without a schema in the files.
const WITHOUT_SCHEMA: [&str; 18] = [
    "GET /v1/account",
    "GET /v1/billing/meters",
    "GET /v1/billing/meters/{id}/event_summaries",
    "GET /v1/billing_portal/configurations",
    "GET /v1/billing_portal/configurations/{id}",
    "GET /v1/disputes/{id}",
    "GET /v1/invoice_payments",
    "GET /v1/invoiceitems",
    "GET /v1/products",
    "GET /v1/test_helpers/test_clocks/{id}",
    "GET /v1/webhook_endpoints",
    "POST /v1/billing_portal/configurations",
    "POST /v1/billing_portal/configurations/{id}",
    "POST /v1/subscription_schedules/{id}/release",
    "POST /v1/subscriptions/{id}/resume",
    "POST /v1/test_helpers/test_clocks",
    "POST /v1/test_helpers/test_clocks/{id}/advance",
    "POST /v1/webhook_endpoints/{id}",
];

fn endpoint(asked: &Asked) -> String {
    let parts: Vec<&str> = asked.path.split('/').collect();
    let is_id = |part: &str| part.contains('_') && part.ends_with("_1");
    let path: Vec<&str> = parts.into_iter().map(|part| if is_id(part) { "{id}" } else { part }).collect();
    format!("{} {}", asked.method, path.join("/"))
}

/// One object that every reader takes for its own, alone or in a list.
fn answer(asked: &Asked) -> Reply {
    let object = json!({
        "id": "some_1", "object": "some", "type": "some", "status": "some", "created": 1, "currency": "usd",
        "customer": "cus_1", "url": "https://example.com", "event_name": "tokens", "frozen_time": 1, "amount": 1,
        "amount_due": 1, "amount_paid": 1, "amount_remaining": 1, "subtotal": 1, "total": 1,
        "data": { "object": { "id": "some_1" } }, "aggregated_value": 1,
    });
    let is_list = asked.parameter("limit").is_some();
    Reply::good(if is_list { json!({ "object": "list", "data": [object], "has_more": false }) } else { object })
}

fn metadata() -> Metadata {
    Metadata::from([("account".to_owned(), "acct_1".to_owned())])
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

async fn call_customers_and_prices(stripe: &Stripe) -> Result<(), StripeError> {
    let new = NewCustomer {
        email: some("a@example.com"),
        name: some("Acme"),
        metadata: metadata(),
        default_payment_method: some("pm_1"),
        test_clock: None,
    };
    stripe.create_customer(&NewCustomer { test_clock: some("clock_1"), ..new.clone() }, KEY).await?;
    stripe.get_customer("cus_1").await?;
    stripe.update_customer("cus_1", &new, KEY).await?;
    stripe.delete_customer("cus_1", KEY).await?;
    stripe.customers_by_email("a@example.com").await?;
    stripe.customers().await?;
    let product =
        NewProduct { id: some("tollway_pro"), name: "Pro".into(), description: some("All"), metadata: metadata() };
    stripe.create_product(&product, KEY).await?;
    stripe.get_product("prod_1").await?;
    stripe.products().await?;
    let price = NewPrice {
        product: "prod_1".into(),
        currency: "USD".into(),
        unit_amount: 1_500,
        currency_options: BTreeMap::from([("EUR".to_owned(), 1_400)]),
        recurring: Some(Recurrence { interval: "month".into(), count: 1 }),
        lookup_key: some("pro_monthly"),
        transfer_lookup_key: true,
        nickname: some("Pro monthly"),
        metadata: metadata(),
    };
    stripe.create_price(&price, KEY).await?;
    let metered = NewMeteredPrice {
        product: "prod_1".into(),
        meter: "mtr_1".into(),
        currency: "USD".into(),
        unit_amount: "0.0005".into(),
        currency_options: BTreeMap::from([("EUR".to_owned(), "0.00045".to_owned())]),
        interval: "month".into(),
        lookup_key: "pro_monthly_tokens".into(),
        transfer_lookup_key: true,
        metadata: metadata(),
    };
    stripe.create_metered_price(&metered, KEY).await?;
    stripe.get_price("price_1").await?;
    stripe.prices_by_lookup_keys(&["pro_monthly", "pro_annual"]).await?;
    Ok(())
}

async fn call_checkout(stripe: &Stripe) -> Result<(), StripeError> {
    let once = CheckoutPrice::Once { name: "Credits".into(), currency: "USD".into(), unit_amount: 500 };
    let new = NewCheckout {
        mode: CheckoutMode::Subscription,
        customer: some("cus_1"),
        lines: vec![
            CheckoutLine { price: CheckoutPrice::Listed("price_1".into()), quantity: Some(1) },
            CheckoutLine { price: CheckoutPrice::Listed("price_2".into()), quantity: None },
            CheckoutLine { price: once, quantity: Some(2) },
        ],
        success_url: "https://example.com/done?session={CHECKOUT_SESSION_ID}".into(),
        cancel_url: some("https://example.com/pricing"),
        client_reference_id: some("acct_1"),
        metadata: metadata(),
        trial_days: Some(7),
        missing_payment_method: Some(MissingPaymentMethod::Pause),
        card_only_if_required: true,
        allow_promotion_codes: true,
        automatic_tax: true,
        tax_id_collection: true,
        billing_address_required: true,
        update_customer: true,
        currency: some("EUR"),
        expires_at: Some(AT),
        invoice_creation: true,
    };
    stripe.create_checkout_session(&new, KEY).await?;
    stripe.create_checkout_session(&NewCheckout { mode: CheckoutMode::Payment, ..new }, KEY).await?;
    stripe.get_checkout_session("cs_1").await?;
    stripe.expire_checkout_session("cs_1", KEY).await?;
    Ok(())
}

async fn call_subscriptions(stripe: &Stripe) -> Result<(), StripeError> {
    for missing in [MissingPaymentMethod::Cancel, MissingPaymentMethod::CreateInvoice, MissingPaymentMethod::Pause] {
        let new = NewSubscription {
            customer: "cus_1".into(),
            price: "price_1".into(),
            quantity: Some(1),
            metered: vec!["price_2".into()],
            default_incomplete: true,
            trial_days: Some(7),
            missing_payment_method: Some(missing),
            default_payment_method: some("pm_1"),
            automatic_tax: true,
            promotion_code: some("promo_1"),
            currency: some("EUR"),
            metadata: metadata(),
        };
        stripe.create_subscription(&new, KEY).await?;
    }
    stripe.get_subscription("sub_1").await?;
    stripe.subscriptions_of("cus_1").await?;
    stripe.subscriptions().await?;
    for change in changes() {
        stripe.change_subscription("sub_1", &change, KEY).await?;
    }
    stripe.cancel_subscription("sub_1", true, true, KEY).await?;
    stripe.release_subscription_schedule("sub_sched_1", KEY).await?;
    stripe.resume_subscription("sub_1", Some(BillingCycleAnchor::Now), KEY).await?;
    Ok(())
}

/// All settings, and all words of each.
fn changes() -> Vec<SubscriptionChange> {
    let pause = |behavior: &str| Setting::Set(PauseCollection { behavior: behavior.into(), resumes_at: Some(AT) });
    let all = SubscriptionChange {
        item: some("si_1"),
        price: some("price_1"),
        quantity: Some(2),
        metered: vec![MeteredChange::Add("price_2".into()), MeteredChange::Remove("si_2".into())],
        proration_behavior: Some(ProrationBehavior::CreateProrations),
        proration_date: Some(AT),
        payment_behavior: Some(PaymentBehavior::AllowIncomplete),
        billing_cycle_anchor: Some(BillingCycleAnchor::Now),
        cancel_at_period_end: Some(true),
        cancel_at: Setting::Set(AT),
        trial_end: Some(TrialEnd::Now),
        pause_collection: pause("void"),
        default_payment_method: some("pm_1"),
        metadata: metadata(),
    };
    let second = SubscriptionChange {
        proration_behavior: Some(ProrationBehavior::AlwaysInvoice),
        payment_behavior: Some(PaymentBehavior::DefaultIncomplete),
        billing_cycle_anchor: Some(BillingCycleAnchor::Unchanged),
        cancel_at_period_end: Some(false),
        cancel_at: Setting::Clear,
        trial_end: Some(TrialEnd::At(AT)),
        pause_collection: Setting::Clear,
        ..all.clone()
    };
    let third = SubscriptionChange {
        proration_behavior: Some(ProrationBehavior::None),
        payment_behavior: Some(PaymentBehavior::ErrorIfIncomplete),
        pause_collection: pause("keep_as_draft"),
        ..all.clone()
    };
    let fourth = SubscriptionChange {
        payment_behavior: Some(PaymentBehavior::PendingIfIncomplete),
        pause_collection: pause("mark_uncollectible"),
        ..SubscriptionChange::default()
    };
    vec![all, second, third, fourth]
}

async fn call_invoices(stripe: &Stripe) -> Result<(), StripeError> {
    let preview = Preview {
        customer: "cus_1".into(),
        subscription: some("sub_1"),
        item: some("si_1"),
        price: some("price_1"),
        quantity: Some(1),
        metered: vec![MeteredChange::Add("price_2".into()), MeteredChange::Remove("si_2".into())],
        proration_behavior: Some(ProrationBehavior::AlwaysInvoice),
        proration_date: Some(AT),
        billing_cycle_anchor: Some(BillingCycleAnchor::Now),
        trial_end: Some(TrialEnd::Now),
        cancel_at_period_end: Some(true),
        cancel_now: true,
        automatic_tax: true,
        currency: some("EUR"),
    };
    stripe.preview_invoice(&preview).await?;
    let new = NewInvoice {
        customer: "cus_1".into(),
        default_payment_method: some("pm_1"),
        subscription: some("sub_1"),
        currency: some("USD"),
        auto_advance: true,
        description: some("Usage"),
        with_pending_items: true,
        automatic_tax: true,
        metadata: metadata(),
    };
    stripe.create_invoice(&new, KEY).await?;
    stripe.create_invoice(&NewInvoice { with_pending_items: false, ..new }, KEY).await?;
    stripe.get_invoice("in_1").await?;
    stripe.invoices_of("cus_1", Some(AT)).await?;
    stripe.finalize_invoice("in_1", true, KEY).await?;
    stripe.pay_invoice("in_1", KEY).await?;
    stripe.void_invoice("in_1", KEY).await?;
    let each = |product| InvoiceItemAmount::Each {
        unit_amount_decimal: "0.05".into(),
        currency: "USD".into(),
        quantity: 3,
        product,
    };
    for amount in [
        InvoiceItemAmount::Total { amount: 500, currency: "USD".into() },
        each(None),
        each(some("prod_1")),
        InvoiceItemAmount::Listed { price: "price_1".into(), quantity: 3 },
    ] {
        let item = NewInvoiceItem {
            customer: "cus_1".into(),
            subscription: some("sub_1"),
            invoice: some("in_1"),
            amount,
            description: some("Tokens past the limit"),
            period: Some((AT, AT)),
            metadata: metadata(),
        };
        stripe.create_invoice_item(&item, KEY).await?;
    }
    for of in [InvoiceItemsOf::Customer("cus_1"), InvoiceItemsOf::Waiting("cus_1"), InvoiceItemsOf::Invoice("in_1")] {
        stripe.invoice_items_of(of).await?;
    }
    stripe.invoice_payments_of("pi_1").await?;
    Ok(())
}

async fn call_payments_and_portal(stripe: &Stripe) -> Result<(), StripeError> {
    stripe.get_payment_intent("pi_1").await?;
    stripe.get_charge("ch_1").await?;
    stripe.get_dispute("dp_1").await?;
    stripe.create_refund("pi_1", Some(500), &metadata(), KEY).await?;
    let subscription = || "sub_1".to_owned();
    for flow in [
        PortalFlow::PaymentMethodUpdate,
        PortalFlow::SubscriptionCancel { subscription: subscription() },
        PortalFlow::SubscriptionUpdate { subscription: subscription() },
        PortalFlow::SubscriptionUpdateConfirm {
            subscription: subscription(),
            item: "si_1".into(),
            price: "price_1".into(),
            quantity: 1,
        },
    ] {
        let new = NewPortalSession {
            customer: "cus_1".into(),
            return_url: some("https://example.com"),
            configuration: some("bpc_1"),
            flow: Some(flow),
        };
        stripe.create_portal_session(&new, KEY).await?;
    }
    let products = vec![PortalProduct { product: "prod_1".into(), prices: vec!["price_1".into()] }];
    let new =
        NewPortalConfiguration { products, default_return_url: some("https://example.com"), metadata: metadata() };
    stripe.create_portal_configuration(&new, KEY).await?;
    stripe.get_portal_configuration("bpc_1").await?;
    stripe.update_portal_configuration("bpc_1", &new, KEY).await?;
    stripe.list_portal_configurations().await?;
    Ok(())
}

async fn call_the_rest(stripe: &Stripe) -> Result<(), StripeError> {
    let url = "https://example.com/webhooks/stripe";
    stripe.create_webhook_endpoint(url, &events::FOLLOWED, API_VERSION, KEY).await?;
    stripe.list_webhook_endpoints().await?;
    stripe.update_webhook_endpoint("we_1", &events::FOLLOWED, KEY).await?;
    stripe.disable_webhook_endpoint("we_1", KEY).await?;
    stripe.create_meter(&NewMeter { display_name: "Tokens".into(), event_name: "tokens".into() }, KEY).await?;
    stripe.list_meters().await?;
    let event = MeterEvent {
        event_name: "tokens".into(),
        customer: "cus_1".into(),
        value: "12".into(),
        identifier: "id".into(),
        timestamp: Some(AT),
    };
    stripe.create_meter_event(&event, KEY).await?;
    stripe.meter_total("mtr_1", "cus_1", (AT, AT)).await?;
    stripe.create_test_clock(AT, KEY).await?;
    stripe.advance_test_clock("clock_1", AT, KEY).await?;
    stripe.get_test_clock("clock_1").await?;
    stripe.events_since(AT, &events::FOLLOWED).await?;
    stripe.account().await?;
    Ok(())
}

async fn ask_everything() -> Vec<Asked> {
    let server = TestServer::start(|asked, _| answer(asked)).await;
    let stripe = server.client();
    call_customers_and_prices(&stripe).await.expect("customers and prices");
    call_checkout(&stripe).await.expect("checkout");
    call_subscriptions(&stripe).await.expect("subscriptions");
    call_invoices(&stripe).await.expect("invoices");
    call_payments_and_portal(&stripe).await.expect("payments and portal");
    call_the_rest(&stripe).await.expect("the rest");
    server.asked()
}

#[tokio::test]
async fn every_parameter_is_one_that_stripe_takes() {
    let Some(schemas) = material("request_schemas.json") else { return };
    assert_eq!(schemas["api_version"], API_VERSION);
    let asked = ask_everything().await;
    let mut without = BTreeSet::new();
    for call in &asked {
        let endpoint = endpoint(call);
        let schema = &schemas["endpoints"][&endpoint]["schema"];
        if schema.is_null() {
            without.insert(endpoint);
            continue;
        }
        let objections: Vec<String> =
            call.parameters.iter().filter_map(|(name, value)| schema::objection(schema, name, value)).collect();
        assert!(objections.is_empty(), "{endpoint}: {objections:?}");
        for required in schema["required"].as_array().into_iter().flatten() {
            let required = required.as_str().expect("a name");
            let is_there = call.parameters.iter().any(|(name, _)| name.split('[').next() == Some(required));
            assert!(is_there, "{endpoint} needs {required}");
        }
    }
    assert_eq!(without.iter().map(String::as_str).collect::<Vec<_>>(), WITHOUT_SCHEMA);
}

#[tokio::test]
async fn every_write_has_the_callers_key_and_no_question_has_one() {
    let asked = ask_everything().await;
    for call in &asked {
        let is_question = call.method == "GET" || call.path == "/v1/invoices/create_preview";
        let expected = if is_question { None } else { Some(KEY) };
        assert_eq!(call.header("idempotency-key"), expected, "{} {}", call.method, call.path);
        assert_eq!(call.header("stripe-version"), Some(API_VERSION));
    }
}

/// What Stripe's own client says of calls.
fn judged(python: &Path, calls: &Value) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/stripe/contract/official_client.py");
    let mut command = Command::new(python);
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("Python can be started");
    child.stdin.take().expect("an input").write_all(calls.to_string().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn stripes_own_client_would_make_the_same_calls() {
    let Some(python) = testkit::parts::stripe_client() else { return };
    let asked = ask_everything().await;
    let call = |asked: &Asked| json!({ "endpoint": endpoint(asked), "parameters": asked.parameters });
    let calls: Vec<Value> = asked.iter().map(call).collect();
    assert_eq!(judged(&python, &json!(calls)), "done\n");
    let wrong = json!([{ "endpoint": "POST /v1/prices", "parameters": [
        ["currency", "usd"], ["recurring[interval]", "fortnight"], ["metadata", "x"], ["recurring[count]", "1"],
        ["expand", "product"], ["unit_amount", "15.5"], ["active", "yes"], ["api_key", "sk"],
    ]}, { "endpoint": "POST /v1/products", "parameters": [] }]);
    let told = [
        "POST /v1/prices recurring[interval]=fortnight",
        "POST /v1/prices metadata=x",
        "POST /v1/prices recurring[count]=1",
        "POST /v1/prices expand=product",
        "POST /v1/prices unit_amount=15.5",
        "POST /v1/prices active=yes",
        "POST /v1/prices api_key=sk",
        "POST /v1/products needs name",
        "done",
    ];
    assert_eq!(judged(&python, &wrong).lines().collect::<Vec<_>>(), told);
}
