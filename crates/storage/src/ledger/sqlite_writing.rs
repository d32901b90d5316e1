//! Writing a judged batch to SQLite, row by row with prepared statements, inside the batch's transaction.

use domain::ids::AccountId;
use domain::plain::Plain;
use domain::time::Timestamp;
use rusqlite::{Connection, params};

use super::batch::{Batch, EventRow, ReservationWrite, Writes};
use super::unwritten::Done;
use super::write_back::log_batch;
use super::{Answer, LedgerError, Request, Shared, key_bucket, reading, rows, stored_event};
use crate::StorageError;
use crate::id_map::IdMap;
use crate::tx::{Engine, Tx};

const INSERT_EVENT: &str = "INSERT INTO usage_events (account_id, id, action, at, occurred_at, flags, model, amounts, \
    postings, draws, details, reservation_id, reverses) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const INSERT_KEY: &str = "INSERT INTO ledger_keys (account_id, bucket, key_hash, content_hash, event_id) \
    VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_RESERVATION: &str = "INSERT INTO reservations (account_id, id, state, made_at, expires_at, on_expiry, \
    scopes, amounts, holds, draws, settled_by, model, details) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const SETTLE_RESERVATION: &str =
    "UPDATE reservations SET state = ?3, settled_by = ?4 WHERE account_id = ?1 AND id = ?2";
const UPSERT_CREDIT: &str = "INSERT INTO credits (account_id, id, meter, granted, remaining, priority, expires_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (account_id, id) DO UPDATE SET remaining = excluded.remaining";
const MARK_REVERSED: &str = "UPDATE usage_events SET reversed_by = ?3 WHERE account_id = ?1 AND id = ?2";
const INSERT_JOB: &str = "INSERT INTO jobs (id, kind, account_id, payload, state, run_at, attempts, created_at) \
    VALUES (?1, ?2, ?3, ?4, 'ready', ?5, 0, ?5)";

pub(crate) const STATEMENTS: &[&str] =
    &[INSERT_EVENT, INSERT_KEY, INSERT_RESERVATION, SETTLE_RESERVATION, UPSERT_CREDIT, MARK_REVERSED, INSERT_JOB];

/// Writes everything the batch has changed, and brings `expiries` up to date. Balances and daily sums go to the redo log;
/// what that leaves to do after the commit is returned.
pub(super) fn write(
    connection: &Connection,
    shared: &Shared,
    batch: &mut Batch,
    expiries: &mut IdMap<AccountId, Option<Timestamp>>,
) -> Result<Done, StorageError> {
    let changes = batch.take_book_writes();
    write_events(connection, &batch.writes)?;
    for change in &changes.reservations {
        write_reservation(connection, change, expiries)?;
    }
    let mut statement = connection.prepare_cached(UPSERT_CREDIT)?;
    for (account, credit) in &changes.credits {
        statement.execute(params![
            account.to_string(),
            credit.id.to_string(),
            credit.meter.as_str(),
            credit.granted,
            credit.remaining,
            credit.priority,
            credit.expires_at.map(Timestamp::micros),
        ])?;
    }
    write_jobs(connection, &batch.writes)?;
    find_next_expiries(connection, shared.clock.now(), expiries)?;
    let balances = changes.balances.into_iter().map(|(account, place, balance)| ((account, place), balance)).collect();
    let balances = shared.held.without(balances, &batch.held_changes);
    let days = std::mem::take(&mut batch.writes.daily).into_iter().collect();
    log_batch(connection, &shared.unwritten, balances, days)
}

pub(super) fn insert_events(connection: &Connection, rows: &[EventRow]) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(INSERT_EVENT)?;
    for EventRow { event, over_limit, model, details } in rows {
        statement.execute(params![
            event.id.account.to_text(),
            event.id.own_text(),
            event.action.as_str(),
            event.at.micros(),
            event.occurred_at.micros(),
            rows::flags(event, *over_limit),
            model.as_str(),
            rows::encode_amounts(&event.amounts),
            rows::encode_postings(&event.postings),
            rows::encode_draws(&event.draws),
            &**details,
            event.reservation.map(|id| id.own_text()),
            event.reverses.map(|id| id.own_text()),
        ])?;
    }
    Ok(())
}

