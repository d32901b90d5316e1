//! What a person does with a checkout session: pay with a card, confirm it, try again. What was bought is made only once
//! it is paid, or once a delayed method has begun to pay.

use serde_json::{Value, json};

use super::super::cards;
use super::super::discounts;
use super::super::fields::Fields;
use super::super::invoices::preview;
use super::super::money;
use super::super::payment_intents::{self, Outcome, Owner, Purpose};
use super::super::payment_methods;
use super::super::periods::DAY;
use super::super::refusal::Refusal;
use super::super::setup_intents;
use super::super::subscriptions::endpoints::one_time_line;
use super::super::subscriptions::items::Wanted;
use super::super::subscriptions::start::{self, FirstPayment, Start};
use super::super::work::Work;

const TAX_PERCENT: i64 = 10;

/// What comes of a payment on the page.
pub enum Paid {
    /// The customer goes on to this address.
    Complete { success_url: String },
    /// The card's owner must confirm here first.
    RequiresAction { url: String },
}

/// Sums of the session, with the discounts it has and those of a code. Gives what is due today.
pub fn add_up(work: &mut Work, id: &str, code: Option<&Value>) -> Result<i64, Refusal> {
    let session = work.known("checkout.session", id);
    let mark = work.mark();
    let summed = sums(work, &session, code);
    work.undo_since(mark);
    let (subtotal, discount, tax, total, due) = summed?;
    let fields = json!({
        "amount_subtotal": subtotal, "amount_total": total,
        "total_details": { "amount_discount": discount, "amount_shipping": 0, "amount_tax": tax },
    });
    work.set("checkout.session", id, fields);
    Ok(due)
}

fn sums(work: &mut Work, session: &Value, code: Option<&Value>) -> Result<(i64, i64, i64, i64, i64), Refusal> {
    if session.text("mode") == "payment" {
        let mut made: Vec<Value> = session
            .list("_line_items")
            .iter()
            .map(|item| json!({ "amount": item["amount_subtotal"], "discountable": true }))
            .collect();
        let subtotal: i64 = made.iter().map(|line| line.whole("amount")).sum();
        let mut held = session.list("_discounts").to_vec();
        held.extend(code.map(|promotion| discounts::of_code(work, promotion, session.text("customer"))));
        let discount: i64 = discounts::spread(&mut made, &held).iter().map(|sum| sum.whole("amount")).sum();
        let tax =
            if session.is("automatic_tax.enabled") { money::share(subtotal - discount, TAX_PERCENT, 100) } else { 0 };
        let total = subtotal - discount + tax;
        return Ok((subtotal, discount, tax, total, total));
    }
    let customer = work.get("customer", session.text("customer")).cloned();
    let customer = customer.unwrap_or_else(|| json!({ "id": null, "balance": 0, "tax_exempt": "none" }));
    let plan = plan(work, session, customer, code);
    let invoice = preview::first_invoice(work, &plan);
    let sum = |path: &str| -> i64 { invoice.list(path).iter().map(|entry| entry.whole("amount")).sum() };
    let (discount, tax) = (sum("total_discount_amounts"), sum("total_taxes"));
    Ok((invoice.whole("subtotal"), discount, tax, invoice.whole("total"), invoice.whole("amount_due")))
}

/// The subscription that a session sells.
fn plan(work: &mut Work, session: &Value, customer: Value, code: Option<&Value>) -> Start {
    let data = session.at("_subscription_data");
    let all = session.list("_line_items");
    let wanted = all.iter().filter(|item| item.text("price.type") == "recurring").map(|item| Wanted {
        price: item["price"].clone(),
        quantity: item.whole("quantity"),
        metadata: json!({}),
    });
    let currency = session.text("currency");
    let extras: Vec<&Value> = all.iter().filter(|item| item.text("price.type") != "recurring").collect();
    let extra_lines =
        extras.iter().map(|item| one_time_line(work, &item["price"], item.whole("quantity"), currency)).collect();
    let mut held = session.list("_discounts").to_vec();
    held.extend(code.map(|promotion| discounts::of_code(work, promotion, customer.text("id"))));
    let days = data.opt_whole("trial_period_days").map(|days| work.now + days * DAY);
    Start {
        customer,
        items: wanted.collect(),
        currency: currency.to_owned(),
        metadata: data["metadata"].clone(),
        description: data.opt_text("description").map(str::to_owned),
        trial_end: data.opt_whole("trial_end").or(days).filter(|end| *end > work.now),
        missing_payment_method: data.text("missing_payment_method").to_owned(),
        default_payment_method: None,
        has_automatic_tax: session.is("automatic_tax.enabled"),
        discounts: held,
        billing_cycle_anchor: data.opt_whole("billing_cycle_anchor"),
        prorates: data.text("proration_behavior") != "none",
        cancel_at: None,
        cancel_at_period_end: false,
        collection_method: "charge_automatically".to_owned(),
        days_until_due: None,
        saves_method: false,
        billing_mode: data.opt_text("billing_mode").unwrap_or("flexible").to_owned(),
        payment: FirstPayment::Allow,
        owner: Owner::Present,
        extra_lines,
        intent: None,
    }
}

