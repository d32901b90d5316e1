//! The first round trip of a batch on PostgreSQL: locks the accounts and reads what the commands need.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use deadpool_postgres::Object;
use domain::ids::{AccountId, EventId};
use domain::ledger::{Action, Balance, Book, Place, Terms};
use domain::time::Timestamp;
use futures_util::future::{join_all, try_join_all};
use tokio_postgres::types::ToSql;

use super::batch::Batch;
use super::journal::Noted;
use super::memory::{AsOf, Remembrance};
use super::plan_book::PlanBook;
use super::postgres::BatchError;
use super::postgres_journal::{self, among_writers, is_ours};
use super::postgres_keys::{load_keys, select_keys};
use super::postponed::Postponed;
use super::{Durability, Request, Shared, reading, reservations, rows, terms};
use crate::StorageError;
use crate::tx::decode_postgres;
use crate::value::Row;

/// The lock. Written as an insert because several accounts are locked in one statement, in one order, and an account's
/// first command makes its row.
pub(super) const LOCK: &str = concat!(
    among_writers!(),
    " INSERT INTO ledger_accounts (account_id, entitlement_epoch, last_at, version) \
    SELECT wanted, 0, $2, 1 FROM unnest($1::text[]) AS wanted ORDER BY wanted COLLATE \"C\" \
    ON CONFLICT (account_id) DO UPDATE SET last_at = GREATEST(ledger_accounts.last_at, excluded.last_at), \
    version = ledger_accounts.version + 1 RETURNING account_id, entitlement_epoch, last_at, version, postponed, \
    (SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)) AS database_now, ",
    is_ours!("$3"),
    " AS is_ours"
);
const SELECT_BALANCES: &str = "SELECT b.account_id, b.scope, b.scope_id, b.meter, b.window_kind, b.window_start, \
    b.used, b.reserved, b.credited, b.warned_percent, b.warned_limit, b.observed_at FROM \
    unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) \
    AS w (account_id, scope, scope_id, meter, window_kind, window_start) JOIN balances b ON \
    b.account_id = w.account_id AND b.scope = w.scope AND b.scope_id = w.scope_id AND b.meter = w.meter \
    AND b.window_kind = w.window_kind AND b.window_start = w.window_start";
const SELECT_CREDITS: &str = "SELECT account_id, id, meter, granted, remaining, priority, expires_at FROM credits \
    WHERE account_id = ANY($1::text[]) AND remaining > 0 ORDER BY account_id, id";
/// Also those that are used up, for what gives back to them.
const SELECT_NAMED_CREDITS: &str = "SELECT c.account_id, c.id, c.meter, c.granted, c.remaining, c.priority, \
    c.expires_at FROM unnest($1::text[], $2::text[]) AS w (account_id, id) JOIN credits c \
    ON c.account_id = w.account_id AND c.id = w.id";
const SELECT_EXPIRED: &str = "SELECT account_id, id, state, made_at, expires_at, on_expiry, scopes, amounts, holds, \
    draws, settled_by, model, details FROM reservations \
    WHERE account_id = ANY($1::text[]) AND state = 'open' AND expires_at <= $2";
/// Of what is left when these have been settled.
const SELECT_NEXT_EXPIRIES: &str = "SELECT account_id, MIN(expires_at) AS next FROM reservations \
    WHERE account_id = ANY($1::text[]) AND state = 'open' AND expires_at > $2 GROUP BY account_id";
/// But for those that have expired.
const SELECT_NAMED_RESERVATIONS: &str = "SELECT r.account_id, r.id, r.state, r.made_at, r.expires_at, r.on_expiry, \
    r.scopes, r.amounts, r.holds, r.draws, r.settled_by, r.model, r.details \
    FROM unnest($2::text[], $3::text[]) AS w (account_id, id) \
    JOIN reservations r ON r.account_id = w.account_id AND r.id = w.id AND NOT (r.state = 'open' AND r.expires_at <= $1)";
