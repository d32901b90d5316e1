//! Extra quantity or money given to an account, used after the plan's own amount.

use crate::ids::CreditId;
use crate::name::Name;
use crate::time::Timestamp;

/// A grant. Of several, the lowest priority goes first, then the one that expires first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credit {
    pub id: CreditId,
    pub meter: Name,
    pub granted: i64,
    pub remaining: i64,
    pub priority: i32,
    pub expires_at: Option<Timestamp>,
}

impl Credit {
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.remaining > 0 && self.expires_at.is_none_or(|expiry| at < expiry)
    }

    fn order(&self) -> (i32, Timestamp, CreditId) {
        (self.priority, self.expires_at.unwrap_or(Timestamp::MAX), self.id)
    }
}

/// What one event took from a grant; negative when it gave back (a grant itself is the first giving).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draw {
    pub credit: CreditId,
    pub meter: Name,
    pub amount: i64,
}

/// What could be drawn for a meter at this time.
pub(super) fn available(credits: &[Credit], meter: &Name, at: Timestamp) -> i64 {
    credits
        .iter()
        .filter(|credit| credit.meter == *meter && credit.is_open(at))
        .fold(0i64, |sum, credit| sum.saturating_add(credit.remaining))
}

/// Splits `amount` over the open grants of a meter, in order. The caller has asked for no more than [`available`].
pub(super) fn plan_draws(credits: &[Credit], meter: &Name, amount: i64, at: Timestamp) -> Vec<Draw> {
    let mut open: Vec<&Credit> = credits.iter().filter(|credit| credit.meter == *meter && credit.is_open(at)).collect();
    open.sort_by_key(|credit| credit.order());
    let mut left = amount;
    let mut draws = Vec::new();
    for credit in open {
        if left == 0 {
            break;
        }
        let taken = left.min(credit.remaining);
        left -= taken;
        draws.push(Draw { credit: credit.id, meter: meter.clone(), amount: taken });
    }
    debug_assert_eq!(left, 0, "draws were planned for more than is available");
    draws
}
