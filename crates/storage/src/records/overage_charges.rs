//! What was charged for usage past limits: one row for each limit's window and part, so that nothing is charged twice.

use domain::ids::AccountId;
use domain::name::Name;
use domain::time::Timestamp;
use domain::windows::WindowKind;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO overage_charges (account_id, subscription, meter, window_kind, window_start, \
    part, stretch_start, window_end, quantity, amount, currency, description, state, stripe_id, stripe_meter, created_at) VALUES \
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, NULL, $14, $15)";
const OF_WINDOW: &str = "SELECT account_id, subscription, meter, window_kind, window_start, part, stretch_start, window_end, \
    quantity, amount, currency, description, state, stripe_id, stripe_meter, reported_at, created_at FROM overage_charges WHERE account_id \
    = $1 AND meter = $2 AND window_kind = $3 AND window_start = $4 ORDER BY part";
const WAITING: &str = "SELECT account_id, subscription, meter, window_kind, window_start, part, stretch_start, window_end, \
    quantity, amount, currency, description, state, stripe_id, stripe_meter, reported_at, created_at FROM overage_charges WHERE account_id \
    = $1 AND state IN ('waiting', 'reporting') ORDER BY window_start, meter, part";
const SETTLE: &str = "UPDATE overage_charges SET state = $7, stripe_id = $6 WHERE account_id = $1 AND meter = $2 \
    AND window_kind = $3 AND window_start = $4 AND part = $5";
const BEGIN_REPORT: &str = "UPDATE overage_charges SET state = 'reporting', reported_at = $6 WHERE account_id = $1 AND \
    meter = $2 AND window_kind = $3 AND window_start = $4 AND part = $5 AND state = 'waiting'";
const GIVE_UP_REPORT: &str = "UPDATE overage_charges SET state = 'waiting', stripe_meter = NULL, reported_at = NULL WHERE \
    account_id = $1 AND meter = $2 AND window_kind = $3 AND window_start = $4 AND part = $5 AND state = 'reporting'";

/// On invoices of this subscription, or waiting there for the next one.
const CHARGED_WITH: &str = "SELECT account_id, subscription, meter, window_kind, window_start, part, stretch_start, window_end, \
    quantity, amount, currency, description, state, stripe_id, stripe_meter, reported_at, created_at FROM overage_charges WHERE account_id \
    = $1 AND subscription = $2 AND state = 'charged' ORDER BY window_start, meter, part";
const WAIT_AGAIN: &str = "UPDATE overage_charges SET state = 'waiting', stripe_id = NULL WHERE account_id = $1 AND \
    meter = $2 AND window_kind = $3 AND window_start = $4 AND part = $5 AND state = 'charged'";