const SELECT_REVERSED: &str = "SELECT e.account_id, e.id, e.reversed_by FROM unnest($1::text[], $2::text[]) \
    AS w (account_id, id) JOIN usage_events e ON e.account_id = w.account_id AND e.id = w.id \
    WHERE e.reversed_by IS NOT NULL";

pub(crate) const STATEMENTS: &[&str] = &[
    LOCK,
    SELECT_BALANCES,
    SELECT_CREDITS,
    SELECT_NAMED_CREDITS,
    SELECT_EXPIRED,
    SELECT_NEXT_EXPIRIES,
    SELECT_NAMED_RESERVATIONS,
    SELECT_REVERSED,
];

/// A batch that is ready to be judged.
pub(super) struct Loaded {
    pub batch: Batch,
    /// Commands that settle expired reservations; judged before the callers' own.
    pub expired: Vec<Request>,
    /// The time each account is judged at: now, or its last command's if that is later.
    pub times: HashMap<AccountId, Timestamp>,
    /// What each book is true as of, once the batch is committed.
    pub as_of: HashMap<AccountId, AsOf>,
    /// What the accounts' rows say and the tables lack: this batch writes it to them.
    pub postponed: BTreeMap<AccountId, Postponed>,
}

/// An account's row, locked.
struct Locked {
    account: AccountId,
    epoch: i64,
    at: Timestamp,
    version: i64,
    postponed: Postponed,
}

/// What was read of accounts that are not remembered.
struct Found {
    credits: Vec<Row>,
    expired: Vec<Row>,
    next_expiries: Vec<Row>,
}

/// Begins a transaction, locks the accounts, and loads their books but for what is remembered as of the locked version.
pub(super) async fn load(
    client: &Object,
    shared: &Shared,
    plans: &PlanBook,
    requests: &[&Request],
) -> Result<Loaded, BatchError> {
    let before = shared.clock.now();
    let before_micros = before.micros();
    let accounts: BTreeSet<AccountId> = requests.iter().map(|request| request.command.event.account).collect();
    let names: Vec<String> = accounts.iter().map(AccountId::to_string).collect();
    let holder = shared.journal.holder();
    let noted = accounts.iter().filter_map(|account| Some((*account, shared.journal.noted(*account)?)));
    let noted: Vec<(AccountId, Noted)> = noted.collect();
    let (mut remembered, guessed) = remember(shared, requests, before);
    let strangers: Vec<AccountId> = accounts.into_iter().filter(|account| !remembered.contains_key(account)).collect();
    // Before anything is sent: what needs no preparing would come first.
    let write_noted = client.prepare_cached(postgres_journal::WRITE).await?;
    let lock = client.prepare_cached(LOCK).await?;
    let begin = if must_be_synced(requests) { "BEGIN" } else { "BEGIN; SET LOCAL synchronous_commit = off" };
    let lock_values: [&(dyn ToSql + Sync); 3] = [&names, &before_micros, &holder];
    // Sent in this order without waiting in between; the server works through them one after another.
    let (begun, written, locked, balances, keys, named, reversed, found) = tokio::join!(
        biased;
        client.batch_execute(begin),
        postgres_journal::write(client, &write_noted, holder, &noted),
        query(client, &lock, &lock_values),
        select_balances(client, &guessed),
        select_keys(client, requests, before),
        select_named_reservations(client, requests, before),
        select_reversed(client, requests),
        select_accounts(client, &strangers, before),
    );
    begun?;
    written?;
    let locked = locked?;
    must_be_ours(&locked)?;
    check_clock(&locked, before, shared)?;
    let mut locked = locked.iter().map(|row| decode_lock(row, before)).collect::<Result<Vec<_>, _>>()?;
    let postponed = locked.iter_mut().map(|row| (row.account, std::mem::take(&mut row.postponed)));
    let mut loaded = Loaded {
        batch: Batch::default(),
        expired: Vec::new(),
        postponed: postponed.filter(|(_, postponed)| !postponed.is_empty()).collect(),
        times: locked.iter().map(|row| (row.account, row.at)).collect(),
        as_of: locked.iter().map(|row| (row.account, row.as_of(before))).collect(),
    };
    let unsure = loaded.trust(&mut remembered, locked);
    let doubted: Vec<AccountId> = unsure.iter().map(|row| row.account).filter(|one| !strangers.contains(one)).collect();
    for (account, terms) in terms_of(client, shared, plans, &unsure).await? {
        loaded.batch.books.insert(account, Book::new(account, terms));
    }
    loaded.load_accounts(shared, &found?, before)?;
    loaded.load_accounts(shared, &select_accounts(client, &doubted, before).await?, before)?;
    load_keys(&mut loaded.batch, &keys?)?;
    load_reversed(&mut loaded.batch, &reversed?)?;
    loaded.load_reservations(shared, &named?, before)?;
    loaded.load_balances(&guessed, &balances?)?;
    load_missing_credits(client, &mut loaded, requests).await?;
    load_missing_balances(client, shared, &mut loaded, requests).await?;
    Ok(loaded)
}