/// Pays a session with a test card. Without a number where no card is wanted.
pub fn pay(
    work: &mut Work,
    id: &str,
    number: Option<&str>,
    code: Option<&str>,
    email: Option<&str>,
) -> Result<Paid, Refusal> {
    let session = work.find("checkout.session", id, "session")?;
    let customer = work.known("customer", session.text("customer"));
    work.live_by(&customer);
    check_open(work, &session)?;
    let promotion = promotion(work, &session, code)?;
    let due = add_up(work, id, promotion.as_ref())?;
    let wants_card = due > 0 || session.text("payment_method_collection") != "if_required";
    let method = match (number, wants_card) {
        (Some(number), _) => payment_methods::make(work, cards::by_number(number)?),
        (None, false) => Value::Null,
        (None, true) => return Err(Refusal::missing("card")),
    };
    let pending = json!({ "promotion_code": promotion, "method": method["id"], "email": email });
    work.set("checkout.session", id, json!({ "_pending": pending }));
    if due == 0 {
        if let Some(url) = set_up(work, &session, &method)? {
            return Ok(Paid::RequiresAction { url });
        }
        return complete(work, id, None);
    }
    let intent = intent_of(work, &session, due);
    let outcome = payment_intents::attempt(work, &intent, &method, Owner::Present);
    match outcome {
        Outcome::Succeeded | Outcome::Processing => complete(work, id, Some(&intent)),
        Outcome::RequiresAction => Ok(Paid::RequiresAction { url: format!("{}/3ds/{intent}", work.public_url) }),
        Outcome::Declined(_) => {
            Err(payment_intents::refusal(work, &intent, outcome).expect("the attempt was declined").keeping_work())
        }
    }
}

/// Nothing is due today: the card is kept for later. Gives the address where its owner must confirm that, if so.
fn set_up(work: &mut Work, session: &Value, method: &Value) -> Result<Option<String>, Refusal> {
    if method.is_null() {
        return Ok(None);
    }
    let intent = setup_intents::make(work, session.opt_text("customer"), Some(session.text("id")), "off_session");
    let intent = setup_intents::attempt(work, intent.text("id"), method)?;
    Ok((intent.text("status") == "requires_action").then(|| format!("{}/3ds/{}", work.public_url, intent.text("id"))))
}

/// The owner has confirmed that the card is kept: the session is complete.
pub fn is_set_up(work: &mut Work, session: &str) -> Result<Paid, Refusal> {
    complete(work, session, None)
}

fn check_open(work: &Work, session: &Value) -> Result<(), Refusal> {
    match session.text("status") {
        "open" if session.whole("expires_at") > work.now => Ok(()),
        "complete" => Err(Refusal::invalid("This Checkout Session has been paid already.")),
        _ => Err(Refusal::invalid("This Checkout Session has expired.")),
    }
}

/// The promotion code that a person typed, if it holds and the session takes one.
pub fn promotion(work: &Work, session: &Value, code: Option<&str>) -> Result<Option<Value>, Refusal> {
    let Some(code) = code.filter(|code| !code.is_empty()) else { return Ok(None) };
    if !session.is("allow_promotion_codes") {
        return Err(Refusal::invalid("This Checkout Session takes no promotion codes.").param("promotion_code"));
    }
    let found = discounts::find_code(work, code);
    found.map(Some).ok_or_else(|| Refusal::invalid("This code is invalid.").param("promotion_code"))
}

/// The session's one intent, which every attempt on the page uses.
fn intent_of(work: &mut Work, session: &Value, due: i64) -> String {
    if let Some(intent) = session.opt_text("_intent") {
        work.set("payment_intent", intent, json!({ "amount": due }));
        return intent.to_owned();
    }
    let is_payment = session.text("mode") == "payment";
    let purpose = Purpose {
        amount: due,
        currency: session.text("currency"),
        customer: session.opt_text("customer"),
        description: if is_payment { session.text("_payment_data.description") } else { "Subscription creation" },
        invoice: None,
        session: Some(session.text("id")),
        metadata: if is_payment { session["_payment_data"]["metadata"].clone() } else { json!({}) },
    };
    let intent = payment_intents::make(work, &purpose)["id"].as_str().unwrap_or_default().to_owned();
    work.set("checkout.session", session.text("id"), json!({ "_intent": intent }));
    intent
}

/// The page's own attempt was confirmed, or a delayed payment became known.
pub fn settled(work: &mut Work, id: &str, outcome: Outcome) {
    let session = work.known("checkout.session", id);
    let intent = session.text("_intent").to_owned();
    match (session.text("status"), outcome) {
        ("open", Outcome::Succeeded | Outcome::Processing) => drop(complete(work, id, Some(&intent))),
        ("complete", Outcome::Succeeded) => {
            let session = work.set("checkout.session", id, json!({ "payment_status": "paid" }));
            work.tell("checkout.session.async_payment_succeeded", &session);
        }
        ("complete", Outcome::Declined(_)) => work.tell("checkout.session.async_payment_failed", &session),
        _ => {}
    }
}

