//! Whether what is kept still equals what happened: folds every event and compares the sums with balances, holds and
//! credits. On a live database of either engine, in small transactions that read.
//!
//! Events older than [`SETTLED_AFTER_MICROS`] are final and folded page by page, for many accounts at a time: each pass is
//! over all events. The rest is folded together with the balances of some accounts in one transaction, which sees one
//! moment: on SQLite that of the redo log too.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use domain::ids::{AccountId, CreditId, EventId};
use domain::ledger::{Balance, Place, Posting};
use domain::time::{MICROS_PER_MINUTE, Timestamp};
use parking_lot::Mutex;

use super::postponed::Postponed;
use super::redo::{BalanceKey, Follower};
use super::rows;
use crate::value::{Row, Value};
use crate::{Database, StorageError, Tx};

const ACCOUNTS: &str = "SELECT account_id FROM ledger_accounts WHERE account_id > $1 AND account_id <= $2 \
    ORDER BY account_id LIMIT 1024";
/// The last of the next accounts, if there are so many.
const END_OF_SLICE: &str =
    "SELECT account_id FROM ledger_accounts WHERE account_id > $1 ORDER BY account_id LIMIT 1 OFFSET $2";
/// In the order that events are kept in.
const OLD_EVENTS: &str = "SELECT account_id, id, postings, draws FROM usage_events WHERE (id, account_id) > ($1, $2) \
    AND id < $3 AND account_id > $4 AND account_id <= $5 ORDER BY id, account_id LIMIT 4096";
const NEW_EVENTS: &str = "SELECT account_id, id, postings, draws FROM usage_events \
    WHERE id >= $3 AND account_id >= $1 AND account_id <= $2";
const BALANCES: &str = "SELECT account_id, scope, scope_id, meter, window_kind, window_start, used, reserved, credited \
    FROM balances WHERE account_id >= $1 AND account_id <= $2";
const POSTPONED: &str = "SELECT account_id, postponed FROM ledger_accounts \
    WHERE account_id >= $1 AND account_id <= $2 AND LENGTH(postponed) > 0";
const OPEN_HOLDS: &str = "SELECT account_id, holds FROM reservations \
    WHERE account_id >= $1 AND account_id <= $2 AND state = 'open'";
const CREDITS: &str = "SELECT account_id, id, remaining FROM credits WHERE account_id >= $1 AND account_id <= $2";

pub(crate) const STATEMENTS: &[&str] =
    &[ACCOUNTS, END_OF_SLICE, OLD_EVENTS, NEW_EVENTS, BALANCES, POSTPONED, OPEN_HOLDS, CREDITS];

/// No command is written so long after its id was made: it would have left the queue long before.
const SETTLED_AFTER_MICROS: i64 = 5 * MICROS_PER_MINUTE;
/// Accounts whose old events are folded in one pass: what that comes to is kept in memory, about half a kilobyte each.
const SLICE: i64 = 200_000;
/// After every account's id.
const AFTER_ALL: &str = "acct_~";

/// The three sums of a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    pub used: i64,
    pub reserved: i64,
    pub credited: i64,
}

/// Something that is kept otherwise than the events say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    Balance {
        account: AccountId,
        place: Place,
        kept: Sums,
        folded: Sums,
    },
    /// What open reservations hold is not what the balance says is reserved.
    Held {
        account: AccountId,
        place: Place,
        reserved: i64,
        held: i64,
    },
    Credit {
        account: AccountId,
        credit: CreditId,
        kept: i64,
        folded: i64,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balance { account, place, kept, folded } => {
                write!(f, "{account}: {} is kept as {kept}, its events say {folded}", told(place))
            }
            Self::Held { account, place, reserved, held } => {
                write!(f, "{account}: {} has {reserved} reserved, its open reservations hold {held}", told(place))
            }
            Self::Credit { account, credit, kept, folded } => {
                write!(f, "{account}: {credit} has {kept} remaining, its events say {folded}")
            }
        }
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} used, {} reserved, {} credited", self.used, self.reserved, self.credited)
    }
}

fn told(place: &Place) -> String {
    let whose = match &place.scope_id {
        Some(id) => format!(" of {} {id}", place.scope.as_str()),
        None => String::new(),
    };
    format!("{}{whose} in the {} from {}", place.meter, place.window.as_str(), place.start)
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    pub accounts: usize,
    pub events: usize,
    pub differences: Vec<Difference>,
}

/// Verifies every account. Writes nothing.
pub async fn verify(database: &Database, now: Timestamp) -> Result<Verified, StorageError> {
    verify_in_slices(database, now, SLICE).await
}

