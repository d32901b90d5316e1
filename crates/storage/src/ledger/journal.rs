//! What a node that is alone at its PostgreSQL database has noted and accounts' rows do not say yet.
//!
//! Such a node adds one row to `ledger_journal` for each batch, which says how the rows of the batch's accounts are to be,
//! instead of writing each of them (`postgres_remembered.rs`). They are written later, many at a time and each once however
//! often it was noted (`postgres_journal.rs`). Whoever reads or writes an account's row in this process asks here first;
//! other processes end the journal before they read or write anything (`ledger_fence`).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::ids::AccountId;
use domain::time::Timestamp;
use parking_lot::{Condvar, Mutex};

use super::postponed::Postponed;
use crate::StorageError;
use crate::id_map::IdMap;

/// How long a transaction waits for a batch that is noting the account it wants: longer than a statement may take.
const PATIENCE: Duration = Duration::from_secs(35);
/// Rows of the journal before their accounts are written, however few: an account in use adds one row after the other.
const MOST_ROWS: usize = 8_192;

/// How an account's row is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Noted {
    pub version: i64,
    /// The time of the account's last command.
    pub last_at: Timestamp,
    pub postponed: Arc<Postponed>,
}

/// Shared by everything of one process that writes to the database. Empty on SQLite.
pub(crate) struct Journal {
    /// What `ledger_fence` says while the journal is this process's own. 0: it is not.
    holder: AtomicI64,
    /// Accounts that may wait before their rows are written while others are noted.
    most: usize,
    /// Held by whoever opens or ends it.
    pub changing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether batches may note. What was noted waits, also after it was stopped.
    is_open: bool,
    /// Reasons not to open it.
    pauses: usize,
    waiting: IdMap<AccountId, (Noted, i64)>,
    /// The journal's rows, the oldest first.
    rows: VecDeque<JournalRow>,
    last_row: i64,
    /// Raised by everything that leaves.
    turn: u64,
    /// Rows up to this one say nothing any more.
    delete_through: Option<i64>,
    /// Accounts of batches that are under way.
    noting: IdMap<AccountId, usize>,
    /// Accounts whose rows transactions read or write themselves.
    held: IdMap<AccountId, usize>,
}

struct JournalRow {
    number: i64,
    accounts: Vec<AccountId>,
    /// Accounts of which nothing newer is noted and whose rows do not say it yet. `None`: the batch is under way.
    waiting: Option<usize>,
}

impl Journal {
    pub fn new(most: usize) -> Self {
        Self {
            holder: AtomicI64::new(0),
            most,
            changing: tokio::sync::Mutex::default(),
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// What the fence says while this process may write.
    pub fn holder(&self) -> i64 {
        self.holder.load(Ordering::Acquire)
    }

    /// Before the fence is made to say so.
    pub fn claim(&self, holder: i64) {
        self.holder.store(holder, Ordering::Release);
    }

    /// After the fence says so and the journal is empty. Nothing where somebody wants it closed: then it is stopped.
    pub fn open(&self) {
        let mut state = self.state.lock();
        state.is_open = state.pauses == 0;
    }

    /// No batch begins to note any more. What waits goes on waiting.
    pub fn stop(&self) {
        self.state.lock().is_open = false;
    }

    /// After everything that was noted has been written, and the fence is not this process's any more.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        self.holder.store(0, Ordering::Release);
        (state.is_open, state.delete_through) = (false, None);
        state.turn += 1;
        state.waiting.clear();
        state.rows.clear();
    }

    /// Whether it must be ended: no batch may note, and the fence still says that it is this process's.
    pub fn is_stopped(&self) -> bool {
        self.holder() != 0 && !self.state.lock().is_open
    }

    pub fn is_open(&self) -> bool {
        self.state.lock().is_open
    }

    pub fn may_open(&self) -> bool {
        self.holder() == 0 && self.state.lock().pauses == 0
    }

    /// Keeps it from being opened as long as the value lives.
    pub fn pause(self: &Arc<Self>) -> Pause {
        self.state.lock().pauses += 1;
        Pause(self.clone())
    }

    /// The process is about to end.
    pub fn open_no_more(&self) {
        self.state.lock().pauses += 1;
    }

    /// Permission to note these accounts. `None`: the journal is not open, too much waits, or a transaction holds one.
    pub fn begin<'a>(self: &Arc<Self>, accounts: impl Iterator<Item = &'a AccountId>) -> Option<Permit> {
        let mut state = self.state.lock();
        let is_too_much = state.waiting.len() >= 2 * self.most || state.rows.len() >= 2 * MOST_ROWS;
        if !state.is_open || is_too_much {
            return None;
        }
        let accounts: Vec<AccountId> = accounts.copied().collect();
        if accounts.iter().any(|account| state.held.contains_key(account)) {
            return None;
        }
        for account in &accounts {
            *state.noting.entry(*account).or_default() += 1;
        }
        state.last_row += 1;
        let number = state.last_row;
        state.rows.push_back(JournalRow { number, accounts: accounts.clone(), waiting: None });
        Some(Permit { journal: self.clone(), holder: self.holder(), number, accounts })
    }

