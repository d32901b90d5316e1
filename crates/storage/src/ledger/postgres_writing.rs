//! The second round trip of a batch on PostgreSQL: everything it changed, as sets, and the commit; and whether a commit
//! whose answer was lost has happened.

use std::collections::{BTreeSet, HashSet};

use deadpool_postgres::Object;
use domain::ids::{AccountId, EventId};
use domain::plain::Plain;
use domain::time::Timestamp;
use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;

use super::batch::{Batch, BookWrites, EventRow, JobRow, KeyRow, ReservationWrite, Writes};
use super::postgres::BatchError;
use super::postgres_loading::{LOCK, must_be_ours, select_events};
use super::{Answer, LedgerError, Request, StoredEvent, key_bucket, rows, stored_event};
use crate::StorageError;
use crate::tx::decode_postgres;
use crate::value::Row;

const INSERT_EVENTS: &str = "INSERT INTO usage_events (account_id, id, action, at, occurred_at, flags, model, amounts, \
    postings, draws, details, reservation_id, reverses) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], \
    $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], \
    $12::text[], $13::text[])";
const UPSERT_BALANCES: &str = "INSERT INTO balances (account_id, scope, scope_id, meter, window_kind, window_start, \
    used, reserved, credited, warned_percent, warned_limit, observed_at) SELECT * FROM unnest($1::text[], $2::text[], \
    $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], \
    $11::bigint[], $12::bigint[]) ON CONFLICT (account_id, scope, scope_id, meter, window_kind, window_start) \
    DO UPDATE SET used = excluded.used, reserved = excluded.reserved, credited = excluded.credited, \
    warned_percent = excluded.warned_percent, warned_limit = excluded.warned_limit, observed_at = excluded.observed_at";
/// A sum that leaves the range of integers stays at its end: what was postponed must always be possible to write.
const ADD_TO_DAYS: &str = "INSERT INTO usage_daily (account_id, day, meter, model, amount, events) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[]) \
    ON CONFLICT (account_id, day, meter, model) DO UPDATE SET events = usage_daily.events + excluded.events, \
    amount = CAST(LEAST(GREATEST(CAST(usage_daily.amount AS NUMERIC) + excluded.amount, -9223372036854775808), \
    9223372036854775807) AS BIGINT)";
const CLEAR_POSTPONED: &str = "UPDATE ledger_accounts SET postponed = '' WHERE account_id = ANY($1::text[])";
const INSERT_KEYS: &str = "INSERT INTO ledger_keys (account_id, bucket, key_hash, content_hash, event_id) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[], $5::text[])";
const INSERT_RESERVATIONS: &str = "INSERT INTO reservations (account_id, id, state, made_at, expires_at, on_expiry, \
    scopes, amounts, holds, draws, settled_by, model, details) SELECT * FROM unnest($1::text[], $2::text[], \
    $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], \
    $12::text[], $13::text[])";
const SETTLE_RESERVATIONS: &str = "UPDATE reservations r SET state = w.state, settled_by = w.settled_by FROM \
    unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w (account_id, id, state, settled_by) \
    WHERE r.account_id = w.account_id AND r.id = w.id";
const UPSERT_CREDITS: &str = "INSERT INTO credits (account_id, id, meter, granted, remaining, priority, expires_at) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
    ON CONFLICT (account_id, id) DO UPDATE SET remaining = excluded.remaining";
const MARK_REVERSED: &str = "UPDATE usage_events e SET reversed_by = w.reversed_by FROM \
    unnest($1::text[], $2::text[], $3::text[]) AS w (account_id, id, reversed_by) \
    WHERE e.account_id = w.account_id AND e.id = w.id";
const INSERT_JOBS: &str = "INSERT INTO jobs (id, kind, account_id, payload, state, run_at, attempts, created_at) \
    SELECT id, kind, account_id, payload, 'ready', at, 0, at FROM unnest($1::text[], $2::text[], $3::text[], \
    $4::text[], $5::bigint[]) AS w (id, kind, account_id, payload, at)";

