//! Amounts of a meter as exact decimals: at most six places, below 9.2e12, kept as an integer of millionths.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::places_of;

/// Millionths of a unit. `1.5` requests are 1,500,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(i64);

const PLACES: usize = 6;
const SCALE: i64 = 1_000_000;
/// The largest whole number accepted: 9.2e12 units, so that sums of millionths stay well inside 64 bits.
const MAX_UNITS: i64 = 9_200_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuantityError {
    #[error("is not a decimal number")]
    NotANumber,
    #[error("has more than six decimal places")]
    TooPrecise,
    #[error("is not below 9200000000000")]
    TooLarge,
}

impl Quantity {
    pub const ZERO: Quantity = Quantity(0);
    pub const ONE: Quantity = Quantity(SCALE);
    pub const MAX: Quantity = Quantity(MAX_UNITS * SCALE);

    pub const fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// `None` at or past 9.2e12.
    pub fn from_units(units: i64) -> Option<Self> {
        (units.abs() < MAX_UNITS).then(|| Self(units * SCALE))
    }

    pub fn is_negative(self) -> bool {
        self.millionths() < 0
    }

    pub fn millionths(self) -> i64 {
        self.0
    }

    /// Reads decimal text as JSON writes numbers, exponent included, without ever passing through a float.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse_decimal(text, PLACES)
            .and_then(
                |millionths| {
                    if millionths.abs() >= MAX_UNITS * SCALE { Err(QuantityError::TooLarge) } else { Ok(millionths) }
                },
            )
            .map(Self)
    }
}

/// Plain decimal without trailing zeros: `1000`, `0.25`, `-3.000001`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.0, PLACES)
    }
}

/// Reads `text` as an integer of `10^-places` units. Exact: digits that do not fit are an error, never rounded.
pub fn parse_decimal(text: &str, places: usize) -> Result<i64, QuantityError> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return Err(QuantityError::NotANumber),
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::NotANumber);
    }
    let digits: String = whole.chars().chain(fraction.chars()).collect();
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let trimmed = significant.trim_end_matches('0');
    let dropped_zeros = significant.len() - trimmed.len();
    let shift = places as i64 - fraction.len() as i64 + exponent + dropped_zeros as i64;
    if shift < 0 {
        return Err(QuantityError::TooPrecise);
    }
    if shift + trimmed.len() as i64 > 19 {
        return Err(QuantityError::TooLarge);
    }
    let magnitude: i128 = trimmed.parse().map_err(|_| QuantityError::TooLarge)?;
    let scaled = magnitude * 10i128.pow(shift as u32);
    let value = i64::try_from(scaled).map_err(|_| QuantityError::TooLarge)?;
    Ok(if negative { -value } else { value })
}

fn parse_exponent(text: &str) -> Result<i64, QuantityError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::NotANumber);
    }
    if digits.trim_start_matches('0').len() > 4 {
        return Err(if text.starts_with('-') { QuantityError::TooPrecise } else { QuantityError::TooLarge });
    }
    let value: i64 = digits.parse().map_err(|_| QuantityError::NotANumber)?;
    Ok(if text.starts_with('-') { -value } else { value })
}

/// Units of each number of places.
const SCALES: [u64; 20] = {
    let mut scales = [1; 20];
    let mut places = 1;
    while places < scales.len() {
        scales[places] = 10 * scales[places - 1];
        places += 1;
    }
    scales
};

/// Writes an integer of `10^-places` units as plain decimal text without trailing zeros.
pub fn write_decimal(text: &mut impl fmt::Write, value: i64, places: usize) -> fmt::Result {
    let scale = SCALES[places];
    let magnitude = value.unsigned_abs();
    let (whole, fraction) = (magnitude / scale, magnitude % scale);
    if value < 0 {
        text.write_str("-")?;
    }
    text.write_str(itoa::Buffer::new().format(whole))?;
    if fraction != 0 {
        // The one in front keeps the zeros that the fraction begins with.
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(scale + fraction);
        text.write_str(".")?;
        text.write_str(digits[1..].trim_end_matches('0'))?;
    }
    Ok(())
}

/// Writes an amount of a meter as plain decimal text.
pub fn write_amount(text: &mut impl fmt::Write, meter: &str, amount: i64) -> fmt::Result {
    write_decimal(text, amount, places_of(meter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_decimals_exactly() {
        for (text, millionths) in [
            ("1", 1_000_000),
            ("0.000001", 1),
            ("-2.5", -2_500_000),
            ("1e3", 1_000_000_000),
            ("1.50e-1", 150_000),
            ("0e99", 0),
            ("9199999999999.999999", 9_199_999_999_999_999_999),
            ("0.10000000", 100_000),
        ] {
            assert_eq!(Quantity::parse(text).map(Quantity::millionths), Ok(millionths), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_keep() {
        for (text, error) in [
            ("", QuantityError::NotANumber),
            ("abc", QuantityError::NotANumber),
            ("1.", QuantityError::NotANumber),
            (".5", QuantityError::NotANumber),
            ("+1", QuantityError::NotANumber),
            ("NaN", QuantityError::NotANumber),
            ("1e", QuantityError::NotANumber),
            ("0.0000001", QuantityError::TooPrecise),
            ("9200000000000", QuantityError::TooLarge),
            ("9223372036854775808", QuantityError::TooLarge),
            ("1e400", QuantityError::TooLarge),
            ("1e999999999999", QuantityError::TooLarge),
        ] {
            assert_eq!(Quantity::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millionths in -9_199_999_999_999_999_999i64..9_199_999_999_999_999_999) {
            let quantity = Quantity::from_millionths(millionths);
            prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
        }

        #[test]
        fn decimals_are_written_as_they_are_divided(value in any::<i64>(), places in 0usize..19) {
            let scale = 10i128.pow(places as u32);
            let magnitude = i128::from(value).abs();
            let sign = if value < 0 { "-" } else { "" };
            let mut padded = format!("{sign}{}.{:0places$}", magnitude / scale, magnitude % scale);
            padded.truncate(padded.trim_end_matches('0').trim_end_matches('.').len());
            let mut text = String::new();
            write_decimal(&mut text, value, places).expect("memory");
            prop_assert_eq!(text, padded);
        }

        #[test]
        fn never_panics_on_any_text(text in "\\PC{0,40}") {
            let _ = Quantity::parse(&text);
        }
    }
}
