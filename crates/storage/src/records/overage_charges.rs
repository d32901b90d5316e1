//! What was charged for usage past limits: one row for each limit's window and part, so that nothing is charged twice.

use domain::ids::AccountId;
use domain::name::Name;
use domain::time::Timestamp;
use domain::windows::WindowKind;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO overage_charges (account_id, subscription, meter, window_kind, window_start, \
    part, window_end, quantity, amount, currency, description, state, stripe_id, created_at) VALUES ($1, $2, $3, \
    $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const OF_WINDOW: &str = "SELECT account_id, subscription, meter, window_kind, window_start, part, window_end, \
    quantity, amount, currency, description, state, stripe_id, created_at FROM overage_charges WHERE account_id \
    = $1 AND meter = $2 AND window_kind = $3 AND window_start = $4 ORDER BY part";
const WAITING: &str = "SELECT account_id, subscription, meter, window_kind, window_start, part, window_end, \
    quantity, amount, currency, description, state, stripe_id, created_at FROM overage_charges WHERE account_id \
    = $1 AND state = 'waiting' ORDER BY window_start, meter, part";
const SETTLE: &str = "UPDATE overage_charges SET state = 'charged', stripe_id = $6 WHERE account_id = $1 AND meter = $2 \
    AND window_kind = $3 AND window_start = $4 AND part = $5";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, OF_WINDOW, WAITING, SETTLE];

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
    pub window_end: Timestamp,
    /// In the meter's integer unit.
    pub quantity: i64,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    /// As the invoice says it.
    pub description: String,
    /// It is not at Stripe yet.
    pub waits: bool,
    /// Stripe's id of the invoice item.
    pub stripe_id: Option<String>,
    pub created_at: Timestamp,
}

/// # Errors
/// [`StorageError::Taken`] when this part of the window is charged already.
pub fn insert(tx: &mut Tx<'_>, charge: &OverageCharge) -> Result<(), StorageError> {
    let values: [Value; 14] = [
        charge.account.into(),
        (&charge.subscription).into(),
        charge.meter.as_str().into(),
        charge.window.as_str().into(),
        charge.window_start.into(),
        charge.part.into(),
        charge.window_end.into(),
        charge.quantity.into(),
        charge.amount.into(),
        (&charge.currency).into(),
        (&charge.description).into(),
        if charge.waits { "waiting" } else { "charged" }.into(),
        charge.stripe_id.as_ref().into(),
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

/// It is at Stripe.
pub fn settle(tx: &mut Tx<'_>, charge: &OverageCharge, stripe_id: &str) -> Result<(), StorageError> {
    let values: [Value; 6] = [
        charge.account.into(),
        charge.meter.as_str().into(),
        charge.window.as_str().into(),
        charge.window_start.into(),
        charge.part.into(),
        stripe_id.into(),
    ];
    tx.execute(SETTLE, &values).map(|_| ())
}

fn decode(row: &Row) -> Result<OverageCharge, StorageError> {
    Ok(OverageCharge {
        account: row.parsed("account_id", AccountId::parse)?,
        subscription: row.text("subscription")?.to_owned(),
        meter: Name::new(row.text("meter")?),
        window: row.parsed("window_kind", WindowKind::parse)?,
        window_start: row.time("window_start")?,
        part: row.integer("part")?,
        window_end: row.time("window_end")?,
        quantity: row.integer("quantity")?,
        amount: row.integer("amount")?,
        currency: row.text("currency")?.to_owned(),
        description: row.text("description")?.to_owned(),
        waits: row.text("state")? == "waiting",
        stripe_id: row.text_or_null("stripe_id")?.map(str::to_owned),
        created_at: row.time("created_at")?,
    })
}
