//! The journal of a node that is alone, on PostgreSQL: whose it is, and writing to accounts' rows what it says.
//!
//! `ledger_fence` says whose. Every statement that reads or writes accounts' rows, or adds to the journal, asks it by
//! [`is_ours`]. Those that write hold, until their transaction ends, a lock on that table ([`among_writers`]) or on the
//! journal, as whoever writes to a table does. Whoever opens or ends a journal locks both against writers, and so waits
//! for all of those and lets none begin, but not for readers such as a backup. PostgreSQL takes a statement's locks before
//! it looks at the data: what waited for the lock sees the fence as it is afterwards.
//!
//! A server that was started again, or took over from another, is not the one that the journal was opened on: then
//! nobody notes any more, what the journal says is written from its table, and what was remembered is read again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use domain::ids::AccountId;
use domain::time::Timestamp;
use tokio_postgres::Statement;

use super::journal::{Journal, Noted};
use super::postponed::Postponed;
use super::redo::{Reader, Writer};
use super::{Shared, solitude};
use crate::StorageError;
use crate::tx::{Tx, decode_postgres};
use crate::value::Row;

/// Whether accounts' rows say how things stand, but for what this process knows of: the journal is nobody's or the
/// caller's, and opened on this very server. Takes the number of the holder's parameter.
macro_rules! is_ours {
    ($holder:literal) => {
        concat!(
            "(SELECT holder = 0 OR (holder = ",
            $holder,
            " AND server_started_at = CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000 AS BIGINT)) \
            FROM ledger_fence)"
        )
    };
}
pub(crate) use is_ours;

/// The beginning of a statement that writes accounts' rows: takes the lock of whoever writes to the fence, and writes nothing.
macro_rules! among_writers {
    () => {
        "WITH among_writers AS (UPDATE ledger_fence SET holder = holder WHERE FALSE)"
    };
}
pub(crate) use among_writers;

const IS_OURS: &str = concat!("SELECT ", is_ours!("$1"), " AS is_ours");
const IS_OURS_TO_WRITE: &str = concat!(among_writers!(), " SELECT ", is_ours!("$1"), " AS is_ours");
/// Whoever waits for it keeps everybody else waiting.
const LOCK_TO_END: &str = "SET LOCAL lock_timeout = 2000; LOCK TABLE ledger_fence, ledger_journal IN EXCLUSIVE MODE";
const LOCK_TO_OPEN: &str = "SET LOCAL lock_timeout = 200; LOCK TABLE ledger_fence, ledger_journal IN EXCLUSIVE MODE";
const NEXT_HOLDER: &str = "SELECT nextval('database_openings') AS holder";
const SET_HOLDER: &str = "UPDATE ledger_fence SET holder = $1, \
    server_started_at = CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000 AS BIGINT)";
const SELECT_NOTED: &str = "SELECT content FROM ledger_journal ORDER BY id";
const DELETE_ALL: &str = "DELETE FROM ledger_journal";
const DELETE_THROUGH: &str = concat!(
    "DELETE FROM ledger_journal WHERE id <= $2 AND (SELECT holder FROM ledger_fence) = $1 AND ",
    is_ours!("$1")
);
/// In the order of the accounts, as every statement that locks them. Every account that is noted has its row.
pub(super) const WRITE: &str = concat!(
    among_writers!(),
    " INSERT INTO ledger_accounts (account_id, entitlement_epoch, version, postponed, last_at) SELECT w.account_id, 0, \
    w.version, w.postponed, w.last_at FROM (SELECT unnest($2::text[]) AS account_id, unnest($3::bigint[]) AS version, \
    unnest($4::bytea[]) AS postponed, unnest($5::bigint[]) AS last_at) w WHERE ",
    is_ours!("$1"),
    " ON CONFLICT (account_id) DO UPDATE SET version = excluded.version, postponed = excluded.postponed, \
    last_at = GREATEST(ledger_accounts.last_at, excluded.last_at) WHERE ledger_accounts.version < excluded.version"
);
const WRITE_ONE: &str = "UPDATE ledger_accounts SET version = $2, postponed = $3, last_at = GREATEST(last_at, $4) \
    WHERE account_id = $1 AND version < $2";

pub(crate) const STATEMENTS: &[&str] =
    &[IS_OURS, IS_OURS_TO_WRITE, NEXT_HOLDER, SET_HOLDER, SELECT_NOTED, DELETE_ALL, DELETE_THROUGH, WRITE, WRITE_ONE];

/// The first byte of every row.
const FORMAT: u8 = 1;
/// Accounts written in one statement.
const TOGETHER: usize = 2_048;
/// Each waits two seconds for a lock: together as long as a transaction may stand open.
const TRIES: usize = 30;
const BEFORE_LOCK: Duration = Duration::from_millis(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A row of the journal.
pub(super) fn encode<'n>(accounts: impl ExactSizeIterator<Item = (&'n AccountId, Noted)>) -> Vec<u8> {
    let mut bytes = Writer(Vec::with_capacity(32 + 192 * accounts.len()));
    bytes.0.push(FORMAT);
    bytes.integer(accounts.len() as i64);
    for (account, Noted { version, last_at, postponed }) in accounts {
        bytes.account(*account);
        bytes.integer(version);
        bytes.integer(last_at.micros());
        bytes.bytes(&postponed.encode());
    }
    bytes.0
}

