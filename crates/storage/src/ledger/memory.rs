//! What this process remembers of accounts: terms, balances and denials, as they were when last committed.
//!
//! On SQLite it is as true as the file, since one process owns it; the writer judges by it. On PostgreSQL other nodes may
//! write too: while they do, it answers checks only, and only for a moment; a batch judges by it where the account's row
//! still has the version it is remembered as of.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::ids::AccountId;
use domain::ledger::{Action, Balances, Book, Command, Credit, Denial, DenialReason, Place, Terms};
use domain::time::Timestamp;
use parking_lot::Mutex;

use super::postponed::Postponed;
use super::solitude::{FRESH_MICROS, Solitude};
use crate::bounded_map::BoundedMap;
use crate::id_map::IdHasher;

const SHARDS: usize = 64;
/// Balances remembered for one account; past it they are dropped and read again as needed.
const BALANCES_AN_ACCOUNT: usize = 4_096;
const DENIALS_AN_ACCOUNT: usize = 32;

pub(crate) struct Memory {
    shards: Vec<Mutex<Shard>>,
    hasher: IdHasher,
    /// How often something of a shard was forgotten: who began before it must not put back what it knew.
    forgotten: Vec<AtomicU64>,
    /// Whether other processes may write to the same database.
    shared: bool,
    /// Whether they do. Not looked after on SQLite.
    pub solitude: Solitude,
    /// How often this process has begun a journal: what was remembered before it may be of another server.
    journals: AtomicU64,
}

struct Shard {
    accounts: BoundedMap<AccountId, Remembered, IdHasher>,
    /// Raised by everything that was committed; a reader that began before it must not add what it read.
    version: u64,
}

struct Remembered {
    terms: Arc<Terms>,
    balances: Balances,
    credits: Vec<Credit>,
    /// The earliest expiry of an open reservation, or earlier.
    next_expiry: Option<Timestamp>,
    denials: Vec<RememberedDenial>,
    read_at: Timestamp,
    /// How many journals had been begun before it was read or written.
    journals: u64,
    /// Of the account's row when all this was so. Always 0 on SQLite; [`NOT_ON_DISK`] where a crash may take it back.
    version: i64,
    /// The time of the account's last command.
    last_at: Timestamp,
    postponed: Option<Arc<Postponed>>,
    /// Since when something is postponed, or later.
    postponed_since: Timestamp,
}

struct RememberedDenial {
    denial: Arc<Denial>,
    judged_at: Timestamp,
    until: Timestamp,
}

/// The version of what was committed without waiting for the disk. A crash of the database may take it back and count on from
/// the version before, so nothing is judged by it.
pub(crate) const NOT_ON_DISK: i64 = -1;

/// When and as of what a book is true, for whoever remembers it.
#[derive(Clone)]
pub(crate) struct AsOf {
    /// The earliest expiry of an open reservation, or earlier.
    pub next_expiry: Option<Timestamp>,
    /// Before it was read or locked.
    pub at: Timestamp,
    /// Of the account's row.
    pub version: i64,
    /// What is remembered of this version still holds.
    pub since_version: i64,
    /// The time of the account's last command.
    pub last_at: Timestamp,
    /// What the account's row says and the tables lack. `None`: nothing.
    pub postponed: Option<Arc<Postponed>>,
}

/// What a batch on PostgreSQL judges an account by, if its row still has this version when it is locked.
pub(crate) struct Remembrance {
    pub book: Book,
    pub next_expiry: Option<Timestamp>,
    pub version: i64,
    pub last_at: Timestamp,
    pub postponed: Option<Arc<Postponed>>,
    pub postponed_since: Timestamp,
    pub journals: u64,
}

/// A reader's permission to add what it reads, unless something was committed meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct ReadTicket {
    account: AccountId,
    version: u64,
}

/// One permission for every account.
pub(crate) struct Tickets(Vec<u64>);

/// A moment: what was forgotten until then. Taken before the plans and whatever else may be forgotten.
#[derive(Clone)]
pub(crate) struct Moment {
    forgotten: Vec<u64>,
    /// How many journals had been begun.
    pub journals: u64,
}

