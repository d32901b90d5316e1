//! Invoices, kept as records of our own: amounts in minor units, with where each can be seen and paid.

use domain::ids::{AccountId, InvoiceId};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const PUT: &str = "INSERT INTO invoices (id, account_id, stripe_id, subscription, status, number, reason, \
    currency, subtotal, tax, total, amount_due, amount_paid, period_start, period_end, hosted_url, pdf_url, \
    attempts, next_attempt_at, lines, created_at, finalized_at, paid_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
    $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) ON CONFLICT (stripe_id) DO UPDATE \
    SET subscription = excluded.subscription, status = excluded.status, number = excluded.number, reason = \
    excluded.reason, currency = excluded.currency, subtotal = excluded.subtotal, tax = excluded.tax, total = \
    excluded.total, amount_due = excluded.amount_due, amount_paid = excluded.amount_paid, period_start = \
    excluded.period_start, period_end = excluded.period_end, hosted_url = excluded.hosted_url, pdf_url = \
    excluded.pdf_url, attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, lines = \
    excluded.lines, finalized_at = excluded.finalized_at, paid_at = excluded.paid_at";
const BY_STRIPE_ID: &str = "SELECT id, account_id, stripe_id, subscription, status, number, reason, currency, \
    subtotal, tax, total, amount_due, amount_paid, period_start, period_end, hosted_url, pdf_url, attempts, \
    next_attempt_at, lines, created_at, finalized_at, paid_at FROM invoices WHERE stripe_id = $1";
const BY_ID: &str = "SELECT id, account_id, stripe_id, subscription, status, number, reason, currency, subtotal, \
    tax, total, amount_due, amount_paid, period_start, period_end, hosted_url, pdf_url, attempts, \
    next_attempt_at, lines, created_at, finalized_at, paid_at FROM invoices WHERE account_id = $1 AND id = $2";
const PAGE: &str = "SELECT id, account_id, stripe_id, subscription, status, number, reason, currency, subtotal, \
    tax, total, amount_due, amount_paid, period_start, period_end, hosted_url, pdf_url, attempts, \
    next_attempt_at, lines, created_at, finalized_at, paid_at FROM invoices WHERE account_id = $1 AND id < $2 \
    ORDER BY id DESC LIMIT $3";
const OF_SUBSCRIPTION: &str = "SELECT id, account_id, stripe_id, subscription, status, number, reason, currency, subtotal, \
    tax, total, amount_due, amount_paid, period_start, period_end, hosted_url, pdf_url, attempts, \
    next_attempt_at, lines, created_at, finalized_at, paid_at FROM invoices WHERE account_id = $1 AND subscription = $2 \
    AND created_at >= $3 ORDER BY created_at, id";
const UNSETTLED: &str = "SELECT id, account_id, stripe_id, subscription, status, number, reason, currency, \
    subtotal, tax, total, amount_due, amount_paid, period_start, period_end, hosted_url, pdf_url, attempts, \
    next_attempt_at, lines, created_at, finalized_at, paid_at FROM invoices WHERE account_id = $1 AND status IN \
    ('draft', 'open') ORDER BY id";

pub(crate) const STATEMENTS: &[&str] = &[PUT, BY_STRIPE_ID, BY_ID, PAGE, OF_SUBSCRIPTION, UNSETTLED];

/// Comes after every id.
const BEHIND_ALL: &str = "inv_~";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invoice {
    pub id: InvoiceId,
    pub account: AccountId,
    pub stripe_id: String,
    /// Stripe's id of the subscription that it is for.
    pub subscription: Option<String>,
    /// Stripe's word: `draft`, `open`, `paid`, `void`, `uncollectible`.
    pub status: String,
    /// What the customer sees: `A1B2C3-0001`.
    pub number: Option<String>,
    /// Stripe's word: `subscription_create`, `subscription_cycle`, `subscription_update`, `manual`.
    pub reason: Option<String>,
    /// ISO 4217, upper case.
    pub currency: String,
    pub subtotal: i64,
    pub tax: i64,
    pub total: i64,
    pub amount_due: i64,
    pub amount_paid: i64,
    pub period_start: Timestamp,
    pub period_end: Timestamp,
    /// Where it can be seen and paid.
    pub hosted_url: Option<String>,
    pub pdf_url: Option<String>,
    /// How often its payment was tried.
    pub attempts: i64,
    pub next_attempt_at: Option<Timestamp>,
    pub lines: Vec<Line>,
    pub created_at: Timestamp,
    pub finalized_at: Option<Timestamp>,
    pub paid_at: Option<Timestamp>,
}

