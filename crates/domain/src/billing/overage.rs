//! What usage past a limit costs. Rounded once, half to even, at the line.

use crate::money::divide_half_even;
use crate::quantity::Quantity;
use crate::time::Timestamp;

const NANO: i128 = 1_000_000_000;

/// What is charged for one limit and window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OverageLine {
    /// How much was used past the limit, in the meter's integer unit.
    pub quantity: i64,
    /// Minor units.
    pub amount: i64,
}

/// A stretch of a window in which one and the same limit held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// The limit's amount, in the meter's integer unit as the others.
    pub limit: i64,
    /// What was used in the window when the stretch began.
    pub used_before: i64,
    /// What was used in the window when the stretch ended.
    pub used: i64,
}

/// How much is charged of each stretch of a window, the first one first. A unit is charged by the limit that held when it
/// was used, or not at all: what was used before a stretch is none of its business, and what was charged before it does not
/// use up its limit.
pub fn past_limits(stretches: &[Stretch]) -> Vec<i64> {
    let mut charged = 0_i64;
    let past = stretches.iter().map(|stretch| {
        let past_limit = stretch.used.saturating_sub(stretch.limit).saturating_sub(charged);
        let past = past_limit.min(stretch.used.saturating_sub(stretch.used_before)).max(0);
        charged = charged.saturating_add(past);
        past
    });
    past.collect()
}

