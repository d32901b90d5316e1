//! What this process remembers of accounts: terms, balances and denials, as they were when last committed.
//!
//! On SQLite it is as true as the file, since one process owns it; the writer judges by it. On PostgreSQL other nodes may
//! write too: while they do, it answers checks only, and only for a moment; a batch judges by it where the account's row
//! still has the version it is remembered as of.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use domain::ids::AccountId;
use domain::ledger::{Action, Balance, Book, Command, Credit, Denial, DenialReason, Place, Terms};
use domain::time::Timestamp;
use parking_lot::Mutex;

use super::postponed::Postponed;
use super::solitude::{FRESH_MICROS, Solitude};

const SHARDS: usize = 64;
/// Balances remembered for one account; past it they are dropped and read again as needed.
const BALANCES_AN_ACCOUNT: usize = 4_096;
const DENIALS_AN_ACCOUNT: usize = 32;

pub(crate) struct Memory {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    accounts_a_shard: usize,
    /// Whether other processes may write to the same database.
    shared: bool,
    /// Whether they do. Not looked after on SQLite.
    pub solitude: Solitude,
}

/// Two generations: when the young one is full it becomes the old one, and what was not asked for since is forgotten.
#[derive(Default)]
struct Shard {
    young: HashMap<AccountId, Remembered>,
    old: HashMap<AccountId, Remembered>,
    /// Raised by everything that was committed; a reader that began before it must not add what it read.
    version: u64,
}

struct Remembered {
    terms: Arc<Terms>,
    balances: HashMap<Place, Balance>,
    credits: Vec<Credit>,
    /// The earliest expiry of an open reservation, or earlier.
    next_expiry: Option<Timestamp>,
    denials: Vec<RememberedDenial>,
    read_at: Timestamp,
    /// Of the account's row when all this was so. Always 0 on SQLite.
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
}

/// A reader's permission to add what it reads, unless something was committed meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct ReadTicket {
    account: AccountId,
    version: u64,
}

/// One permission for every account.
pub(crate) struct Tickets(Vec<u64>);

impl Memory {
    pub fn new(accounts: usize, shared: bool) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            accounts_a_shard: (accounts / SHARDS / 2).max(1),
            shared,
            solitude: Solitude::default(),
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
        let remembered = shard.find(account, self.accounts_a_shard)?;
        (self.is_fresh(remembered.read_at, now) && remembered.terms.hold_at(now)).then(|| remembered.terms.clone())
    }

    /// The terms however old: good for guessing what to load, not for judging.
    pub fn last_terms(&self, account: AccountId) -> Option<Arc<Terms>> {
        let mut shard = self.shard(account).lock();
        shard.find(account, self.accounts_a_shard).map(|remembered| remembered.terms.clone())
    }

    fn is_fresh(&self, read_at: Timestamp, now: Timestamp) -> bool {
        !self.shared || now.since(read_at) < FRESH_MICROS || self.solitude.covers(read_at, now)
    }

    /// A book with what is remembered of the places, and when the next reservation expires. `None`: not remembered, or
    /// the terms are over.
    pub fn book(&self, account: AccountId, now: Timestamp) -> Option<(Book, Option<Timestamp>)> {
        let mut shard = self.shard(account).lock();
        let remembered = shard.find(account, self.accounts_a_shard)?;
        if !self.is_fresh(remembered.read_at, now) || !remembered.terms.hold_at(now) {
            return None;
        }
        let mut book = Book::new(account, remembered.terms.clone());
        book.load_credits(remembered.credits.clone());
        Some((book, remembered.next_expiry))
    }

    /// Fills a book with the places that are remembered.
    pub fn fill(&self, book: &mut Book, places: &[Place]) {
        self.shard(book.account).lock().fill(book, places, self.accounts_a_shard);
    }

    /// A book with what is remembered of the places, however old. `None`: something is missing, or its time is over.
    pub fn remembrance(&self, account: AccountId, places: &[Place], now: Timestamp) -> Option<Remembrance> {
        let mut shard = self.shard(account).lock();
        let remembered = shard.find(account, self.accounts_a_shard)?;
        let is_over = !remembered.terms.hold_at(now) || remembered.next_expiry.is_some_and(|expiry| expiry <= now);
        if is_over {
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
        })
    }

    /// Fills a book with the places that are remembered as of this version of the account's row.
    pub fn fill_as_of(&self, version: i64, book: &mut Book, places: &[Place]) {
        let mut shard = self.shard(book.account).lock();
        let remembered = shard.find(book.account, self.accounts_a_shard);
        if remembered.is_some_and(|remembered| remembered.version == version) {
            shard.fill(book, places, self.accounts_a_shard);
        }
    }

    /// Takes over what a batch has committed.
    pub fn publish(&self, book: &Book, as_of: AsOf, accepted: bool) {
        let mut shard = self.shard(book.account).lock();
        shard.version += 1;
        shard.put(book, as_of, self.accounts_a_shard);
        if accepted && let Some(remembered) = shard.young.get_mut(&book.account) {
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

    /// Adds what a reader found, unless something was committed since it took its ticket.
    pub fn publish_read(&self, ticket: ReadTicket, book: &Book, as_of: AsOf) {
        let mut shard = self.shard(ticket.account).lock();
        if shard.version == ticket.version {
            shard.put(book, as_of, self.accounts_a_shard);
        }
    }

    pub fn forget(&self, account: AccountId) {
        let mut shard = self.shard(account).lock();
        shard.version += 1;
        shard.young.remove(&account);
        shard.old.remove(&account);
    }

    pub fn forget_all(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.version += 1;
            shard.young.clear();
            shard.old.clear();
        }
    }

    /// Remembers a denial until the first moment it could be otherwise.
    pub fn remember_denial(&self, account: AccountId, denial: &Denial, judged_at: Timestamp) {
        let Some(limit) = &denial.limit else { return };
        let mut shard = self.shard(account).lock();
        let Some(remembered) = shard.find(account, self.accounts_a_shard) else { return };
        let ends = [limit.resets_at, remembered.next_expiry, remembered.terms.valid_until];
        let until = ends.into_iter().flatten().min().unwrap_or(Timestamp::MAX);
        if remembered.denials.len() >= DENIALS_AN_ACCOUNT {
            remembered.denials.clear();
        }
        remembered.denials.push(RememberedDenial { denial: Arc::new(denial.clone()), judged_at, until });
    }

    /// A denial that still holds for this command: the same limit, at least the same amount.
    pub fn denial(&self, command: &Command, now: Timestamp) -> Option<Arc<Denial>> {
        let mut shard = self.shard(command.event.account).lock();
        let remembered = shard.find(command.event.account, self.accounts_a_shard)?;
        remembered
            .denials
            .iter()
            .find(|denial| now < denial.until && self.is_fresh(denial.judged_at, now) && denial.covers(command))
            .map(|found| found.denial.clone())
    }

    pub fn accounts(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock()).map(|shard| shard.young.len() + shard.old.len()).sum()
    }
}

