//! Every reader, on one coherent customer in both shapes and on single objects as Stripe publishes them.

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::super::object::{Object, Read};
use super::super::*;
use super::material;

const FILES: [&str; 4] =
    ["objects_new.json", "objects_old.json", "fixtures_new_dahlia.json", "fixtures_old_acacia.json"];

/// What Tollway has no use for.
const NOT_READ: [&str; 6] = [
    "billing.meter_event",
    "billing.meter_event_adjustment",
    "coupon",
    "payment_method",
    "promotion_code",
    "setup_intent",
];

fn seconds(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_seconds(seconds))
}

fn read<T: Read>(file: &Value, name: &str) -> T {
    let value = &file["resources"][name];
    assert!(value.is_object(), "the file has a {name}");
    T::read(Object::of(value)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn reads<T: Read>(value: &Value) -> Result<(), Unreadable> {
    T::read(Object::of(value)).map(|_| ())
}

/// Reads an object by its kind; `None`: Tollway reads no such thing.
fn read_by_kind(kind: &str, value: &Value) -> Option<Result<(), Unreadable>> {
    Some(match kind {
        "customer" | "deleted_customer" => reads::<Customer>(value),
        "product" => reads::<Product>(value),
        "price" => reads::<Price>(value),
        "checkout.session" => reads::<CheckoutSession>(value),
        "subscription" => reads::<Subscription>(value),
        "subscription_item" => reads::<SubscriptionItem>(value),
        "invoice" => reads::<Invoice>(value),
        "invoiceitem" => reads::<InvoiceItem>(value),
        "invoice_payment" => reads::<InvoicePayment>(value),
        "payment_intent" => reads::<PaymentIntent>(value),
        "charge" => reads::<Charge>(value),
        "refund" => reads::<Refund>(value),
        "dispute" => reads::<Dispute>(value),
        "billing_portal.session" => reads::<PortalSession>(value),
        "billing_portal.configuration" => reads::<PortalConfiguration>(value),
        "webhook_endpoint" => reads::<WebhookEndpoint>(value),
        "billing.meter" => reads::<Meter>(value),
        "event" => reads::<Event>(value),
        _ => return None,
    })
}

#[test]
fn every_object_of_both_shapes_is_read() {
    let mut unread = std::collections::BTreeSet::new();
    for name in FILES {
        let Some(file) = material(name) else { return };
        for (kind, value) in file["resources"].as_object().expect("objects by their kind") {
            match read_by_kind(kind, value) {
                Some(read) => assert_eq!(read, Ok(()), "{name}: {kind}"),
                None => {
                    unread.insert(kind.clone());
                }
            }
        }
    }
    assert_eq!(unread.iter().map(String::as_str).collect::<Vec<_>>(), NOT_READ);
}

#[test]
fn both_shapes_of_a_subscription_say_the_same() {
    let (Some(new), Some(old)) = (material(FILES[0]), material(FILES[1])) else { return };
    let (new, old): (Subscription, Subscription) = (read(&new, "subscription"), read(&old, "subscription"));
    for subscription in [&new, &old] {
        assert_eq!(subscription.id, "sub_1HeldOut0000000000000001");
        assert_eq!(subscription.customer, "cus_HeldOut00000001");
        assert_eq!(subscription.status, "active");
        assert_eq!(subscription.current_period_start, seconds(1_790_000_000));
        assert_eq!(subscription.current_period_end, seconds(1_792_592_000));
        assert_eq!(subscription.latest_invoice.as_deref(), Some("in_1HeldOut0000000000000001"));
        assert_eq!(subscription.metadata["team_id"], "team_heldout_1");
        assert_eq!((&subscription.client_secret, &subscription.schedule), (&None, &None));
        assert!(!subscription.cancel_at_period_end && subscription.cancel_at.is_none());
        let [item] = &subscription.items[..] else { panic!("one item") };
        assert_eq!((item.id.as_str(), item.quantity), ("si_HeldOut00000001", Some(1)));
        assert_eq!(item.price.lookup_key.as_deref(), Some("pro_monthly"));
        assert_eq!((item.price.unit_amount, item.price.currency.as_str()), (Some(2_000), "usd"));
        assert_eq!(item.price.recurring, Some(Recurrence { interval: "month".into(), count: 1 }));
        assert_eq!(item.price.product.as_deref(), Some("prod_HeldOut00000001"));
    }
    assert_eq!(new.items[0].current_period_end, seconds(1_792_592_000));
    assert_eq!(old.items[0].current_period_end, None);
}

#[test]
fn both_shapes_of_an_invoice_say_the_same() {
    let (Some(new), Some(old)) = (material(FILES[0]), material(FILES[1])) else { return };
    let (new, old): (Invoice, Invoice) = (read(&new, "invoice"), read(&old, "invoice"));
    for invoice in [&new, &old] {
        assert_eq!(invoice.id, "in_1HeldOut0000000000000001");
        assert_eq!(invoice.subscription.as_deref(), Some("sub_1HeldOut0000000000000001"));
        assert_eq!(invoice.status.as_deref(), Some("paid"));
        assert_eq!(invoice.billing_reason.as_deref(), Some("subscription_create"));
        assert_eq!((invoice.total, invoice.amount_due, invoice.amount_paid), (2_000, 2_000, 2_000));
        assert_eq!(invoice.amount_remaining, 0);
        assert_eq!(invoice.tax, Some(0));
        assert_eq!((invoice.finalized_at, invoice.paid_at), (seconds(1_790_000_000), seconds(1_790_000_002)));
        assert_eq!(invoice.payment_intents, ["pi_3HeldOut0000000000000001"]);
        assert_eq!(invoice.subscription_metadata["team_id"], "team_heldout_1");
        assert_eq!(invoice.number.as_deref(), Some("HELDOUT-0001"));
        let [line] = &invoice.lines[..] else { panic!("one line") };
        assert_eq!((line.amount, line.quantity, line.proration), (2_000, Some(1), false));
        assert_eq!(line.price.as_deref(), Some("price_1HeldOut0000000000000001"));
        assert_eq!(line.subscription.as_deref(), Some("sub_1HeldOut0000000000000001"));
        assert_eq!((line.period_start, line.period_end), (seconds(1_790_000_000), seconds(1_792_592_000)));
    }
    assert_eq!(old.charge.as_deref(), Some("ch_3HeldOut0000000000000001"));
}

#[test]
fn payments_and_what_comes_of_them_are_read() {
    for name in &FILES[..2] {
        let Some(file) = material(name) else { return };
        let intent: PaymentIntent = read(&file, "payment_intent");
        assert_eq!((intent.status.as_str(), intent.amount, intent.amount_received), ("succeeded", 2_000, 2_000));
        assert_eq!((intent.latest_charge, intent.last_error), (None, None));
        let mut expanded = file["resources"]["payment_intent"].clone();
        expanded["latest_charge"] = file["resources"]["charge"].clone();
        let intent = PaymentIntent::read(Object::of(&expanded)).expect("a payment intent");
        let charge = intent.latest_charge.expect("its charge");
        assert_eq!(charge.id, "ch_3HeldOut0000000000000001");
        assert_eq!(charge.payment_method_summary.as_deref(), Some("visa 4242"));
        assert_eq!((charge.amount_captured, charge.amount_refunded, charge.refunded), (2_000, 0, false));
        assert_eq!(charge.receipt_url.as_deref(), Some("https://pay.example.test/r/1"));
        let refund: Refund = read(&file, "refund");
        assert_eq!((refund.amount, refund.status.as_deref()), (2_000, Some("succeeded")));
        let item: InvoiceItem = read(&file, "invoiceitem");
        assert_eq!((item.amount, item.currency.as_str(), item.invoice), (500, "usd", None));
        let session: CheckoutSession = read(&file, "checkout.session");
        assert_eq!(session.client_reference_id.as_deref(), Some("team_heldout_1"));
        assert_eq!(session.payment_status.as_deref(), Some("paid"));
        assert_eq!(session.subscription.as_deref(), Some("sub_1HeldOut0000000000000001"));
        assert_eq!(session.expires_at, seconds(1_790_086_340));
        let endpoint: WebhookEndpoint = read(&file, "webhook_endpoint");
        assert_eq!(endpoint.enabled_events, ["charge.failed", "charge.succeeded"]);
        assert_eq!(endpoint.secret.as_ref().map(|secret| secret.expose()), Some("whsec_heldout"));
        assert!(!format!("{endpoint:?} {intent:?}", intent = expanded["id"]).contains("whsec"));
        let deleted: Customer = read(&file, "deleted_customer");
        assert!(deleted.deleted);
    }
}

#[test]
fn an_event_tells_whom_it_is_about_in_both_shapes() {
    for name in &FILES[..2] {
        let Some(file) = material(name) else { return };
        let resources = &file["resources"];
        let event = |kind: &str, object: &str| {
            let body = json!({"id": "evt_1", "object": "event", "type": kind, "created": 1_790_000_000,
                "api_version": file["api_version"], "livemode": false, "data": {"object": resources[object]}});
            Event::read(body.to_string().as_bytes()).expect("an event")
        };
        let (customer, subscription) = (Some("cus_HeldOut00000001"), Some("sub_1HeldOut0000000000000001"));
        let invoice = Some("in_1HeldOut0000000000000001");
        let names = |event: &Event| {
            let name = |name: &Option<String>| name.clone().unwrap_or_default();
            [name(&event.customer), name(&event.subscription), name(&event.invoice)]
        };
        let expected = |parts: [Option<&str>; 3]| parts.map(|part| part.unwrap_or_default().to_owned());
        let about = event("customer.subscription.updated", "subscription");
        assert_eq!(names(&about), expected([customer, subscription, None]), "{name}");
        assert_eq!(about.api_version.as_deref(), file["api_version"].as_str());
        assert_eq!(about.created, Timestamp::from_seconds(1_790_000_000));
        let about = event("invoice.paid", "invoice");
        assert_eq!(names(&about), expected([customer, subscription, invoice]), "{name}");
        assert_eq!(about.object_type.as_deref(), Some("invoice"));
        let about = event("checkout.session.completed", "checkout.session");
        assert_eq!(names(&about), expected([customer, subscription, invoice]), "{name}");
        let about = event("customer.updated", "customer");
        assert_eq!(names(&about), expected([customer, None, None]), "{name}");
        let about = event("charge.refunded", "charge");
        assert_eq!(about.payment_intent.as_deref(), Some("pi_3HeldOut0000000000000001"));
        assert_eq!(about.customer.as_deref(), customer);
        let published: Event = read(&file, "event");
        assert_eq!((published.object_id.as_deref(), published.customer.as_deref()), (subscription, customer));
    }
}

#[test]
fn what_an_event_lacks_is_no_panic() {
    for (body, expected) in [
        ("", "the event is not JSON"),
        ("[]", "object without type"),
        ("{\"type\": 3}", "object without type"),
        ("{\"type\": \"a\"}", "a without an object"),
        ("{\"object\": \"event\", \"type\": \"a\", \"data\": {\"object\": {}}}", "event without id"),
    ] {
        assert_eq!(Event::read(body.as_bytes()).expect_err(body).to_string(), expected);
    }
}

#[test]
fn a_client_secret_is_read_from_where_it_is_now_and_where_it_was() {
    let Some(file) = material(FILES[0]) else { return };
    let secret = |change: Value| {
        let mut subscription = file["resources"]["subscription"].clone();
        subscription.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let read = Subscription::read(Object::of(&subscription)).expect("a subscription");
        assert!(!format!("{read:?}").contains("_secret_"));
        (read.latest_invoice, read.client_secret.map(|secret| secret.expose().to_owned()))
    };
    let invoice = Some("in_2".to_owned());
    let told = Some("pi_1_secret_1".to_owned());
    let new = json!({"latest_invoice": {"id": "in_2", "confirmation_secret": {"client_secret": "pi_1_secret_1"}}});
    assert_eq!(secret(new), (invoice.clone(), told.clone()));
    let old = json!({"latest_invoice": {"id": "in_2", "payment_intent": {"client_secret": "pi_1_secret_1"}}});
    assert_eq!(secret(old), (invoice.clone(), told));
    let setup = json!({"latest_invoice": {"id": "in_2", "confirmation_secret": null},
        "pending_setup_intent": {"id": "seti_1", "client_secret": "seti_1_secret_1"}});
    assert_eq!(secret(setup), (invoice, Some("seti_1_secret_1".to_owned())));
}
