//! The rows themselves, read as JSON and integers: none of the ledger's own decoding.

use std::collections::BTreeMap;

use domain::ids::AccountId;
use serde_json::Value as Json;
use storage::value::Row;
use storage::{Database, StorageError, Tx};

const EVENTS: &str = "SELECT id, action, at, occurred_at, flags, model, amounts, postings, draws, reservation_id, \
    reverses FROM usage_events WHERE account_id = $1 ORDER BY at, id";
const BALANCES: &str = "SELECT scope, scope_id, meter, window_kind, window_start, used, reserved, credited \
    FROM balances WHERE account_id = $1";
const CREDITS: &str = "SELECT id, remaining FROM credits WHERE account_id = $1";
const RESERVATIONS: &str = "SELECT id, state FROM reservations WHERE account_id = $1";
const DAYS: &str = "SELECT day, meter, model, amount, events FROM usage_daily WHERE account_id = $1";
const KEYS: &str = "SELECT event_id FROM ledger_keys WHERE account_id = $1";

/// Scope, scope id, meter, window and start.
pub type Place = (String, String, String, String, i64);
/// Used, reserved and credited.
pub type Sums = (i64, i64, i64);

#[derive(Clone, Debug)]
pub struct EventRow {
    pub id: String,
    pub action: String,
    pub at: i64,
    pub occurred_at: i64,
    pub flags: i64,
    pub model: String,
    pub amounts: Vec<(String, i64)>,
    pub postings: Vec<(Place, Sums)>,
    /// Credit, meter and amount.
    pub draws: Vec<(String, String, i64)>,
    pub reservation: Option<String>,
    pub reverses: Option<String>,
}

/// What the ledger keeps beside its events.
#[derive(Debug, Default)]
pub struct Kept {
    pub balances: BTreeMap<Place, Sums>,
    pub credits: BTreeMap<String, i64>,
    pub reservations: BTreeMap<String, String>,
    /// By day, meter and model: amount and count.
    pub days: BTreeMap<(i64, String, String), (i64, i64)>,
    /// Events that callers' keys name.
    pub keys: Vec<String>,
}

pub async fn read(database: &Database, account: AccountId) -> Result<Vec<EventRow>, String> {
    let read = move |tx: &mut Tx<'_>| tx.query(EVENTS, &[account.into()])?.iter().map(decode).collect();
    database.read("audit_events", read).await.map_err(|error: StorageError| error.to_string())
}

pub fn read_kept(tx: &mut Tx<'_>, account: AccountId) -> Result<Kept, StorageError> {
    let mut kept = Kept::default();
    let of = [account.into()];
    for row in tx.query(BALANCES, &of)? {
        let place = (
            row.text("scope")?.to_owned(),
            row.text("scope_id")?.to_owned(),
            row.text("meter")?.to_owned(),
            row.text("window_kind")?.to_owned(),
            row.integer("window_start")?,
        );
        kept.balances.insert(place, (row.integer("used")?, row.integer("reserved")?, row.integer("credited")?));
    }
    for row in tx.query(CREDITS, &of)? {
        kept.credits.insert(row.text("id")?.to_owned(), row.integer("remaining")?);
    }
    for row in tx.query(RESERVATIONS, &of)? {
        kept.reservations.insert(row.text("id")?.to_owned(), row.text("state")?.to_owned());
    }
    for row in tx.query(DAYS, &of)? {
        let key = (row.integer("day")?, row.text("meter")?.to_owned(), row.text("model")?.to_owned());
        kept.days.insert(key, (row.integer("amount")?, row.integer("events")?));
    }
    for row in tx.query(KEYS, &of)? {
        kept.keys.push(row.text("event_id")?.to_owned());
    }
    Ok(kept)
}

fn decode(row: &Row) -> Result<EventRow, StorageError> {
    let list = |column| -> Result<Vec<Json>, StorageError> { row.json(column) };
    let text = |item: &Json, place: usize| item[place].as_str().unwrap_or("?").to_owned();
    let number = |item: &Json, place: usize| item[place].as_i64().unwrap_or(i64::MIN);
    let posting = |item: &Json| {
        let place = (text(item, 0), text(item, 1), text(item, 2), text(item, 3), number(item, 4));
        (place, (number(item, 5), number(item, 6), number(item, 7)))
    };
    Ok(EventRow {
        id: row.text("id")?.to_owned(),
        action: row.text("action")?.to_owned(),
        at: row.integer("at")?,
        occurred_at: row.integer("occurred_at")?,
        flags: row.integer("flags")?,
        model: row.text("model")?.to_owned(),
        amounts: list("amounts")?.iter().map(|item| (text(item, 0), number(item, 1))).collect(),
        postings: list("postings")?.iter().map(posting).collect(),
        draws: list("draws")?.iter().map(|item| (text(item, 0), text(item, 1), number(item, 2))).collect(),
        reservation: row.text_or_null("reservation_id")?.map(str::to_owned),
        reverses: row.text_or_null("reverses")?.map(str::to_owned),
    })
}