impl Memory {
    pub fn new(accounts: usize, shared: bool) -> Self {
        let accounts = || BoundedMap::with_hasher(accounts / SHARDS, IdHasher::default());
        let shard = || Mutex::new(Shard { accounts: accounts(), version: 0 });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: IdHasher::default(),
            forgotten: (0..SHARDS).map(|_| AtomicU64::new(0)).collect(),
            shared,
            solitude: Solitude::default(),
            journals: AtomicU64::new(0),
        }
    }

    fn place(&self, account: AccountId) -> usize {
        (self.hasher.hash_one(account) as usize) % SHARDS
    }

    fn shard(&self, account: AccountId) -> &Mutex<Shard> {
        &self.shards[self.place(account)]
    }

    /// The terms, when they are remembered and still hold.
    pub fn terms(&self, account: AccountId, now: Timestamp) -> Option<Arc<Terms>> {
        let mut shard = self.shard(account).lock();
        let remembered = shard.find(account)?;
        (self.is_fresh(remembered.read_at, now) && remembered.terms.hold_at(now)).then(|| remembered.terms.clone())
    }

    /// The terms however old: good for guessing what to load, not for judging.
    pub fn last_terms(&self, account: AccountId) -> Option<Arc<Terms>> {
        let mut shard = self.shard(account).lock();
        shard.find(account).map(|remembered| remembered.terms.clone())
    }

    fn is_fresh(&self, read_at: Timestamp, now: Timestamp) -> bool {
        !self.shared || now.since(read_at) < FRESH_MICROS || self.solitude.covers(read_at, now)
    }

    /// A book with what is remembered of the places, and when the next reservation expires. `None`: not remembered, or
    /// the terms are over.
    pub fn book(&self, account: AccountId, now: Timestamp) -> Option<(Book, Option<Timestamp>)> {
        let mut shard = self.shard(account).lock();
        let remembered = shard.find(account)?;
        if !self.is_fresh(remembered.read_at, now) || !remembered.terms.hold_at(now) {
            return None;
        }
        let mut book = Book::new(account, remembered.terms.clone());
        book.load_credits(remembered.credits.clone());
        Some((book, remembered.next_expiry))
    }

    /// Fills a book with the places that are remembered.
    pub fn fill(&self, book: &mut Book, places: &[Place]) {
        self.shard(book.account).lock().fill(book, places);
    }

    /// A book with what is remembered of the places, however old. `None`: something is missing, its time is over, or it
    /// was not on the disk yet.
    pub fn remembrance(&self, account: AccountId, places: &[Place], now: Timestamp) -> Option<Remembrance> {
        let mut shard = self.shard(account).lock();
        let remembered = shard.find(account)?;
        let is_over = !remembered.terms.hold_at(now) || remembered.next_expiry.is_some_and(|expiry| expiry <= now);
        if is_over || remembered.version == NOT_ON_DISK {
            return None;
        }
        let mut book = Book::new(account, remembered.terms.clone());
        for place in places {
            book.load_balance(place.clone(), *remembered.balances.get(place)?);
        }
        book.load_credits(remembered.credits.clone());
        Some(Remembrance {
            book,
            next_expiry: remembered.next_expiry,
            version: remembered.version,
            last_at: remembered.last_at,
            postponed: remembered.postponed.clone(),
            postponed_since: remembered.postponed_since,
            journals: remembered.journals,
        })
    }

    /// Fills a book with the places that are remembered as of this version of the account's row.
    pub fn fill_as_of(&self, version: i64, book: &mut Book, places: &[Place]) {
        let mut shard = self.shard(book.account).lock();
        let remembered = shard.find(book.account);
        if remembered.is_some_and(|remembered| remembered.version == version) {
            shard.fill(book, places);
        }
    }

    pub fn moment(&self) -> Moment {
        Moment {
            forgotten: self.forgotten.iter().map(|count| count.load(Ordering::Acquire)).collect(),
            journals: self.journals(),
        }
    }

    pub fn journals(&self) -> u64 {
        self.journals.load(Ordering::Acquire)
    }

    /// A journal begins: what is remembered is not noted before it has been found to be still so.
    pub fn begin_journal(&self) {
        self.journals.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether something of the account may have been forgotten since.
    pub fn is_past(&self, moment: &Moment, account: AccountId) -> bool {
        let place = self.place(account);
        self.forgotten[place].load(Ordering::Acquire) != moment.forgotten[place]
    }

    /// Takes over what a batch has committed that began at that moment.
    pub fn publish(&self, book: &Book, as_of: AsOf, (accepted, began): (bool, &Moment)) {
        let mut shard = self.shard(book.account).lock();
        shard.version += 1;
        if self.is_past(began, book.account) {
            shard.forget(book.account);
            return;
        }
        shard.put(book, as_of, began.journals);
        if accepted && let Some(remembered) = shard.accounts.get_mut(&book.account) {
            remembered.denials.clear();
        }
    }

    pub fn ticket(&self, account: AccountId) -> ReadTicket {
        ReadTicket { account, version: self.shard(account).lock().version }
    }

    /// The same before it is known which account will be read.
    pub fn tickets(&self) -> Tickets {
        Tickets(self.shards.iter().map(|shard| shard.lock().version).collect())
    }

    pub fn ticket_of(&self, tickets: &Tickets, account: AccountId) -> ReadTicket {
        ReadTicket { account, version: tickets.0[self.place(account)] }
    }

    /// Adds what a reader found that began at that moment, unless something was committed since it took its ticket.
    pub fn publish_read(&self, (ticket, began): (ReadTicket, &Moment), book: &Book, as_of: AsOf) {
        let mut shard = self.shard(ticket.account).lock();
        if shard.version == ticket.version && !self.is_past(began, ticket.account) {
            shard.put(book, as_of, began.journals);
        }
    }

    pub fn forget(&self, account: AccountId) {
        let place = self.place(account);
        let mut shard = self.shards[place].lock();
        self.forgotten[place].fetch_add(1, Ordering::AcqRel);
        shard.version += 1;
        shard.forget(account);
    }

    pub fn forget_all(&self) {
        for (shard, forgotten) in self.shards.iter().zip(&self.forgotten) {
            let mut shard = shard.lock();
            forgotten.fetch_add(1, Ordering::AcqRel);
            shard.version += 1;
            shard.accounts.clear();
        }
    }

    /// Remembers a denial until the first moment it could be otherwise.
    pub fn remember_denial(&self, account: AccountId, denial: &Denial, (judged_at, began): (Timestamp, &Moment)) {
        let Some(limit) = &denial.limit else { return };
        let mut shard = self.shard(account).lock();
        if self.is_past(began, account) {
            return;
        }
        let Some(remembered) = shard.find(account) else { return };
        let ends = [limit.resets_at, remembered.next_expiry, remembered.terms.valid_until];
        let until = ends.into_iter().flatten().min().unwrap_or(Timestamp::MAX);
        if remembered.denials.len() >= DENIALS_AN_ACCOUNT {
            remembered.denials.clear();
        }
        remembered.denials.push(RememberedDenial { denial: Arc::new(denial.clone()), judged_at, until });
    }

    /// A denial that still holds for this command: the same limit, at least the same amount. It tells of what this command
    /// asks for.
    pub fn denial(&self, command: &Command, now: Timestamp) -> Option<Arc<Denial>> {
        let mut shard = self.shard(command.event.account).lock();
        let remembered = shard.find(command.event.account)?;
        remembered
            .denials
            .iter()
            .find(|denial| now < denial.until && self.is_fresh(denial.judged_at, now) && denial.covers(command))
            .map(|found| found.told_to(command))
    }

    pub fn accounts(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().accounts.len()).sum()
    }
}

