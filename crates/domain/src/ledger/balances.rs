//! Balances by their places: a few for most accounts, so kept in order in one piece of memory.

use super::balance::{Balance, Place};

/// In the order of [`Place::numbers_first`], which is quicker to search than that of the database.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Balances(Vec<Row>);

/// Of so few, looking at one after the other is quicker than searching by their order.
const FEW: usize = 8;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    place: Place,
    balance: Balance,
    is_changed: bool,
}

impl Balances {
    fn find(&self, place: &Place) -> Result<usize, usize> {
        if self.0.len() <= FEW
            && let Some(found) = self.0.iter().position(|row| row.place == *place)
        {
            return Ok(found);
        }
        self.0.binary_search_by(|row| row.place.numbers_first(place))
    }

    pub fn get(&self, place: &Place) -> Option<&Balance> {
        self.find(place).ok().map(|found| &self.0[found].balance)
    }

    pub fn contains(&self, place: &Place) -> bool {
        self.find(place).is_ok()
    }

    /// Puts a balance in place of what is there.
    pub fn insert(&mut self, place: Place, balance: Balance) {
        match self.find(&place) {
            Ok(found) => self.0[found].balance = balance,
            Err(free) => self.0.insert(free, Row { place, balance, is_changed: false }),
        }
    }

    /// Takes a place's balance from others, unless there is one already.
    pub fn take_over(&mut self, place: &Place, others: &Balances) {
        if let Err(free) = self.find(place)
            && let Some(balance) = others.get(place)
        {
            self.0.insert(free, Row { place: place.clone(), balance: *balance, is_changed: false });
        }
    }

    /// The balance of a place, to be changed, and where it is. `None`: there is none.
    pub fn change(&mut self, place: &Place) -> Option<(usize, &mut Balance)> {
        let found = self.find(place).ok()?;
        let row = &mut self.0[found];
        row.is_changed = true;
        Some((found, &mut row.balance))
    }

    /// The balance at a place in the order, as [`Balances::change`] has told it. Good until another is put.
    pub fn at(&self, order: usize) -> Balance {
        self.0[order].balance
    }

    /// Those that were changed since this was asked last.
    pub fn take_changed(&mut self) -> Vec<(Place, Balance)> {
        let was_changed = |row: &mut Row| std::mem::take(&mut row.is_changed);
        self.0.iter_mut().filter_map(|row| was_changed(row).then(|| (row.place.clone(), row.balance))).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Balance)> {
        self.0.iter().map(|row| (&row.place, &row.balance))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LimitScope;
    use crate::time::Timestamp;
    use crate::windows::WindowKind;

    #[test]
    fn many_are_found_as_few_are() {
        let place = |number: i64| Place {
            scope: LimitScope::Account,
            scope_id: None,
            meter: format!("m{}", number % 5).into(),
            window: WindowKind::Month,
            start: Timestamp::from_seconds(number / 5),
        };
        let mut balances = Balances::default();
        for number in (0..40).map(|number| number * 7 % 40) {
            assert!(!balances.contains(&place(number)));
            balances.insert(place(number), Balance { used: number, ..Balance::default() });
            let (order, balance) = balances.change(&place(number)).expect("it was put there");
            balance.used += 1;
            assert_eq!(balances.at(order).used, number + 1);
        }
        (0..40).for_each(|number| {
            assert_eq!(balances.get(&place(number)).map(|balance| balance.used), Some(number + 1), "{number}")
        });
        assert_eq!(balances.len(), 40);
    }

    #[test]
    fn each_place_has_one_balance_whatever_the_order_it_came_in() {
        let place = |meter: &str| Place {
            scope: LimitScope::Account,
            scope_id: None,
            meter: meter.into(),
            window: WindowKind::Month,
            start: Timestamp::EPOCH,
        };
        let mut balances = Balances::default();
        for (round, used) in [(1, 5), (2, 6)] {
            for meter in ["m", "c", "x", "a"] {
                balances.insert(place(meter), Balance { used, ..Balance::default() });
                balances.change(&place(meter)).expect("it was put there").1.used += round;
            }
        }
        assert!(balances.change(&place("n")).is_none());
        balances.insert(place("n"), Balance { used: -1, ..Balance::default() });
        let changed: Vec<_> =
            balances.take_changed().into_iter().map(|(place, balance)| (place.meter, balance.used)).collect();
        assert_eq!(changed, [("a", 8), ("c", 8), ("m", 8), ("x", 8)].map(|(meter, used)| (meter.into(), used)));
        assert!(balances.take_changed().is_empty());
        let found: Vec<_> = balances.iter().map(|(place, balance)| (place.meter.as_str(), balance.used)).collect();
        assert_eq!(found, [("a", 8), ("c", 8), ("m", 8), ("n", -1), ("x", 8)]);
        assert_eq!(balances.get(&place("m")).map(|balance| balance.used), Some(8));
        assert!(
            balances.contains(&place("n")) && !balances.contains(&place("b")) && balances.get(&place("b")).is_none()
        );
        assert_eq!(balances.len(), 5);
        let mut others = Balances::default();
        others.insert(place("a"), Balance { used: 99, ..Balance::default() });
        ["a", "m", "z"].into_iter().for_each(|meter| others.take_over(&place(meter), &balances));
        let taken: Vec<_> = others.iter().map(|(place, balance)| (place.meter.as_str(), balance.used)).collect();
        assert_eq!(taken, [("a", 99), ("m", 8)]);
        balances.clear();
        assert!(balances.is_empty());
    }
}