/// How much of what is past in each stretch was booked before, the first stretch first. `past` has when each stretch began,
/// `booked` when the one did that a booking was for, where that is known. A booking counts in the stretch that its moment is
/// in; what is more than is past there, and what is of no known stretch, counts for what came first.
pub fn booked_before(past: &[(Timestamp, i64)], booked: &[(Option<Timestamp>, i64)]) -> Vec<i64> {
    let (mut of_each, mut rest) = (vec![0_i64; past.len()], 0_i64);
    for (start, quantity) in booked {
        let place = start.and_then(|start| past.iter().rposition(|(from, _)| *from <= start));
        let counted = place.and_then(|place| of_each.get_mut(place)).unwrap_or(&mut rest);
        *counted = counted.saturating_add(*quantity);
    }
    for (of_it, (_, past)) in of_each.iter_mut().zip(past) {
        rest = rest.saturating_add((*of_it - past).max(0));
        *of_it = (*of_it).min(*past);
    }
    for (of_it, (_, past)) in of_each.iter_mut().zip(past) {
        let part = rest.min(past - *of_it);
        *of_it += part;
        rest -= part;
    }
    of_each
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

/// How many whole units of the meter are told to a meter at Stripe: what was used past the limit, begun ones not, and no
/// more than `up_to_minor` pays for.
pub fn units_to_report(past: i64, (charge_nano, each): (i64, i64), up_to_minor: Option<i64>, decimals: usize) -> i64 {
    if past <= 0 || each <= 0 || charge_nano <= 0 {
        return 0;
    }
    let minor = 10_i128.pow(u32::try_from(decimals).unwrap_or(2));
    let agreed = up_to_minor.map(|most| i128::from(most) * NANO * i128::from(each) / (minor * i128::from(charge_nano)));
    let past = agreed.map_or(i128::from(past), |agreed| agreed.min(i128::from(past)));
    i64::try_from(past / i128::from(Quantity::ONE.millionths())).unwrap_or(i64::MAX)
}

/// What one unit of a meter costs, in minor units as decimal text, for a price at Stripe. `None`: it does not come out
/// within the twelve decimals that Stripe takes.
pub fn price_of_one((charge_nano, each): (i64, i64), decimals: usize) -> Option<String> {
    const PLACES: u32 = 12;
    let one = i128::from(Quantity::ONE.millionths());
    // Nano-units of money to units, to minor units, to the last decimal.
    let scaled = i128::from(charge_nano) * one * 10_i128.pow(u32::try_from(decimals).ok()?);
    let scaled = scaled.checked_mul(10_i128.pow(PLACES) / NANO)?;
    let each = i128::from(each);
    if each <= 0 || scaled % each != 0 {
        return None;
    }
    let exact = scaled / each;
    let (whole, rest) = (exact / 10_i128.pow(PLACES), exact % 10_i128.pow(PLACES));
    let text = format!("{whole}.{rest:012}");
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
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

    fn stretch(limit: i64, used_before: i64, used: i64) -> Stretch {
        Stretch { limit, used_before, used }
    }

    #[test]
    fn what_was_past_the_old_limit_is_not_past_the_new_one_again() {
        assert_eq!(past_limits(&[stretch(1_000, 0, 1_250)]), [250]);
        // To 5,000: of 5,500 used, 250 are charged already, and 250 more are past it.
        assert_eq!(past_limits(&[stretch(1_000, 0, 1_250), stretch(5_000, 1_250, 5_500)]), [250, 250]);
        assert_eq!(past_limits(&[stretch(1_000, 0, 1_250), stretch(5_000, 1_250, 5_200)]), [250, 0]);
        assert_eq!(past_limits(&[stretch(1_000, 0, 900), stretch(5_000, 900, 5_200)]), [0, 200]);
    }

    #[test]
    fn what_the_greater_limit_allowed_is_not_charged_by_the_smaller() {
        // From 5,000 to 1,000 with 3,000 used: only what comes then is past it.
        assert_eq!(past_limits(&[stretch(5_000, 0, 3_000), stretch(1_000, 3_000, 3_100)]), [0, 100]);
        assert_eq!(past_limits(&[stretch(5_000, 0, 900), stretch(1_000, 900, 1_100)]), [0, 100]);
        // To a plan that charges nothing and back again: what was used under it stays free.
        assert_eq!(past_limits(&[stretch(1_000, 0, 1_250), stretch(1_000, 3_000, 3_100)]), [250, 100]);
        // What was charged stays paid for: taken back usage is charged by nobody.
        assert_eq!(past_limits(&[stretch(1_000, 0, 1_250), stretch(1_000, 1_250, 1_200)]), [250, 0]);
    }

    #[test]
    fn what_was_booked_counts_in_the_stretch_that_it_was_for() {
        let [march, april, may] = [1, 2, 3].map(Timestamp::from_seconds);
        let past = [(march, 350), (april, 100), (may, 250)];
        assert_eq!(booked_before(&past, &[]), [0, 0, 0]);
        // Nothing was booked of the second: the third is not booked again for it.
        assert_eq!(booked_before(&past, &[(Some(march), 250), (Some(may), 250)]), [250, 0, 250]);
        assert_eq!(booked_before(&past, &[(Some(march), 250), (Some(may), 200), (Some(march), 100)]), [350, 0, 200]);
        // What is not known to be of a stretch came first, and so did what is more than is past in its own.
        assert_eq!(booked_before(&past, &[(None, 400)]), [350, 50, 0]);
        assert_eq!(booked_before(&past, &[(Some(may), 270), (None, 340)]), [350, 10, 250]);
        assert_eq!(booked_before(&past, &[(Some(march), 900)]), [350, 100, 250]);
        // A stretch that is two by now, as it is known.
        assert_eq!(booked_before(&past[..2], &[(Some(may), 70)]), [0, 70]);
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

    #[test]
    fn whole_units_are_reported_up_to_what_was_agreed() {
        let units = |past| units_to_report(past, TOKENS, Some(2_000), 2);
        assert_eq!(units(0), 0);
        assert_eq!(units(MILLION - 1), 0);
        assert_eq!(units(150_000 * MILLION + 999_999), 150_000);
        // 20.00 dollars are 40 times 100,000 tokens.
        assert_eq!(units(9_000_000 * MILLION), 4_000_000);
        assert_eq!(units_to_report(i64::MAX, TOKENS, None, 2), 9_223_372_036_854);
    }

    #[test]
    fn the_price_of_one_unit_is_exact_or_none() {
        assert_eq!(price_of_one(TOKENS, 2).as_deref(), Some("0.0005"));
        assert_eq!(price_of_one((5_000_000_000, MILLION), 0).as_deref(), Some("5"));
        assert_eq!(price_of_one((500_000_000, 100 * MILLION), 2).as_deref(), Some("0.5"));
        // A billionth of a dollar for each 100,000 is the last decimal; for each million it is beyond.
        assert_eq!(price_of_one((1, 100_000 * MILLION), 2).as_deref(), Some("0.000000000001"));
        assert_eq!(price_of_one((1, 1_000_000 * MILLION), 2), None);
        assert_eq!(price_of_one((1_000_000_000, 3 * MILLION), 2), None);
    }
}
