//! What customers do: through the front door, at Stripe's pages, and behind the server's back.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::random::Random;
use testkit::server::{Answer, TestServer};

use crate::stage::{GOOD_CARD, StandIn, seconds};

const PLANS: [(&str, &str); 5] =
    [("basic", "monthly"), ("basic", "annual"), ("pro", "monthly"), ("pro", "annual"), ("tried", "monthly")];
/// Works mostly; is declined; must be confirmed by its owner; pays a day later, or not.
const CARDS: [&str; 8] = [
    GOOD_CARD,
    GOOD_CARD,
    GOOD_CARD,
    GOOD_CARD,
    "4000000000000002",
    "4000002760003184",
    "000123456789",
    "000111111116",
];

/// Who uses something before doing something else, of a hundred.
const USES_PERCENT: usize = 50;

/// Where histories play.
pub struct Town<'s> {
    pub server: &'s TestServer,
    pub stand_in: &'s StandIn,
    pub prices: &'s Prices,
}

/// The prices that the catalog's plans are sold for, both ways.
pub struct Prices(BTreeMap<String, (String, String)>);

impl Prices {
    pub async fn read(stand_in: &StandIn) -> Prices {
        let all = stand_in.all("prices?active=true").await;
        Prices(PLANS.map(|(plan, interval)| (id_of(&all, plan, interval), (plan.into(), interval.into()))).into())
    }

    /// Plan and interval.
    pub fn plan_of(&self, price: &str) -> Option<&(String, String)> {
        self.0.get(price)
    }

    fn any(&self, random: &mut Random) -> String {
        let ids: Vec<&String> = self.0.keys().collect();
        ids[random.below(ids.len())].clone()
    }
}

fn id_of(all: &[Value], plan: &str, interval: &str) -> String {
    let unit = if interval == "annual" { "year" } else { "month" };
    let is_it = |price: &&Value| price["metadata"]["tollway_plan"] == plan && price["recurring"]["interval"] == unit;
    let found = all.iter().find(is_it).unwrap_or_else(|| panic!("a price of {plan}, {interval}, in {all:?}"));
    found["id"].as_str().expect("an id").to_owned()
}

/// A use of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub at: i64,
    pub quantity: i64,
    /// When its window ends. `None`: no limit was known that counts it.
    pub resets_at: Option<i64>,
    /// What the limit was; 1,000 where more is charged.
    pub limit: Option<i64>,
    /// With it, in the window.
    pub used: i64,
}

pub struct Customer {
    pub id: String,
    pub random: Random,
    /// Stripe's id, once there is one.
    pub stripe: Option<String>,
    pub used: Vec<Used>,
    /// Plans that were set at Stripe, and when: those are not always billed.
    pub set_at_stripe: Vec<(i64, String)>,
    /// When such a plan was set without billing it at once.
    pub set_silently: Vec<i64>,
    /// When another plan was chosen for later the last time.
    pub chosen_for_later: Option<i64>,
    /// For whoever reads a failure.
    pub story: Vec<String>,
}

impl Customer {
    pub fn new(place: usize, seed: u64) -> Customer {
        let random = Random::seeded(seed);
        Customer {
            id: format!("customer-{place}"),
            random,
            stripe: None,
            used: Vec::new(),
            set_at_stripe: Vec::new(),
            set_silently: Vec::new(),
            chosen_for_later: None,
            story: Vec::new(),
        }
    }

    /// Does one thing, whatever it is.
    pub async fn act(&mut self, town: &Town<'_>) {
        if self.stripe.is_some() && self.random.chance(USES_PERCENT) {
            self.use_tokens(town).await;
        }
        let act = self.random.below(if self.stripe.is_none() { 30 } else { 112 });
        match act {
            0..21 => self.buy_on_the_page(town).await,
            21..30 => self.buy_on_a_form(town).await,
            30..46 => self.change(town).await,
            46..48 => drop(self.ask(town, "/cancel", json!({ "when": "now" })).await),
            48..53 => drop(self.ask(town, "/cancel", json!({ "when": "period_end" })).await),
            53..57 => drop(self.ask(town, "/resume", json!({})).await),
            57..60 => drop(self.ask(town, "/pause", json!({})).await),
            60..64 => self.take_card(town, "pm_card_chargeCustomerFail").await,
            64..68 => self.take_card(town, "pm_card_visa").await,
            68..72 => self.pay_what_is_owed(town).await,
            72..75 => self.refund(town).await,
            75..84 => self.change_at_stripe(town).await,
            100.. => self.use_much_and_change(town).await,
            _ => self.use_tokens(town).await,
        }
    }

    fn note(&mut self, town: &Town<'_>, what: String) {
        self.story.push(format!("{}: {what}", town.stand_in.stripe.now()));
    }

