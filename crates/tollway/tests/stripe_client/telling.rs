//! Webhooks, events, the portal, meters and test clocks.

use domain::time::Timestamp;
use providers::secret::SecretText;
use providers::stripe::events::FOLLOWED;
use providers::stripe::signature::{SignatureError, TOLERANCE_SECONDS, verify};
use providers::stripe::{
    API_VERSION, Event, MeterEvent, NewMeter, NewPortalConfiguration, NewPortalSession, PortalFlow, PortalProduct,
};

use super::Shop;
use crate::stage::Receiver;

const OLD_VERSION: &str = "2025-02-24.acacia";

/// The event of a webhook, once its signature was found good.
fn opened(received: &crate::stage::Received, secret: &SecretText) -> Event {
    let header = &received.headers["stripe-signature"];
    let sent = header.split(',').find_map(|part| part.strip_prefix("t=")).and_then(|time| time.parse().ok());
    let now = Timestamp::from_seconds(sent.expect("a time"));
    let judge = |body: &str, secret: &SecretText| {
        verify(header, body.as_bytes(), std::slice::from_ref(secret), now, TOLERANCE_SECONDS)
    };
    assert_eq!(judge(&received.body, secret), Ok(()));
    assert_eq!(judge(&received.body, &SecretText::new("whsec_other")), Err(SignatureError::Mismatch));
    assert_eq!(judge(&format!("{} ", received.body), secret), Err(SignatureError::Mismatch));
    Event::read(received.body.as_bytes()).expect("an event")
}

#[tokio::test]
async fn webhooks_of_both_versions_are_believed_and_say_the_same() {
    let shop = Shop::open().await;
    let (new, old) = (Receiver::start().await, Receiver::start().await);
    let mut secrets = Vec::new();
    for (receiver, version) in [(&new, API_VERSION), (&old, OLD_VERSION)] {
        let endpoint = shop.stripe.create_webhook_endpoint(&receiver.url, &FOLLOWED, version, version).await.unwrap();
        assert_eq!((endpoint.api_version.as_deref(), endpoint.status.as_deref()), (Some(version), Some("enabled")));
        secrets.push(endpoint.secret.expect("a secret, told once"));
    }
    let subscription = shop.subscribed().await;
    shop.account.settled().await;
    let read = |received: Vec<crate::stage::Received>, secret: &SecretText| {
        let mut events: Vec<Event> = received.iter().map(|one| opened(one, secret)).collect();
        events.sort_by(|one, other| one.id.cmp(&other.id));
        events
    };
    let (new, old) = (read(new.received().await, &secrets[0]), read(old.received().await, &secrets[1]));
    assert!(new.iter().all(|event| event.api_version.as_deref() == Some(API_VERSION)));
    assert!(old.iter().all(|event| event.api_version.as_deref() == Some(OLD_VERSION)));
    let names = |events: &[Event]| -> Vec<_> {
        let names = |event: &Event| {
            let Event { id, kind, object_id, customer, subscription, .. } = event.clone();
            (id, kind, object_id, customer, subscription)
        };
        events.iter().map(names).collect()
    };
    assert_eq!(names(&new), names(&old));
    let about = |kind: &str| new.iter().find(|event| event.kind == kind).unwrap_or_else(|| panic!("{kind}")).clone();
    for kind in ["checkout.session.completed", "customer.subscription.created", "invoice.paid"] {
        let event = about(kind);
        assert_eq!(event.subscription.as_ref(), Some(&subscription.id), "{kind}");
        assert_eq!(event.customer.as_ref(), Some(&shop.customer), "{kind}");
        assert!(!event.livemode);
    }
    assert_eq!(about("invoice.paid").invoice, subscription.latest_invoice);
    assert!(about("charge.succeeded").payment_intent.is_some());
    assert!(new.iter().all(|event| FOLLOWED.contains(&event.kind.as_str())));
}