const SELECT_EVENTS_THERE: &str = "SELECT e.account_id, e.id FROM unnest($1::text[], $2::text[]) AS w (account_id, id) \
    JOIN usage_events e ON e.account_id = w.account_id AND e.id = w.id";

pub(crate) const STATEMENTS: &[&str] = &[
    INSERT_EVENTS,
    UPSERT_BALANCES,
    ADD_TO_DAYS,
    CLEAR_POSTPONED,
    INSERT_KEYS,
    INSERT_RESERVATIONS,
    SETTLE_RESERVATIONS,
    UPSERT_CREDITS,
    MARK_REVERSED,
    INSERT_JOBS,
    SELECT_EVENTS_THERE,
];

pub(super) type Column<'r> = Box<dyn ToSql + Sync + Send + 'r>;

/// A statement with its columns.
struct Write<'r>(&'static str, Vec<Column<'r>>);

/// Sends every write and the commit at once, and waits for all of it.
pub(super) async fn write_and_commit(client: &Object, writes: &Writes, changes: &BookWrites) -> Result<(), BatchError> {
    let writes = collect(writes, changes);
    let statements = try_join_all(writes.iter().map(|Write(sql, _)| client.prepare_cached(sql))).await?;
    let sent = writes.iter().zip(&statements).map(|(Write(_, columns), statement)| async move {
        let values: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect();
        client.execute(statement, &values).await
    });
    // Pipelined, so that the commit costs no round trip of its own. After a failed write the server answers the commit
    // with a rollback; the write's own error says so.
    let (written, committed) =
        tokio::join!(biased; futures_util::future::join_all(sent), client.batch_execute("COMMIT"));
    for write in written {
        if let Err(error) = write {
            return Err(if error.as_db_error().is_some() { error.into() } else { BatchError::CommitLost });
        }
    }
    // Whatever the error says: a server that is being stopped may say so after it has committed.
    committed.map_err(|_| BatchError::CommitLost)
}

fn collect<'r>(writes: &'r Writes, changes: &'r BookWrites) -> Vec<Write<'r>> {
    let mut collected = Vec::with_capacity(8);
    if !changes.balances.is_empty() {
        collected.push(balances(changes));
    }
    if !changes.written_accounts.is_empty() {
        let accounts = column(&changes.written_accounts, AccountId::to_string);
        collected.push(Write(CLEAR_POSTPONED, vec![accounts]));
    }
    if !writes.events.is_empty() {
        collected.push(Write(INSERT_EVENTS, event_columns(&writes.events)));
    }
    if !writes.daily.is_empty() {
        collected.push(days(writes));
    }
    if !writes.keys.is_empty() {
        collected.push(Write(INSERT_KEYS, key_columns(&writes.keys)));
    }
    if !changes.reservations.is_empty() {
        collected.extend(reservations(&changes.reservations));
    }
    if !changes.credits.is_empty() {
        collected.push(credits(changes));
    }
    if !writes.reversed.is_empty() {
        collected.push(reversed(&writes.reversed));
    }
    if !writes.jobs.is_empty() {
        collected.push(Write(INSERT_JOBS, job_columns(&writes.jobs)));
    }
    collected
}

/// A value of each row.
pub(super) fn column<'r, 'v, T, V>(rows: &'r [T], value: impl Fn(&'r T) -> V) -> Column<'v>
where
    V: ToSql + Sync + Send + 'v,
{
    let values: Vec<V> = rows.iter().map(value).collect();
    Box::new(values)
}

pub(super) fn event_columns(rows: &[EventRow]) -> Vec<Column<'_>> {
    vec![
        column(rows, |row| row.event.id.account.to_text()),
        column(rows, |row| row.event.id.own_text()),
        column(rows, |row| row.event.action.as_str()),
        column(rows, |row| row.event.at.micros()),
        column(rows, |row| row.event.occurred_at.micros()),
        column(rows, |row| rows::flags(&row.event, row.over_limit)),
        column(rows, |row| row.model.as_str()),
        column(rows, |row| rows::encode_amounts(&row.event.amounts)),
        column(rows, |row| rows::encode_postings(&row.event.postings)),
        column(rows, |row| rows::encode_draws(&row.event.draws)),
        column(rows, |row| &*row.details),
        column(rows, |row| row.event.reservation.map(|id| id.own_text())),
        column(rows, |row| row.event.reverses.map(|id| id.own_text())),
    ]
}

