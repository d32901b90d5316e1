//! Reading how an account stands: from memory where that is as good as the database, else from the database.

use std::sync::Arc;

use domain::ids::{AccountId, CreditId, EventId, ReservationId};
use domain::ledger::{Action, Balance, Book, Command, LimitState, Outcome, Place, Scopes, Terms, apply};
use domain::name::Name;
use domain::time::Timestamp;

use super::memory::{Moment, ReadTicket};
use super::plan_book::PlanBook;
use super::{CallerKey, Ledger, LedgerError, Shared, redo, rows, terms};
use crate::records::accounts;
use crate::value::{Row, Value};
use crate::{StorageError, Tx};

pub(crate) const SELECT_BALANCE: &str = "SELECT used, reserved, credited, warned_percent, warned_limit, observed_at \
    FROM balances WHERE account_id = $1 AND scope = $2 AND scope_id = $3 AND meter = $4 AND window_kind = $5 \
    AND window_start = $6";
pub(crate) const SELECT_EXPIRED: &str = "SELECT id, state, made_at, expires_at, on_expiry, scopes, amounts, holds, \
    draws, settled_by FROM reservations WHERE account_id = $1 AND state = 'open' AND expires_at <= $2 \
    ORDER BY expires_at LIMIT 256";
pub(crate) const SELECT_NEXT_EXPIRY: &str = "SELECT MIN(expires_at) AS next FROM reservations \
    WHERE account_id = $1 AND state = 'open'";
/// Also one that is used up, for what gives back to it.
const SELECT_CREDIT: &str = "SELECT id, meter, granted, remaining, priority, expires_at FROM credits \
    WHERE account_id = $1 AND id = $2";
pub(crate) const SELECT_EVENT: &str = "SELECT id, action, at, occurred_at, flags, model, amounts, postings, draws, \
    details, reservation_id, reverses, reversed_by FROM usage_events WHERE account_id = $1 AND id = $2";

const SELECT_KEY: &str = "SELECT event_id FROM ledger_keys WHERE account_id = $1 AND key_hash = $2 LIMIT 1";

pub(crate) const STATEMENTS: &[&str] =
    &[SELECT_BALANCE, SELECT_EXPIRED, SELECT_NEXT_EXPIRY, SELECT_CREDIT, SELECT_EVENT, SELECT_KEY];

const SELECT_NOW: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS database_now";

pub(crate) const POSTGRES_STATEMENTS: &[&str] = &[SELECT_NOW];

/// How far this node's clock may be from the database's before it writes no ledger.
pub(crate) const CLOCK_TOLERANCE_MICROS: i64 = domain::time::MICROS_PER_SECOND;

/// How an account stands at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    pub terms: Arc<Terms>,
    pub limits: Vec<LimitState>,
    pub at: Timestamp,
}

/// How much a read may lag behind what other nodes have written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// Not at all.
    Exact,
    /// Up to a second on PostgreSQL with several nodes; not at all on SQLite.
    WithinASecond,
}