/// Another process has the journal, or this one's was opened on another server: the rows do not say how things stand.
pub(super) fn must_be_ours(locked: &[Row]) -> Result<(), BatchError> {
    match locked.first().map_or(Ok(1), |row| row.integer("is_ours"))? {
        0 => Err(BatchError::Fenced),
        _ => Ok(()),
    }
}

/// Whether one of them waits for the disk, and with it the others.
pub(super) fn must_be_synced(requests: &[&Request]) -> bool {
    requests.iter().any(|request| request.durability == Durability::Synced)
}

impl Locked {
    fn as_of(&self, before: Timestamp) -> AsOf {
        AsOf {
            next_expiry: None,
            at: before,
            version: self.version,
            since_version: self.version - 1,
            last_at: self.at,
            postponed: None,
        }
    }
}

impl Loaded {
    /// Takes the remembered books whose accounts nobody has locked since. Gives back the accounts that must be read.
    fn trust(&mut self, remembered: &mut HashMap<AccountId, Remembrance>, locked: Vec<Locked>) -> Vec<Locked> {
        let mut unsure = Vec::new();
        for row in locked {
            let still_holds = |known: &Remembrance| {
                let terms = &known.book.terms;
                known.version + 1 == row.version && terms.epoch == row.epoch && terms.hold_at(row.at)
            };
            match remembered.remove(&row.account).filter(still_holds) {
                Some(known) => {
                    self.as_of.entry(row.account).and_modify(|as_of| as_of.next_expiry = known.next_expiry);
                    self.batch.books.insert(row.account, known.book);
                }
                None => unsure.push(row),
            }
        }
        unsure
    }

    /// Puts what was found, or what the account's row says instead; a wanted place of which neither says anything is zero.
    fn load_balances(&mut self, wanted: &[(AccountId, Place)], found: &[Row]) -> Result<(), StorageError> {
        for (account, place) in wanted {
            if let Some(book) = self.batch.books.get_mut(account) {
                book.load_balance(place.clone(), Balance::default());
            }
        }
        for row in found {
            let account = row.parsed("account_id", AccountId::parse)?;
            if let Some(book) = self.batch.books.get_mut(&account) {
                book.load_balance(rows::place_of(row)?, reading::decode_balance(row)?);
            }
        }
        for (account, place) in wanted {
            let postponed = self.postponed.get(account).and_then(|postponed| postponed.balance(place));
            if let (Some(balance), Some(book)) = (postponed, self.batch.books.get_mut(account)) {
                book.load_balance(place.clone(), balance);
            }
        }
        Ok(())
    }