/// What an invoice charges for, or takes off.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    pub description: String,
    /// Minor units; negative for what is taken off.
    pub amount: i64,
    pub quantity: Option<i64>,
    /// Stripe's id of the price that it charges.
    #[serde(default)]
    pub price: Option<String>,
    /// Part of a change within a period.
    pub proration: bool,
    /// Seconds since 1970.
    pub period_start: Option<i64>,
    pub period_end: Option<i64>,
}

/// Adds it, or brings the one with its Stripe id up to date; that one keeps its own id.
pub fn put(tx: &mut Tx<'_>, invoice: &Invoice) -> Result<(), StorageError> {
    let lines = serde_json::to_string(&invoice.lines).map_err(StorageError::unexpected)?;
    let values: [Value; 23] = [
        invoice.id.into(),
        invoice.account.into(),
        (&invoice.stripe_id).into(),
        invoice.subscription.as_ref().into(),
        (&invoice.status).into(),
        invoice.number.as_ref().into(),
        invoice.reason.as_ref().into(),
        (&invoice.currency).into(),
        invoice.subtotal.into(),
        invoice.tax.into(),
        invoice.total.into(),
        invoice.amount_due.into(),
        invoice.amount_paid.into(),
        invoice.period_start.into(),
        invoice.period_end.into(),
        invoice.hosted_url.as_ref().into(),
        invoice.pdf_url.as_ref().into(),
        invoice.attempts.into(),
        invoice.next_attempt_at.into(),
        lines.into(),
        invoice.created_at.into(),
        invoice.finalized_at.into(),
        invoice.paid_at.into(),
    ];
    tx.execute(PUT, &values).map(|_| ())
}

pub fn by_stripe_id(tx: &mut Tx<'_>, stripe_id: &str) -> Result<Option<Invoice>, StorageError> {
    tx.query_optional(BY_STRIPE_ID, &[stripe_id.into()])?.as_ref().map(decode).transpose()
}

pub fn by_id(tx: &mut Tx<'_>, account: AccountId, id: InvoiceId) -> Result<Option<Invoice>, StorageError> {
    tx.query_optional(BY_ID, &[account.into(), id.into()])?.as_ref().map(decode).transpose()
}

/// The account's invoices, the newest first, from before `before`.
pub fn page(
    tx: &mut Tx<'_>,
    account: AccountId,
    before: Option<InvoiceId>,
    limit: u32,
) -> Result<Vec<Invoice>, StorageError> {
    let before = before.map_or_else(|| BEHIND_ALL.to_owned(), |id| id.to_string());
    let rows = tx.query(PAGE, &[account.into(), before.into(), i64::from(limit).into()])?;
    rows.iter().map(decode).collect()
}

/// Those of one of Stripe's subscriptions that were made no earlier than this, the oldest first.
pub fn of_subscription(
    tx: &mut Tx<'_>,
    account: AccountId,
    subscription: &str,
    since: Timestamp,
) -> Result<Vec<Invoice>, StorageError> {
    tx.query(OF_SUBSCRIPTION, &[account.into(), subscription.into(), since.into()])?.iter().map(decode).collect()
}

/// Those that may change still: drafts and open ones.
pub fn unsettled(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<Invoice>, StorageError> {
    tx.query(UNSETTLED, &[account.into()])?.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<Invoice, StorageError> {
    let text = |column: &str| Ok::<_, StorageError>(row.text_or_null(column)?.map(str::to_owned));
    Ok(Invoice {
        id: row.parsed("id", InvoiceId::parse)?,
        account: row.parsed("account_id", AccountId::parse)?,
        stripe_id: row.text("stripe_id")?.to_owned(),
        subscription: text("subscription")?,
        status: row.text("status")?.to_owned(),
        number: text("number")?,
        reason: text("reason")?,
        currency: row.text("currency")?.to_owned(),
        subtotal: row.integer("subtotal")?,
        tax: row.integer("tax")?,
        total: row.integer("total")?,
        amount_due: row.integer("amount_due")?,
        amount_paid: row.integer("amount_paid")?,
        period_start: row.time("period_start")?,
        period_end: row.time("period_end")?,
        hosted_url: text("hosted_url")?,
        pdf_url: text("pdf_url")?,
        attempts: row.integer("attempts")?,
        next_attempt_at: row.time_or_null("next_attempt_at")?,
        lines: row.json("lines")?,
        created_at: row.time("created_at")?,
        finalized_at: row.time_or_null("finalized_at")?,
        paid_at: row.time_or_null("paid_at")?,
    })
}