impl Ledger {
    /// Asks the database for a sign of life, and whether this node's clock is near enough to its own to write. On SQLite
    /// there is one clock.
    pub async fn may_write(&self) -> Result<bool, StorageError> {
        let before = self.shared.clock.now();
        let read = |tx: &mut Tx<'_>| match tx.is_postgres() {
            true => tx.query_optional(SELECT_NOW, &[])?.map(|row| row.integer("database_now")).transpose(),
            false => Ok(None),
        };
        let database_now = self.database.read("may_write", read).await?;
        let offset = self.shared.clock.offset_micros();
        let (earliest, latest) = (before.micros() - offset, self.shared.clock.now().micros() - offset);
        let nearest = (earliest - CLOCK_TOLERANCE_MICROS)..=(latest + CLOCK_TOLERANCE_MICROS);
        Ok(database_now.is_none_or(|now| nearest.contains(&now)))
    }

    /// The terms that were remembered last, however old where other nodes may have changed them: good for preparing a
    /// command that names their epoch. `None`: none are remembered, or their time is over.
    pub fn remembered_terms(&self, account: AccountId) -> Option<Arc<Terms>> {
        let now = self.shared.clock.now();
        self.shared.memory.last_terms(account).filter(|terms| terms.hold_at(now))
    }

    /// The terms as the database has them now.
    pub async fn terms_now(&self, account: AccountId) -> Result<Option<Arc<Terms>>, StorageError> {
        let now = self.shared.clock.now();
        Ok(self.read_book(account, now, needed_by_all(now)).await?.map(|book| book.terms))
    }

    /// What judges an account, known within a second. `Ok(None)`: there is no such account.
    pub async fn terms(&self, account: AccountId) -> Result<Option<Arc<Terms>>, StorageError> {
        let now = self.shared.clock.now();
        if let Some(terms) = self.shared.memory.terms(account, now) {
            return Ok(Some(terms));
        }
        Ok(self.read_book(account, now, needed_by_all(now)).await?.map(|book| book.terms))
    }

    /// The account of an external id. What judges it is read and remembered in the same transaction: whoever asks is
    /// about to need it.
    pub async fn account_named(&self, external_id: &str) -> Result<Option<AccountId>, StorageError> {
        let began = self.shared.memory.moment();
        let (shared, plans) = (self.shared.clone(), self.plans().await?);
        let (now, external_id) = (shared.clock.now(), external_id.to_owned());
        let read = move |tx: &mut Tx<'_>| {
            let tickets = shared.memory.tickets();
            let Some(found) = accounts::by_external_id(tx, &external_id)? else { return Ok(None) };
            let account = found.id;
            if let Some(plans) = plans.clone() {
                let needed = needed_by_all(now);
                let began = began.clone();
                let reading = Reading { shared: shared.clone(), plans, account, now, began, needed };
                match reading.run(tx, By::Reader, shared.memory.ticket_of(&tickets, account)) {
                    // What is wrong with its terms is told to whoever needs them.
                    Ok(_) | Err(StorageError::Unexpected(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(Some(account))
        };
        self.database.read("resolve_account", read).await
    }

    /// Every limit of an account for these scopes, and what is used of each.
    pub async fn limits(
        &self,
        account: AccountId,
        scopes: &Scopes,
        freshness: Freshness,
    ) -> Result<Option<Standing>, StorageError> {
        let now = self.shared.clock.now();
        let needed = {
            let scopes = scopes.clone();
            move |book: &Book| book.limit_places(book.terms.clone().meters.keys(), &scopes, now)
        };
        let Some(book) = self.book(account, now, freshness, needed).await? else { return Ok(None) };
        let terms = book.terms.clone();
        let limits = book.limits_of(terms.meters.keys(), scopes, now).map_err(StorageError::unexpected)?;
        Ok(Some(Standing { terms, limits, at: now }))
    }

    /// What is counted in these places of an account, exact. `Ok(None)`: there is no such account.
    pub async fn balances(&self, account: AccountId, places: Vec<Place>) -> Result<Option<Vec<Balance>>, StorageError> {
        let now = self.shared.clock.now();
        let needed = places.clone();
        let book = self.book(account, now, Freshness::Exact, move |_| needed.clone()).await?;
        let of = |book: Book| places.iter().map(|place| book.loaded_balance(place).unwrap_or_default()).collect();
        Ok(book.map(of))
    }

    /// What a command would be answered, without doing it; and how the limits on its meters stand now.
    pub async fn check(&self, command: &Command) -> Result<(Outcome, Standing), LedgerError> {
        let (account, now) = (command.event.account, self.shared.clock.now());
        let needed = {
            let command = command.clone();
            move |book: &Book| book.places_of(&command, now)
        };
        let book = self.book(account, now, Freshness::WithinASecond, needed).await?;
        let mut book = book.ok_or(LedgerError::AccountUnknown)?;
        let meters: Vec<Name> = command.amounts.iter().map(|amount| amount.meter.clone()).collect();
        let limits = book.limits_of(meters.iter(), &command.scopes, now).map_err(StorageError::unexpected)?;
        let standing = Standing { terms: book.terms.clone(), limits, at: now };
        let outcome = apply(&mut book, command, now).map_err(StorageError::unexpected)?;
        Ok((outcome, standing))
    }

    /// The credits of an account that are not used up; some may have expired.
    pub async fn credits(&self, account: AccountId) -> Result<Vec<domain::ledger::Credit>, StorageError> {
        let read = move |tx: &mut Tx<'_>| {
            tx.query(terms::SELECT_CREDITS, &[account.into()])?.iter().map(decode_credit).collect()
        };
        self.database.read("list_credits", read).await
    }

    /// Whether a command came with this key before and was counted. What it was answered, the same command finds out.
    pub async fn knows_key(&self, account: AccountId, key: &CallerKey) -> Result<bool, StorageError> {
        let hash = key.hash;
        let read = move |tx: &mut Tx<'_>| tx.query_optional(SELECT_KEY, &[account.into(), hash.as_slice().into()]);
        Ok(self.database.read("look_for_key", read).await?.is_some())
    }

    /// An event of an account as it was kept.
    pub async fn event(&self, id: EventId) -> Result<Option<Row>, StorageError> {
        let read = move |tx: &mut Tx<'_>| tx.query_optional(SELECT_EVENT, &[id.account.into(), id.own_text().into()]);
        let found = self.database.read("read_event", read).await?;
        // Who looks here whether a command was counted does not send it again.
        if let Some(sqlite) = self.database.sqlite() {
            sqlite.synced().await?;
        }
        Ok(found)
    }

    /// A book that holds the balances `needed` names, and no expired reservation.
    async fn book(
        &self,
        account: AccountId,
        now: Timestamp,
        freshness: Freshness,
        needed: impl Fn(&Book) -> Vec<Place> + Send + Sync + Clone + 'static,
    ) -> Result<Option<Book>, StorageError> {
        let from_memory = freshness == Freshness::WithinASecond || !self.database.is_postgres();
        if from_memory && let Some(book) = remembered(&self.shared, account, now, &needed) {
            return Ok(Some(book));
        }
        self.read_book(account, now, needed).await
    }

    async fn read_book(
        &self,
        account: AccountId,
        now: Timestamp,
        needed: impl Fn(&Book) -> Vec<Place> + Send + Sync + 'static,
    ) -> Result<Option<Book>, StorageError> {
        let began = self.shared.memory.moment();
        let plans = self.plans().await?.ok_or_else(no_catalog)?;
        let reading = Arc::new(Reading { shared: self.shared.clone(), plans, account, now, began, needed });
        let by_reader = reading.clone();
        let read = move |tx: &mut Tx<'_>| {
            let ticket = by_reader.shared.memory.ticket(account);
            by_reader.run(tx, By::Reader, ticket)
        };
        match self.database.read("read_account_usage", read).await? {
            Read::Book(book) => Ok(book.map(|book| *book)),
            Read::Behind => {
                let read = move |tx: &mut Tx<'_>| {
                    let ticket = reading.shared.memory.ticket(account);
                    match reading.run(tx, By::Writer, ticket)? {
                        Read::Book(book) => Ok(book.map(|book| *book)),
                        Read::Behind => Err(StorageError::Unexpected("the writer is behind itself".into())),
                    }
                };
                self.database.write("read_account_usage", read).await
            }
        }
    }
}

