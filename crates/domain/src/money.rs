//! Money that is invoiced, and the exact units that costs are kept in.
//!
//! Three units, each an integer. [`Money`] is what a customer is billed: minor units with their currency. [`NanoUsd`] is
//! what one event costs: 10^-9 of the catalog's currency. [`PicoUsd`] is what one token costs: 10^-12. The two exact units
//! are named after the dollar, in which model prices are published; a catalog in another currency writes its own prices
//! and reads them as that currency. No float ever holds money, and nothing here rounds but [`divide_half_even`].

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plain::Plain;
use crate::quantity::{QuantityError, parse_decimal, write_decimal};

pub const NANO_PER_UNIT: i64 = 1_000_000_000;
pub const PICO_PER_NANO: i128 = 1_000;

const NANO_PLACES: usize = 9;
/// Prices are published for a million tokens: six places there are twelve places for one token.
const PLACES_PER_MILLION_TOKENS: usize = 6;

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MoneyError {
    #[error("`{0}` is not a currency of ISO 4217")]
    UnknownCurrency(String),
    #[error("is not an amount of money")]
    NotAnAmount,
    #[error("has more decimals than {0} has ({1})")]
    TooPrecise(Currency, usize),
    #[error("is too large")]
    TooLarge,
    #[error("cannot be reckoned with {0}: it is in {1}")]
    OtherCurrency(Currency, Currency),
}

/// A currency of ISO 4217: `USD`, `EUR`, `JPY`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    pub const USD: Currency = Currency(iso_currency::Currency::USD);

    /// Reads the three upper-case letters.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or_else(|| MoneyError::UnknownCurrency(code.to_owned()))
    }

    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals an amount has: 2 for USD, 0 for JPY, 3 for KWD.
    pub fn decimals(self) -> usize {
        self.0.exponent().map_or(2, usize::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Currency::parse(&code).map_err(serde::de::Error::custom)
    }
}

/// An amount as it stands on an invoice: 1500 minor units of USD are 15.00 dollars.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Money {
    pub minor_units: i64,
    pub currency: Currency,
}

impl Money {
    pub fn new(minor_units: i64, currency: Currency) -> Self {
        Self { minor_units, currency }
    }

    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Reads decimal text such as `15.00`. Digits that the currency does not have are an error, never rounded away.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let decimals = currency.decimals();
        let minor_units = parse_decimal(text, decimals).map_err(|error| money_error(error, currency, decimals))?;
        Ok(Self { minor_units, currency })
    }

    pub fn checked_add(self, other: Money) -> Result<Money, MoneyError> {
        self.same_currency(other)?;
        let minor_units = self.minor_units.checked_add(other.minor_units).ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor_units, ..self })
    }

    pub fn checked_sub(self, other: Money) -> Result<Money, MoneyError> {
        self.same_currency(other)?;
        let minor_units = self.minor_units.checked_sub(other.minor_units).ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor_units, ..self })
    }

    fn same_currency(self, other: Money) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::OtherCurrency(self.currency, other.currency))
        }
    }

    /// With all decimals of the currency and no sign of it: `15.00`, `-0.05`, `1200`.
    pub fn amount_text(self) -> String {
        let decimals = self.currency.decimals();
        let scale = 10u64.pow(decimals as u32);
        let magnitude = self.minor_units.unsigned_abs();
        let sign = if self.minor_units < 0 { "-" } else { "" };
        if decimals == 0 {
            return format!("{sign}{magnitude}");
        }
        format!("{sign}{}.{:0decimals$}", magnitude / scale, magnitude % scale)
    }
}

/// `15.00 USD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount_text(), self.currency)
    }
}

/// Billionths of a dollar: the cost of one event, and the unit of the `cost` meter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(i64);

impl NanoUsd {
    pub const ZERO: NanoUsd = NanoUsd(0);

    pub const fn from_nano(nano: i64) -> Self {
        Self(nano)
    }

    pub fn nano(self) -> i64 {
        self.0
    }

