//! What the ledger has committed on SQLite and not written to `balances` and `usage_daily` yet.
//!
//! A consume moves one balance and one day of one account; written where they belong they cost a page each. So a batch
//! writes them to the redo log alone, one row at its end, and they wait here until many neighbours go to the tables
//! together. The rule: table and log say together what is true, and what waits here is what the log says. So it changes
//! only after a commit ([`Unwritten::committed`]), and a restart finds it again by reading the log.
//!
//! The writer alone changes it; readers ask whether an account has something waiting. `write_back` does the writing.

use std::collections::VecDeque;

use domain::ids::AccountId;
use domain::ledger::{Balance, Place};
use parking_lot::Mutex;

use super::account_rows::AccountRows;
use super::redo::{BalanceKey, DayKey, DaySum, Follower, Record, Waiting};

/// Bytes of the log from which on rows are written back, however few wait: the same few places written again and again.
const LOG_BYTES: usize = 96 << 20;
/// Rows written back with a batch at least, when too much waits.
const ROWS_A_BATCH: usize = 64;
/// Rows of the log deleted in one transaction.
const DELETED_AT_ONCE: usize = 16;

pub(crate) struct Unwritten {
    state: Mutex<State>,
    /// Rows of either table that may wait before batches begin to write them back.
    capacity: usize,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
    /// Id and length of every row of the log, the oldest first.
    log: VecDeque<(i64, usize)>,
    log_bytes: usize,
    /// The last row that was ever written.
    last: i64,
    balances: Sweep<BalanceKey>,
    days: Sweep<DayKey>,
}

/// An elevator over what waits for one table: it goes up in the order of the table's key and starts again at the bottom.
struct Sweep<K> {
    /// How far up it has come. `None`: at the bottom.
    at: Option<K>,
    /// The log's last row when it left the bottom.
    since: i64,
    /// Rows up to this one say nothing any more that waits: everything from them has been passed since.
    clean: i64,
}

impl<K> Default for Sweep<K> {
    fn default() -> Self {
        Self { at: None, since: 0, clean: 0 }
    }
}

/// What a transaction writes back.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Nothing,
    /// So many rows a table, from where the elevator is.
    Next(usize),
    /// So many rows a table of one account.
    Of(AccountId, usize),
}

/// What a transaction is about to write back, and to do with the log.
pub(crate) struct Plan {
    pub balances: Vec<(BalanceKey, Balance)>,
    pub days: Vec<(DayKey, DaySum)>,
    /// The id of the transaction's own row of the log.
    pub row: i64,
    /// Rows up to this one may go.
    pub delete_through: Option<i64>,
    /// Nothing will wait after it: the whole log may go, and no row is needed.
    pub is_all: bool,
    moves_elevator: bool,
    balances_at_top: bool,
    days_at_top: bool,
}

/// What a transaction has done, for when it is committed.
pub(crate) struct Done {
    pub plan: Plan,
    pub record: Record,
    /// The length of its row of the log. `None`: it needed none.
    pub row_bytes: Option<usize>,
}