/// One account's book, to be read from the database.
struct Reading<N> {
    shared: Arc<Shared>,
    plans: Arc<PlanBook>,
    account: AccountId,
    now: Timestamp,
    /// Before the plans were taken.
    began: Moment,
    needed: N,
}

/// On SQLite the writer alone knows what the tables lack, so that it reads what the readers cannot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Reader,
    Writer,
}

enum Read {
    Book(Option<Box<Book>>),
    /// The tables lack something of the account.
    Behind,
}

impl<N: Fn(&Book) -> Vec<Place>> Reading<N> {
    /// `ticket` was taken before the transaction read anything.
    fn run(&self, tx: &mut Tx<'_>, by: By, ticket: ReadTicket) -> Result<Read, StorageError> {
        if by == By::Reader && !tx.is_postgres() && self.is_behind(tx)? {
            return Ok(Read::Behind);
        }
        load_book(tx, self, by, ticket).map(|book| Read::Book(book.map(Box::new)))
    }

    /// Whether the tables lack something of the account as this transaction sees them, or may: what waits is known as of
    /// the log's last row, and this transaction may see another.
    fn is_behind(&self, tx: &mut Tx<'_>) -> Result<bool, StorageError> {
        let seen = redo::last_row(tx)?;
        let (last, is_waiting) = self.shared.unwritten.stands(self.account);
        Ok(is_waiting || seen != last || self.shared.held.has(self.account))
    }
}

/// Every limit of the account itself: what most commands move.
fn needed_by_all(now: Timestamp) -> impl Fn(&Book) -> Vec<Place> + Send + Sync + 'static {
    move |book| book.limit_places(book.terms.meters.keys(), &Scopes::default(), now)
}

pub(crate) fn no_catalog() -> StorageError {
    StorageError::Unavailable("no catalog has been applied; run `tollway catalog apply` first".into())
}

fn remembered(
    shared: &Shared,
    account: AccountId,
    now: Timestamp,
    needed: &impl Fn(&Book) -> Vec<Place>,
) -> Option<Book> {
    let (mut book, next_expiry) = shared.memory.book(account, now)?;
    if next_expiry.is_some_and(|expiry| expiry <= now) {
        return None;
    }
    let places = needed(&book);
    shared.memory.fill(&mut book, &places);
    places.iter().all(|place| book.has_balance(place)).then_some(book)
}