    /// Waits until no batch is noting the account, and lets none begin as long as the value lives.
    ///
    /// # Errors
    /// When the batch takes longer than any statement may.
    pub fn hold(self: &Arc<Self>, account: AccountId) -> Result<Hold, StorageError> {
        let mut state = self.state.lock();
        *state.held.entry(account).or_default() += 1;
        let hold = Hold { journal: self.clone(), account };
        while state.noting.contains_key(&account) {
            if self.freed.wait_for(&mut state, PATIENCE).timed_out() {
                drop(state);
                return Err(StorageError::Unavailable("a batch of the ledger did not end in time".into()));
            }
        }
        drop(state);
        Ok(hold)
    }

    /// What is noted of an account. Asked before the account's row is read: the newer of the two holds.
    pub fn noted(&self, account: AccountId) -> Option<Noted> {
        if self.holder() == 0 {
            return None;
        }
        self.state.lock().waiting.get(&account).map(|(noted, _)| noted.clone())
    }

    /// Changes when something leaves: whoever sees the database as it was at an earlier turn may find an account neither here
    /// nor in its row.
    pub fn turn(&self) -> u64 {
        self.state.lock().turn
    }

    /// What waits longest, at most about so many accounts.
    pub fn oldest(&self, most: usize) -> Vec<(AccountId, Noted)> {
        let state = self.state.lock();
        let mut oldest = Vec::new();
        for row in state.rows.iter().filter(|row| row.waiting.is_some_and(|waiting| waiting > 0)) {
            let of_row = row.accounts.iter().filter_map(|account| {
                let (noted, number) = state.waiting.get(account)?;
                (*number == row.number).then(|| (*account, noted.clone()))
            });
            oldest.extend(of_row);
            if oldest.len() >= most {
                break;
            }
        }
        oldest
    }

    /// Accounts whose rows say at least this now. Returns the number of the last row that can be deleted with all before.
    pub fn written(&self, written: &[(AccountId, Noted)]) -> Option<i64> {
        let mut state = self.state.lock();
        state.turn += 1;
        for (account, written) in written {
            if let Some((noted, number)) = state.waiting.get(account)
                && noted.version <= written.version
            {
                let number = *number;
                state.waiting.remove(account);
                state.is_less(number);
            }
        }
        while state.rows.front().is_some_and(|row| row.waiting == Some(0)) {
            state.delete_through = state.rows.pop_front().map(|row| row.number);
        }
        state.delete_through
    }

    /// After the rows up to this one were deleted.
    pub fn deleted(&self, through: i64) {
        let mut state = self.state.lock();
        state.delete_through = state.delete_through.filter(|number| *number > through);
    }

    /// Accounts that wait, and the number of the last row that was begun.
    pub fn stands(&self) -> (usize, i64) {
        let state = self.state.lock();
        (state.waiting.len(), state.last_row)
    }

