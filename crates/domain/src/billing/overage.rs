//! What usage past a limit costs. Rounded once, half to even, at the line.

use crate::money::divide_half_even;

const NANO: i128 = 1_000_000_000;

/// What is charged for one limit and window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OverageLine {
    /// How much was used past the limit, in the meter's integer unit.
    pub quantity: i64,
    /// Minor units.
    pub amount: i64,
}

/// `past` of a meter at `charge_nano` billionths of the currency for each `each`, begun ones pro rata, up to
/// `up_to_minor`. `decimals` are the currency's. `None`: nothing is to be charged.
pub fn overage_line(
    past: i64,
    (charge_nano, each): (i64, i64),
    up_to_minor: Option<i64>,
    decimals: usize,
) -> Option<OverageLine> {
    if past <= 0 || each <= 0 {
        return None;
    }
    let minor = 10_i128.pow(u32::try_from(decimals).unwrap_or(2));
    let whole = (i128::from(past) * i128::from(charge_nano)).saturating_mul(minor);
    let amount = i64::try_from(divide_half_even(whole, i128::from(each) * NANO)).unwrap_or(i64::MAX);
    let amount = up_to_minor.map_or(amount, |most| amount.min(most));
    (amount > 0).then_some(OverageLine { quantity: past, amount })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.50 dollars for each 100,000 tokens, in millionths of a token.
    const TOKENS: (i64, i64) = (500_000_000, 100_000_000_000);
    const MILLION: i64 = 1_000_000;

    fn cents(tokens: i64) -> Option<i64> {
        overage_line(tokens * MILLION, TOKENS, Some(2_000), 2).map(|line| line.amount)
    }

    #[test]
    fn begun_units_are_charged_pro_rata_and_rounded_once() {
        assert_eq!(cents(0), None);
        assert_eq!(cents(100_000), Some(50));
        assert_eq!(cents(150_000), Some(75));
        // 0.5 cents goes to the even 0, 1.5 cents to 2.
        assert_eq!(cents(1_000), None);
        assert_eq!(cents(3_000), Some(2));
        assert_eq!(cents(101_000), Some(50));
    }

    #[test]
    fn no_more_is_charged_than_was_agreed() {
        assert_eq!(cents(4_000_000), Some(2_000));
        assert_eq!(cents(9_000_000), Some(2_000));
        assert_eq!(overage_line(i64::MAX, (i64::MAX, 1), None, 2).map(|line| line.amount), Some(i64::MAX));
    }

    #[test]
    fn a_currency_without_minor_units_is_charged_in_whole_ones() {
        assert_eq!(overage_line(2 * MILLION, (5_000_000_000, MILLION), None, 0).map(|line| line.amount), Some(10));
    }
}
