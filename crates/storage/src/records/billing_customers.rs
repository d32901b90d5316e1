//! Accounts as customers of Stripe: which customer each is, in which currency, and how new what is known of it is.
//!
//! What is read at Stripe is numbered before it is read ([`begin_read`]) and written only if nothing that was begun later
//! has been written already ([`note_applied`]): whatever order answers come in, the newest stays.

use domain::ids::AccountId;
use domain::time::Timestamp;

use crate::value::Row;
use crate::{StorageError, Tx};

const ADD: &str = "INSERT INTO billing_customers (account_id, customers_made, reads, applied, applied_at, read_at, created_at) \
    VALUES ($1, 0, 0, 0, $2, $2, $2) ON CONFLICT (account_id) DO NOTHING";
const BY_ACCOUNT: &str = "SELECT account_id, customer_id, customers_made, currency, trial_used_at, reads, applied, \
    applied_at, read_at, drift FROM billing_customers WHERE account_id = $1";
const BY_CUSTOMER: &str = "SELECT account_id FROM billing_customers WHERE customer_id = $1";
const SET_CUSTOMER: &str = "UPDATE billing_customers SET customer_id = $2, customers_made = customers_made + 1 \
    WHERE account_id = $1 AND customer_id IS NULL";
const FORGET_CUSTOMER: &str =
    "UPDATE billing_customers SET customer_id = NULL WHERE account_id = $1 AND customer_id = $2";
const SET_CURRENCY: &str = "UPDATE billing_customers SET currency = $2 WHERE account_id = $1 AND currency IS NULL";
const NOTE_TRIAL: &str = "UPDATE billing_customers SET trial_used_at = $2 WHERE account_id = $1 \
    AND trial_used_at IS NULL";
const BEGIN_READ: &str = "UPDATE billing_customers SET reads = reads + 1 WHERE account_id = $1 RETURNING reads";
const NOTE_APPLIED: &str = "UPDATE billing_customers SET applied = $2, applied_at = $3, drift = $4, read_at = $5 \
    WHERE account_id = $1 AND applied < $2";
const PUT_OFF: &str = "UPDATE billing_customers SET applied_at = $2 WHERE account_id = $1 AND applied_at < $2";
const LONGEST_AGO: &str = "SELECT account_id FROM billing_customers WHERE customer_id IS NOT NULL AND applied_at <= $1 \
    ORDER BY applied_at, account_id LIMIT $2";

pub(crate) const STATEMENTS: &[&str] = &[
    ADD,
    BY_ACCOUNT,
    BY_CUSTOMER,
    SET_CUSTOMER,
    FORGET_CUSTOMER,
    SET_CURRENCY,
    NOTE_TRIAL,
    BEGIN_READ,
    NOTE_APPLIED,
    PUT_OFF,
    LONGEST_AGO,
];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BillingCustomer {
    pub account: AccountId,
    /// Stripe's id. `None`: it has none yet, or not any more.
    pub customer: Option<String>,
    /// How many customers were made for the account.
    pub customers_made: i64,
    /// ISO 4217, upper case: what it first paid in, and pays in from then on.
    pub currency: Option<String>,
    pub trial_used_at: Option<Timestamp>,
    pub reads: i64,
    pub applied: i64,
    pub applied_at: Timestamp,
    /// When reading began of what was written last: whatever is not known from it has happened since.
    pub read_at: Timestamp,
    /// Where Stripe says something that the catalog does not know, as a sentence.
    pub drift: Option<String>,
}

/// Adds the account's row where it has none.
pub fn add(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(ADD, &[account.into(), now.into()]).map(|_| ())
}

pub fn by_account(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<BillingCustomer>, StorageError> {
    tx.query_optional(BY_ACCOUNT, &[account.into()])?.as_ref().map(decode).transpose()
}

/// The account of one of Stripe's customers. `Ok(None)`: the customer is not ours.
pub fn by_customer(tx: &mut Tx<'_>, customer: &str) -> Result<Option<AccountId>, StorageError> {
    let row = tx.query_optional(BY_CUSTOMER, &[customer.into()])?;
    row.map(|row| row.parsed("account_id", AccountId::parse)).transpose()
}

/// False: the account has a customer already.
///
/// # Errors
/// [`StorageError::Taken`] when another account has this customer.
pub fn set_customer(tx: &mut Tx<'_>, account: AccountId, customer: &str) -> Result<bool, StorageError> {
    Ok(tx.execute(SET_CUSTOMER, &[account.into(), customer.into()])? == 1)
}

/// The customer was deleted at Stripe; the next purchase makes another.
pub fn forget_customer(tx: &mut Tx<'_>, account: AccountId, customer: &str) -> Result<(), StorageError> {
    tx.execute(FORGET_CUSTOMER, &[account.into(), customer.into()]).map(|_| ())
}

/// What the account pays in from now on, if it has paid in nothing before.
pub fn set_currency(tx: &mut Tx<'_>, account: AccountId, currency: &str) -> Result<(), StorageError> {
    tx.execute(SET_CURRENCY, &[account.into(), currency.into()]).map(|_| ())
}

/// The account has had its trial.
pub fn note_trial(tx: &mut Tx<'_>, account: AccountId, at: Timestamp) -> Result<(), StorageError> {
    tx.execute(NOTE_TRIAL, &[account.into(), at.into()]).map(|_| ())
}

/// Numbers what is about to be read at Stripe.
pub fn begin_read(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<i64>, StorageError> {
    tx.query_optional(BEGIN_READ, &[account.into()])?.map(|row| row.integer("reads")).transpose()
}

/// To be called in the transaction that writes what was read. False: what was begun to be read later is written already,
/// and this must not be. `read_at` is when reading began.
pub fn note_applied(
    tx: &mut Tx<'_>,
    account: AccountId,
    read: i64,
    drift: Option<&str>,
    (read_at, now): (Timestamp, Timestamp),
) -> Result<bool, StorageError> {
    let values = [account.into(), read.into(), now.into(), drift.into(), read_at.into()];
    Ok(tx.execute(NOTE_APPLIED, &values)? == 1)
}

/// It could not be compared now: others have their turn first.
pub fn put_off(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(PUT_OFF, &[account.into(), now.into()]).map(|_| ())
}

/// Customers that were compared with Stripe no later than this, the longest ago first.
pub fn longest_ago(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<Vec<AccountId>, StorageError> {
    let rows = tx.query(LONGEST_AGO, &[before.into(), i64::from(limit).into()])?;
    rows.iter().map(|row| row.parsed("account_id", AccountId::parse)).collect()
}

fn decode(row: &Row) -> Result<BillingCustomer, StorageError> {
    Ok(BillingCustomer {
        account: row.parsed("account_id", AccountId::parse)?,
        customer: row.text_or_null("customer_id")?.map(str::to_owned),
        customers_made: row.integer("customers_made")?,
        currency: row.text_or_null("currency")?.map(str::to_owned),
        trial_used_at: row.time_or_null("trial_used_at")?,
        reads: row.integer("reads")?,
        applied: row.integer("applied")?,
        applied_at: row.time("applied_at")?,
        read_at: row.time("read_at")?,
        drift: row.text_or_null("drift")?.map(str::to_owned),
    })
}
