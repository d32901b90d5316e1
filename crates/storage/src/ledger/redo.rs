//! The redo log on SQLite: its rows, as bytes and as what they say. Which balances stand how after a batch, what it adds
//! to daily sums, and what was written to those tables with it.
//!
//! Reading the log from its first row to its last gives exactly what the tables lack ([`Waiting::replay`]); the writer, a
//! restart and the verification of a live file all read it so. Nothing here writes.

use domain::catalog::LimitScope;
use domain::ids::AccountId;
use domain::ledger::{Balance, Place};
use domain::name::Name;
use domain::time::Timestamp;
use domain::windows::WindowKind;

use super::account_rows::AccountRows;
use crate::{StorageError, Tx};

const ROW: &str = "SELECT content FROM ledger_redo WHERE id = $1";
const ROWS_AFTER: &str = "SELECT id, content FROM ledger_redo WHERE id > $1 ORDER BY id LIMIT 256";

const LAST: &str = "SELECT MAX(id) AS last FROM ledger_redo";

pub(crate) const STATEMENTS: &[&str] = &[ROW, ROWS_AFTER, LAST];

/// The first byte of every row. Spans go by the order of [`Place`], and so of its scopes and windows: that order is part of
/// the format.
const FORMAT: u8 = 1;

pub(crate) type BalanceKey = (AccountId, Place);
pub(crate) type DayKey = (AccountId, Day);
/// Day (days since 1970), meter and model.
pub(crate) type Day = (i64, Name, Name);
/// Amount and count of events.
pub(crate) type DaySum = (i64, i64);

/// Keys from one to another, both included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Span<K> {
    pub first: K,
    pub last: K,
}

impl<K: Clone> Span<K> {
    /// The span of rows that are in the order of their keys. `None` for no rows.
    pub fn of<V>(rows: &[(K, V)]) -> Option<Self> {
        let (first, last) = (rows.first()?, rows.last()?);
        Some(Self { first: first.0.clone(), last: last.0.clone() })
    }
}

/// One row of the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Record {
    /// Everything in these spans that waited before this row is in the tables with this row.
    pub written_balances: Option<Span<BalanceKey>>,
    pub written_days: Option<Span<DayKey>>,
    /// How balances stand after the row.
    pub balances: Vec<(BalanceKey, Balance)>,
    /// What the row adds to days.
    pub days: Vec<(DayKey, DaySum)>,
}

impl Record {
    pub fn is_empty(&self) -> bool {
        self.written_balances.is_none()
            && self.written_days.is_none()
            && self.balances.is_empty()
            && self.days.is_empty()
    }
}

/// What the log says and the tables lack, as its last row leaves it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Waiting {
    pub balances: AccountRows<Place, Balance>,
    pub days: AccountRows<Day, DaySum>,
}

impl Waiting {
    /// What was written leaves first: what the row itself changed came after it.
    pub fn replay(&mut self, record: Record) {
        if let Some(Span { first, last }) = &record.written_balances {
            self.balances.remove(first, last);
        }
        if let Some(Span { first, last }) = &record.written_days {
            self.days.remove(first, last);
        }
        for (key, balance) in record.balances {
            *self.balances.entry(key) = balance;
        }
        for (key, (amount, events)) in record.days {
            let sum = self.days.entry(key);
            *sum = (sum.0.saturating_add(amount), sum.1.saturating_add(events));
        }
    }

    pub fn has(&self, account: AccountId) -> bool {
        self.balances.has(account) || self.days.has(account)
    }

    pub fn is_empty(&self) -> bool {
        self.balances.is_empty() && self.days.is_empty()
    }
}

/// Reads the log from transaction to transaction, each time only what is new.
#[derive(Default)]
pub(crate) struct Follower {
    pub waiting: Waiting,
    /// Id and length of every row that was there, the oldest first.
    pub rows: Vec<(i64, usize)>,
    last: Option<(i64, Vec<u8>)>,
}

impl Follower {
    /// Brings `waiting` to where this transaction sees the log. Rows are deleted from the oldest on, so that while the row
    /// read last is still there, none after it can have gone; otherwise everything is read again.
    pub fn catch_up(&mut self, tx: &mut Tx<'_>) -> Result<(), StorageError> {
        if !self.last_is_there(tx)? {
            *self = Self::default();
        }
        loop {
            let after = self.last.as_ref().map_or(i64::MIN, |(id, _)| *id);
            let rows = tx.query(ROWS_AFTER, &[after.into()])?;
            let Some(last) = rows.last() else { return Ok(()) };
            self.last = Some((last.integer("id")?, last.bytes("content")?.to_vec()));
            for row in &rows {
                let content = row.bytes("content")?;
                self.waiting.replay(decode(content)?);
                self.rows.push((row.integer("id")?, content.len()));
            }
        }
    }

