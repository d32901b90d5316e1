//! What was used in one place from a moment on, by the events that moved it.

use domain::ids::{AccountId, EventId, ReservationId};
use domain::ledger::{FUTURE_RECORD_MICROS, Place};
use domain::time::Timestamp;

use super::{Ledger, rows};
use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const EVENTS_WITHIN: &str = "SELECT id, at, occurred_at, flags, postings, reservation_id, reverses \
    FROM usage_events WHERE account_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT 4096";

pub(crate) const STATEMENTS: &[&str] = &[EVENTS_WITHIN];

impl Ledger {
    /// What counts for `since` or later in a place, less what credits gave for it. Reads the account's events up to
    /// `until` one by one; a balance that was read before has in it at most what is found here.
    pub async fn used_since(
        &self,
        account: AccountId,
        place: &Place,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<i64, StorageError> {
        let text = |at: Timestamp| EventId::new(account, at, 0).own_text();
        // Ids are made before they are judged, and a record may be of a moment ahead.
        let (mut after, before) = (text(since.minus_micros(2 * FUTURE_RECORD_MICROS)), text(until));
        let mut used = 0;
        loop {
            let values: [Value; 3] = [account.into(), (&after).into(), (&before).into()];
            let read = move |tx: &mut Tx<'_>| tx.query(EVENTS_WITHIN, &values);
            let page = self.database.read("read_events_within", read).await?;
            let Some(last) = page.last() else { return Ok(used) };
            last.text("id")?.clone_into(&mut after);
            for row in &page {
                if counts_for(account, row)? >= since {
                    let postings = rows::decode_postings(row.text("postings")?)?;
                    let own = postings.iter().filter(|posting| posting.place == *place);
                    used += own.map(|posting| posting.used - posting.credited).sum::<i64>();
                }
            }
        }
    }
}

/// When the work of an event was done: for what settles a reservation, when that was made; for what takes an event back,
/// when that one was.
fn counts_for(account: AccountId, row: &Row) -> Result<Timestamp, StorageError> {
    if let Some(reversed) = row.text_or_null("reverses")?.and_then(|text| EventId::from_own_text(account, text)) {
        return Ok(reversed.made_at());
    }
    let settled = row.text_or_null("reservation_id")?.and_then(|text| ReservationId::from_own_text(account, text));
    let is_late = row.integer("flags")? & rows::LATE != 0;
    match settled {
        Some(settled) => Ok(settled.made_at()),
        // What came too late for its own window counts when it came.
        None if is_late => row.time("at"),
        None => Ok(row.time("at")?.min(row.time("occurred_at")?)),
    }
}