/// # Errors
/// When it was not written by [`encode`].
fn decode(content: &[u8]) -> Result<Vec<(AccountId, Noted)>, StorageError> {
    let unreadable = || StorageError::unexpected("a row of the ledger's journal cannot be read");
    let mut bytes = Reader(content);
    let count = bytes.byte().filter(|format| *format == FORMAT).and_then(|_| bytes.integer()).ok_or_else(unreadable)?;
    let mut accounts = Vec::new();
    for _ in 0..count {
        let read = (|| Some((bytes.account()?, bytes.integer()?, bytes.integer()?, bytes.bytes()?)))();
        let (account, version, last_at, postponed) = read.ok_or_else(unreadable)?;
        let postponed = Arc::new(Postponed::decode(postponed)?);
        accounts.push((account, Noted { version, last_at: Timestamp::from_micros(last_at), postponed }));
    }
    if bytes.0.is_empty() { Ok(accounts) } else { Err(unreadable()) }
}

/// Whether this transaction may read accounts' rows. When it may not, it is run again after the journal was ended.
pub(crate) fn must_be_ours(tx: &mut Tx<'_>) -> Result<(), StorageError> {
    must_say_ours(tx, IS_OURS)
}

fn must_say_ours(tx: &mut Tx<'_>, statement: &'static str) -> Result<(), StorageError> {
    let Some(holder) = tx.journal().map(|journal| journal.holder()) else { return Ok(()) };
    if tx.journal().is_some_and(|journal| journal.is_stopped()) {
        return Err(tx.is_fenced());
    }
    let row = tx.query_optional(statement, &[holder.into()])?;
    if row.is_some_and(|row| row.integer("is_ours").is_ok_and(|ours| ours != 0)) {
        return Ok(());
    }
    Err(tx.is_fenced())
}

/// Makes an account's row say how it stands, and keeps it so until the transaction has ended.
pub(crate) fn hold(tx: &mut Tx<'_>, account: AccountId) -> Result<(), StorageError> {
    let Some(journal) = tx.journal().cloned() else { return Ok(()) };
    tx.keep(journal.hold(account)?);
    must_say_ours(tx, IS_OURS_TO_WRITE)?;
    if let Some(Noted { version, last_at, postponed }) = journal.noted(account) {
        tx.execute(WRITE_ONE, &[account.into(), version.into(), postponed.encode().as_slice().into(), last_at.into()])?;
    }
    Ok(())
}

/// Makes the rows of these accounts say what is noted of them, unless they say more. The statement is [`WRITE`].
pub(super) async fn write(
    client: &Object,
    statement: &Statement,
    holder: i64,
    noted: &[(AccountId, Noted)],
) -> Result<(), tokio_postgres::Error> {
    if noted.is_empty() {
        return Ok(());
    }
    let accounts: Vec<String> = noted.iter().map(|(account, _)| account.to_string()).collect();
    let versions: Vec<i64> = noted.iter().map(|(_, noted)| noted.version).collect();
    let postponed: Vec<Vec<u8>> = noted.iter().map(|(_, noted)| noted.postponed.encode()).collect();
    let last: Vec<i64> = noted.iter().map(|(_, noted)| noted.last_at.micros()).collect();
    client.execute(statement, &[&holder, &accounts, &versions, &postponed, &last]).await.map(|_| ())
}

/// Ends whatever journal there is: what it says is in the accounts' rows afterwards, and nobody notes.
///
/// # Errors
/// Nothing has changed then.
pub(crate) async fn end(pool: &Pool, journal: &Journal) -> Result<(), StorageError> {
    journal.stop();
    let _alone = journal.changing.lock().await;
    let client = pool.get().await?;
    change_holder(&client, 0, None).await?;
    journal.clear();
    Ok(())
}

/// As [`end`], for whoever can do nothing before: tries again while others write that do not finish.
pub(crate) async fn end_at_last(pool: &Pool, journal: &Journal) -> Result<(), StorageError> {
    for _ in 1..TRIES {
        match end(pool, journal).await {
            Err(error @ StorageError::Unavailable(_)) => {
                tracing::warn!(%error, "the ledger's journal could not be ended; trying again");
            }
            ended => return ended,
        }
    }
    end(pool, journal).await
}

