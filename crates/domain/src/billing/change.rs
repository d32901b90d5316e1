//! Which way a change of plan goes.

use crate::catalog::Interval;

/// What a change of plan is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// To a plan of higher rank.
    Upgrade,
    /// To a plan of lower rank.
    Downgrade,
    /// The same plan, billed by the year from now on.
    LongerInterval,
    /// The same plan, billed by the month from now on.
    ShorterInterval,
    /// The same plan and interval.
    Nothing,
}

impl Direction {
    /// As history and messages name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Upgrade => "upgraded",
            Direction::Downgrade => "downgraded",
            Direction::LongerInterval | Direction::ShorterInterval => "interval_changed",
            Direction::Nothing => "unchanged",
        }
    }
}

/// From one plan's rank and interval to another's.
pub fn direction(from: (u32, Interval), to: (u32, Interval)) -> Direction {
    match (to.0.cmp(&from.0), from.1, to.1) {
        (std::cmp::Ordering::Greater, _, _) => Direction::Upgrade,
        (std::cmp::Ordering::Less, _, _) => Direction::Downgrade,
        (_, Interval::Monthly, Interval::Annual) => Direction::LongerInterval,
        (_, Interval::Annual, Interval::Monthly) => Direction::ShorterInterval,
        _ => Direction::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Interval::{Annual, Monthly};

    #[test]
    fn rank_decides_before_the_interval() {
        let table = [
            ((1, Monthly), (2, Monthly), Direction::Upgrade),
            ((1, Annual), (2, Monthly), Direction::Upgrade),
            ((2, Monthly), (1, Annual), Direction::Downgrade),
            ((1, Monthly), (1, Annual), Direction::LongerInterval),
            ((1, Annual), (1, Monthly), Direction::ShorterInterval),
            ((1, Annual), (1, Annual), Direction::Nothing),
        ];
        for (from, to, wanted) in table {
            assert_eq!(direction(from, to), wanted, "{from:?} to {to:?}");
        }
    }
}