/// What was bought comes into being.
fn complete(work: &mut Work, id: &str, intent: Option<&str>) -> Result<Paid, Refusal> {
    let session = work.known("checkout.session", id);
    let method = work.known("payment_method", session.text("_pending.method"));
    let customer = buyer(work, &session);
    let buyer_id = customer.text("id").to_owned();
    let paid_at_once = intent.is_none_or(|intent| work.known("payment_intent", intent).text("status") == "succeeded");
    if let Some(intent) = intent {
        let intent = work.set("payment_intent", intent, json!({ "customer": customer["id"] }));
        work.set("charge", intent.text("latest_charge"), json!({ "customer": customer["id"] }));
    }
    if !method.is_null() && !buyer_id.is_empty() && method["customer"].is_null() {
        payment_methods::give(work, method.text("id"), &buyer_id);
    }
    let mut fields = json!({
        "status": "complete",
        "payment_status": match (intent, paid_at_once) {
            (None, _) => "no_payment_required",
            (_, true) => "paid",
            (_, false) => "unpaid",
        },
        "customer": customer["id"],
        "customer_details": customer_details(&session, &customer),
        "url": null,
        "_pending": null,
    });
    if session.is("automatic_tax.enabled") {
        fields["automatic_tax"] = session["automatic_tax"].clone();
        fields["automatic_tax"]["status"] = json!("complete");
    }
    if session.text("mode") == "subscription" {
        let code = session.at("_pending.promotion_code");
        let mut plan = plan(work, &session, customer, (!code.is_null()).then_some(code));
        plan.default_payment_method = method.opt_text("id").map(str::to_owned);
        plan.intent = intent.map(str::to_owned);
        let held: Vec<Value> = plan
            .discounts
            .iter()
            .map(|discount| {
                json!({
                    "coupon": discount["source"]["coupon"], "promotion_code": discount["promotion_code"],
                })
            })
            .collect();
        let (subscription, _) = start::start(work, plan)?;
        fields["subscription"] = subscription["id"].clone();
        fields["invoice"] = subscription["latest_invoice"].clone();
        fields["discounts"] = json!(held);
        // The payment of a subscription is its invoice's, not the session's.
        fields["payment_intent"] = Value::Null;
    } else {
        fields["payment_intent"] = json!(intent);
    }
    let session = work.set("checkout.session", id, fields);
    work.tell("checkout.session.completed", &session);
    Ok(Paid::Complete { success_url: session.text("success_url").replace("{CHECKOUT_SESSION_ID}", id) })
}

/// The session's customer, or a new one; a one-time payment may have none.
fn buyer(work: &mut Work, session: &Value) -> Value {
    let email = session.opt_text("_pending.email").or(session.opt_text("customer_email"));
    if let Some(customer) = session.opt_text("customer") {
        let before = work.known("customer", customer);
        let mut after = before.clone();
        if session.text("_customer_update.address") == "auto" && after["address"].is_null() {
            after["address"] = page_address();
        }
        work.put("customer", after.clone());
        work.tell_change("customer.updated", &before, &after);
        return after;
    }
    if session.text("customer_creation") != "always" {
        return Value::Null;
    }
    let form = json!({ "email": email.unwrap_or("buyer@example.com"), "name": "Test Buyer" });
    let params = super::super::params::Params::new(form);
    let request = super::super::request::Request { id: String::new(), params };
    super::super::customers::create(work, &request).unwrap_or_default()
}

/// The address that the page fills in.
fn page_address() -> Value {
    json!({ "city": "San Francisco", "country": "US", "line1": "1 Test Street", "line2": null, "postal_code": "94103", "state": "CA" })
}

fn customer_details(session: &Value, customer: &Value) -> Value {
    let email =
        customer.opt_text("email").or(session.opt_text("_pending.email")).or(session.opt_text("customer_email"));
    let wants_address = session.text("billing_address_collection") == "required" || session.is("automatic_tax.enabled");
    let address = match customer["address"].is_null() && wants_address {
        true => page_address(),
        false => customer["address"].clone(),
    };
    json!({
        "address": address, "business_name": null, "email": email, "individual_name": null, "name": customer["name"],
        "phone": customer["phone"], "tax_exempt": customer.opt_text("tax_exempt").unwrap_or("none"), "tax_ids": [],
    })
}

pub fn expire(work: &mut Work, id: &str) -> Value {
    let before = work.known("checkout.session", id);
    if before.text("status") != "open" {
        return before;
    }
    payment_intents::cancel(work, before.text("_intent"), "expired");
    let session = work.set("checkout.session", id, json!({ "status": "expired", "url": null, "_pending": null }));
    work.tell("checkout.session.expired", &session);
    session
}

/// The day is over and nobody has paid.
pub fn expire_due(work: &mut Work, id: &str) {
    if work.known("checkout.session", id).whole("expires_at") == work.now {
        expire(work, id);
    }
}