#[tokio::test]
async fn what_has_happened_is_told_again_oldest_first() {
    let shop = Shop::open().await;
    let subscription = shop.subscribed().await;
    let events = shop.stripe.events_since(Timestamp::EPOCH, &FOLLOWED).await.unwrap();
    assert!(events.windows(2).all(|pair| pair[0].created <= pair[1].created));
    let place = |kind: &str| events.iter().position(|event| event.kind == kind).unwrap_or_else(|| panic!("{kind}"));
    assert!(place("customer.subscription.created") < place("checkout.session.completed"));
    let of_one = shop.stripe.events_since(Timestamp::EPOCH, &["customer.subscription.created"]).await.unwrap();
    assert_eq!(of_one.iter().map(|event| event.object_id.as_ref()).collect::<Vec<_>>(), [Some(&subscription.id)]);
    let later = subscription.created.plus_micros(86_400_000_000);
    assert_eq!(shop.stripe.events_since(later, &FOLLOWED).await.unwrap(), []);
}

#[tokio::test]
async fn the_portal_is_set_up_and_opened() {
    let shop = Shop::open().await;
    let stripe = &shop.stripe;
    let mut wanted = NewPortalConfiguration::default();
    let made = stripe.create_portal_configuration(&wanted, "portal").await.unwrap();
    assert!(wanted.is_met_by(&made) && !made.switching);
    let prices = vec![shop.monthly.clone(), shop.annual.clone()];
    wanted.products = vec![PortalProduct { product: "tollway_pro".into(), prices }];
    assert!(!wanted.is_met_by(&made));
    let changed = stripe.update_portal_configuration(&made.id, &wanted, "more").await.unwrap();
    assert!(wanted.is_met_by(&changed), "{changed:?}");
    assert_eq!(stripe.get_portal_configuration(&made.id).await.unwrap(), changed);
    assert!(stripe.list_portal_configurations().await.unwrap().contains(&changed));
    let subscription = shop.subscribed().await.id;
    let flows = [None, Some(PortalFlow::PaymentMethodUpdate), Some(PortalFlow::SubscriptionCancel { subscription })];
    for (number, flow) in flows.into_iter().enumerate() {
        let new = NewPortalSession {
            customer: shop.customer.clone(),
            return_url: Some("https://example.com/billing".into()),
            configuration: Some(made.id.clone()),
            flow,
        };
        let session = stripe.create_portal_session(&new, &format!("portal/{number}")).await.unwrap();
        assert!(session.url.starts_with(&shop.account.url), "{}", session.url);
        assert!(!format!("{session:?}").contains(&session.url));
    }
}

#[tokio::test]
async fn stripes_own_meters_and_clocks_take_what_is_told() {
    let shop = Shop::open().await;
    let stripe = &shop.stripe;
    let meter = NewMeter { display_name: "Tokens".into(), event_name: "tokens".into() };
    let meter = stripe.create_meter(&meter, "meter").await.unwrap();
    assert_eq!((meter.event_name.as_str(), meter.status.as_deref()), ("tokens", Some("active")));
    assert_eq!(stripe.list_meters().await.unwrap(), [meter]);
    let event = MeterEvent {
        event_name: "tokens".into(),
        customer: shop.customer.clone(),
        value: "12".into(),
        identifier: "rollup/1".into(),
        timestamp: None,
    };
    stripe.create_meter_event(&event, "event").await.unwrap();
    let start = Timestamp::from_seconds(1_900_000_000);
    let clock = stripe.create_test_clock(start, "clock").await.unwrap();
    assert_eq!(clock.frozen_time, start);
    let later = Timestamp::from_seconds(1_900_086_400);
    stripe.advance_test_clock(&clock.id, later, "advance").await.unwrap();
    assert_eq!(stripe.get_test_clock(&clock.id).await.unwrap().frozen_time, later);
    let account = stripe.account().await.unwrap();
    assert!(account.id.starts_with("acct_"));
}