impl Unwritten {
    pub fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), capacity }
    }

    /// How a balance stands that waits here; otherwise the table says it.
    pub fn balance(&self, account: AccountId, place: &Place) -> Option<Balance> {
        let state = self.state.lock();
        state.waiting.balances.get(account, place).copied()
    }

    /// Whether the tables lack something of an account. What was acknowledged before and does not wait is in them.
    pub fn has(&self, account: AccountId) -> bool {
        self.state.lock().waiting.has(account)
    }

    /// The log's last row, and whether something of the account waits as of it.
    pub fn stands(&self, account: AccountId) -> (Option<i64>, bool) {
        let state = self.state.lock();
        (state.log.back().map(|(id, _)| *id), state.waiting.has(account))
    }

    pub fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.waiting.is_empty() && state.log.is_empty()
    }

    /// Balances and days that wait.
    pub fn lengths(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.waiting.balances.len(), state.waiting.days.len())
    }

    /// What a batch that changes so many rows of either table writes back of what waits: a little more than it adds, when
    /// more waits than may, or when the log has grown long.
    pub fn part_for_batch(&self, changed: usize) -> Part {
        let state = self.state.lock();
        let longest = state.waiting.balances.len().max(state.waiting.days.len());
        if longest > self.capacity || state.log_bytes > LOG_BYTES {
            Part::Next(ROWS_A_BATCH.max(changed + changed / 8 + 16))
        } else {
            Part::Nothing
        }
    }

    /// What to write back. `adds`: whether the same transaction changes balances or days too.
    pub fn plan(&self, part: Part, adds: bool) -> Plan {
        let state = self.state.lock();
        let Waiting { balances, days } = &state.waiting;
        let (rows, only) = match part {
            Part::Nothing => (0, None),
            Part::Next(rows) => (rows, None),
            Part::Of(account, rows) => (rows, Some(account)),
        };
        let written_balances = next(balances, state.balances.at.as_ref(), rows, only);
        let written_days = next(days, state.days.at.as_ref(), rows, only);
        let clean = state.balances.clean.min(state.days.clean);
        let obsolete = state.log.iter().take(DELETED_AT_ONCE).take_while(|(id, _)| *id <= clean);
        Plan {
            row: state.last + 1,
            delete_through: obsolete.last().map(|(id, _)| *id),
            is_all: !adds && written_balances.len() == balances.len() && written_days.len() == days.len(),
            moves_elevator: matches!(part, Part::Next(_)),
            balances_at_top: written_balances.len() < rows,
            days_at_top: written_days.len() < rows,
            balances: written_balances,
            days: written_days,
        }
    }

    /// Takes over what a transaction has done. Only after its commit.
    pub fn committed(&self, done: Done) {
        let Done { plan, record, row_bytes } = done;
        let mut state = self.state.lock();
        let state = &mut *state;
        if plan.moves_elevator {
            let last = state.last;
            state.balances.moved(record.written_balances.as_ref().map(|span| &span.last), plan.balances_at_top, last);
            state.days.moved(record.written_days.as_ref().map(|span| &span.last), plan.days_at_top, last);
        }
        let through = if plan.is_all { Some(i64::MAX) } else { plan.delete_through };
        while let Some((id, bytes)) = state.log.front().copied()
            && through.is_some_and(|through| id <= through)
        {
            state.log.pop_front();
            state.log_bytes -= bytes;
        }
        state.waiting.replay(record);
        if let Some(bytes) = row_bytes {
            state.log.push_back((plan.row, bytes));
            state.log_bytes += bytes;
            state.last = plan.row;
        }
    }

    /// Takes over what the log says, whatever was known before.
    pub fn restore(&self, log: Follower) {
        let mut state = self.state.lock();
        let last = log.rows.last().map_or(state.last, |(id, _)| *id);
        let log_bytes = log.rows.iter().map(|(_, bytes)| bytes).sum();
        *state = State { waiting: log.waiting, log: log.rows.into(), log_bytes, last, ..State::default() };
    }

    /// The first and the last row of the log.
    pub fn log_ends(&self) -> Option<(i64, i64)> {
        let state = self.state.lock();
        Some((state.log.front()?.0, state.log.back()?.0))
    }
}

impl<K: Clone> Sweep<K> {
    fn moved(&mut self, to: Option<&K>, is_at_top: bool, last_row: i64) {
        if self.at.is_none() {
            self.since = last_row;
        }
        if is_at_top {
            self.at = None;
            self.clean = self.since;
        } else if let Some(to) = to {
            self.at = Some(to.clone());
        }
    }
}

