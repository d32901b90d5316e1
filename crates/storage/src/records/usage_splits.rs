//! What was used in a window up to a moment within it: found once by reading the account's events, and kept.

use domain::ids::AccountId;
use domain::name::Name;
use domain::time::Timestamp;
use domain::windows::WindowKind;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const PUT: &str = "INSERT INTO usage_splits (account_id, meter, window_kind, window_start, at, used, read_at) VALUES \
    ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account_id, meter, window_kind, window_start, at) DO UPDATE SET \
    used = excluded.used, read_at = excluded.read_at WHERE usage_splits.read_at < excluded.read_at";
const OF_WINDOW: &str = "SELECT at, used, read_at FROM usage_splits WHERE account_id = $1 AND meter = $2 AND \
    window_kind = $3 AND window_start = $4 ORDER BY at";

pub(crate) const STATEMENTS: &[&str] = &[PUT, OF_WINDOW];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsageSplit {
    pub at: Timestamp,
    /// Past what credits gave, in the meter's integer unit.
    pub used: i64,
    pub read_at: Timestamp,
}

/// What was read later stays.
pub fn put(
    tx: &mut Tx<'_>,
    account: AccountId,
    meter: &Name,
    (window, start): (WindowKind, Timestamp),
    split: UsageSplit,
) -> Result<(), StorageError> {
    let values: [Value; 7] = [
        account.into(),
        meter.as_str().into(),
        window.as_str().into(),
        start.into(),
        split.at.into(),
        split.used.into(),
        split.read_at.into(),
    ];
    tx.execute(PUT, &values).map(|_| ())
}

/// All that are known of one window of a meter.
pub fn of_window(
    tx: &mut Tx<'_>,
    account: AccountId,
    meter: &Name,
    (window, start): (WindowKind, Timestamp),
) -> Result<Vec<UsageSplit>, StorageError> {
    let values = [account.into(), meter.as_str().into(), window.as_str().into(), start.into()];
    tx.query(OF_WINDOW, &values)?.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<UsageSplit, StorageError> {
    Ok(UsageSplit { at: row.time("at")?, used: row.integer("used")?, read_at: row.time("read_at")? })
}
