//! Payments, kept as records of our own: what was paid, paid back and disputed, with the receipt.

use domain::ids::{AccountId, InvoiceId, PaymentId};
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const PUT: &str = "INSERT INTO payments (id, account_id, stripe_id, invoice_id, charge, status, amount, \
    refunded, currency, method, receipt_url, failure, disputed, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, \
    $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (stripe_id) DO UPDATE SET invoice_id = excluded.invoice_id, \
    charge = excluded.charge, status = excluded.status, amount = excluded.amount, refunded = excluded.refunded, \
    currency = excluded.currency, method = excluded.method, receipt_url = excluded.receipt_url, failure = \
    excluded.failure, disputed = excluded.disputed";
const BY_STRIPE_ID: &str = "SELECT id, account_id, stripe_id, invoice_id, charge, status, amount, refunded, \
    currency, method, receipt_url, failure, disputed, created_at FROM payments WHERE stripe_id = $1";
const PAGE: &str = "SELECT id, account_id, stripe_id, invoice_id, charge, status, amount, refunded, currency, \
    method, receipt_url, failure, disputed, created_at FROM payments WHERE account_id = $1 AND id < $2 ORDER BY \
    id DESC LIMIT $3";

pub(crate) const STATEMENTS: &[&str] = &[PUT, BY_STRIPE_ID, PAGE];

/// Comes after every id.
const BEHIND_ALL: &str = "pay_~";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payment {
    pub id: PaymentId,
    pub account: AccountId,
    /// Stripe's payment intent.
    pub stripe_id: String,
    pub invoice: Option<InvoiceId>,
    pub charge: Option<String>,
    /// Stripe's word: `succeeded`, `processing`, `requires_action`, `requires_payment_method`, `canceled`.
    pub status: String,
    /// Minor units.
    pub amount: i64,
    pub refunded: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    /// For people: `visa 4242`.
    pub method: Option<String>,
    pub receipt_url: Option<String>,
    /// Why it failed, in the bank's words.
    pub failure: Option<String>,
    pub disputed: bool,
    pub created_at: Timestamp,
}

/// Adds it, or brings the one with its Stripe id up to date; that one keeps its own id.
pub fn put(tx: &mut Tx<'_>, payment: &Payment) -> Result<(), StorageError> {
    let values: [Value; 14] = [
        payment.id.into(),
        payment.account.into(),
        (&payment.stripe_id).into(),
        payment.invoice.into(),
        payment.charge.as_ref().into(),
        (&payment.status).into(),
        payment.amount.into(),
        payment.refunded.into(),
        (&payment.currency).into(),
        payment.method.as_ref().into(),
        payment.receipt_url.as_ref().into(),
        payment.failure.as_ref().into(),
        i64::from(payment.disputed).into(),
        payment.created_at.into(),
    ];
    tx.execute(PUT, &values).map(|_| ())
}

pub fn by_stripe_id(tx: &mut Tx<'_>, stripe_id: &str) -> Result<Option<Payment>, StorageError> {
    tx.query_optional(BY_STRIPE_ID, &[stripe_id.into()])?.as_ref().map(decode).transpose()
}

/// The account's payments, the newest first, from before `before`.
pub fn page(
    tx: &mut Tx<'_>,
    account: AccountId,
    before: Option<PaymentId>,
    limit: u32,
) -> Result<Vec<Payment>, StorageError> {
    let before = before.map_or_else(|| BEHIND_ALL.to_owned(), |id| id.to_string());
    let rows = tx.query(PAGE, &[account.into(), before.into(), i64::from(limit).into()])?;
    rows.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<Payment, StorageError> {
    let text = |column: &str| Ok::<_, StorageError>(row.text_or_null(column)?.map(str::to_owned));
    Ok(Payment {
        id: row.parsed("id", PaymentId::parse)?,
        account: row.parsed("account_id", AccountId::parse)?,
        stripe_id: row.text("stripe_id")?.to_owned(),
        invoice: row.parsed_or_null("invoice_id", InvoiceId::parse)?,
        charge: text("charge")?,
        status: row.text("status")?.to_owned(),
        amount: row.integer("amount")?,
        refunded: row.integer("refunded")?,
        currency: row.text("currency")?.to_owned(),
        method: text("method")?,
        receipt_url: text("receipt_url")?,
        failure: text("failure")?,
        disputed: row.integer("disputed")? != 0,
        created_at: row.time("created_at")?,
    })
}