fn write_events(connection: &Connection, writes: &Writes) -> Result<(), StorageError> {
    insert_events(connection, &writes.events)?;
    for (original, by) in &writes.reversed {
        let mut statement = connection.prepare_cached(MARK_REVERSED)?;
        statement.execute(params![original.account.to_string(), original.own_text(), by.own_text()])?;
    }
    let mut statement = connection.prepare_cached(INSERT_KEY)?;
    for key in &writes.keys {
        let bucket = key_bucket(key.event.made_at());
        statement.execute(params![
            key.account.to_string(),
            bucket,
            key.key.hash,
            key.key.content,
            key.event.own_text()
        ])?;
    }
    Ok(())
}

pub(super) fn write_reservation(
    connection: &Connection,
    change: &ReservationWrite,
    expiries: &mut IdMap<AccountId, Option<Timestamp>>,
) -> Result<(), StorageError> {
    match change {
        ReservationWrite::New(reservation, model, details) => {
            let mut statement = connection.prepare_cached(INSERT_RESERVATION)?;
            statement.execute(params![
                reservation.id.account.to_string(),
                reservation.id.own_text(),
                reservation.state.as_str(),
                reservation.made_at.micros(),
                reservation.expires_at.micros(),
                reservation.on_expiry.as_str(),
                rows::encode_scopes(&reservation.scopes),
                rows::encode_amounts(&reservation.amounts),
                rows::encode_postings(&reservation.holds),
                rows::encode_draws(&reservation.draws),
                reservation.settled_by.map(|id| id.own_text()),
                model.as_str(),
                &**details,
            ])?;
            let next = expiries.entry(reservation.id.account).or_default();
            *next = Some(next.map_or(reservation.expires_at, |next| next.min(reservation.expires_at)));
        }
        ReservationWrite::Settled(reservation) => {
            let mut statement = connection.prepare_cached(SETTLE_RESERVATION)?;
            statement.execute(params![
                reservation.id.account.to_string(),
                reservation.id.own_text(),
                reservation.state.as_str(),
                reservation.settled_by.map(|id| id.own_text()),
            ])?;
        }
    }
    Ok(())
}

fn write_jobs(connection: &Connection, writes: &Writes) -> Result<(), StorageError> {
    for job in &writes.jobs {
        let mut statement = connection.prepare_cached(INSERT_JOB)?;
        statement.execute(params![
            job.id.to_string(),
            job.kind,
            job.account.to_string(),
            job.payload,
            job.at.micros()
        ])?;
    }
    Ok(())
}

/// An expiry that has passed was settled above; the next one is looked up.
fn find_next_expiries(
    connection: &Connection,
    now: Timestamp,
    expiries: &mut IdMap<AccountId, Option<Timestamp>>,
) -> Result<(), StorageError> {
    for (account, next) in expiries {
        if next.is_some_and(|next| next <= now) {
            let mut tx = Tx::new(Engine::Sqlite(connection));
            let found = tx.query_optional(reading::SELECT_NEXT_EXPIRY, &[(*account).into()])?;
            *next = found.map_or(Ok(None), |row| row.time_or_null("next"))?;
        }
    }
    Ok(())
}

/// Adds to each replayed answer what its event was kept with.
pub(super) fn fill_replays(
    connection: &Connection,
    requests: &[&Request],
    answers: &mut [Result<Answer, LedgerError>],
) -> Result<(), StorageError> {
    for (request, answer) in requests.iter().zip(answers) {
        if let Ok(Answer::Replayed { event, stored, .. }) = answer {
            let account = request.command.event.account;
            let mut tx = Tx::new(Engine::Sqlite(connection));
            let found = tx.query_optional(reading::SELECT_EVENT, &[account.into(), event.own_text().into()])?;
            *stored = found.map(|row| stored_event(account, &row)).transpose()?;
        }
    }
    Ok(())
}
