//! Changes of a subscription, with a look at them before, and its end.

use domain::time::{MICROS_PER_DAY, Timestamp};
use providers::stripe::{
    BillingCycleAnchor, PauseCollection, Preview, ProrationBehavior, Setting, StripeError, Subscription,
    SubscriptionChange, TrialEnd,
};
use serde_json::json;

use super::{Shop, metadata};

impl Shop {
    async fn change(&self, subscription: &Subscription, change: SubscriptionChange, key: &str) -> Subscription {
        self.stripe.change_subscription(&subscription.id, &change, key).await.expect("a subscription")
    }
}

/// Whole seconds, as Stripe counts.
fn after(time: Timestamp, days: i64) -> Timestamp {
    time.plus_micros(days * MICROS_PER_DAY)
}

#[tokio::test]
async fn a_change_costs_what_its_preview_said() {
    let shop = Shop::open().await;
    let before = shop.subscribed().await;
    shop.account.steer("clock", &json!({ "advance_seconds": 10 * 86_400 })).await;
    let at = after(before.current_period_start.unwrap(), 10);
    let preview = Preview {
        customer: shop.customer.clone(),
        subscription: Some(before.id.clone()),
        item: Some(before.items[0].id.clone()),
        price: Some(shop.annual.clone()),
        proration_behavior: Some(ProrationBehavior::AlwaysInvoice),
        proration_date: Some(at),
        ..Preview::default()
    };
    let preview = shop.stripe.preview_invoice(&preview).await.unwrap();
    let change = SubscriptionChange {
        item: Some(before.items[0].id.clone()),
        price: Some(shop.annual.clone()),
        proration_behavior: Some(ProrationBehavior::AlwaysInvoice),
        proration_date: Some(at),
        ..SubscriptionChange::default()
    };
    let changed = shop.change(&before, change, "annual").await;
    assert_eq!(changed.items[0].price.lookup_key.as_deref(), Some("pro_annual"));
    let invoice = shop.stripe.get_invoice(changed.latest_invoice.as_deref().unwrap()).await.unwrap();
    assert_eq!((invoice.total, invoice.amount_due), (preview.total, preview.amount_due));
    assert_eq!(invoice.billing_reason.as_deref(), Some("subscription_update"));
    let amounts = |invoice: &providers::stripe::Invoice| {
        let mut lines: Vec<_> = invoice.lines.iter().map(|line| (line.amount, line.proration)).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(amounts(&invoice), amounts(&preview));
    // Unused time is credited, the year is charged whole.
    let [(credit, true), (15_000, false)] = amounts(&invoice)[..] else { panic!("{:?}", amounts(&invoice)) };
    assert!((-1_100..-900).contains(&credit), "{credit} of 1500 for some 20 of 30 days");
}

#[tokio::test]
async fn an_end_is_set_and_taken_back() {
    let shop = Shop::open().await;
    let subscription = shop.subscribed().await;
    let at_end = |ends: bool| SubscriptionChange { cancel_at_period_end: Some(ends), ..SubscriptionChange::default() };
    let ending = shop.change(&subscription, at_end(true), "end").await;
    assert!(ending.cancel_at_period_end && ending.canceled_at.is_some() && ending.status == "active");
    assert_eq!(ending.cancel_at, ending.current_period_end);
    let back = shop.change(&subscription, at_end(false), "go on").await;
    assert!(!back.cancel_at_period_end && back.cancel_at.is_none());
    let day = after(subscription.current_period_start.unwrap(), 5);
    let on = SubscriptionChange { cancel_at: Setting::Set(day), ..SubscriptionChange::default() };
    assert_eq!(shop.change(&subscription, on, "on a day").await.cancel_at, Some(day));
    let off = SubscriptionChange { cancel_at: Setting::Clear, ..SubscriptionChange::default() };
    assert_eq!(shop.change(&subscription, off, "on no day").await.cancel_at, None);
    let ended = shop.stripe.cancel_subscription(&subscription.id, true, true, "now").await.unwrap();
    assert!(ended.status == "canceled" && ended.ended_at.is_some());
    let again = shop.stripe.cancel_subscription(&subscription.id, false, false, "again").await.unwrap_err();
    assert!(matches!(again, StripeError::NotFound { .. } | StripeError::Invalid { .. }), "{again:?}");
    let all = shop.stripe.subscriptions_of(&shop.customer).await.unwrap();
    assert_eq!(all.iter().map(|one| one.status.as_str()).collect::<Vec<_>>(), ["canceled"]);
    assert_eq!(shop.stripe.subscriptions().await.unwrap(), []);
}

#[tokio::test]
async fn collecting_is_paused_and_taken_up() {
    let shop = Shop::open().await;
    let subscription = shop.subscribed().await;
    let until = after(subscription.current_period_start.unwrap(), 60);
    let pause = PauseCollection { behavior: "void".into(), resumes_at: Some(until) };
    let change = SubscriptionChange {
        pause_collection: Setting::Set(pause.clone()),
        metadata: [("note".to_owned(), "holiday".to_owned())].into(),
        ..SubscriptionChange::default()
    };
    let paused = shop.change(&subscription, change, "pause").await;
    assert_eq!((paused.status.as_str(), paused.pause_collection), ("active", Some(pause)));
    assert_eq!(paused.metadata.len(), metadata().len() + 1);
    let clear = SubscriptionChange { pause_collection: Setting::Clear, ..SubscriptionChange::default() };
    assert_eq!(shop.change(&subscription, clear, "go on").await.pause_collection, None);
}

#[tokio::test]
async fn a_period_and_a_trial_begin_and_end_as_told() {
    let shop = Shop::open().await;
    let subscription = shop.subscribed().await;
    shop.account.steer("clock", &json!({ "advance_seconds": 3 * 86_400 })).await;
    let anew = SubscriptionChange {
        billing_cycle_anchor: Some(BillingCycleAnchor::Now),
        proration_behavior: Some(ProrationBehavior::None),
        ..SubscriptionChange::default()
    };
    let changed = shop.change(&subscription, anew, "anew").await;
    assert!(changed.current_period_start > subscription.current_period_start);
    let until = after(changed.current_period_start.unwrap(), 20);
    let trial = SubscriptionChange {
        trial_end: Some(TrialEnd::At(until)),
        proration_behavior: Some(ProrationBehavior::None),
        ..SubscriptionChange::default()
    };
    let changed = shop.change(&subscription, trial, "trial").await;
    assert_eq!((changed.status.as_str(), changed.trial_end), ("trialing", Some(until)));
    let over = SubscriptionChange { trial_end: Some(TrialEnd::Now), ..SubscriptionChange::default() };
    assert_eq!(shop.change(&subscription, over, "over").await.status, "active");
}