    fn load_accounts(&mut self, shared: &Shared, found: &Found, now: Timestamp) -> Result<(), StorageError> {
        load_credits(&mut self.batch, &found.credits)?;
        for row in &found.next_expiries {
            let (account, next) = (row.parsed("account_id", AccountId::parse)?, row.time("next")?);
            self.as_of.entry(account).and_modify(|as_of| as_of.next_expiry = Some(next));
        }
        self.load_reservations(shared, &found.expired, now)
    }

    fn load_reservations(&mut self, shared: &Shared, found: &[Row], now: Timestamp) -> Result<(), StorageError> {
        for row in found {
            let account = row.parsed("account_id", AccountId::parse)?;
            let reservation = reading::decode_reservation(account, row)?;
            if reservation.is_expired(now) {
                self.expired.push(reservations::expiry_request(&reservation, row, now, &shared.entropy)?);
            }
            if let Some(book) = self.batch.books.get_mut(&account) {
                book.load_reservation(reservation);
            }
        }
        Ok(())
    }
}

fn decode_lock(row: &Row, before: Timestamp) -> Result<Locked, StorageError> {
    Ok(Locked {
        account: row.parsed("account_id", AccountId::parse)?,
        epoch: row.integer("entitlement_epoch")?,
        at: row.time("last_at")?.max(before),
        version: row.integer("version")?,
        postponed: Postponed::of_row(row)?,
    })
}

/// The accounts that are remembered with all that their commands need, and the balances that the other commands will most
/// likely need, by the terms remembered from before.
fn remember(
    shared: &Shared,
    requests: &[&Request],
    at: Timestamp,
) -> (HashMap<AccountId, Remembrance>, Vec<(AccountId, Place)>) {
    let mut places: BTreeMap<AccountId, BTreeSet<Place>> = BTreeMap::new();
    for request in requests {
        let account = request.command.event.account;
        if let Some(terms) = shared.memory.last_terms(account) {
            let needed = Book::new(account, terms).places_of(&request.command, at);
            places.entry(account).or_default().extend(needed);
        }
    }
    let (mut remembered, mut guessed) = (HashMap::new(), Vec::new());
    for (account, places) in places {
        let places: Vec<Place> = places.into_iter().collect();
        match shared.memory.remembrance(account, &places, at) {
            Some(known) => drop(remembered.insert(account, known)),
            None => guessed.extend(places.into_iter().map(|place| (account, place))),
        }
    }
    (remembered, guessed)
}

pub(super) async fn query(
    client: &Object,
    statement: &tokio_postgres::Statement,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, BatchError> {
    Ok(decode_postgres(client.query(statement, values).await?)?)
}

async fn select_balances(client: &Object, places: &[(AccountId, Place)]) -> Result<Vec<Row>, BatchError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let accounts: Vec<String> = places.iter().map(|(account, _)| account.to_string()).collect();
    let scopes: Vec<&str> = places.iter().map(|(_, place)| place.scope.as_str()).collect();
    let scope_ids: Vec<&str> = places.iter().map(|(_, place)| place.scope_id_text()).collect();
    let meters: Vec<&str> = places.iter().map(|(_, place)| place.meter.as_str()).collect();
    let kinds: Vec<&str> = places.iter().map(|(_, place)| place.window.as_str()).collect();
    let starts: Vec<i64> = places.iter().map(|(_, place)| place.start.micros()).collect();
    let statement = client.prepare_cached(SELECT_BALANCES).await?;
    query(client, &statement, &[&accounts, &scopes, &scope_ids, &meters, &kinds, &starts]).await
}

async fn select_named_reservations(
    client: &Object,
    requests: &[&Request],
    now: Timestamp,
) -> Result<Vec<Row>, BatchError> {
    let named: BTreeSet<_> = requests.iter().filter_map(|request| request.command.action.reservation()).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let owners: Vec<String> = named.iter().map(|id| id.account.to_string()).collect();
    let ids: Vec<String> = named.iter().map(|id| id.own_text()).collect();
    let statement = client.prepare_cached(SELECT_NAMED_RESERVATIONS).await?;
    query(client, &statement, &[&now.micros(), &owners, &ids]).await
}

