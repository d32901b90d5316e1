//! What became of an account's plan, in the order it was learned: bought, changed, renewed, failed, ended.
//!
//! An entry is written in the transaction that learned of it. Its `once` names the thing that happened, so that it is
//! told once however often it is learned.

use domain::catalog::Interval;
use domain::ids::{AccountId, HistoryEntryId};
use domain::name::Name;
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const ADD: &str = "INSERT INTO subscription_history (id, account_id, kind, once, plan, former_plan, \
    billing_interval, amount, currency, subscription, invoice, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
    $10, $11, $12) ON CONFLICT (once) DO NOTHING";
const PAGE: &str = "SELECT id, account_id, kind, once, plan, former_plan, billing_interval, amount, currency, \
    subscription, invoice, at FROM subscription_history WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT \
    $3";

pub(crate) const STATEMENTS: &[&str] = &[ADD, PAGE];

/// Comes after every id.
const BEHIND_ALL: &str = "sbh_~";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryEntry {
    pub id: HistoryEntryId,
    pub account: AccountId,
    /// `created`, `activated`, `upgraded`, …
    pub kind: String,
    pub once: String,
    pub plan: Option<Name>,
    pub former_plan: Option<Name>,
    pub interval: Option<Interval>,
    /// Minor units.
    pub amount: Option<i64>,
    pub currency: Option<String>,
    /// Stripe's ids.
    pub subscription: Option<String>,
    pub invoice: Option<String>,
    pub at: Timestamp,
}

/// False: it is told already.
pub fn add(tx: &mut Tx<'_>, entry: &HistoryEntry) -> Result<bool, StorageError> {
    let values: [Value; 12] = [
        entry.id.into(),
        entry.account.into(),
        (&entry.kind).into(),
        (&entry.once).into(),
        entry.plan.as_ref().map(Name::as_str).into(),
        entry.former_plan.as_ref().map(Name::as_str).into(),
        entry.interval.map(Interval::as_str).into(),
        entry.amount.into(),
        entry.currency.as_ref().into(),
        entry.subscription.as_ref().into(),
        entry.invoice.as_ref().into(),
        entry.at.into(),
    ];
    Ok(tx.execute(ADD, &values)? == 1)
}

/// The account's history, the newest first, from before `before`.
pub fn page(
    tx: &mut Tx<'_>,
    account: AccountId,
    before: Option<HistoryEntryId>,
    limit: u32,
) -> Result<Vec<HistoryEntry>, StorageError> {
    let before = before.map_or_else(|| BEHIND_ALL.to_owned(), |id| id.to_string());
    let rows = tx.query(PAGE, &[account.into(), before.into(), i64::from(limit).into()])?;
    rows.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<HistoryEntry, StorageError> {
    let text = |column: &str| Ok::<_, StorageError>(row.text_or_null(column)?.map(str::to_owned));
    Ok(HistoryEntry {
        id: row.parsed("id", HistoryEntryId::parse)?,
        account: row.parsed("account_id", AccountId::parse)?,
        kind: row.text("kind")?.to_owned(),
        once: row.text("once")?.to_owned(),
        plan: row.text_or_null("plan")?.map(Name::new),
        former_plan: row.text_or_null("former_plan")?.map(Name::new),
        interval: row.parsed_or_null("billing_interval", Interval::parse)?,
        amount: row.integer_or_null("amount")?,
        currency: text("currency")?,
        subscription: text("subscription")?,
        invoice: text("invoice")?,
        at: row.time("at")?,
    })
}