    fn last_is_there(&self, tx: &mut Tx<'_>) -> Result<bool, StorageError> {
        let Some((id, content)) = &self.last else { return Ok(false) };
        let row = tx.query_optional(ROW, &[(*id).into()])?;
        row.map_or(Ok(false), |row| row.bytes("content").map(|kept| kept == content))
    }
}

/// The log's last row. `None`: nothing waits.
pub(crate) fn last_row(tx: &mut Tx<'_>) -> Result<Option<i64>, StorageError> {
    tx.query_optional(LAST, &[])?.map_or(Ok(None), |row| row.integer_or_null("last"))
}

pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let mut bytes = Writer(Vec::with_capacity(64 + 64 * (record.balances.len() + record.days.len())));
    bytes.0.push(FORMAT);
    bytes.span(record.written_balances.as_ref(), Writer::balance_key);
    bytes.span(record.written_days.as_ref(), Writer::day_key);
    bytes.integer(record.balances.len() as i64);
    for (key, balance) in &record.balances {
        bytes.balance_key(key);
        bytes.balance(balance);
    }
    bytes.integer(record.days.len() as i64);
    for (key, (amount, events)) in &record.days {
        bytes.day_key(key);
        bytes.integer(*amount);
        bytes.integer(*events);
    }
    bytes.0
}

/// # Errors
/// When the row was not written by [`encode`].
pub(crate) fn decode(content: &[u8]) -> Result<Record, StorageError> {
    let mut bytes = Reader(content);
    let record = read_record(&mut bytes).filter(|_| bytes.0.is_empty());
    record.ok_or_else(|| StorageError::Unexpected("a row of the ledger's redo log cannot be read".into()))
}

fn read_record(bytes: &mut Reader<'_>) -> Option<Record> {
    if bytes.byte()? != FORMAT {
        return None;
    }
    let mut record = Record {
        written_balances: bytes.span(Reader::balance_key)?,
        written_days: bytes.span(Reader::day_key)?,
        ..Record::default()
    };
    for _ in 0..bytes.integer()? {
        let key = bytes.balance_key()?;
        record.balances.push((key, bytes.balance()?));
    }
    for _ in 0..bytes.integer()? {
        let key = bytes.day_key()?;
        record.days.push((key, (bytes.integer()?, bytes.integer()?)));
    }
    Some(record)
}

/// Numbers, texts and what is made of them, one after the other.
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    /// Seven bits a byte, the sign in the lowest: small numbers are short.
    pub fn integer(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 128 {
            self.0.push(rest as u8 | 128);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.integer(bytes.len() as i64);
        self.0.extend_from_slice(bytes);
    }

    pub fn account(&mut self, account: AccountId) {
        self.0.extend_from_slice(&account.bits().to_be_bytes());
    }

    fn balance_key(&mut self, (account, place): &BalanceKey) {
        self.account(*account);
        self.place(place);
    }

    pub fn place(&mut self, place: &Place) {
        self.text(place.scope.as_str());
        self.text(place.scope_id_text());
        self.text(place.meter.as_str());
        self.text(place.window.as_str());
        self.integer(place.start.micros());
    }

    pub fn balance(&mut self, balance: &Balance) {
        self.integer(balance.used);
        self.integer(balance.reserved);
        self.integer(balance.credited);
        self.0.push(balance.warned_percent);
        self.integer(balance.warned_limit);
        self.integer(balance.observed_at.micros());
    }

    fn day_key(&mut self, (account, (day, meter, model)): &DayKey) {
        self.account(*account);
        self.day(*day, meter, model);
    }

    pub fn day(&mut self, day: i64, meter: &Name, model: &Name) {
        self.integer(day);
        self.text(meter.as_str());
        self.text(model.as_str());
    }

    fn span<K>(&mut self, span: Option<&Span<K>>, key: impl Fn(&mut Self, &K)) {
        self.0.push(u8::from(span.is_some()));
        if let Some(span) = span {
            key(self, &span.first);
            key(self, &span.last);
        }
    }
}

