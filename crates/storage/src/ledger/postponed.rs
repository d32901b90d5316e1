//! What an account's own row on PostgreSQL says and the tables lack: how balances stand, and what is to be added to days.
//!
//! A batch that is judged by memory writes an account's row and its events, and puts here what else it has changed
//! (`postgres_remembered.rs`). So row and tables say together what is true, and whoever holds the row, on whatever node,
//! has both. It comes to the tables with the account's next batch that holds its row from the beginning
//! (`postgres_loading.rs`), or when somebody asks for the tables (`postgres_write_back.rs`).

use domain::ledger::{Balance, Place};
use domain::time::{MICROS_PER_MINUTE, Timestamp};

use super::redo::{Day, DaySum, Reader, Writer};
use crate::StorageError;
use crate::value::Row;

/// The first byte of what is kept.
const FORMAT: u8 = 1;
/// Balances and days that an account's row keeps before they go to the tables.
const MOST: usize = 24;
/// How long they stay there while the account goes on being used.
const LONGEST_MICROS: i64 = 5 * MICROS_PER_MINUTE;

/// In no order: there are few.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Postponed {
    /// As they stand.
    pub balances: Vec<(Place, Balance)>,
    /// What the table's sums lack.
    pub days: Vec<(Day, DaySum)>,
}

impl Postponed {
    pub fn is_empty(&self) -> bool {
        self.balances.is_empty() && self.days.is_empty()
    }

    /// Whether the tables should have it, having waited since then.
    pub fn is_due(&self, since: Timestamp, now: Timestamp) -> bool {
        self.balances.len() + self.days.len() >= MOST || now.since(since) >= LONGEST_MICROS
    }

    /// Whether an account's row should not have to keep it, not even for a while.
    pub fn is_too_long(&self) -> bool {
        self.balances.len() + self.days.len() > 4 * MOST
    }

    pub fn balance(&self, place: &Place) -> Option<Balance> {
        self.balances.iter().find(|(kept, _)| kept == place).map(|(_, balance)| *balance)
    }

    pub fn set_balance(&mut self, place: Place, balance: Balance) {
        match self.balances.iter_mut().find(|(kept, _)| *kept == place) {
            Some((_, kept)) => *kept = balance,
            None => self.balances.push((place, balance)),
        }
    }

    pub fn add_to_day(&mut self, day: Day, (amount, events): DaySum) {
        match self.days.iter_mut().find(|(kept, _)| *kept == day) {
            Some((_, sum)) => *sum = (sum.0.saturating_add(amount), sum.1.saturating_add(events)),
            None => self.days.push((day, (amount, events))),
        }
    }

    /// Nothing is kept as nothing.
    pub fn encode(&self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut bytes = Writer(Vec::with_capacity(16 + 64 * (self.balances.len() + self.days.len())));
        bytes.0.push(FORMAT);
        bytes.integer(self.balances.len() as i64);
        for (place, balance) in &self.balances {
            bytes.place(place);
            bytes.balance(balance);
        }
        bytes.integer(self.days.len() as i64);
        for ((day, meter, model), (amount, events)) in &self.days {
            bytes.day(*day, meter, model);
            bytes.integer(*amount);
            bytes.integer(*events);
        }
        bytes.0
    }

    /// # Errors
    /// When it was not written by [`Postponed::encode`].
    pub fn decode(content: &[u8]) -> Result<Self, StorageError> {
        if content.is_empty() {
            return Ok(Self::default());
        }
        let mut bytes = Reader(content);
        let postponed = read(&mut bytes).filter(|_| bytes.0.is_empty());
        postponed.ok_or_else(|| StorageError::Unexpected("what an account's row has postponed cannot be read".into()))
    }

    /// From a row of `ledger_accounts`; of an account that has none, nothing.
    pub fn of_row(row: &Row) -> Result<Self, StorageError> {
        row.bytes_or_null("postponed")?.map_or_else(|| Ok(Self::default()), Self::decode)
    }
}

fn read(bytes: &mut Reader<'_>) -> Option<Postponed> {
    if bytes.byte()? != FORMAT {
        return None;
    }
    let mut postponed = Postponed::default();
    for _ in 0..bytes.integer()? {
        postponed.balances.push((bytes.place()?, bytes.balance()?));
    }
    for _ in 0..bytes.integer()? {
        postponed.days.push((bytes.day()?, (bytes.integer()?, bytes.integer()?)));
    }
    Some(postponed)
}

#[cfg(test)]
mod tests {
    use domain::catalog::LimitScope;
    use domain::name::Name;
    use domain::windows::WindowKind;

    use super::*;

    fn place(meter: &str) -> Place {
        Place {
            scope: LimitScope::Member,
            scope_id: Some(Name::new("Zoë")),
            meter: Name::new(meter),
            window: WindowKind::Day,
            start: Timestamp::from_micros(-7),
        }
    }

    fn day(number: i64) -> Day {
        (number, Name::new("requests"), Name::new("small"))
    }

    fn full() -> Postponed {
        let mut postponed = Postponed::default();
        let balance =
            Balance { used: i64::MAX, reserved: -1, credited: i64::MIN, warned_percent: 255, ..Balance::default() };
        postponed.set_balance(place("requests"), Balance::default());
        postponed.set_balance(place("requests"), balance);
        postponed.set_balance(place("tokens"), Balance::default());
        postponed.add_to_day(day(1), (10, 1));
        postponed.add_to_day(day(2), (5, 1));
        postponed.add_to_day(day(1), (i64::MAX, 1));
        postponed
    }

    #[test]
    fn balances_are_replaced_and_days_add_up() {
        let postponed = full();
        assert_eq!(postponed.balances.len(), 2);
        assert_eq!(postponed.balance(&place("requests")).map(|balance| balance.used), Some(i64::MAX));
        assert_eq!(postponed.days, [(day(1), (i64::MAX, 2)), (day(2), (5, 1))]);
    }

    #[test]
    fn what_is_encoded_is_decoded_and_what_was_cut_or_grew_is_refused() {
        for postponed in [Postponed::default(), full()] {
            assert_eq!(Postponed::decode(&postponed.encode()).unwrap(), postponed);
        }
        let content = full().encode();
        for length in 1..content.len() {
            assert!(Postponed::decode(&content[..length]).is_err(), "{length} of {} bytes", content.len());
        }
        assert!(Postponed::decode(&[content.as_slice(), &[0]].concat()).is_err());
        assert!(Postponed::decode(&[&[FORMAT + 1], &content[1..]].concat()).is_err());
    }

    #[test]
    fn it_goes_to_the_tables_when_much_or_long_waits() {
        let (since, minute) = (Timestamp::from_micros(0), MICROS_PER_MINUTE);
        assert!(!full().is_due(since, since.plus_micros(5 * minute - 1)));
        assert!(full().is_due(since, since.plus_micros(5 * minute)));
        let mut many = full();
        (0..30).for_each(|number| many.add_to_day(day(number), (1, 1)));
        assert!(many.is_due(since, since));
    }
}