/// As [`verify`], with a pass over all events for so many accounts at a time.
pub async fn verify_in_slices(database: &Database, now: Timestamp, accounts: i64) -> Result<Verified, StorageError> {
    // Accounts' rows alone say what tables lack then, and events come with them.
    let _pause = database.without_journal().await?;
    let boundary = EventId::new(AccountId::from_bits(0), now.minus_micros(SETTLED_AFTER_MICROS), 0).own_text();
    let log = Arc::new(Mutex::new(Follower::default()));
    let (mut verified, mut after) = (Verified::default(), String::new());
    loop {
        let end = end_of_slice(database, &after, accounts).await?;
        let slice = Slice { after, end: end.clone().unwrap_or_else(|| AFTER_ALL.to_owned()) };
        verify_slice(database, &slice, &boundary, (&log, &mut verified)).await?;
        match end {
            Some(end) => after = end,
            None => return Ok(verified),
        }
    }
}

/// Accounts after one, up to another.
#[derive(Clone)]
struct Slice {
    after: String,
    end: String,
}

async fn verify_slice(
    database: &Database,
    slice: &Slice,
    boundary: &str,
    (log, verified): (&Arc<Mutex<Follower>>, &mut Verified),
) -> Result<(), StorageError> {
    let folds = fold_old_events(database, slice, boundary).await?;
    verified.events += folds.events;
    let mut next = first_accounts(database, slice.clone()).await?;
    while let (Some(first), Some(last)) = (next.first().copied(), next.last().copied()) {
        let old = folds.of(first, last);
        let (boundary, log) = (boundary.to_owned(), log.clone());
        let read = move |tx: &mut Tx<'_>| compare(tx, (first, last), &boundary, old.clone(), &mut log.lock());
        let (new_events, differences) = database.read("verify_accounts", read).await?;
        verified.accounts += next.len();
        verified.events += new_events;
        verified.differences.extend(differences);
        next = first_accounts(database, Slice { after: last.to_string(), end: slice.end.clone() }).await?;
    }
    Ok(())
}

async fn end_of_slice(database: &Database, after: &str, accounts: i64) -> Result<Option<String>, StorageError> {
    let values = [Value::from(after), (accounts - 1).into()];
    let read = move |tx: &mut Tx<'_>| {
        let row = tx.query_optional(END_OF_SLICE, &values)?;
        row.map(|row| row.text("account_id").map(str::to_owned)).transpose()
    };
    database.read("find_end_of_slice", read).await
}

async fn first_accounts(database: &Database, slice: Slice) -> Result<Vec<AccountId>, StorageError> {
    let read = move |tx: &mut Tx<'_>| {
        let rows = tx.query(ACCOUNTS, &[(&slice.after).into(), (&slice.end).into()])?;
        rows.iter().map(|row| row.parsed("account_id", AccountId::parse)).collect()
    };
    database.read("list_ledger_accounts", read).await
}

/// What the events of some accounts add up to.
#[derive(Clone, Default)]
struct Folds {
    accounts: BTreeMap<AccountId, Fold>,
    events: usize,
}

#[derive(Clone, Default)]
struct Fold {
    places: HashMap<Place, Sums>,
    /// Less what was drawn: what should remain.
    credits: HashMap<CreditId, i64>,
}

impl Sums {
    fn add(&mut self, posting: &Posting) {
        // Ids do not come in the order of the changes, so that a sum may leave the range on its way and come back.
        self.used = self.used.wrapping_add(posting.used);
        self.reserved = self.reserved.wrapping_add(posting.reserved);
        self.credited = self.credited.wrapping_add(posting.credited);
    }
}

impl Folds {
    fn add(&mut self, row: &Row) -> Result<(), StorageError> {
        let fold = self.accounts.entry(row.parsed("account_id", AccountId::parse)?).or_default();
        for posting in rows::decode_postings(row.text("postings")?)? {
            fold.places.entry(posting.place.clone()).or_default().add(&posting);
        }
        for draw in rows::decode_draws(row.text("draws")?)? {
            let remaining = fold.credits.entry(draw.credit).or_default();
            *remaining = remaining.wrapping_sub(draw.amount);
        }
        self.events += 1;
        Ok(())
    }

    fn of(&self, first: AccountId, last: AccountId) -> Folds {
        let accounts = self.accounts.range(first..=last).map(|(account, fold)| (*account, fold.clone()));
        Folds { accounts: accounts.collect(), events: 0 }
    }
}