fn load_book<N: Fn(&Book) -> Vec<Place>>(
    tx: &mut Tx<'_>,
    reading: &Reading<N>,
    by: By,
    ticket: ReadTicket,
) -> Result<Option<Book>, StorageError> {
    let Reading { shared, plans, account, now, began, needed } = reading;
    let (account, now) = (*account, *now);
    let Some((mut book, as_of)) = terms::load_book(tx, plans, account, now)? else { return Ok(None) };
    let mut places = needed(&book);
    let has_expired = as_of.next_expiry.is_some_and(|expiry| expiry <= now);
    let expired = if has_expired { load_expired(tx, &mut book, now)? } else { Vec::new() };
    for id in &expired {
        let holds = book.reservation(*id).map(|reservation| reservation.holds.clone()).unwrap_or_default();
        places.extend(holds.into_iter().map(|hold| hold.place));
    }
    for place in places {
        let waiting = match (by, &as_of.postponed) {
            (By::Writer, _) => shared.unwritten.balance(account, &place),
            (By::Reader, postponed) => postponed.as_ref().and_then(|postponed| postponed.balance(&place)),
        };
        let mut balance = waiting.map_or_else(|| load_balance(tx, account, &place), Ok)?;
        balance.reserved += shared.held.reserved(account, &place);
        book.load_balance(place, balance);
    }
    shared.memory.publish_read((ticket, began), &book, as_of);
    for reservation in expired {
        let event = EventId::new(account, now, 0);
        let action = Action::Expire { reservation };
        let command = Command { event, action, scopes: Scopes::default(), amounts: Vec::new(), occurred_at: None };
        for credit in book.missing_credits(&command) {
            if let Some(found) = load_credit(tx, account, credit)? {
                book.load_credit(found);
            }
        }
        apply(&mut book, &command, now).map_err(StorageError::unexpected)?;
    }
    Ok(Some(book))
}

fn load_expired(tx: &mut Tx<'_>, book: &mut Book, now: Timestamp) -> Result<Vec<ReservationId>, StorageError> {
    let rows = tx.query(SELECT_EXPIRED, &[book.account.into(), now.into()])?;
    rows.iter()
        .map(|row| {
            let reservation = decode_reservation(book.account, row)?;
            let id = reservation.id;
            book.load_reservation(reservation);
            Ok(id)
        })
        .collect()
}

pub(crate) fn decode_reservation(account: AccountId, row: &Row) -> Result<domain::ledger::Reservation, StorageError> {
    rows::decode_reservation(
        account,
        &rows::ReservationRow {
            id: row.text("id")?,
            state: row.text("state")?,
            made_at: row.integer("made_at")?,
            expires_at: row.integer("expires_at")?,
            on_expiry: row.text("on_expiry")?,
            scopes: row.text("scopes")?,
            amounts: row.text("amounts")?,
            holds: row.text("holds")?,
            draws: row.text("draws")?,
            settled_by: row.text_or_null("settled_by")?,
        },
    )
}

pub(crate) fn decode_credit(row: &Row) -> Result<domain::ledger::Credit, StorageError> {
    Ok(domain::ledger::Credit {
        id: row.parsed("id", domain::ids::CreditId::parse)?,
        meter: Name::new(row.text("meter")?),
        granted: row.integer("granted")?,
        remaining: row.integer("remaining")?,
        priority: i32::try_from(row.integer("priority")?).unwrap_or(i32::MAX),
        expires_at: row.time_or_null("expires_at")?,
    })
}

pub(crate) fn decode_balance(row: &Row) -> Result<domain::ledger::Balance, StorageError> {
    Ok(domain::ledger::Balance {
        used: row.integer("used")?,
        reserved: row.integer("reserved")?,
        credited: row.integer("credited")?,
        warned_percent: u8::try_from(row.integer("warned_percent")?).unwrap_or(u8::MAX),
        warned_limit: row.integer("warned_limit")?,
        observed_at: row.time("observed_at")?,
    })
}

pub(crate) fn load_credit(
    tx: &mut Tx<'_>,
    account: AccountId,
    credit: CreditId,
) -> Result<Option<domain::ledger::Credit>, StorageError> {
    tx.query_optional(SELECT_CREDIT, &[account.into(), credit.into()])?.as_ref().map(decode_credit).transpose()
}

fn load_balance(tx: &mut Tx<'_>, account: AccountId, place: &Place) -> Result<domain::ledger::Balance, StorageError> {
    let values: [Value; 6] = [
        account.into(),
        place.scope.as_str().into(),
        place.scope_id_text().into(),
        place.meter.as_str().into(),
        place.window.as_str().into(),
        place.start.into(),
    ];
    match tx.query_optional(SELECT_BALANCE, &values)? {
        Some(row) => decode_balance(&row),
        None => Ok(domain::ledger::Balance::default()),
    }
}
