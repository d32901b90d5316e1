//! Invoices and their items, payments, refusals, refunds; and that nothing is done twice.

use providers::stripe::{
    InvoiceItemAmount, InvoiceItemsOf, Metadata, NewCustomer, NewInvoice, NewInvoiceItem, NewSubscription, StripeError,
};

use super::{Shop, metadata};

impl Shop {
    fn item(&self, amount: InvoiceItemAmount) -> NewInvoiceItem {
        NewInvoiceItem {
            customer: self.customer.clone(),
            subscription: None,
            invoice: None,
            amount,
            description: Some("Tokens past the limit".into()),
            period: None,
            metadata: metadata(),
        }
    }

    /// Gives the customer a card by one of Stripe's names for test cards.
    async fn give_card(&self, card: &str) {
        let path = format!("/v1/payment_methods/{card}/attach");
        let card = self.account.post(&path, &format!("customer={}", self.customer)).await;
        let card = card["id"].as_str().map(str::to_owned);
        let change = NewCustomer { default_payment_method: card.clone(), ..NewCustomer::default() };
        let key = format!("card/{card:?}");
        let changed = self.stripe.update_customer(&self.customer, &change, &key).await.expect("a customer");
        assert_eq!(changed.default_payment_method, card);
    }
}

fn dollars(amount: i64) -> InvoiceItemAmount {
    InvoiceItemAmount::Total { amount, currency: "USD".into() }
}

#[tokio::test]
async fn a_payment_is_followed_from_the_invoice_to_the_refund() {
    let shop = Shop::open().await;
    let stripe = &shop.stripe;
    let subscription = shop.subscribed().await;
    let invoice = stripe.get_invoice(subscription.latest_invoice.as_deref().unwrap()).await.unwrap();
    let [intent] = &invoice.payment_intents[..] else { panic!("{:?}", invoice.payment_intents) };
    let payment = stripe.get_payment_intent(intent).await.unwrap();
    let charge = payment.latest_charge.expect("a charge");
    assert_eq!((charge.status.as_str(), charge.amount_captured), ("succeeded", 1_500));
    assert_eq!(charge.payment_method_summary.as_deref(), Some("visa 4242"));
    assert_eq!((charge.payment_intent.as_ref(), charge.customer.as_ref()), (Some(intent), Some(&shop.customer)));
    let payments = stripe.invoice_payments_of(intent).await.unwrap();
    assert_eq!(payments.iter().map(|one| one.invoice.as_ref()).collect::<Vec<_>>(), [Some(&invoice.id)]);
    let part = stripe.create_refund(intent, Some(500), &metadata(), "part").await.unwrap();
    assert_eq!((part.amount, part.status.as_deref(), &part.metadata), (500, Some("succeeded"), &metadata()));
    let charge = stripe.get_charge(&charge.id).await.unwrap();
    assert_eq!((charge.amount_refunded, charge.refunded), (500, false));
    let rest = stripe.create_refund(intent, None, &Metadata::new(), "rest").await.unwrap();
    assert_eq!(rest.amount, 1_000);
    assert!(stripe.get_charge(&charge.id).await.unwrap().refunded);
    let more = stripe.create_refund(intent, Some(1), &Metadata::new(), "more").await.unwrap_err();
    assert!(matches!(more, StripeError::Invalid { .. }), "{more:?}");
}

#[tokio::test]
async fn items_are_put_on_an_invoice_of_their_own() {
    let shop = Shop::open().await;
    let stripe = &shop.stripe;
    shop.give_card("pm_card_visa").await;
    let each = InvoiceItemAmount::Each {
        unit_amount_decimal: "0.5".into(),
        currency: "USD".into(),
        quantity: 300,
        product: Some("tollway_pro".into()),
    };
    stripe.create_invoice_item(&shop.item(dollars(700)), "waiting").await.unwrap();
    assert_eq!(stripe.invoice_items_of(InvoiceItemsOf::Waiting(&shop.customer)).await.unwrap().len(), 1);
    let new = NewInvoice { customer: shop.customer.clone(), metadata: metadata(), ..NewInvoice::default() };
    let empty = stripe.create_invoice(&new, "empty").await.unwrap();
    assert_eq!((empty.status.as_deref(), empty.total), (Some("draft"), 0));
    let on = NewInvoiceItem { invoice: Some(empty.id.clone()), ..shop.item(each) };
    let on = stripe.create_invoice_item(&on, "on it").await.unwrap();
    assert_eq!((on.amount, on.invoice.as_ref()), (150, Some(&empty.id)));
    let final_one = stripe.finalize_invoice(&empty.id, false, "final").await.unwrap();
    assert_eq!((final_one.status.as_deref(), final_one.amount_due), (Some("open"), 150));
    let paid = stripe.pay_invoice(&empty.id, "pay").await.unwrap();
    assert_eq!((paid.status.as_deref(), paid.amount_paid, paid.payment_intents.len()), (Some("paid"), 150, 1));
    let with = NewInvoice { with_pending_items: true, ..new };
    let with = stripe.create_invoice(&with, "with").await.unwrap();
    assert_eq!((with.total, with.lines[0].amount), (700, 700));
    assert_eq!(with.lines[0].description.as_deref(), Some("Tokens past the limit"));
    let items = stripe.invoice_items_of(InvoiceItemsOf::Invoice(&with.id)).await.unwrap();
    assert_eq!(items.iter().map(|item| item.amount).collect::<Vec<_>>(), [700]);
    assert_eq!(stripe.invoice_items_of(InvoiceItemsOf::Waiting(&shop.customer)).await.unwrap(), []);
    assert_eq!(stripe.invoice_items_of(InvoiceItemsOf::Customer(&shop.customer)).await.unwrap().len(), 2);
    stripe.finalize_invoice(&with.id, false, "final too").await.unwrap();
    let void = stripe.void_invoice(&with.id, "void").await.unwrap();
    assert!(void.status.as_deref() == Some("void") && void.voided_at.is_some());
}