fn balances(changes: &BookWrites) -> Write<'_> {
    let rows = &changes.balances;
    Write(
        UPSERT_BALANCES,
        vec![
            column(rows, |(account, _, _)| account.to_string()),
            column(rows, |(_, place, _)| place.scope.as_str()),
            column(rows, |(_, place, _)| place.scope_id_text()),
            column(rows, |(_, place, _)| place.meter.as_str()),
            column(rows, |(_, place, _)| place.window.as_str()),
            column(rows, |(_, place, _)| place.start.micros()),
            column(rows, |(_, _, balance)| balance.used),
            column(rows, |(_, _, balance)| balance.reserved),
            column(rows, |(_, _, balance)| balance.credited),
            column(rows, |(_, _, balance)| i64::from(balance.warned_percent)),
            column(rows, |(_, _, balance)| balance.warned_limit),
            column(rows, |(_, _, balance)| balance.observed_at.micros()),
        ],
    )
}

fn days(writes: &Writes) -> Write<'_> {
    let rows: Vec<_> = writes.daily.iter().collect();
    Write(
        ADD_TO_DAYS,
        vec![
            column(&rows, |(key, _)| key.0.to_string()),
            column(&rows, |((_, (day, ..)), _)| *day),
            column(&rows, |((_, (_, meter, _)), _)| meter.to_string()),
            column(&rows, |((_, (.., model)), _)| model.to_string()),
            column(&rows, |(_, sums)| sums.0),
            column(&rows, |(_, sums)| sums.1),
        ],
    )
}

pub(super) fn key_columns(rows: &[KeyRow]) -> Vec<Column<'_>> {
    vec![
        column(rows, |row| row.account.to_string()),
        column(rows, |row| key_bucket(row.event.made_at())),
        column(rows, |row| row.key.hash.as_slice()),
        column(rows, |row| row.key.content.as_slice()),
        column(rows, |row| row.event.own_text()),
    ]
}

fn reservations(changes: &[ReservationWrite]) -> Vec<Write<'_>> {
    let mut new = Vec::new();
    let mut settled = Vec::new();
    for change in changes {
        match change {
            ReservationWrite::New(reservation, model, details) => new.push((reservation, model, details)),
            ReservationWrite::Settled(reservation) => settled.push(reservation),
        }
    }
    let mut writes = Vec::new();
    if !new.is_empty() {
        writes.push(Write(
            INSERT_RESERVATIONS,
            vec![
                column(&new, |(row, _, _)| row.id.account.to_string()),
                column(&new, |(row, _, _)| row.id.own_text()),
                column(&new, |(row, _, _)| row.state.as_str()),
                column(&new, |(row, _, _)| row.made_at.micros()),
                column(&new, |(row, _, _)| row.expires_at.micros()),
                column(&new, |(row, _, _)| row.on_expiry.as_str()),
                column(&new, |(row, _, _)| rows::encode_scopes(&row.scopes)),
                column(&new, |(row, _, _)| rows::encode_amounts(&row.amounts)),
                column(&new, |(row, _, _)| rows::encode_postings(&row.holds)),
                column(&new, |(row, _, _)| rows::encode_draws(&row.draws)),
                column(&new, |(row, _, _)| row.settled_by.map(|id| id.own_text())),
                column(&new, |(_, model, _)| model.to_string()),
                column(&new, |(_, _, details)| details.to_string()),
            ],
        ));
    }
    if !settled.is_empty() {
        writes.push(Write(
            SETTLE_RESERVATIONS,
            vec![
                column(&settled, |row| row.id.account.to_string()),
                column(&settled, |row| row.id.own_text()),
                column(&settled, |row| row.state.as_str()),
                column(&settled, |row| row.settled_by.map(|id| id.own_text())),
            ],
        ));
    }
    writes
}