/// What a batch needs to know of accounts whatever is asked of them.
async fn select_accounts(client: &Object, accounts: &[AccountId], now: Timestamp) -> Result<Found, BatchError> {
    if accounts.is_empty() {
        return Ok(Found { credits: Vec::new(), expired: Vec::new(), next_expiries: Vec::new() });
    }
    let names: Vec<String> = accounts.iter().map(AccountId::to_string).collect();
    let now = now.micros();
    let credits = client.prepare_cached(SELECT_CREDITS).await?;
    let expired = client.prepare_cached(SELECT_EXPIRED).await?;
    let next_expiries = client.prepare_cached(SELECT_NEXT_EXPIRIES).await?;
    let values: [&(dyn ToSql + Sync); 2] = [&names, &now];
    let (credits, expired, next_expiries) = tokio::join!(
        biased;
        query(client, &credits, &values[..1]),
        query(client, &expired, &values),
        query(client, &next_expiries, &values),
    );
    Ok(Found { credits: credits?, expired: expired?, next_expiries: next_expiries? })
}

async fn select_reversed(client: &Object, requests: &[&Request]) -> Result<Vec<Row>, BatchError> {
    let originals = requests.iter().filter_map(|request| match &request.command.action {
        Action::Reverse { original } => Some(original.event),
        _ => None,
    });
    let (accounts, ids): (Vec<String>, Vec<String>) =
        originals.map(|event| (event.account.to_string(), event.own_text())).unzip();
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let statement = client.prepare_cached(SELECT_REVERSED).await?;
    query(client, &statement, &[&accounts, &ids]).await
}

/// A node whose clock is wrong would count in wrong windows: it says so and writes nothing.
fn check_clock(locked: &[Row], before: Timestamp, shared: &Shared) -> Result<(), BatchError> {
    let Some(row) = locked.first() else { return Ok(()) };
    let offset = shared.clock.offset_micros();
    let database_now = row.integer("database_now")?;
    let (earliest, latest) = (before.micros() - offset, shared.clock.now().micros() - offset);
    if database_now < earliest - reading::CLOCK_TOLERANCE_MICROS
        || database_now > latest + reading::CLOCK_TOLERANCE_MICROS
    {
        let apart = (database_now - latest) / domain::time::MICROS_PER_SECOND;
        let message = format!("this node's clock is {apart} s from the database's; set it right, then it writes again");
        return Err(StorageError::Unavailable(message).into());
    }
    Ok(())
}

/// Terms for locked accounts: remembered ones where the epoch is the same, else read under the lock.
async fn terms_of(
    client: &Object,
    shared: &Shared,
    plans: &PlanBook,
    locked: &[Locked],
) -> Result<Vec<(AccountId, Arc<Terms>)>, BatchError> {
    let mut known = Vec::with_capacity(locked.len());
    let mut unknown = Vec::new();
    for row in locked {
        let remembered = shared.memory.last_terms(row.account);
        match remembered.filter(|terms| terms.epoch == row.epoch && terms.hold_at(row.at)) {
            Some(terms) => known.push((row.account, terms)),
            None => unknown.push(row),
        }
    }
    if unknown.is_empty() {
        return Ok(known);
    }
    let statement = client.prepare_cached(terms::SELECT_TERMS).await?;
    let reads = unknown.into_iter().map(|Locked { account, epoch, at, .. }| {
        let statement = &statement;
        async move {
            let rows = query(client, statement, &[&account.to_string()]).await?;
            let terms = rows.first().map(|row| terms::from_row(row, plans, *epoch, *at)).transpose()?;
            Ok::<_, BatchError>(terms.map(|terms| (*account, Arc::new(terms))))
        }
    });
    for read in join_all(reads).await {
        known.extend(read?);
    }
    Ok(known)
}

