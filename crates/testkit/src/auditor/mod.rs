//! An auditor of the usage ledger that believes none of its code: it reads the rows themselves and works everything out
//! again with its own arithmetic and its own calendar.
//!
//! Start at [`Auditor::observe`], which takes in what has happened since the last time, and [`Auditor::audit`], which
//! compares every kept sum. An `Err` is a sentence about what is wrong.

mod books;
mod calendar;
mod events;
mod judge;

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::AccountId;
use storage::{Database, Tx};

pub use books::{Books, CreditTerms};
pub use judge::{Asked, Rule, Verdict};

use events::EventRow;

/// What the auditor knows of every account.
#[derive(Default)]
pub struct Auditor {
    accounts: BTreeMap<AccountId, Books>,
}

/// How the events of an observation came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Came {
    /// At most one command was judged, after whatever had expired: it is judged again exactly.
    OneByOne,
    /// Several Consumes, Reserves and Releases in an order nobody knows: together they must fit.
    Together,
}

impl Auditor {
    /// `anchor`: when its periods began, in microseconds.
    pub fn open_account(&mut self, account: AccountId, anchor: i64, rules: Vec<Rule>) {
        self.accounts.insert(account, Books::new(anchor, rules));
    }

    pub fn books(&mut self, account: AccountId) -> &mut Books {
        self.accounts.entry(account).or_insert_with(|| Books::new(0, Vec::new()))
    }

    /// Takes in the events of an account that are new. Returns their ids.
    pub async fn observe(
        &mut self,
        database: &Database,
        account: AccountId,
        came: Came,
    ) -> Result<BTreeSet<String>, String> {
        let rows = events::read(database, account).await?;
        let books = self.books(account);
        let mut fresh: Vec<EventRow> = rows.into_iter().filter(|row| !books.has_seen(&row.id)).collect();
        // What had expired is settled before anything else is judged at that time; what it held was made before.
        fresh.sort_by_key(|row| (row.at, row.action != "expire"));
        let ids = fresh.iter().map(|row| row.id.clone()).collect();
        match came {
            Came::OneByOne => {
                for row in &fresh {
                    books.judge_again(row)?;
                    books.fold(row)?;
                    books.must_be_possible()?;
                }
            }
            Came::Together => {
                let before = books.clone();
                for row in &fresh {
                    books.fold(row)?;
                }
                books.must_be_possible()?;
                books.must_fit_after(&before, &fresh)?;
            }
        }
        Ok(ids)
    }

    /// Forgets what it has seen of an account and takes in what is there now: after a crash that may have lost what was
    /// never answered.
    pub async fn start_over(&mut self, database: &Database, account: AccountId) -> Result<BTreeSet<String>, String> {
        let mut rows = events::read(database, account).await?;
        rows.sort_by_key(|row| (row.at, row.action != "expire"));
        let books = self.books(account);
        books.forget_events();
        for row in &rows {
            books.fold(row)?;
        }
        books.must_be_possible()?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Compares every sum the ledger keeps for an account with what its events say.
    pub async fn audit(&self, database: &Database, account: AccountId) -> Result<(), String> {
        let Some(books) = self.accounts.get(&account) else { return Ok(()) };
        let rows = events::read(database, account).await?;
        if let Some(row) = rows.iter().find(|row| !books.has_seen(&row.id)) {
            return Err(format!("the event {} is there and nobody asked for it: {row:?}", row.id));
        }
        if rows.len() != books.seen() {
            return Err(format!("{} events were seen and {} are there", books.seen(), rows.len()));
        }
        database.write_back_of(account).await.map_err(|error| error.to_string())?;
        let kept = database.read("audit", move |tx: &mut Tx<'_>| events::read_kept(tx, account)).await;
        books.must_equal(&kept.map_err(|error| error.to_string())?)
    }
}
