//! Balances, and the postings that move them.

use std::cmp::Ordering;

use crate::catalog::LimitScope;
use crate::name::Name;
use crate::time::Timestamp;
use crate::windows::WindowKind;

/// Names one balance of an account: whose, of what, in which window. Numbers stand before names, so that two places that
/// differ in them are told apart without a look at the names.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    pub start: Timestamp,
    pub scope: LimitScope,
    pub window: WindowKind,
    pub meter: Name,
    /// The member, key or end user; `None` for the account itself.
    pub scope_id: Option<Name>,
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    /// In the order of the database's key: scope, whose, meter, window, start.
    fn cmp(&self, other: &Self) -> Ordering {
        let scopes = self.scope.cmp(&other.scope);
        let names = || self.scope_id.cmp(&other.scope_id).then_with(|| self.meter.cmp(&other.meter));
        scopes.then_with(names).then_with(|| (self.window, self.start).cmp(&(other.window, other.start)))
    }
}

impl Place {
    /// An order that is quicker to tell than that of the database: numbers first.
    pub(super) fn numbers_first(&self, other: &Self) -> Ordering {
        let numbers = |place: &Self| (place.start, place.scope, place.window);
        let names = || self.meter.cmp(&other.meter).then_with(|| self.scope_id.cmp(&other.scope_id));
        numbers(self).cmp(&numbers(other)).then_with(names)
    }

    /// As the database stores it: empty for the account.
    pub fn scope_id_text(&self) -> &str {
        self.scope_id.as_ref().map_or("", Name::as_str)
    }
}

/// How much was used in one place. Amounts are in the meter's integer unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Balance {
    pub used: i64,
    /// Held by reservations that are not settled yet.
    pub reserved: i64,
    /// What credits have added to the plan's own amount in this window.
    pub credited: i64,
    /// The highest warning threshold (percent) reported in this window, against `warned_limit`.
    pub warned_percent: u8,
    pub warned_limit: i64,
    /// For levels: when the last reading was observed, in microseconds.
    pub observed_at: Timestamp,
}

impl Balance {
    /// As a posting leaves it. Sums were checked when the posting was made.
    pub(super) fn after(self, posting: &Posting) -> Balance {
        let add = |sum: i64, change: i64| sum.checked_add(change).expect("sums are checked when a posting is made");
        let after = Balance {
            used: add(self.used, posting.used),
            reserved: add(self.reserved, posting.reserved),
            credited: add(self.credited, posting.credited),
            ..self
        };
        assert!(after.reserved >= 0, "more was released than was held at {:?}", posting.place);
        after
    }
}

/// One movement of one balance by one event. A balance is the sum of its postings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Posting {
    pub place: Place,
    pub used: i64,
    pub reserved: i64,
    pub credited: i64,
}

/// Who inside the account a command is for; limits for each member, key or end user go by it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scopes {
    pub member: Option<Name>,
    pub key: Option<Name>,
    pub end_user: Option<Name>,
}

impl Scopes {
    /// The id that a place of this scope is kept under. `None`: the command names nobody of that scope.
    pub fn id_of(&self, scope: LimitScope) -> Option<Option<Name>> {
        match scope {
            LimitScope::Account => Some(None),
            LimitScope::Member => self.member.clone().map(Some),
            LimitScope::Key => self.key.clone().map(Some),
            LimitScope::EndUser => self.end_user.clone().map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_order_of_the_databases_key_and_both_orders_know_the_same_places() {
        let mut places = Vec::new();
        for scope in [LimitScope::Account, LimitScope::Member] {
            for scope_id in [None, Some(Name::new("a")), Some(Name::new("b"))] {
                for meter in ["requests", "tokens"] {
                    for window in [WindowKind::Period, WindowKind::Month] {
                        for start in [Timestamp::EPOCH, Timestamp::from_micros(7)] {
                            let (scope_id, meter) = (scope_id.clone(), Name::new(meter));
                            places.push(Place { start, scope, window, meter, scope_id });
                        }
                    }
                }
            }
        }
        assert!(places.is_sorted_by(|one, next| one < next));
        let key = |place: &Place| (place.scope, place.scope_id.clone(), place.meter.clone(), place.window, place.start);
        for one in &places {
            for other in &places {
                assert_eq!(one.cmp(other), key(one).cmp(&key(other)));
                assert_eq!(one == other, key(one) == key(other));
                assert_eq!(one.numbers_first(other).is_eq(), one == other);
                assert_eq!(one.numbers_first(other), other.numbers_first(one).reverse());
            }
        }
        let mut sorted = places.clone();
        sorted.sort_by(Place::numbers_first);
        sorted.dedup();
        assert!(sorted.len() == places.len() && sorted.is_sorted_by(|one, next| one.numbers_first(next).is_lt()));
    }
}