pub(crate) const STATEMENTS: &[&str] =
    &[INSERT, OF_WINDOW, WAITING, SETTLE, BEGIN_REPORT, GIVE_UP_REPORT, CHARGED_WITH, WAIT_AGAIN];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OverageCharge {
    pub account: AccountId,
    /// Stripe's id of the subscription that it is charged with.
    pub subscription: String,
    pub meter: Name,
    pub window: WindowKind,
    pub window_start: Timestamp,
    /// Counts from 1: what was still booked into the window after it was charged is a part of its own.
    pub part: i64,
    /// When the stretch of the window began that it was used in. `None`: it was booked when that was not noted.
    pub stretch_start: Option<Timestamp>,
    /// When that ended.
    pub window_end: Timestamp,
    /// In the meter's integer unit.
    pub quantity: i64,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    /// As the invoice says it.
    pub description: String,
    pub state: ChargeState,
    /// Stripe's id of the invoice item, or the identifier of the meter's event.
    pub stripe_id: Option<String>,
    /// The event name of the meter at Stripe that it is for. `None`: it is put on an invoice from here.
    pub stripe_meter: Option<Name>,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChargeState {
    /// It costs nothing: it is noted here so that it is not looked at again, and Stripe never hears of it.
    Free,
    /// It is not at Stripe.
    Waiting,
    /// It was sent to a meter at Stripe, first at this time, and no answer is known.
    Reporting(Timestamp),
    /// It is on an invoice.
    Charged,
    /// A meter has it.
    Reported,
}

/// Books a charge: it waits, or is free where its amount is zero.
///
/// # Errors
/// [`StorageError::Taken`] when this part of the window is charged already.
pub fn insert(tx: &mut Tx<'_>, charge: &OverageCharge) -> Result<(), StorageError> {
    let values: [Value; 15] = [
        charge.account.into(),
        (&charge.subscription).into(),
        charge.meter.as_str().into(),
        charge.window.as_str().into(),
        charge.window_start.into(),
        charge.part.into(),
        charge.stretch_start.into(),
        charge.window_end.into(),
        charge.quantity.into(),
        charge.amount.into(),
        (&charge.currency).into(),
        (&charge.description).into(),
        (if charge.amount == 0 { "free" } else { "waiting" }).into(),
        charge.stripe_meter.as_ref().map(Name::as_str).into(),
        charge.created_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// What was charged for one window of a meter already.
pub fn of_window(
    tx: &mut Tx<'_>,
    account: AccountId,
    meter: &Name,
    (window, start): (WindowKind, Timestamp),
) -> Result<Vec<OverageCharge>, StorageError> {
    let values = [account.into(), meter.as_str().into(), window.as_str().into(), start.into()];
    tx.query(OF_WINDOW, &values)?.iter().map(decode).collect()
}

/// Those of the account that are not at Stripe yet.
pub fn waiting(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<OverageCharge>, StorageError> {
    tx.query(WAITING, &[account.into()])?.iter().map(decode).collect()
}

/// It is at Stripe, on an invoice or with a meter, by this id.
pub fn settle(tx: &mut Tx<'_>, charge: &OverageCharge, stripe_id: &str, is_reported: bool) -> Result<(), StorageError> {
    let [account, meter, window, start, part] = key(charge);
    let state = if is_reported { "reported" } else { "charged" };
    tx.execute(SETTLE, &[account, meter, window, start, part, stripe_id.into(), state.into()]).map(|_| ())
}

/// It is about to be sent to its meter.
pub fn begin_report(tx: &mut Tx<'_>, charge: &OverageCharge, now: Timestamp) -> Result<(), StorageError> {
    let [account, meter, window, start, part] = key(charge);
    tx.execute(BEGIN_REPORT, &[account, meter, window, start, part, now.into()]).map(|_| ())
}

/// Its meter has not got it, and would come too late: it waits to be put on an invoice.
pub fn give_up_report(tx: &mut Tx<'_>, charge: &OverageCharge) -> Result<(), StorageError> {
    tx.execute(GIVE_UP_REPORT, &key(charge)).map(|_| ())
}

/// Those that are at Stripe as items of a subscription's invoices.
pub fn charged_with(
    tx: &mut Tx<'_>,
    account: AccountId,
    subscription: &str,
) -> Result<Vec<OverageCharge>, StorageError> {
    tx.query(CHARGED_WITH, &[account.into(), subscription.into()])?.iter().map(decode).collect()
}

/// Its item is on no invoice and will be on none: it waits to be put on another.
pub fn wait_again(tx: &mut Tx<'_>, charge: &OverageCharge) -> Result<(), StorageError> {
    tx.execute(WAIT_AGAIN, &key(charge)).map(|_| ())
}

fn key(charge: &OverageCharge) -> [Value; 5] {
    [
        charge.account.into(),
        charge.meter.as_str().into(),
        charge.window.as_str().into(),
        charge.window_start.into(),
        charge.part.into(),
    ]
}

fn decode(row: &Row) -> Result<OverageCharge, StorageError> {
    Ok(OverageCharge {
        account: row.parsed("account_id", AccountId::parse)?,
        subscription: row.text("subscription")?.to_owned(),
        meter: Name::new(row.text("meter")?),
        window: row.parsed("window_kind", WindowKind::parse)?,
        window_start: row.time("window_start")?,
        part: row.integer("part")?,
        stretch_start: row.time_or_null("stretch_start")?,
        window_end: row.time("window_end")?,
        quantity: row.integer("quantity")?,
        amount: row.integer("amount")?,
        currency: row.text("currency")?.to_owned(),
        description: row.text("description")?.to_owned(),
        state: state(row)?,
        stripe_id: row.text_or_null("stripe_id")?.map(str::to_owned),
        stripe_meter: row.text_or_null("stripe_meter")?.map(Name::new),
        created_at: row.time("created_at")?,
    })
}

fn state(row: &Row) -> Result<ChargeState, StorageError> {
    let reported_at = row.time_or_null("reported_at")?;
    let of_word = |word: &str| match word {
        "free" => Some(ChargeState::Free),
        "waiting" => Some(ChargeState::Waiting),
        "reporting" => reported_at.map(ChargeState::Reporting),
        "charged" => Some(ChargeState::Charged),
        "reported" => Some(ChargeState::Reported),
        _ => None,
    };
    row.parsed("state", of_word)
}