#[tokio::test]
async fn a_bank_that_says_no_is_told_with_its_reason() {
    let shop = Shop::open().await;
    shop.give_card("pm_card_chargeCustomerFail").await;
    let refused = shop.stripe.create_subscription(&shop.subscription(), "new").await;
    // What is allowed to be incomplete is made, and can be paid later.
    let waiting = refused.unwrap();
    assert_eq!(waiting.status, "incomplete");
    let invoice = waiting.latest_invoice.unwrap();
    let declined = shop.stripe.pay_invoice(&invoice, "pay").await.unwrap_err();
    let StripeError::Declined { code, message, .. } = &declined else { panic!("{declined:?}") };
    assert_eq!(code, "card_declined");
    assert!(!message.is_empty());
    let open = shop.stripe.get_invoice(&invoice).await.unwrap();
    assert_eq!((open.status.as_deref(), open.amount_remaining), (Some("open"), 1_500));
    let intent = shop.stripe.get_payment_intent(&open.payment_intents[0]).await.unwrap();
    assert_eq!(intent.last_error.and_then(|error| error.code).as_deref(), Some("card_declined"));
}

#[tokio::test]
async fn a_key_does_its_deed_once() {
    let shop = Shop::open().await;
    let stripe = &shop.stripe;
    let first = stripe.create_invoice_item(&shop.item(dollars(700)), "once").await.unwrap();
    assert_eq!(stripe.create_invoice_item(&shop.item(dollars(700)), "once").await.unwrap(), first);
    let other = stripe.create_invoice_item(&shop.item(dollars(800)), "once").await;
    assert_eq!(other, Err(StripeError::KeyReused));
    assert_eq!(stripe.invoice_items_of(InvoiceItemsOf::Customer(&shop.customer)).await.unwrap(), [first]);
}

#[tokio::test]
async fn answers_that_are_lost_charge_nobody_twice() {
    let shop = Shop::open().await;
    shop.give_card("pm_card_visa").await;
    shop.account.lose_answers("POST", "/v1/subscriptions", 2).await;
    let new = NewSubscription { ..shop.subscription() };
    let made = shop.stripe.create_subscription(&new, "new").await.unwrap();
    assert_eq!(made.status, "active");
    shop.account.lose_answers("POST", "/v1/refunds", 2).await;
    let invoice = shop.stripe.get_invoice(made.latest_invoice.as_deref().unwrap()).await.unwrap();
    let intent = &invoice.payment_intents[0];
    shop.stripe.create_refund(intent, Some(100), &Metadata::new(), "refund").await.unwrap();
    let charge = shop.stripe.get_payment_intent(intent).await.unwrap().latest_charge.unwrap();
    assert_eq!(charge.amount_refunded, 100);
    assert_eq!(shop.stripe.subscriptions_of(&shop.customer).await.unwrap().len(), 1);
    let counts = shop.account.counts().await;
    assert_eq!((&counts["refunds"], &counts["invoices"]), (&1.into(), &1.into()), "{counts}");
    // When every answer is lost the outcome is unknown, and the same key finds out.
    shop.account.lose_answers("POST", "/v1/invoiceitems", 3).await;
    let lost = shop.stripe.create_invoice_item(&shop.item(dollars(5)), "lost").await.unwrap_err();
    assert!(lost.is_passing(), "{lost:?}");
    shop.stripe.create_invoice_item(&shop.item(dollars(5)), "lost").await.unwrap();
    assert_eq!(shop.stripe.invoice_items_of(InvoiceItemsOf::Customer(&shop.customer)).await.unwrap().len(), 1);
}