    /// Reads decimal text with at most nine places.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse_decimal(text, NANO_PLACES).map(Self)
    }

    pub fn checked_add(self, other: NanoUsd) -> Option<NanoUsd> {
        self.0.checked_add(other.0).map(Self)
    }

    pub fn checked_sub(self, other: NanoUsd) -> Option<NanoUsd> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// As minor units, rounded once, half to even: for the line of a bill, never for a sum still going on.
    pub fn round_to_money(self, currency: Currency) -> Money {
        // No currency has more than four decimals, so the divisor is at least 10^5 and the quotient fits.
        let divisor = 10i128.pow((NANO_PLACES - currency.decimals()) as u32);
        let minor_units = divide_half_even(i128::from(self.0), divisor);
        Money::new(i64::try_from(minor_units).expect("a 64-bit amount divided stays inside 64 bits"), currency)
    }
}

/// Plain decimal dollars without trailing zeros: `0.000123`.
impl Plain for NanoUsd {
    fn write_to(&self, text: &mut impl fmt::Write) -> fmt::Result {
        write_decimal(text, self.0, NANO_PLACES)
    }
}

impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

/// 10^-12 dollars: the price of one token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PicoUsd(i64);

impl PicoUsd {
    pub const fn from_pico(pico: i64) -> Self {
        Self(pico)
    }

    pub fn pico(self) -> i64 {
        self.0
    }

    /// Reads dollars for a million tokens, as price lists print them: `0.15` is 150,000 pico-dollars a token.
    pub fn parse_per_million_tokens(text: &str) -> Result<Self, QuantityError> {
        parse_decimal(text, PLACES_PER_MILLION_TOKENS).map(Self)
    }

    /// Dollars for a million tokens, without trailing zeros.
    pub fn per_million_tokens(self) -> String {
        let mut text = String::new();
        write_decimal(&mut text, self.0, PLACES_PER_MILLION_TOKENS).expect("writing to a string cannot fail");
        text
    }

    /// The exact price of so many tokens, in pico-dollars. `None` when it does not fit.
    pub fn checked_times(self, tokens: u64) -> Option<i128> {
        i128::from(self.0).checked_mul(i128::from(tokens))
    }
}

/// `numerator / divisor`, to the nearest integer, and to the even one of two equally near. `divisor` is above zero.
pub fn divide_half_even(numerator: i128, divisor: i128) -> i128 {
    assert!(divisor > 0, "a rounded division needs a divisor above zero");
    let quotient = numerator.div_euclid(divisor);
    let remainder = numerator.rem_euclid(divisor);
    let to_next = divisor - remainder;
    match remainder.cmp(&to_next) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + quotient.rem_euclid(2),
    }
}