/// Folds the events of these accounts that are final, page by page.
async fn fold_old_events(database: &Database, slice: &Slice, boundary: &str) -> Result<Folds, StorageError> {
    let mut folds = Folds::default();
    let mut cursor = (String::new(), String::new());
    loop {
        let (id, account) = &cursor;
        let values: [Value; 5] =
            [id.into(), account.into(), boundary.into(), (&slice.after).into(), (&slice.end).into()];
        let read = move |tx: &mut Tx<'_>| tx.query(OLD_EVENTS, &values);
        let page = database.read("verify_events", read).await?;
        let Some(last) = page.last() else { return Ok(folds) };
        cursor = (last.text("id")?.to_owned(), last.text("account_id")?.to_owned());
        for row in &page {
            folds.add(row)?;
        }
    }
}

/// Folds what is new of these accounts into `folds`, and compares: one transaction, one moment.
fn compare(
    tx: &mut Tx<'_>,
    (first, last): (AccountId, AccountId),
    boundary: &str,
    mut folds: Folds,
    log: &mut Follower,
) -> Result<(usize, Vec<Difference>), StorageError> {
    let range = [Value::from(first), Value::from(last)];
    let balances = balances(tx, (first, last), log)?;
    for row in tx.query(NEW_EVENTS, &[range[0].clone(), range[1].clone(), boundary.into()])? {
        folds.add(&row)?;
    }
    let new_events = folds.events;
    let mut held: HashMap<(AccountId, Place), i64> = HashMap::new();
    for row in tx.query(OPEN_HOLDS, &range)? {
        let account = row.parsed("account_id", AccountId::parse)?;
        for hold in rows::decode_postings(row.text("holds")?)? {
            *held.entry((account, hold.place)).or_default() += hold.reserved;
        }
    }
    let mut differences = Vec::new();
    for ((account, place), kept) in balances {
        let fold = folds.accounts.get_mut(&account);
        let folded = fold.and_then(|fold| fold.places.remove(&place)).unwrap_or_default();
        let open = held.remove(&(account, place.clone())).unwrap_or(0);
        if kept.reserved != open {
            differences.push(Difference::Held { account, place: place.clone(), reserved: kept.reserved, held: open });
        }
        if kept != folded {
            differences.push(Difference::Balance { account, place, kept, folded });
        }
    }
    for row in tx.query(CREDITS, &range)? {
        let account = row.parsed("account_id", AccountId::parse)?;
        let (credit, kept) = (row.parsed("id", CreditId::parse)?, row.integer("remaining")?);
        let fold = folds.accounts.get_mut(&account);
        let folded = fold.and_then(|fold| fold.credits.remove(&credit)).unwrap_or(0);
        if kept != folded {
            differences.push(Difference::Credit { account, credit, kept, folded });
        }
    }
    let held = held.into_iter().map(|((account, place), held)| Difference::Held { account, place, reserved: 0, held });
    differences.extend(held);
    differences.extend(folds.accounts.into_iter().flat_map(|(account, fold)| missing(account, fold)));
    Ok((new_events, differences))
}

/// What events moved and no row keeps.
fn missing(account: AccountId, fold: Fold) -> impl Iterator<Item = Difference> {
    let places = fold
        .places
        .into_iter()
        .filter(|(_, folded)| *folded != Sums::default())
        .map(move |(place, folded)| Difference::Balance { account, place, kept: Sums::default(), folded });
    let credits = fold.credits.into_iter().filter(|(_, folded)| *folded != 0);
    places.chain(credits.map(move |(credit, folded)| Difference::Credit { account, credit, kept: 0, folded }))
}

/// The balances of some accounts: as their table has them, or as the redo log or their own rows say that they stand since.
fn balances(
    tx: &mut Tx<'_>,
    (first, last): (AccountId, AccountId),
    log: &mut Follower,
) -> Result<BTreeMap<BalanceKey, Sums>, StorageError> {
    log.catch_up(tx)?;
    let mut balances = BTreeMap::new();
    for row in tx.query(BALANCES, &[first.into(), last.into()])? {
        let (key, kept) = decode_balance(&row)?;
        balances.insert(key, kept);
    }
    for (account, place, balance) in log.waiting.balances.of(first, last) {
        let Balance { used, reserved, credited, .. } = *balance;
        balances.insert((account, place.clone()), Sums { used, reserved, credited });
    }
    for row in tx.query(POSTPONED, &[first.into(), last.into()])? {
        let account = row.parsed("account_id", AccountId::parse)?;
        for (place, Balance { used, reserved, credited, .. }) in Postponed::of_row(&row)?.balances {
            balances.insert((account, place), Sums { used, reserved, credited });
        }
    }
    Ok(balances)
}

fn decode_balance(row: &Row) -> Result<(BalanceKey, Sums), StorageError> {
    let place = rows::place_of(row)?;
    let kept =
        Sums { used: row.integer("used")?, reserved: row.integer("reserved")?, credited: row.integer("credited")? };
    Ok(((row.parsed("account_id", AccountId::parse)?, place), kept))
}
