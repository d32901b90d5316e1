//! Tollway's client for Stripe and the stand-in, which share no code: what one asks for, the other does.

mod buying;
mod changing;
mod paying;
mod telling;

use providers::stripe::{
    CheckoutLine, CheckoutPrice, CheckoutSession, Metadata, NewCheckout, NewCustomer, NewPrice, NewProduct,
    NewSubscription, Recurrence, Stripe, Subscription,
};
use serde_json::json;

use crate::stage::StripeAccount;

/// A seller with a plan at two prices and one customer.
struct Shop {
    account: StripeAccount,
    stripe: Stripe,
    customer: String,
    monthly: String,
    annual: String,
}

fn metadata() -> Metadata {
    Metadata::from([("account".to_owned(), "acct_1".to_owned())])
}

impl Shop {
    async fn open() -> Shop {
        let account = StripeAccount::open().await;
        let stripe = account.client();
        let product = NewProduct { id: Some("tollway_pro".into()), name: "Pro".into(), ..NewProduct::default() };
        let product = stripe.create_product(&product, "product").await.expect("a product").id;
        let monthly = price(&stripe, &product, ("pro_monthly", "month", 1_500)).await;
        let annual = price(&stripe, &product, ("pro_annual", "year", 15_000)).await;
        let new = NewCustomer {
            email: Some("ada@example.com".into()),
            name: Some("Ada".into()),
            metadata: metadata(),
            ..NewCustomer::default()
        };
        let customer = stripe.create_customer(&new, "customer").await.expect("a customer").id;
        Shop { account, stripe, customer, monthly, annual }
    }

    fn checkout(&self) -> NewCheckout {
        NewCheckout {
            customer: Some(self.customer.clone()),
            lines: vec![CheckoutLine { price: CheckoutPrice::Listed(self.monthly.clone()), quantity: Some(1) }],
            success_url: "https://example.com/done?session={CHECKOUT_SESSION_ID}".into(),
            cancel_url: Some("https://example.com/pricing".into()),
            client_reference_id: Some("acct_1".into()),
            metadata: metadata(),
            ..NewCheckout::default()
        }
    }

    /// Does what a person does on the page.
    async fn pay(&self, session: &CheckoutSession) -> CheckoutSession {
        let path = format!("checkout/{}/pay", session.id);
        self.account.steer(&path, &json!({ "card": "4242424242424242" })).await;
        self.stripe.get_checkout_session(&session.id).await.expect("a session")
    }

    /// A subscription that was bought on the page.
    async fn subscribed(&self) -> Subscription {
        let session = self.stripe.create_checkout_session(&self.checkout(), "checkout").await.expect("a session");
        let id = self.pay(&session).await.subscription.expect("a subscription");
        self.stripe.get_subscription(&id).await.expect("a subscription")
    }

    fn subscription(&self) -> NewSubscription {
        NewSubscription {
            customer: self.customer.clone(),
            price: self.monthly.clone(),
            metadata: metadata(),
            ..NewSubscription::default()
        }
    }
}

async fn price(stripe: &Stripe, product: &str, (key, interval, amount): (&str, &str, i64)) -> String {
    let new = NewPrice {
        product: product.to_owned(),
        currency: "USD".into(),
        unit_amount: amount,
        lookup_key: Some(key.to_owned()),
        recurring: Some(Recurrence { interval: interval.into(), count: 1 }),
        ..NewPrice::default()
    };
    stripe.create_price(&new, key).await.expect("a price").id
}