impl RememberedDenial {
    fn covers(&self, command: &Command) -> bool {
        let Some(limit) = &self.denial.limit else { return false };
        matches!(command.action, Action::Consume | Action::Reserve { .. })
            && self.denial.reason == DenialReason::QuotaExceeded
            && command.scopes.id_of(limit.scope).is_some_and(|id| id == limit.scope_id)
            && command
                .amounts
                .iter()
                .any(|amount| amount.meter == limit.meter && amount.amount >= self.denial.requested)
    }
}

impl Shard {
    fn find(&mut self, account: AccountId, capacity: usize) -> Option<&mut Remembered> {
        if !self.young.contains_key(&account) {
            let remembered = self.old.remove(&account)?;
            self.make_room(capacity);
            self.young.insert(account, remembered);
        }
        self.young.get_mut(&account)
    }

    fn fill(&mut self, book: &mut Book, places: &[Place], capacity: usize) {
        let Some(remembered) = self.find(book.account, capacity) else { return };
        for place in places {
            if !book.has_balance(place)
                && let Some(balance) = remembered.balances.get(place)
            {
                book.load_balance(place.clone(), *balance);
            }
        }
    }

    fn make_room(&mut self, capacity: usize) {
        if self.young.len() >= capacity {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn put(&mut self, book: &Book, as_of: AsOf, capacity: usize) {
        let AsOf { next_expiry, at, version, since_version, last_at, postponed } = as_of;
        if self.find(book.account, capacity).is_none() {
            self.make_room(capacity);
            self.young.insert(
                book.account,
                Remembered {
                    terms: book.terms.clone(),
                    balances: HashMap::new(),
                    credits: Vec::new(),
                    next_expiry,
                    denials: Vec::new(),
                    read_at: at,
                    version,
                    last_at,
                    postponed: None,
                    postponed_since: at,
                },
            );
        }
        let Some(remembered) = self.young.get_mut(&book.account) else { return };
        // Another process has written since: what this book does not hold may be otherwise.
        let is_outdated = remembered.version < since_version || remembered.version > version;
        if is_outdated || remembered.balances.len() > BALANCES_AN_ACCOUNT {
            remembered.balances.clear();
        }
        remembered.terms = book.terms.clone();
        remembered.credits = book.credits().to_vec();
        remembered.next_expiry = next_expiry;
        (remembered.read_at, remembered.version, remembered.last_at) = (at, version, last_at);
        if remembered.postponed.is_none() {
            remembered.postponed_since = at;
        }
        remembered.postponed = postponed;
        for (place, balance) in book.balances() {
            remembered.balances.insert(place.clone(), *balance);
        }
    }
}