fn credits(changes: &BookWrites) -> Write<'_> {
    let rows = &changes.credits;
    Write(
        UPSERT_CREDITS,
        vec![
            column(rows, |(account, _)| account.to_string()),
            column(rows, |(_, credit)| credit.id.to_string()),
            column(rows, |(_, credit)| credit.meter.to_string()),
            column(rows, |(_, credit)| credit.granted),
            column(rows, |(_, credit)| credit.remaining),
            column(rows, |(_, credit)| i64::from(credit.priority)),
            column(rows, |(_, credit)| credit.expires_at.map(Timestamp::micros)),
        ],
    )
}

fn reversed(rows: &[(EventId, EventId)]) -> Write<'_> {
    Write(
        MARK_REVERSED,
        vec![
            column(rows, |(original, _)| original.account.to_string()),
            column(rows, |(original, _)| original.own_text()),
            column(rows, |(_, by)| by.own_text()),
        ],
    )
}

pub(super) fn job_columns(rows: &[JobRow]) -> Vec<Column<'_>> {
    vec![
        column(rows, |row| row.id.to_string()),
        column(rows, |row| row.kind),
        column(rows, |row| row.account.to_string()),
        column(rows, |row| row.payload.as_str()),
        column(rows, |row| row.at.micros()),
    ]
}

/// Waits for whoever holds these accounts, then says which of the events are there.
pub(super) async fn lock_and_find(
    client: &Object,
    holder: i64,
    accounts: &BTreeSet<AccountId>,
    events: &[EventId],
) -> Result<HashSet<EventId>, BatchError> {
    let names: Vec<String> = accounts.iter().map(AccountId::to_string).collect();
    let (owners, ids): (Vec<String>, Vec<String>) =
        events.iter().map(|event| (event.account.to_string(), event.own_text())).unzip();
    client.batch_execute("BEGIN").await?;
    let look = async {
        let lock = client.prepare_cached(LOCK).await?;
        must_be_ours(&decode_postgres(client.query(&lock, &[&names, &0i64, &holder]).await?)?)?;
        let there = client.prepare_cached(SELECT_EVENTS_THERE).await?;
        Ok::<_, BatchError>(client.query(&there, &[&owners, &ids]).await?)
    };
    let found = look.await;
    // The versions that this raises keep out what was sent before and has not begun. Also after a failure the pool gets
    // back a connection without a transaction.
    client.batch_execute(if found.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    let there = decode_postgres(found?)?;
    let id = |row: &Row| {
        let account = row.parsed("account_id", AccountId::parse)?;
        row.parsed("id", |text| EventId::from_own_text(account, text))
    };
    Ok(there.iter().map(id).collect::<Result<_, StorageError>>()?)
}

/// Adds to each replayed answer what its event was kept with: from the database, or from this very batch.
pub(super) async fn fill_replays(
    client: &Object,
    requests: &[&Request],
    answers: &mut [Result<Answer, LedgerError>],
    batch: &Batch,
) -> Result<(), BatchError> {
    let mut replayed: Vec<(EventId, &mut Option<StoredEvent>)> = Vec::new();
    for answer in answers.iter_mut() {
        if let Ok(Answer::Replayed { event, stored, .. }) = answer {
            replayed.push((*event, stored));
        }
    }
    if replayed.is_empty() {
        return Ok(());
    }
    debug_assert!(requests.len() >= replayed.len());
    let events: Vec<EventId> = replayed.iter().map(|(event, _)| *event).collect();
    let found = select_events(client, &events).await?;
    for ((event, stored), row) in replayed.into_iter().zip(found) {
        *stored = match row {
            Some(row) => Some(stored_event(event.account, &row)?),
            None => from_batch(batch, event),
        };
    }
    Ok::<(), StorageError>(()).map_err(Into::into)
}

fn from_batch(batch: &Batch, id: EventId) -> Option<StoredEvent> {
    let row = batch.writes.events.iter().find(|row| row.event.id == id)?;
    Some(StoredEvent {
        action: row.event.action,
        details: row.details.clone(),
        reservation: row.event.reservation,
        late: row.event.late,
        at: row.event.at,
    })
}