fn load_credits(batch: &mut Batch, found: &[Row]) -> Result<(), StorageError> {
    let mut by_account: HashMap<AccountId, Vec<domain::ledger::Credit>> = HashMap::new();
    for row in found {
        let account = row.parsed("account_id", AccountId::parse)?;
        by_account.entry(account).or_default().push(reading::decode_credit(row)?);
    }
    for (account, credits) in by_account {
        if let Some(book) = batch.books.get_mut(&account) {
            book.load_credits(credits);
        }
    }
    Ok(())
}

fn load_reversed(batch: &mut Batch, found: &[Row]) -> Result<(), StorageError> {
    for row in found {
        let account = row.parsed("account_id", AccountId::parse)?;
        let parse = |text: &str| EventId::from_own_text(account, text);
        batch.reversed.insert(row.parsed("id", parse)?, row.parsed("reversed_by", parse)?);
    }
    Ok(())
}

/// Reads the credits that are used up and may be given back to.
async fn load_missing_credits(
    client: &Object,
    Loaded { batch, expired, .. }: &mut Loaded,
    requests: &[&Request],
) -> Result<(), BatchError> {
    let missing = requests.iter().copied().chain(&*expired).flat_map(|request| {
        let account = request.command.event.account;
        let credits = batch.books.get(&account).map(|book| book.missing_credits(&request.command));
        credits.unwrap_or_default().into_iter().map(move |credit| (account.to_string(), credit.to_string()))
    });
    let (accounts, ids): (Vec<String>, Vec<String>) = missing.collect::<BTreeSet<_>>().into_iter().unzip();
    if accounts.is_empty() {
        return Ok(());
    }
    let statement = client.prepare_cached(SELECT_NAMED_CREDITS).await?;
    for row in query(client, &statement, &[&accounts, &ids]).await? {
        if let Some(book) = batch.books.get_mut(&row.parsed("account_id", AccountId::parse)?) {
            book.load_credit(reading::decode_credit(&row)?);
        }
    }
    Ok(())
}

/// Fills or reads what the guess did not cover: new terms, settled reservations, windows that have turned.
async fn load_missing_balances(
    client: &Object,
    shared: &Shared,
    loaded: &mut Loaded,
    requests: &[&Request],
) -> Result<(), BatchError> {
    let Loaded { batch, expired, times, as_of, .. } = loaded;
    let mut missing: BTreeSet<(AccountId, Place)> = BTreeSet::new();
    for request in requests.iter().copied().chain(&*expired) {
        let account = request.command.event.account;
        let (Some(book), Some(at)) = (batch.books.get_mut(&account), times.get(&account)) else { continue };
        let places = book.places_of(&request.command, *at);
        if let Some(as_of) = as_of.get(&account).filter(|_| places.iter().any(|place| !book.has_balance(place))) {
            shared.memory.fill_as_of(as_of.since_version, book, &places);
        }
        missing.extend(places.into_iter().filter(|place| !book.has_balance(place)).map(|place| (account, place)));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<(AccountId, Place)> = missing.into_iter().collect();
    let found = select_balances(client, &missing).await?;
    Ok(loaded.load_balances(&missing, &found)?)
}

/// Events by id, for answers that repeat them.
pub(super) async fn select_events(client: &Object, events: &[EventId]) -> Result<Vec<Option<Row>>, BatchError> {
    let statement = client.prepare_cached(reading::SELECT_EVENT).await?;
    let reads = events.iter().map(|event| {
        let statement = &statement;
        async move { query(client, statement, &[&event.account.to_string(), &event.own_text()]).await }
    });
    let found = try_join_all(reads).await?;
    Ok(found.into_iter().map(|rows| rows.into_iter().next()).collect())
}