/// Every read is `None` at the end of the bytes, or for what cannot be.
pub(super) struct Reader<'b>(pub &'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub fn integer(&mut self) -> Option<i64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.integer()?).ok()?;
        self.take(length)
    }

    pub fn account(&mut self) -> Option<AccountId> {
        let bits: [u8; 16] = self.take(16)?.try_into().ok()?;
        Some(AccountId::from_bits(u128::from_be_bytes(bits)))
    }

    fn balance_key(&mut self) -> Option<BalanceKey> {
        Some((self.account()?, self.place()?))
    }

    pub fn place(&mut self) -> Option<Place> {
        let scope = LimitScope::parse(self.text()?)?;
        let scope_id = self.text()?;
        Some(Place {
            scope,
            scope_id: (!scope_id.is_empty()).then(|| Name::new(scope_id)),
            meter: Name::new(self.text()?),
            window: WindowKind::parse(self.text()?)?,
            start: Timestamp::from_micros(self.integer()?),
        })
    }

    pub fn balance(&mut self) -> Option<Balance> {
        Some(Balance {
            used: self.integer()?,
            reserved: self.integer()?,
            credited: self.integer()?,
            warned_percent: self.byte()?,
            warned_limit: self.integer()?,
            observed_at: Timestamp::from_micros(self.integer()?),
        })
    }

    fn day_key(&mut self) -> Option<DayKey> {
        Some((self.account()?, self.day()?))
    }

    pub fn day(&mut self) -> Option<(i64, Name, Name)> {
        Some((self.integer()?, Name::new(self.text()?), Name::new(self.text()?)))
    }

    fn span<K>(&mut self, key: impl Fn(&mut Self) -> Option<K>) -> Option<Option<Span<K>>> {
        match self.byte()? {
            0 => Some(None),
            1 => Some(Some(Span { first: key(self)?, last: key(self)? })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId::from_bits(number)
    }

    fn balance_key(number: u128, start: i64) -> BalanceKey {
        let place = Place {
            scope: LimitScope::EndUser,
            scope_id: Some(Name::new("Zoë")),
            meter: Name::new("requests"),
            window: WindowKind::Month,
            start: Timestamp::from_micros(start),
        };
        (account(number), place)
    }

    fn day_key(number: u128, day: i64) -> DayKey {
        (account(number), (day, Name::new("requests"), Name::new("")))
    }

    fn balance(used: i64) -> Balance {
        Balance { used, reserved: -1, credited: i64::MIN, warned_percent: 255, ..Balance::default() }
    }

    fn full() -> Record {
        Record {
            written_balances: Some(Span { first: balance_key(0, -1), last: balance_key(u128::MAX, i64::MAX) }),
            written_days: Some(Span { first: day_key(1, i64::MIN), last: day_key(2, 20_000) }),
            balances: vec![(balance_key(5, 7), balance(i64::MAX)), (balance_key(6, 7), balance(0))],
            days: vec![(day_key(5, 1), (-64, 1)), (day_key(5, 2), (64, 128))],
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for record in [Record::default(), full()] {
            assert_eq!(decode(&encode(&record)).unwrap(), record);
        }
    }

    #[test]
    fn what_was_cut_or_grew_or_has_another_format_is_refused() {
        let content = encode(&full());
        for length in 0..content.len() {
            assert!(decode(&content[..length]).is_err(), "{length} of {} bytes", content.len());
        }
        assert!(decode(&[content.as_slice(), &[0]].concat()).is_err());
        assert!(decode(&[&[FORMAT + 1], &content[1..]].concat()).is_err());
    }

    #[test]
    fn scopes_and_windows_have_the_order_that_spans_were_written_in() {
        use LimitScope::{Account, EndUser, Key, Member};
        use WindowKind::{Day, Lifetime, Month, Period, Year};
        assert!([Account, Member, Key, EndUser].is_sorted());
        assert!([Period, Year, Month, Day, Lifetime].is_sorted());
    }

    #[test]
    fn what_was_written_back_leaves_and_what_came_with_it_stays() {
        let mut waiting = Waiting::default();
        let came = |number, used| Record {
            balances: vec![(balance_key(number, 1), balance(used))],
            days: vec![(day_key(number, 1), (used, 1))],
            ..Record::default()
        };
        (1..=4).for_each(|number| waiting.replay(came(number, 10)));
        waiting.replay(came(3, 15));
        waiting.replay(Record {
            written_balances: Some(Span { first: balance_key(2, 1), last: balance_key(3, 1) }),
            written_days: Some(Span { first: day_key(3, 1), last: day_key(3, 1) }),
            ..came(3, 20)
        });
        let used: Vec<(u128, i64)> = waiting.balances.after(None).map(|(id, _, kept)| (id.bits(), kept.used)).collect();
        assert_eq!(used, [(1, 10), (3, 20), (4, 10)]);
        let added: Vec<(u128, DaySum)> = waiting.days.after(None).map(|(id, _, sum)| (id.bits(), *sum)).collect();
        assert_eq!(added, [(1, (10, 1)), (2, (10, 1)), (3, (20, 1)), (4, (10, 1))]);
    }
}
