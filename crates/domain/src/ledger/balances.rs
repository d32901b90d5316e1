//! Balances by their places: a few for most accounts, so kept in order in one piece of memory.

use super::balance::{Balance, Place};

/// In the order of the places.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Balances(Vec<(Place, Balance)>);

impl Balances {
    fn find(&self, place: &Place) -> Result<usize, usize> {
        self.0.binary_search_by(|(kept, _)| kept.cmp(place))
    }

    pub fn get(&self, place: &Place) -> Option<&Balance> {
        self.find(place).ok().map(|found| &self.0[found].1)
    }

    pub fn contains(&self, place: &Place) -> bool {
        self.find(place).is_ok()
    }

    /// Puts a balance in place of what is there.
    pub fn insert(&mut self, place: Place, balance: Balance) {
        match self.find(&place) {
            Ok(found) => self.0[found].1 = balance,
            Err(free) => self.0.insert(free, (place, balance)),
        }
    }

    /// The balance of a place, put as zero where there is none.
    pub fn entry(&mut self, place: &Place) -> &mut Balance {
        let at = self.find(place).unwrap_or_else(|free| {
            self.0.insert(free, (place.clone(), Balance::default()));
            free
        });
        &mut self.0[at].1
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Balance)> {
        self.0.iter().map(|(place, balance)| (place, balance))
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
                balances.entry(&place(meter)).used += round;
            }
        }
        balances.entry(&place("n")).used -= 1;
        let found: Vec<_> = balances.iter().map(|(place, balance)| (place.meter.as_str(), balance.used)).collect();
        assert_eq!(found, [("a", 8), ("c", 8), ("m", 8), ("n", -1), ("x", 8)]);
        assert_eq!(balances.get(&place("m")).map(|balance| balance.used), Some(8));
        assert!(
            balances.contains(&place("n")) && !balances.contains(&place("b")) && balances.get(&place("b")).is_none()
        );
        assert_eq!(balances.len(), 5);
        balances.clear();
        assert!(balances.is_empty());
    }
}
