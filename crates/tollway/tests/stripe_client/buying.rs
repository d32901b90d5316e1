//! Customers, prices, the page to buy on, and a subscription without it.

use providers::stripe::{
    CheckoutLine, CheckoutMode, CheckoutPrice, MissingPaymentMethod, NewCheckout, NewCustomer, NewPrice,
    NewSubscription, PaymentBehavior, StripeError, SubscriptionChange,
};

use super::{Shop, metadata};

#[tokio::test]
async fn a_customer_is_made_found_changed_and_deleted() {
    let shop = Shop::open().await;
    let stripe = &shop.stripe;
    let customer = stripe.get_customer(&shop.customer).await.unwrap();
    assert_eq!((customer.email.as_deref(), customer.name.as_deref()), (Some("ada@example.com"), Some("Ada")));
    assert_eq!((customer.metadata, customer.deleted, customer.balance), (metadata(), false, 0));
    let change = NewCustomer { email: Some("lovelace@example.com".into()), ..NewCustomer::default() };
    let changed = stripe.update_customer(&shop.customer, &change, "change").await.unwrap();
    assert_eq!((changed.email.as_deref(), changed.name.as_deref()), (Some("lovelace@example.com"), Some("Ada")));
    assert_eq!(stripe.customers_by_email("lovelace@example.com").await.unwrap(), [changed]);
    assert_eq!(stripe.customers_by_email("ada@example.com").await.unwrap(), []);
    assert!(stripe.delete_customer(&shop.customer, "delete").await.unwrap().deleted);
    assert!(stripe.get_customer(&shop.customer).await.unwrap().deleted);
    let missing = stripe.get_customer("cus_nobody").await.unwrap_err();
    assert!(matches!(missing, StripeError::NotFound { .. }), "{missing:?}");
}

#[tokio::test]
async fn lists_longer_than_a_page_are_read_whole() {
    let shop = Shop::open().await;
    for number in 0..205 {
        shop.stripe.create_customer(&NewCustomer::default(), &format!("many/{number}")).await.unwrap();
    }
    let all = shop.stripe.customers().await.unwrap();
    let ids: std::collections::BTreeSet<_> = all.iter().map(|customer| customer.id.as_str()).collect();
    assert_eq!((all.len(), ids.len()), (206, 206));
}

#[tokio::test]
async fn prices_are_found_by_their_keys_and_keep_their_amounts() {
    let shop = Shop::open().await;
    let stripe = &shop.stripe;
    let mut found = stripe.prices_by_lookup_keys(&["pro_monthly", "pro_annual", "nothing"]).await.unwrap();
    found.sort_by_key(|price| price.unit_amount);
    let told: Vec<_> = found.iter().map(|price| (price.lookup_key.as_deref(), price.unit_amount)).collect();
    assert_eq!(told, [(Some("pro_monthly"), Some(1_500)), (Some("pro_annual"), Some(15_000))]);
    let new = NewPrice {
        product: "tollway_pro".into(),
        currency: "USD".into(),
        unit_amount: 1_900,
        currency_options: [("EUR".to_owned(), 1_800)].into(),
        recurring: found[0].recurring.clone(),
        lookup_key: Some("pro_monthly".into()),
        metadata: metadata(),
        ..NewPrice::default()
    };
    let taken = stripe.create_price(&new, "taken").await.unwrap_err();
    assert!(matches!(taken, StripeError::Invalid { .. }), "{taken:?}");
    let replacing = NewPrice { transfer_lookup_key: true, ..new };
    let replaced = stripe.create_price(&replacing, "transfer").await.unwrap();
    assert_eq!((replaced.lookup_key.as_deref(), replaced.metadata), (Some("pro_monthly"), metadata()));
    assert_eq!(replaced.currency_options.get("eur"), Some(&1_800));
    assert_eq!(stripe.get_price(&replaced.id).await.unwrap().currency_options.get("eur"), Some(&1_800));
    assert_eq!(stripe.get_price(&shop.monthly).await.unwrap().lookup_key, None);
}

#[tokio::test]
async fn what_is_bought_on_the_page_is_a_paid_subscription() {
    let shop = Shop::open().await;
    let stripe = &shop.stripe;
    let session = stripe.create_checkout_session(&shop.checkout(), "checkout").await.unwrap();
    assert_eq!((session.status.as_deref(), session.subscription.as_deref()), (Some("open"), None));
    assert!(session.url.as_deref().is_some_and(|url| url.starts_with(&shop.account.url)));
    assert_eq!((session.amount_total, session.currency.as_deref()), (Some(1_500), Some("usd")));
    let session = shop.pay(&session).await;
    assert_eq!((session.status.as_deref(), session.payment_status.as_deref()), (Some("complete"), Some("paid")));
    assert_eq!((session.client_reference_id.as_deref(), &session.metadata), (Some("acct_1"), &metadata()));
    let subscription = stripe.get_subscription(session.subscription.as_deref().unwrap()).await.unwrap();
    assert_eq!((subscription.status.as_str(), &subscription.customer), ("active", &shop.customer));
    assert_eq!((&subscription.metadata, subscription.items.len()), (&metadata(), 1));
    assert_eq!(subscription.items[0].price.lookup_key.as_deref(), Some("pro_monthly"));
    let (start, end) = (subscription.current_period_start.unwrap(), subscription.current_period_end.unwrap());
    let days = end.since(start) / domain::time::MICROS_PER_DAY;
    assert!((28..=31).contains(&days), "{days} days");
    assert_eq!(subscription.billing_cycle_anchor, Some(start));
    assert_eq!(stripe.subscriptions_of(&shop.customer).await.unwrap().len(), 1);
    let invoice = stripe.get_invoice(subscription.latest_invoice.as_deref().unwrap()).await.unwrap();
    assert_eq!((invoice.status.as_deref(), invoice.total, invoice.amount_paid), (Some("paid"), 1_500, 1_500));
    assert_eq!(invoice.subscription.as_ref(), Some(&subscription.id));
    assert_eq!(invoice.billing_reason.as_deref(), Some("subscription_create"));
    let [line] = &invoice.lines[..] else { panic!("one line") };
    assert_eq!((line.amount, line.price.as_ref(), line.proration), (1_500, Some(&shop.monthly), false));
    assert_eq!((line.period_start, line.period_end), (Some(start), Some(end)));
    assert_eq!(stripe.invoices_of(&shop.customer, None).await.unwrap(), [invoice]);
}