    /// Asks the server, which may refuse and must not fail.
    async fn ask(&mut self, town: &Town<'_>, verb: &str, mut body: Value) -> Answer {
        body["external_id"] = json!(self.id);
        let answer = town.server.post(&format!("/api/v1/subscription{verb}"), body.clone()).await;
        let shown = if answer.status < 300 { String::new() } else { answer.json()["detail"].to_string() };
        self.note(town, format!("{verb} {body} {} {shown}", answer.status));
        assert!(answer.status < 500, "{:#?}: {}", self.story, answer.text);
        answer
    }

    fn plan(&mut self) -> (&'static str, &'static str) {
        PLANS[self.random.below(PLANS.len())]
    }

    async fn buy_on_the_page(&mut self, town: &Town<'_>) {
        town.server.post("/api/v1/accounts", json!({ "external_id": self.id })).await;
        let (plan, interval) = self.plan();
        let page = self.ask(town, "/checkout", json!({ "plan": plan, "interval": interval })).await;
        let page = page.json();
        let Some(session) = page["session"].as_str() else { return };
        let customer = town.stand_in.get(&format!("checkout/sessions/{session}")).await["customer"].clone();
        self.stripe = customer.as_str().map(str::to_owned);
        if self.random.chance(8) {
            return;
        }
        let card = CARDS[self.random.below(CARDS.len())];
        let paid = town.stand_in.steer(&format!("checkout/{session}/pay"), json!({ "card": card })).await;
        self.note(town, format!("paid by {card}: {}", paid["status"]));
        if let Some(intent) = paid["payment_intent"].as_str() {
            let confirm = self.random.chance(70);
            town.stand_in.steer(&format!("3ds/{intent}"), json!({ "confirm": confirm })).await;
        }
    }

    async fn buy_on_a_form(&mut self, town: &Town<'_>) {
        town.server.post("/api/v1/accounts", json!({ "external_id": self.id })).await;
        let (plan, interval) = self.plan();
        let begun = self.ask(town, "", json!({ "plan": plan, "interval": interval })).await.json();
        let Some(subscription) = begun["subscription"].as_str() else { return };
        let customer = town.stand_in.get(&format!("subscriptions/{subscription}")).await["customer"].clone();
        self.stripe = customer.as_str().map(str::to_owned);
        let secret = begun["client_secret"].as_str().unwrap_or_default();
        let intent = secret.split("_secret_").next().unwrap_or_default().to_owned();
        if !intent.starts_with("pi_") || self.random.chance(20) {
            return;
        }
        let method = if self.random.chance(80) { "pm_card_visa" } else { "pm_card_chargeDeclined" };
        let paid =
            town.stand_in.post(&format!("payment_intents/{intent}/confirm"), &[("payment_method", method)]).await;
        self.note(town, format!("confirmed with {method}: {}", paid["status"]));
    }

    async fn change(&mut self, town: &Town<'_>) {
        let (plan, interval) = self.plan();
        let when = if self.random.chance(60) { "now" } else { "period_end" };
        let changed = self.ask(town, "/change", json!({ "plan": plan, "interval": interval, "when": when })).await;
        if changed.status < 300 && when == "period_end" {
            self.chosen_for_later = Some(town.stand_in.stripe.now());
        }
    }

    /// Between plans that charge usage past other limits, while a window goes on.
    async fn use_much_and_change(&mut self, town: &Town<'_>) {
        self.use_tokens(town).await;
        self.use_tokens(town).await;
        let plan = ["basic", "pro"][self.random.below(2)];
        self.ask(town, "/change", json!({ "plan": plan, "interval": "monthly", "when": "now" })).await;
        if self.random.chance(50) {
            self.use_tokens(town).await;
        }
    }

    /// What runs at Stripe for the customer.
    async fn subscription(&self, town: &Town<'_>) -> Option<Value> {
        let customer = self.stripe.as_deref()?;
        let found = town.stand_in.get(&format!("subscriptions?customer={customer}")).await;
        found["data"].as_array().and_then(|all| all.last()).cloned()
    }

    async fn take_card(&mut self, town: &Town<'_>, method: &str) {
        self.note(town, method.to_owned());
        let customer = self.stripe.clone().expect("whoever acts so has bought");
        let path = format!("payment_methods/{method}/attach");
        let card = town.stand_in.post(&path, &[("customer", &customer)]).await;
        let Some(card) = card["id"].as_str() else { return };
        let default = [("invoice_settings[default_payment_method]", card)];
        town.stand_in.post(&format!("customers/{customer}"), &default).await;
        if let Some(subscription) = self.subscription(town).await {
            let path = format!("subscriptions/{}", subscription["id"].as_str().expect("an id"));
            town.stand_in.post(&path, &[("default_payment_method", card)]).await;
        }
    }