fn money_error(error: QuantityError, currency: Currency, decimals: usize) -> MoneyError {
    match error {
        QuantityError::NotANumber => MoneyError::NotAnAmount,
        QuantityError::TooPrecise => MoneyError::TooPrecise(currency, decimals),
        QuantityError::TooLarge => MoneyError::TooLarge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).expect("a currency")
    }

    #[test]
    fn reads_amounts_with_the_currency_s_own_decimals() {
        for (text, code, minor_units) in [
            ("15.00", "USD", 1500),
            ("15", "USD", 1500),
            ("0.05", "USD", 5),
            ("-2.5", "EUR", -250),
            ("1200", "JPY", 1200),
            ("1.234", "KWD", 1234),
        ] {
            assert_eq!(Money::parse(text, currency(code)).map(|money| money.minor_units), Ok(minor_units), "{text}");
        }
    }

    #[test]
    fn refuses_digits_that_the_currency_does_not_have() {
        assert_eq!(Money::parse("15.001", Currency::USD), Err(MoneyError::TooPrecise(Currency::USD, 2)));
        assert_eq!(Money::parse("1.5", currency("JPY")), Err(MoneyError::TooPrecise(currency("JPY"), 0)));
        assert_eq!(Money::parse("15,00", Currency::USD), Err(MoneyError::NotAnAmount));
        assert_eq!(Money::parse("99999999999999999999", Currency::USD), Err(MoneyError::TooLarge));
    }

    #[test]
    fn knows_currencies_by_their_upper_case_code_alone() {
        for code in ["usd", "Dollar", "", "XYZ", "XAU"] {
            assert_eq!(Currency::parse(code), Err(MoneyError::UnknownCurrency(code.to_owned())));
        }
    }

    #[test]
    fn writes_amounts_for_people() {
        assert_eq!(Money::new(1500, Currency::USD).to_string(), "15.00 USD");
        assert_eq!(Money::new(-5, Currency::USD).to_string(), "-0.05 USD");
        assert_eq!(Money::new(1200, currency("JPY")).to_string(), "1200 JPY");
        assert_eq!(Money::new(1234, currency("KWD")).to_string(), "1.234 KWD");
        assert_eq!(Money::new(i64::MIN, Currency::USD).amount_text(), "-92233720368547758.08");
    }

    #[test]
    fn money_of_two_currencies_does_not_add_up() {
        let (dollars, euros) = (Money::new(1, Currency::USD), Money::new(1, currency("EUR")));
        assert_eq!(dollars.checked_add(euros), Err(MoneyError::OtherCurrency(Currency::USD, currency("EUR"))));
        assert_eq!(Money::new(i64::MAX, Currency::USD).checked_add(dollars), Err(MoneyError::TooLarge));
        assert_eq!(dollars.checked_sub(dollars), Ok(Money::zero(Currency::USD)));
    }

    #[test]
    fn rounds_a_bill_half_to_even() {
        for (nano, cents) in [
            (5_000_000, 0),
            (15_000_000, 2),
            (25_000_000, 2),
            (25_000_001, 3),
            (-5_000_000, 0),
            (-15_000_000, -2),
            (i64::MAX, 922_337_203_685),
        ] {
            assert_eq!(NanoUsd::from_nano(nano).round_to_money(Currency::USD), Money::new(cents, Currency::USD));
        }
        assert_eq!(NanoUsd::from_nano(i64::MIN).round_to_money(currency("JPY")).minor_units, -9_223_372_037);
    }

    #[test]
    fn a_price_for_a_million_tokens_is_exact_for_one() {
        let price = PicoUsd::parse_per_million_tokens("0.15").expect("a price");
        assert_eq!(price.pico(), 150_000);
        assert_eq!(price.per_million_tokens(), "0.15");
        assert_eq!(PicoUsd::parse_per_million_tokens("0.0000001"), Err(QuantityError::TooPrecise));
    }

    proptest! {
        #[test]
        fn division_is_nearest_and_even_on_ties(numerator in any::<i64>(), divisor in 1i64..1_000_000) {
            let (numerator, divisor) = (i128::from(numerator), i128::from(divisor));
            let quotient = divide_half_even(numerator, divisor);
            let twice_off = (numerator - quotient * divisor).abs() * 2;
            prop_assert!(twice_off <= divisor);
            if twice_off == divisor {
                prop_assert_eq!(quotient.rem_euclid(2), 0);
            }
            prop_assert_eq!(divide_half_even(-numerator, divisor), -quotient);
        }

        #[test]
        fn money_that_is_written_reads_back(minor_units in any::<i64>(), code in 0usize..3) {
            let money = Money::new(minor_units, currency(["USD", "JPY", "KWD"][code]));
            prop_assume!(minor_units != i64::MIN);
            prop_assert_eq!(Money::parse(&money.amount_text(), money.currency), Ok(money));
        }

        #[test]
        fn nano_and_pico_that_are_written_read_back(units in -i64::MAX..i64::MAX) {
            prop_assert_eq!(NanoUsd::parse(&NanoUsd::from_nano(units).to_string()), Ok(NanoUsd::from_nano(units)));
            let price = PicoUsd::from_pico(units);
            prop_assert_eq!(PicoUsd::parse_per_million_tokens(&price.per_million_tokens()), Ok(price));
        }

        #[test]
        fn reading_money_never_panics(text in "\\PC{0,30}", code in "\\PC{0,4}") {
            let _ = Money::parse(&text, Currency::USD);
            let _ = Currency::parse(&code);
        }
    }
}