#[tokio::test]
async fn a_page_that_is_closed_sells_nothing() {
    let shop = Shop::open().await;
    let session = shop.stripe.create_checkout_session(&shop.checkout(), "checkout").await.unwrap();
    let closed = shop.stripe.expire_checkout_session(&session.id, "close").await.unwrap();
    assert_eq!((closed.status.as_deref(), closed.url), (Some("expired"), None));
    let again = shop.stripe.expire_checkout_session(&session.id, "close again").await.unwrap_err();
    assert!(matches!(again, StripeError::Invalid { .. }), "{again:?}");
}

#[tokio::test]
async fn a_page_takes_every_option() {
    let shop = Shop::open().await;
    let full = NewCheckout {
        trial_days: Some(7),
        missing_payment_method: Some(MissingPaymentMethod::Pause),
        card_only_if_required: true,
        allow_promotion_codes: true,
        automatic_tax: true,
        tax_id_collection: true,
        billing_address_required: true,
        update_customer: true,
        currency: Some("USD".into()),
        ..shop.checkout()
    };
    let session = shop.stripe.create_checkout_session(&full, "full").await.unwrap();
    let subscription = shop.pay(&session).await.subscription.unwrap();
    let subscription = shop.stripe.get_subscription(&subscription).await.unwrap();
    assert_eq!(subscription.status, "trialing");
    let (start, end) = (subscription.trial_start.unwrap(), subscription.trial_end.unwrap());
    assert_eq!(end.since(start), 7 * domain::time::MICROS_PER_DAY);
    let price = CheckoutPrice::Once { name: "Credits".into(), currency: "USD".into(), unit_amount: 500 };
    let once = NewCheckout {
        mode: CheckoutMode::Payment,
        lines: vec![CheckoutLine { price, quantity: Some(2) }],
        ..shop.checkout()
    };
    let session = shop.stripe.create_checkout_session(&once, "once").await.unwrap();
    let session = shop.pay(&session).await;
    assert_eq!((session.mode.as_deref(), session.amount_total), (Some("payment"), Some(1_000)));
    let payment = shop.stripe.get_payment_intent(session.payment_intent.as_deref().unwrap()).await.unwrap();
    assert_eq!((payment.status.as_str(), payment.amount_received), ("succeeded", 1_000));
    assert_eq!(payment.metadata, metadata());
}

#[tokio::test]
async fn a_subscription_inside_an_app_waits_for_the_customer() {
    let shop = Shop::open().await;
    let new = NewSubscription { default_incomplete: true, ..shop.subscription() };
    let waiting = shop.stripe.create_subscription(&new, "new").await.unwrap();
    assert_eq!(waiting.status, "incomplete");
    let secret = waiting.client_secret.clone().expect("a secret for the browser");
    assert!(secret.expose().contains("_secret_"), "{}", secret.expose());
    assert_eq!(shop.stripe.get_subscription(&waiting.id).await.unwrap().client_secret, Some(secret));
    let invoice = shop.stripe.get_invoice(waiting.latest_invoice.as_deref().unwrap()).await.unwrap();
    let confirm = format!("/v1/payment_intents/{}/confirm", invoice.payment_intents[0]);
    shop.account.post(&confirm, "payment_method=pm_card_visa").await;
    let paid = shop.stripe.get_subscription(&waiting.id).await.unwrap();
    assert_eq!(paid.status, "active");
    assert!(paid.default_payment_method.is_some(), "the next periods are paid with the same card");
    let trial = NewSubscription {
        default_incomplete: true,
        trial_days: Some(14),
        missing_payment_method: Some(MissingPaymentMethod::Cancel),
        ..shop.subscription()
    };
    let trial = shop.stripe.create_subscription(&trial, "trial").await.unwrap();
    assert_eq!(trial.status, "trialing");
    let behavior = SubscriptionChange {
        payment_behavior: Some(PaymentBehavior::DefaultIncomplete),
        ..SubscriptionChange::default()
    };
    assert!(shop.stripe.change_subscription(&trial.id, &behavior, "change").await.is_ok());
}