    async fn pay_what_is_owed(&mut self, town: &Town<'_>) {
        let customer = self.stripe.clone().expect("whoever acts so has bought");
        for owed in town.stand_in.all(&format!("invoices?customer={customer}&status=open")).await {
            let id = owed["id"].as_str().expect("an id");
            let done = if self.random.chance(80) {
                let card = town.stand_in.post("payment_methods/pm_card_visa/attach", &[("customer", &customer)]).await;
                let card = card["id"].as_str().unwrap_or_default().to_owned();
                town.stand_in.post(&format!("invoices/{id}/pay"), &[("payment_method", &card)]).await
            } else {
                town.stand_in.post(&format!("invoices/{id}/void"), &[]).await
            };
            self.note(town, format!("{id} {} {}", done["status"], done["error"]["message"]));
        }
    }

    async fn refund(&mut self, town: &Town<'_>) {
        let customer = self.stripe.clone().expect("whoever acts so has bought");
        let charges = town.stand_in.all(&format!("charges?customer={customer}")).await;
        let paid: Vec<&Value> = charges.iter().filter(|charge| charge["status"] == "succeeded").collect();
        let Some(charge) = self.random.pick(&paid) else { return };
        let amount = charge["amount"].as_i64().unwrap_or(0) / self.random.between(1, 3);
        let form = [("charge", charge["id"].as_str().unwrap_or_default()), ("amount", &amount.to_string())];
        let made = town.stand_in.post("refunds", &form).await;
        self.note(town, format!("refund of {amount}: {} {}", made["status"], made["error"]["message"]));
    }

    /// What the portal and the dashboard can do.
    async fn change_at_stripe(&mut self, town: &Town<'_>) {
        let Some(subscription) = self.subscription(town).await else { return };
        let id = subscription["id"].as_str().expect("an id");
        let path = format!("subscriptions/{id}");
        let later = (town.stand_in.stripe.now() + self.random.between(86_400, 40 * 86_400)).to_string();
        let price = town.prices.any(&mut self.random);
        let item = subscription["items"]["data"][0]["id"].as_str().unwrap_or_default();
        let proration = ["create_prorations", "always_invoice", "none"][self.random.below(3)];
        let form: Vec<(&str, &str)> = match self.random.below(8) {
            0..3 => vec![("items[0][id]", item), ("items[0][price]", &price), ("proration_behavior", proration)],
            3 => vec![("cancel_at_period_end", "true")],
            4 => vec![("cancel_at_period_end", "false")],
            5 => vec![("cancel_at", &later)],
            6 => vec![("pause_collection[behavior]", "void"), ("pause_collection[resumes_at]", &later)],
            _ => {
                let ended = town.stand_in.delete(&path).await;
                return self.note(town, format!("ended at Stripe: {}", ended["status"]));
            }
        };
        let changed = town.stand_in.post(&path, &form).await;
        let is_other = subscription["items"]["data"][0]["price"]["id"] != price.as_str();
        let is_set = is_other && form[0].0 == "items[0][id]" && changed["error"].is_null();
        let set = town.prices.plan_of(&price).filter(|_| is_set);
        self.set_at_stripe.extend(set.map(|(plan, _)| (town.stand_in.stripe.now(), plan.clone())));
        self.set_silently.extend(set.filter(|_| proration != "always_invoice").map(|_| town.stand_in.stripe.now()));
        self.note(town, format!("{form:?} at Stripe: {} {}", changed["status"], changed["error"]["message"]));
    }

    async fn use_tokens(&mut self, town: &Town<'_>) {
        let quantity = self.random.between(100, 1_400);
        let body = json!({ "external_id": self.id, "meter": "tokens", "quantity": quantity });
        let answer = town.server.post("/api/v1/usage/consume", body).await;
        assert!([200, 429].contains(&answer.status), "{}", answer.text);
        if answer.status == 200 {
            let (answer, at) = (answer.json(), town.stand_in.stripe.now());
            let mut limits = answer["limits"].as_array().into_iter().flatten();
            let is_own = |limit: &&Value| limit["meter"] == "tokens" && !limit["resets_at"].is_null();
            let own = limits.find(is_own);
            self.used.push(Used {
                at,
                quantity,
                resets_at: own.map(|limit| seconds(&limit["resets_at"])),
                limit: own.and_then(|limit| limit["limit"].as_i64()),
                used: own.and_then(|limit| limit["used"].as_i64()).unwrap_or(0),
            });
        }
        let last = self.used.last().copied();
        self.note(town, format!("{quantity} tokens: {last:?}"));
    }
}