    /// Whether some must be written while others are noted.
    pub fn is_full(&self) -> bool {
        let state = self.state.lock();
        state.waiting.len() > self.most || state.rows.len() > MOST_ROWS
    }
}

impl State {
    fn row(&mut self, number: i64) -> Option<&mut JournalRow> {
        let first = self.rows.front()?.number;
        self.rows.get_mut(usize::try_from(number - first).ok()?)
    }

    /// One account fewer waits for this row.
    fn is_less(&mut self, number: i64) {
        if let Some(JournalRow { waiting: Some(waiting), .. }) = self.row(number) {
            *waiting -= 1;
        }
    }
}

/// A batch's permission to add one row to the journal.
pub(crate) struct Permit {
    journal: Arc<Journal>,
    pub holder: i64,
    /// Of the row.
    pub number: i64,
    accounts: Vec<AccountId>,
}

impl Permit {
    /// Takes over what the row says, after it was committed.
    pub fn committed(self, noted: impl Iterator<Item = (AccountId, Noted)>) {
        let mut state = self.journal.state.lock();
        if self.journal.holder() != self.holder {
            // Whoever has closed the journal meanwhile has written it to the accounts' rows.
            return;
        }
        let mut waiting = 0;
        for (account, noted) in noted {
            waiting += 1;
            if let Some((_, number)) = state.waiting.insert(account, (noted, self.number)) {
                state.is_less(number);
            }
        }
        if let Some(row) = state.row(self.number) {
            row.waiting = Some(waiting);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.journal.state.lock();
        if let Some(row) = state.row(self.number) {
            row.waiting.get_or_insert(0);
        }
        for account in &self.accounts {
            release(&mut state.noting, *account);
        }
        self.journal.freed.notify_all();
    }
}

/// Keeps batches from noting an account.
pub(crate) struct Hold {
    journal: Arc<Journal>,
    account: AccountId,
}

impl Drop for Hold {
    fn drop(&mut self) {
        release(&mut self.journal.state.lock().held, self.account);
    }
}

/// Keeps the journal closed.
pub(crate) struct Pause(Arc<Journal>);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.state.lock().pauses -= 1;
    }
}

