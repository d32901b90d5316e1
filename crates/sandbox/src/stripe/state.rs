//! Everything that the stand-in remembers: objects as they are shown, what falls due when, kept answers, and webhooks on
//! their way. All of it is one JSON file where a state file is named.
//!
//! Fields that begin with `_` are the stand-in's own and are never shown. Start with [`State`].

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::clock;
use super::fields::Fields;
use super::table::{Table, owner_field};

/// What can fall due. An entry that no longer fits its object is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Task {
    TrialWillEnd,
    InvoiceUpcoming,
    EndPeriod,
    CancelSubscription,
    ExpireIncomplete,
    ExpirePendingUpdate,
    ResumeCollection,
    FinalizeInvoice,
    RetryInvoice,
    SettlePayment,
    ExpireSession,
}

/// When, in which order it was noted, what, and whose.
pub type Due = (i64, u64, Task, String);

/// The answer that is kept under an idempotency key.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeptAnswer {
    pub at: i64,
    pub call: String,
    pub status: u16,
    pub body: String,
    pub request_id: String,
}

/// One event on its way to one endpoint.
#[derive(Clone, Serialize, Deserialize)]
pub struct Delivery {
    pub number: u64,
    pub event: String,
    pub event_type: String,
    pub endpoint: String,
    pub attempts: u32,
    /// Wall-clock milliseconds before which it is not sent; 0 until it is decided how it travels.
    pub not_before_ms: i64,
    pub is_held: bool,
}

/// What is left to do when retries of a renewal are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterRetries {
    #[default]
    Cancel,
    Unpaid,
    PastDue,
}

#[derive(Default, Serialize, Deserialize)]
pub struct State {
    seed: String,
    made: u64,
    /// Where the stand-in was reached; addresses of pages begin with it.
    pub public_url: String,
    /// How far the clock is ahead of the real one. To the millisecond, so that a second begins when it does for whoever
    /// moved the clock, and not up to a second before.
    #[serde(default)]
    pub ahead_ms: i64,
    pub after_retries: AfterRetries,
    tables: BTreeMap<String, Table>,
    /// By the test clock that they follow; without one, under the empty name.
    agenda: BTreeMap<String, BTreeSet<Due>>,
    pub kept_answers: HashMap<String, KeptAnswer>,
    pub deliveries: VecDeque<Delivery>,
}

impl State {
    pub fn new(seed: String) -> State {
        State { seed, ..State::default() }
    }

    /// The time, in whole seconds since 1970.
    pub fn now(&self) -> i64 {
        (clock::real_ms() + self.ahead_ms).div_euclid(1000)
    }

    /// A number of its own for everything that is made.
    pub fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// A new id. Ids of another state are others.
    pub fn id(&mut self, prefix: &str) -> String {
        let number = self.next_number();
        let digest = Sha256::digest(format!("{}:{number}", self.seed));
        let (lead, length) = match prefix {
            "cus" | "prod" | "si" => ("", 14),
            "pi" | "ch" | "re" => ("3", 23),
            "cs_test" => ("a1", 56),
            _ => ("1", 23),
        };
        let mut letters = String::new();
        let mut round = digest.to_vec();
        while letters.len() < length {
            letters.extend(round.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])));
            round = Sha256::digest(&round).to_vec();
        }
        letters.truncate(length);
        format!("{prefix}_{lead}{letters}")
    }

    pub fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.tables.get(kind)?.get(id)
    }

    /// Puts an object in its place; `None` takes it away. Gives what stood there before.
    pub fn put(&mut self, kind: &str, id: &str, object: Option<Value>) -> Option<Value> {
        self.tables.entry(kind.to_owned()).or_default().put(owner_field(kind), id, object)
    }

    /// Objects of a kind, oldest first.
    pub fn all<'a>(&'a self, kind: &str) -> impl DoubleEndedIterator<Item = &'a Value> {
        self.tables.get(kind).into_iter().flat_map(Table::all)
    }

    /// Those of them that belong to something, oldest first: what [`owner_field`] says.
    pub fn owned<'a>(&'a self, kind: &str, owner: &str) -> impl DoubleEndedIterator<Item = &'a Value> {
        self.tables.get(kind).into_iter().flat_map(move |table| table.owned(owner))
    }

    /// To be called when it was loaded.
    pub fn index(&mut self) {
        for (kind, table) in &mut self.tables {
            table.index(owner_field(kind));
        }
    }

    pub fn note_due(&mut self, clock: &str, at: i64, task: Task, id: &str) -> Due {
        let due = (at, self.next_number(), task, id.to_owned());
        self.agenda.entry(clock.to_owned()).or_default().insert(due.clone());
        due
    }

    pub fn forget_due(&mut self, clock: &str, due: &Due) {
        if let Some(agenda) = self.agenda.get_mut(clock) {
            agenda.remove(due);
        }
    }

    /// The first thing that falls due on a clock by then.
    pub fn next_due(&mut self, clock: &str, until: i64) -> Option<Due> {
        let agenda = self.agenda.get_mut(clock)?;
        agenda.first().filter(|due| due.0 <= until)?;
        agenda.pop_first()
    }

    pub fn forget_clock(&mut self, clock: &str) {
        self.agenda.remove(clock);
    }

    /// How many objects of each kind there are, and of each state where they have one.
    pub fn counts(&self) -> Value {
        let mut by_status: BTreeMap<&str, u64> = BTreeMap::new();
        for subscription in self.all("subscription") {
            *by_status.entry(subscription.text("status")).or_default() += 1;
        }
        let customers = self.all("customer").filter(|customer| !customer.is("deleted")).count();
        let succeeded = self.all("charge").filter(|charge| charge.text("status") == "succeeded");
        let (charges, charged) =
            succeeded.fold((0, 0), |(count, sum), charge| (count + 1, sum + charge.whole("amount")));
        let refunded: i64 = self.all("refund").map(|refund| refund.whole("amount")).sum();
        json!({
            "customers": customers,
            "subscriptions": self.all("subscription").count(),
            "subscriptions_by_status": by_status,
            "charges_succeeded": charges,
            "amount_charged": charged,
            "charges_failed": self.all("charge").filter(|charge| charge.text("status") == "failed").count(),
            "refunds": self.all("refund").count(),
            "amount_refunded": refunded,
            "invoices": self.all("invoice").count(),
            "invoice_items": self.all("invoiceitem").count(),
            "events": self.all("event").count(),
        })
    }
}

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
