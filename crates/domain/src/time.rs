//! Points in time, as integer microseconds since 1970-01-01T00:00:00Z. Everything is UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::civil::Date;
use crate::plain::Plain;

/// Microseconds since the Unix epoch, UTC. The database stores the same integer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// 1970-01-01 to the end of year 9999: what a caller may name.
const MAX_MICROS: i64 = 253_402_300_799_999_999;

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

impl Timestamp {
    pub const EPOCH: Timestamp = Timestamp(0);
    pub const MAX: Timestamp = Timestamp(MAX_MICROS);

    /// From microseconds since the epoch, held between 1970 and 9999.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, MAX_MICROS))
    }

    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    pub fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }

    pub fn minus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// Microseconds from `earlier` to here; negative when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }

    /// Reads RFC 3339, with any offset. `None` when it is not a time between 1970 and 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        let micros = parsed.as_microsecond();
        (0..=MAX_MICROS).contains(&micros).then_some(Self(micros))
    }

    /// Counts calendar months: year × 12 + month, January of year 0 being 0.
    pub fn month_number(self) -> i64 {
        self.date().month_number()
    }

    /// As people read it: `3 May 2026, 14:00 UTC`. Seconds are left out.
    pub fn for_people(self) -> String {
        self.to_utc().strftime("%-d %B %Y, %H:%M UTC").to_string()
    }

    pub(crate) fn date(self) -> Date {
        Date::of_day(self.0.div_euclid(MICROS_PER_DAY))
    }

    /// Microseconds since midnight.
    pub(crate) fn micros_of_day(self) -> i64 {
        self.0.rem_euclid(MICROS_PER_DAY)
    }

    pub(crate) fn to_utc(self) -> jiff::civil::DateTime {
        self.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).datetime()
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).expect("1970 to 9999 is inside jiff's range")
    }
}

/// RFC 3339 in UTC, with as many decimals as needed: `2026-03-31T00:00:00Z`.
impl Plain for Timestamp {
    fn write_to(&self, text: &mut impl fmt::Write) -> fmt::Result {
        let (date, micros) = (self.date(), self.micros_of_day());
        let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
        let mut digits = *b"0000-00-00T00:00:00.000000Z";
        digits[0..2].copy_from_slice(&two_digits(date.year / 100));
        digits[2..4].copy_from_slice(&two_digits(date.year % 100));
        digits[5..7].copy_from_slice(&two_digits(date.month));
        digits[8..10].copy_from_slice(&two_digits(date.day));
        digits[11..13].copy_from_slice(&two_digits(seconds / 3_600));
        digits[14..16].copy_from_slice(&two_digits(seconds / 60 % 60));
        digits[17..19].copy_from_slice(&two_digits(seconds % 60));
        let mut length = 19;
        if fraction != 0 {
            digits[20..22].copy_from_slice(&two_digits(fraction / 10_000));
            digits[22..24].copy_from_slice(&two_digits(fraction / 100 % 100));
            digits[24..26].copy_from_slice(&two_digits(fraction % 100));
            length = 26;
            while digits[length - 1] == b'0' {
                length -= 1;
            }
        }
        digits[length] = b'Z';
        text.write_str(std::str::from_utf8(&digits[..=length]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

/// A number below a hundred.
fn two_digits(number: i64) -> [u8; 2] {
    let number = number as u32;
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let time = Timestamp::parse("2026-03-31T02:00:00.25+02:00").expect("a valid time");
        assert_eq!(time.to_string(), "2026-03-31T00:00:00.25Z");
        assert_eq!(time.for_people(), "31 March 2026, 00:00 UTC");
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59Z"), None);
        assert_eq!(Timestamp::parse("2026-13-01T00:00:00Z"), None);
    }
    #[test]
    fn the_last_time_can_be_written() {
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
    }

    proptest! {
        /// To the last time that jiff has.
        #[test]
        fn times_are_written_as_jiff_writes_them(
            seconds in 0i64..253_402_207_200,
            fraction in prop_oneof![Just(0), 0i64..1_000_000, (0i64..1_000).prop_map(|millis| millis * 1_000)],
        ) {
            let time = Timestamp::from_micros(seconds * MICROS_PER_SECOND + fraction);
            prop_assert_eq!(time.to_string(), time.to_jiff().to_string());
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }
    }
}
