//! Tells of what has become of an account's plan: in its history and by mail, each thing once, in the transaction that
//! learned of it.

use std::cell::Cell;
use std::sync::Arc;

use domain::catalog::Interval;
use domain::ids::{HistoryEntryId, HistoryEntryKind, PlanVersionId};
use domain::money::{Currency, Money};
use domain::time::{MICROS_PER_DAY, Timestamp};
use storage::ledger::plan_book::PlanBook;
use storage::records::accounts::Account;
use storage::records::billed_subscriptions::BilledSubscription;
use storage::records::invoices::Invoice;
use storage::records::payments::Payment;
use storage::records::subscription_history::{self, HistoryEntry};
use storage::{StorageError, Tx};

use crate::App;
use crate::mail::{self, Mail, NewMail, recipients};

/// What is learned later than this is history and no news: nobody is mailed about it.
const NEWS_DAYS: i64 = 3;

/// What telling needs.
pub(super) struct Teller {
    pub app: App,
    pub plans: Arc<PlanBook>,
    pub account: Account,
    /// The number of the read that it was learned by.
    pub read: i64,
    pub now: Timestamp,
    /// The next entry's id: entries of one moment are listed in the order they were told.
    next_entry: Cell<u128>,
}

/// An entry of the history that is to be written.
#[derive(Clone)]
pub(super) struct Happened {
    pub kind: &'static str,
    pub once: String,
    pub plan: Option<PlanVersionId>,
    pub former_plan: Option<PlanVersionId>,
    pub interval: Option<Interval>,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub subscription: Option<String>,
    pub invoice: Option<String>,
    /// [`Timestamp::EPOCH`]: now.
    pub at: Timestamp,
}

impl Happened {
    pub fn of(billed: &BilledSubscription, kind: &'static str, once: String) -> Self {
        Self {
            kind,
            once,
            plan: billed.plan_version,
            former_plan: None,
            interval: Some(billed.interval),
            amount: billed.unit_amount,
            currency: Some(billed.currency.clone()),
            subscription: Some(billed.id.clone()),
            invoice: None,
            at: Timestamp::EPOCH,
        }
    }

    pub fn of_invoice(invoice: &Invoice, kind: &'static str, once: String) -> Self {
        Self {
            kind,
            once,
            plan: None,
            former_plan: None,
            interval: None,
            amount: Some(invoice.total),
            currency: Some(invoice.currency.clone()),
            subscription: invoice.subscription.clone(),
            invoice: Some(invoice.stripe_id.clone()),
            at: Timestamp::EPOCH,
        }
    }

    pub fn of_payment(payment: &Payment, invoice: Option<&Invoice>, kind: &'static str, once: String) -> Self {
        Self {
            kind,
            once,
            plan: None,
            former_plan: None,
            interval: None,
            amount: Some(payment.amount),
            currency: Some(payment.currency.clone()),
            subscription: invoice.and_then(|invoice| invoice.subscription.clone()),
            invoice: invoice.map(|invoice| invoice.stripe_id.clone()),
            at: Timestamp::EPOCH,
        }
    }
}

impl Teller {
    pub fn new(app: &App, plans: &Arc<PlanBook>, account: Account, read: i64) -> Self {
        let next_entry = Cell::new(app.new_id::<HistoryEntryKind>().bits());
        Self { app: app.clone(), plans: plans.clone(), account, read, now: app.now(), next_entry }
    }

    pub fn history(&self, tx: &mut Tx<'_>, happened: &Happened) -> Result<(), StorageError> {
        self.is_news(tx, happened).map(|_| ())
    }

    /// As [`Teller::history`]. False: it was told before.
    pub fn is_news(&self, tx: &mut Tx<'_>, happened: &Happened) -> Result<bool, StorageError> {
        let key = |version: PlanVersionId| self.plans.versions.get(&version).map(|version| version.plan.key.clone());
        let at = if happened.at == Timestamp::EPOCH { self.now } else { happened.at };
        let id = HistoryEntryId::from_bits(self.next_entry.get());
        self.next_entry.set(id.bits() + 1);
        let entry = HistoryEntry {
            id,
            account: self.account.id,
            kind: happened.kind.to_owned(),
            once: happened.once.clone(),
            plan: happened.plan.and_then(key),
            former_plan: happened.former_plan.and_then(key),
            interval: happened.interval,
            amount: happened.amount,
            currency: happened.currency.clone(),
            subscription: happened.subscription.clone(),
            invoice: happened.invoice.clone(),
            at,
        };
        subscription_history::add(tx, &entry)
    }

    /// To everybody who is told about the account.
    pub fn mail_all(&self, tx: &mut Tx<'_>, content: Mail, once: String, at: Timestamp) -> Result<(), StorageError> {
        let to = recipients(tx, &self.account)?;
        self.mail(tx, &to, &content, &once, at)
    }

    /// To where the account's invoices go.
    pub fn mail_billing(
        &self,
        tx: &mut Tx<'_>,
        content: Mail,
        once: String,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let to = recipients(tx, &self.account)?;
        self.mail(tx, to.get(..1).unwrap_or_default(), &content, &once, at)
    }

    fn mail(
        &self,
        tx: &mut Tx<'_>,
        to: &[String],
        content: &Mail,
        once: &str,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        if at < self.now.minus_micros(NEWS_DAYS * MICROS_PER_DAY) {
            return Ok(());
        }
        for (place, to) in to.iter().enumerate() {
            let once = if place == 0 { once.to_owned() } else { format!("{once}:{to}") };
            let mail = NewMail {
                id: self.app.new_id(),
                to: to.clone(),
                account: Some(self.account.id),
                content: content.clone(),
                once: Some(once),
                now: self.now,
            };
            mail::write(tx, &mail)?;
        }
        Ok(())
    }

    pub fn plan_name(&self, version: Option<PlanVersionId>) -> String {
        let version = version.and_then(|version| self.plans.versions.get(&version));
        version.map_or_else(|| self.plans.catalog.product.clone(), |version| version.plan.name.clone())
    }

    /// `15.00 USD a month`.
    pub fn price(&self, billed: &BilledSubscription) -> String {
        let each = match billed.interval {
            Interval::Monthly => "a month",
            Interval::Annual => "a year",
        };
        let amount = billed.unit_amount.map(|amount| self.money(amount, &billed.currency)).unwrap_or_default();
        format!("{amount} {each}")
    }

    /// `15.00 USD`.
    pub fn money(&self, minor_units: i64, currency: &str) -> String {
        match Currency::parse(currency) {
            Ok(currency) => format!("{} {}", Money::new(minor_units, currency).amount_text(), currency.code()),
            Err(_) => format!("{minor_units} {currency}"),
        }
    }

    pub fn billing_link(&self) -> String {
        self.app.settings.page("billing")
    }
}