impl RememberedDenial {
    /// What a command asks for of the limit's meter, which it may name more than once.
    fn requested(&self, command: &Command) -> i64 {
        let meter = self.denial.limit.as_ref().map(|limit| &limit.meter);
        let of_meter = command.amounts.iter().filter(|amount| Some(&amount.meter) == meter);
        of_meter.fold(0, |sum, amount| sum.saturating_add(amount.amount))
    }

    fn told_to(&self, command: &Command) -> Arc<Denial> {
        let requested = self.requested(command);
        if requested == self.denial.requested {
            return self.denial.clone();
        }
        Arc::new(Denial { requested, ..Denial::clone(&self.denial) })
    }

    fn covers(&self, command: &Command) -> bool {
        let Some(limit) = &self.denial.limit else { return false };
        matches!(command.action, Action::Consume | Action::Reserve { .. })
            && self.denial.reason == DenialReason::QuotaExceeded
            && command.scopes.id_of(limit.scope).is_some_and(|id| id == limit.scope_id)
            && self.requested(command) >= self.denial.requested
    }
}

impl Shard {
    fn find(&mut self, account: AccountId) -> Option<&mut Remembered> {
        self.accounts.get_mut(&account)
    }

    fn forget(&mut self, account: AccountId) {
        self.accounts.remove(&account);
    }