/// So many rows: those after this one, or those of one account alone.
fn next<K: Ord + Clone, V: Copy>(
    waiting: &AccountRows<K, V>,
    after: Option<&(AccountId, K)>,
    rows: usize,
    only: Option<AccountId>,
) -> Vec<((AccountId, K), V)> {
    let copied = |(account, key, value): (AccountId, &K, &V)| ((account, key.clone()), *value);
    match only {
        Some(account) => waiting.of(account, account).take(rows).map(copied).collect(),
        None => waiting.after(after).take(rows).map(copied).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::redo::{decode, encode};
    use std::collections::BTreeMap;

    use super::super::write_back::record_of;
    use super::*;
    use domain::catalog::LimitScope;
    use domain::name::Name;
    use domain::time::Timestamp;
    use domain::windows::WindowKind;

    /// The tables and the log as a file has them, and what is true.
    #[derive(Default)]
    struct File {
        balances: BTreeMap<BalanceKey, Balance>,
        days: BTreeMap<DayKey, DaySum>,
        log: BTreeMap<i64, Vec<u8>>,
        true_balances: BTreeMap<BalanceKey, Balance>,
        true_days: BTreeMap<DayKey, DaySum>,
    }

    /// Numbers that look random and are the same every time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    fn changes(numbers: &mut Numbers) -> Record {
        let mut record = Record::default();
        for _ in 0..numbers.below(6) {
            let account = AccountId::from_bits(u128::from(numbers.below(9)));
            let place = Place {
                scope: LimitScope::Account,
                scope_id: None,
                meter: Name::new(["requests", "tokens"][numbers.below(2) as usize]),
                window: WindowKind::Month,
                start: Timestamp::EPOCH,
            };
            record
                .balances
                .push(((account, place), Balance { used: numbers.below(1_000) as i64, ..Balance::default() }));
            let day = (account, (numbers.below(2) as i64, Name::new("requests"), Name::new("")));
            record.days.push((day, (numbers.below(100) as i64 - 50, 1)));
        }
        record
    }

    fn add(days: &mut BTreeMap<DayKey, DaySum>, rows: &[(DayKey, DaySum)]) {
        for (key, (amount, events)) in rows {
            let sum = days.entry(key.clone()).or_default();
            *sum = (sum.0 + amount, sum.1 + events);
        }
    }

    impl File {
        fn commit(&mut self, plan: &Plan, changed: &Record, record: &Record) -> Option<usize> {
            self.balances.extend(plan.balances.iter().cloned());
            add(&mut self.days, &plan.days);
            self.true_balances.extend(changed.balances.iter().cloned());
            add(&mut self.true_days, &changed.days);
            let through = if plan.is_all { Some(i64::MAX) } else { plan.delete_through };
            self.log.retain(|id, _| through.is_none_or(|through| *id > through));
            let content = (!plan.is_all && !record.is_empty()).then(|| encode(record))?;
            let bytes = content.len();
            assert!(self.log.insert(plan.row, content).is_none(), "an id came twice");
            Some(bytes)
        }

        /// What a restart makes of it.
        fn must_say_the_truth(&self) -> Waiting {
            let mut waiting = Waiting::default();
            self.log.values().for_each(|content| waiting.replay(decode(content).unwrap()));
            let (mut balances, mut days) = (self.balances.clone(), self.days.clone());
            balances.extend(next(&waiting.balances, None, usize::MAX, None));
            add(&mut days, &next(&waiting.days, None, usize::MAX, None));
            assert_eq!((&balances, &days), (&self.true_balances, &self.true_days));
            waiting
        }
    }

    #[test]
    fn tables_and_log_say_together_what_is_true_after_every_transaction() {
        let mut deleted = 0;
        for seed in 0..300 {
            let (mut numbers, mut file) = (Numbers(seed), File::default());
            let unwritten = Unwritten::new(numbers.below(12) as usize);
            for _ in 0..200 {
                let changed = if numbers.below(3) == 0 { Record::default() } else { changes(&mut numbers) };
                let part = match numbers.below(6) {
                    0 => Part::Nothing,
                    1 => Part::Of(AccountId::from_bits(u128::from(numbers.below(9))), 1 + numbers.below(3) as usize),
                    2..4 => Part::Next(1 + numbers.below(5) as usize),
                    _ => unwritten.part_for_batch(changed.balances.len()),
                };
                let plan = unwritten.plan(part, !changed.is_empty());
                if numbers.below(5) == 0 {
                    continue; // It was rolled back.
                }
                let record = record_of(&plan, changed.clone());
                let row_bytes = file.commit(&plan, &changed, &record);
                deleted += usize::from(plan.delete_through.is_some());
                unwritten.committed(Done { plan, record, row_bytes });
                let waiting = file.must_say_the_truth();
                assert_eq!(waiting, unwritten.state.lock().waiting);
                let ends = file.log.first_key_value().zip(file.log.last_key_value());
                assert_eq!(ends.map(|(first, last)| (*first.0, *last.0)), unwritten.log_ends());
                let bytes: usize = file.log.values().map(Vec::len).sum();
                assert_eq!(bytes, unwritten.state.lock().log_bytes);
                assert!(unwritten.lengths() != (0, 0) || unwritten.is_empty(), "a log that says nothing is empty");
            }
        }
        assert!(deleted > 1_000, "rows of the log were deleted {deleted} times");
    }

    #[test]
    fn a_long_log_is_written_back_although_little_waits() {
        let unwritten = Unwritten::new(1_000);
        let mut numbers = Numbers(1);
        let mut rows = 0;
        while matches!(unwritten.part_for_batch(1), Part::Nothing) {
            let plan = unwritten.plan(Part::Nothing, true);
            unwritten.committed(Done { plan, record: changes(&mut numbers), row_bytes: Some(1 << 20) });
            rows += 1;
        }
        assert_eq!(rows, LOG_BYTES / (1 << 20) + 1);
        for _ in 0..8 {
            let part = unwritten.part_for_batch(1);
            let plan = unwritten.plan(part, true);
            let record = record_of(&plan, changes(&mut numbers));
            unwritten.committed(Done { plan, record, row_bytes: Some(100) });
        }
        assert!(unwritten.state.lock().log.len() < rows);
    }
}