/// Makes the journal this process's own, unless others are there. What was remembered until then may be of another server.
async fn open(pool: &Pool, shared: &Shared, name: &str) -> Result<(), StorageError> {
    let _alone = shared.journal.changing.lock().await;
    if !shared.journal.may_open() {
        return Ok(());
    }
    let client = pool.get().await?;
    let holder: i64 = client.query_one(NEXT_HOLDER, &[]).await?.get(0);
    shared.journal.claim(holder);
    // What was sent before by nobody's number has come there before the lock is asked for.
    tokio::time::sleep(BEFORE_LOCK).await;
    match change_holder(&client, holder, Some(name)).await {
        Ok(true) => {
            shared.memory.begin_journal();
            shared.journal.open();
        }
        Ok(false) => shared.journal.clear(),
        // It is not known whether the fence says so: it is stopped until it has been ended.
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Returns false, and changes nothing, when processes of other names are there.
async fn change_holder(client: &Object, holder: i64, alone_as: Option<&str>) -> Result<bool, StorageError> {
    client.batch_execute("BEGIN").await?;
    let changed = change_holder_within(client, holder, alone_as).await;
    client.batch_execute(if matches!(changed, Ok(true)) { "COMMIT" } else { "ROLLBACK" }).await?;
    changed
}

async fn change_holder_within(client: &Object, holder: i64, alone_as: Option<&str>) -> Result<bool, StorageError> {
    client.batch_execute(if alone_as.is_some() { LOCK_TO_OPEN } else { LOCK_TO_END }).await?;
    if let Some(name) = alone_as {
        let look = client.prepare_cached(solitude::OTHERS).await?;
        if client.query_one(&look, &[&name]).await?.get::<_, i64>(0) > 0 {
            return Ok(false);
        }
    }
    let mut noted: BTreeMap<AccountId, Noted> = BTreeMap::new();
    for row in decode_postgres(client.query(SELECT_NOTED, &[]).await?)? {
        for (account, later) in decode(Row::bytes(&row, "content")?)? {
            if noted.get(&account).is_none_or(|earlier| earlier.version < later.version) {
                noted.insert(account, later);
            }
        }
    }
    // From now on it is nobody's, for `WRITE` to go through whoever had it.
    client.execute(SET_HOLDER, &[&0i64]).await?;
    let noted: Vec<(AccountId, Noted)> = noted.into_iter().collect();
    let statement = client.prepare_cached(WRITE).await?;
    for some in noted.chunks(TOGETHER) {
        write(client, &statement, 0, some).await?;
    }
    client.execute(DELETE_ALL, &[]).await?;
    client.execute(SET_HOLDER, &[&holder]).await?;
    Ok(true)
}

/// After a look for others: opens the journal where nobody else is, and ends it where somebody is or where it has been
/// stopped.
pub(super) async fn follow(pool: &Pool, shared: &Shared, (name, is_alone): (&str, bool)) {
    let journal = &shared.journal;
    let changed = match is_alone && !journal.is_stopped() {
        true if journal.may_open() => open(pool, shared, name).await,
        false if journal.holder() != 0 => end(pool, journal).await,
        _ => Ok(()),
    };
    if let Err(error) = changed {
        tracing::warn!(%error, "the ledger's journal was neither opened nor ended; trying again");
    }
}

/// Writes to accounts' rows what is noted, as long as the ledger lives: everything while nothing is noted, else what is too
/// much.
pub(super) async fn keep_writing(pool: Pool, shared: std::sync::Weak<Shared>) {
    let (mut last, mut since) = (0, 0u32);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        let (waiting, row) = shared.journal.stands();
        since = if row == last { since + 1 } else { 0 };
        last = row;
        let is_idle = LOOK_EVERY * since >= shared.settings.write_back_after;
        if waiting == 0 || !(is_idle || shared.journal.is_full()) {
            continue;
        }
        if let Err(error) = write_some(&pool, &shared.journal, is_idle).await {
            tracing::warn!(%error, "what the ledger's journal says could not be written to the accounts' rows yet");
        }
    }
}

async fn write_some(pool: &Pool, journal: &Journal, all: bool) -> Result<(), StorageError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(WRITE).await?;
    let (holder, mut noted) = (journal.holder(), journal.oldest(TOGETHER));
    while holder != 0 && !noted.is_empty() {
        noted.sort_by_key(|(account, _)| *account);
        write(&client, &statement, holder, &noted).await?;
        if let Some(through) = journal.written(&noted) {
            let delete = client.prepare_cached(DELETE_THROUGH).await?;
            client.execute(&delete, &[&holder, &through]).await?;
            journal.deleted(through);
        }
        if !(all || journal.is_full()) {
            return Ok(());
        }
        noted = journal.oldest(TOGETHER);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_noted_and_what_was_cut_or_grew_is_refused() {
        let mut postponed = Postponed::default();
        postponed.add_to_day((3, "requests".into(), "small".into()), (7, 1));
        let full = Noted { version: i64::MAX, last_at: Timestamp::from_micros(-5), postponed: Arc::new(postponed) };
        let empty = Noted { version: 1, last_at: Timestamp::EPOCH, postponed: Arc::default() };
        let accounts = [(AccountId::from_bits(u128::MAX), full), (AccountId::from_bits(1), empty)];
        let content = encode(accounts.iter().map(|(account, noted)| (account, noted.clone())));
        assert_eq!(decode(&content).unwrap(), accounts);
        assert_eq!(decode(&encode(std::iter::empty())).unwrap(), []);
        for length in 0..content.len() {
            assert!(decode(&content[..length]).is_err(), "{length} of {} bytes", content.len());
        }
        assert!(decode(&[content.as_slice(), &[0]].concat()).is_err());
        assert!(decode(&[&[FORMAT + 1], &content[1..]].concat()).is_err());
    }
}