fn release<S: std::hash::BuildHasher>(counts: &mut HashMap<AccountId, usize, S>, account: AccountId) {
    if let Some(count) = counts.get_mut(&account) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId::from_bits(number)
    }

    fn noted(version: i64) -> Noted {
        Noted { version, last_at: Timestamp::EPOCH, postponed: Arc::default() }
    }

    fn open() -> Arc<Journal> {
        let journal = Arc::new(Journal::new(2));
        journal.claim(7);
        journal.open();
        assert!(journal.is_open());
        journal
    }

    fn note(journal: &Arc<Journal>, numbers: &[u128], version: i64) {
        let accounts: Vec<AccountId> = numbers.iter().map(|number| account(*number)).collect();
        let permit = journal.begin(accounts.iter()).expect("the journal is open");
        permit.committed(accounts.iter().map(|account| (*account, noted(version))));
    }

    fn versions(journal: &Journal, most: usize) -> Vec<(u128, i64)> {
        journal.oldest(most).iter().map(|(account, noted)| (account.bits(), noted.version)).collect()
    }

    #[test]
    fn the_oldest_is_written_first_and_what_was_noted_again_once() {
        let journal = open();
        note(&journal, &[1, 2], 1);
        note(&journal, &[2, 3], 2);
        assert_eq!((versions(&journal, 1), versions(&journal, 9)), (vec![(1, 1)], vec![(1, 1), (2, 2), (3, 2)]));
        assert_eq!(journal.written(&[(account(2), noted(1))]), None, "an older one");
        assert_eq!(journal.noted(account(2)), Some(noted(2)));
        assert_eq!(journal.written(&[(account(1), noted(1))]), Some(1));
        journal.deleted(1);
        assert_eq!(journal.written(&[(account(3), noted(2))]), None, "its row says more");
        assert_eq!(journal.written(&[(account(2), noted(2))]), Some(2));
        assert_eq!((journal.noted(account(2)), journal.stands()), (None, (0, 2)));
    }

    #[test]
    fn rows_are_deleted_from_the_oldest_on_and_not_while_a_batch_is_under_way() {
        let journal = open();
        let (first, second) = (account(1), account(2));
        let slow = journal.begin([&first].into_iter()).unwrap();
        note(&journal, &[2], 1);
        assert_eq!(journal.written(&[(second, noted(1))]), None);
        slow.committed(std::iter::once((first, noted(1))));
        assert_eq!(journal.written(&[(first, noted(1))]), Some(2));
        assert_eq!(journal.written(&[]), Some(2), "they may not have been deleted");
        drop(journal.begin([&first].into_iter()).unwrap());
        assert_eq!(journal.written(&[]), Some(3), "nothing was written of it");
        journal.deleted(2);
        assert_eq!(journal.written(&[]), Some(3));
        journal.deleted(3);
        assert_eq!(journal.written(&[]), None);
    }

    #[test]
    fn an_account_that_is_noted_again_and_again_is_written_too() {
        let journal = open();
        for version in 1..=MOST_ROWS as i64 {
            note(&journal, &[1], version);
        }
        assert!(!journal.is_full());
        note(&journal, &[1], 9_000);
        assert!(journal.is_full());
        (0..MOST_ROWS as i64 - 1).for_each(|version| note(&journal, &[1], 9_001 + version));
        assert!(journal.begin([&account(1)].into_iter()).is_none(), "nobody writes them");
        assert_eq!(journal.oldest(9), [(account(1), noted(9_000 + MOST_ROWS as i64 - 1))]);
        assert_eq!(journal.written(&journal.oldest(9)), Some(2 * MOST_ROWS as i64));
        assert!(!journal.is_full() && journal.begin([&account(1)].into_iter()).is_some());
    }

    #[test]
    fn nothing_is_noted_of_an_account_that_is_held_nor_when_too_much_waits_nor_when_it_is_closed() {
        let journal = open();
        let (first, second) = (account(1), account(2));
        let hold = journal.hold(first).unwrap();
        assert!(journal.begin([&second, &first].into_iter()).is_none());
        assert!(journal.begin([&second].into_iter()).is_some());
        drop(hold);
        note(&journal, &[1, 2, 3, 4], 1);
        assert!(journal.is_full() && journal.begin([&first].into_iter()).is_none());
        journal.written(&[(account(4), noted(1))]);
        assert!(journal.begin([&first].into_iter()).is_some());
        journal.stop();
        assert!(journal.begin([&first].into_iter()).is_none() && journal.is_stopped());
        assert_eq!(journal.noted(first), Some(noted(1)), "it waits all the same");
    }

    #[test]
    fn whoever_holds_an_account_waits_for_the_batch_that_notes_it() {
        let journal = open();
        let permit = journal.begin([&account(1)].into_iter()).unwrap();
        let holding = std::thread::spawn({
            let journal = journal.clone();
            move || journal.hold(account(1)).map(|_| journal.noted(account(1)))
        });
        while !journal.state.lock().held.contains_key(&account(1)) {
            std::thread::yield_now();
        }
        assert!(!holding.is_finished());
        permit.committed(std::iter::once((account(1), noted(5))));
        assert_eq!(holding.join().unwrap().unwrap(), Some(noted(5)));
    }

    #[test]
    fn what_comes_to_the_journal_after_it_was_ended_is_in_the_rows() {
        let journal = open();
        let permit = journal.begin([&account(1)].into_iter()).unwrap();
        journal.clear();
        assert!(journal.may_open());
        journal.claim(8);
        journal.open();
        permit.committed(std::iter::once((account(1), noted(5))));
        assert_eq!((journal.noted(account(1)), journal.stands().0), (None, 0));
        note(&journal, &[2], 1);
        assert_eq!(journal.written(&[(account(2), noted(1))]), Some(2));
        let pause = journal.pause();
        journal.clear();
        assert!(!journal.may_open());
        drop(pause);
        assert!(journal.may_open());
    }
}