    fn fill(&mut self, book: &mut Book, places: &[Place]) {
        let Some(remembered) = self.find(book.account) else { return };
        places.iter().for_each(|place| book.load_kept(place, &remembered.balances));
    }

    fn put(&mut self, book: &Book, as_of: AsOf, journals: u64) {
        let AsOf { next_expiry, at, version, since_version, last_at, postponed } = as_of;
        if self.find(book.account).is_none() {
            self.accounts.insert(
                book.account,
                Remembered {
                    terms: book.terms.clone(),
                    balances: Balances::default(),
                    credits: Vec::new(),
                    next_expiry,
                    denials: Vec::new(),
                    read_at: at,
                    journals,
                    version,
                    last_at,
                    postponed: None,
                    postponed_since: at,
                },
            );
        }
        let Some(remembered) = self.accounts.get_mut(&book.account) else { return };
        // Another process has written since, or what was written was not on the disk: what this book does not hold may be
        // otherwise.
        let is_outdated = remembered.version != since_version;
        if is_outdated || remembered.balances.len() > BALANCES_AN_ACCOUNT {
            remembered.balances.clear();
        }
        remembered.terms = book.terms.clone();
        remembered.credits = book.credits().to_vec();
        remembered.next_expiry = next_expiry;
        (remembered.read_at, remembered.version, remembered.last_at) = (at, version, last_at);
        remembered.journals = journals;
        if remembered.postponed.is_none() {
            remembered.postponed_since = at;
        }
        remembered.postponed = postponed;
        for (place, balance) in book.balances() {
            remembered.balances.insert(place.clone(), *balance);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ledger::{Balance, Standing};

    use super::*;

    fn book(number: u128) -> Book {
        let terms = Terms {
            epoch: 1,
            standing: Standing::Open,
            plan: None,
            anchor: Timestamp::EPOCH,
            periods_since: Timestamp::EPOCH,
            meters: Arc::default(),
            warn_at_percent: Arc::from([]),
            valid_until: None,
        };
        Book::new(AccountId::from_bits(number), Arc::new(terms))
    }

    fn as_of(version: i64) -> AsOf {
        let (at, since_version) = (Timestamp::EPOCH, version - 1);
        AsOf { next_expiry: None, at, version, since_version, last_at: at, postponed: None }
    }

    #[test]
    fn a_batch_that_began_before_something_was_forgotten_does_not_put_it_back() {
        let (memory, book) = (Memory::new(1_000, true), book(1));
        for forget in [|memory: &Memory| memory.forget(AccountId::from_bits(1)), |memory: &Memory| memory.forget_all()]
        {
            let before = memory.moment();
            memory.publish(&book, as_of(1), (true, &before));
            assert!(memory.last_terms(book.account).is_some());
            forget(&memory);
            memory.publish(&book, as_of(2), (true, &before));
            assert!(memory.last_terms(book.account).is_none());
            let (ticket, now) = (memory.ticket(book.account), memory.moment());
            memory.publish_read((ticket, &before), &book, as_of(2));
            assert!(memory.last_terms(book.account).is_none());
            memory.publish_read((ticket, &now), &book, as_of(2));
            assert!(memory.last_terms(book.account).is_some());
        }
    }

    #[test]
    fn balances_are_kept_only_from_the_version_before() {
        let (memory, empty, mut full) = (Memory::new(1_000, true), book(1), book(1));
        let place = Place {
            scope: domain::catalog::LimitScope::Account,
            scope_id: None,
            meter: "requests".into(),
            window: domain::windows::WindowKind::Month,
            start: Timestamp::EPOCH,
        };
        full.load_balance(place.clone(), Balance { used: 7, ..Balance::default() });
        let moment = memory.moment();
        let knows = |memory: &Memory| {
            memory.remembrance(full.account, std::slice::from_ref(&place), Timestamp::EPOCH).is_some()
        };
        // After the version before; after one that others made; and after a crash that took one back.
        for (next, known) in [(3, true), (4, false), (2, false)] {
            memory.publish(&full, as_of(2), (true, &moment));
            memory.publish(&empty, as_of(next), (true, &moment));
            assert_eq!(knows(&memory), known, "version {next} after 2");
        }
        memory.publish(&full, AsOf { version: NOT_ON_DISK, ..as_of(5) }, (true, &moment));
        assert!(!knows(&memory) && memory.last_terms(full.account).is_some());
        memory.publish(&empty, as_of(6), (true, &moment));
        assert!(!knows(&memory));
    }
}
