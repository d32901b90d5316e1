//! Points in time, as integer microseconds since 1970-01-01T00:00:00Z. Everything is UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

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
        let date = self.to_utc().date();
        i64::from(date.year()) * 12 + i64::from(date.month()) - 1
    }

    /// As people read it: `3 May 2026, 14:00 UTC`. Seconds are left out.
    pub fn for_people(self) -> String {
        self.to_utc().strftime("%-d %B %Y, %H:%M UTC").to_string()
    }

    pub(crate) fn to_utc(self) -> jiff::civil::DateTime {
        self.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).datetime()
    }

    pub(crate) fn from_utc(datetime: jiff::civil::DateTime) -> Option<Self> {
        let zoned = datetime.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self::from_micros(zoned.timestamp().as_microsecond()))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).expect("1970 to 9999 is inside jiff's range")
    }
}

/// RFC 3339 in UTC, with as many decimals as needed: `2026-03-31T00:00:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_jiff())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let time = Timestamp::parse("2026-03-31T02:00:00.25+02:00").expect("a valid time");
        assert_eq!(time.to_string(), "2026-03-31T00:00:00.25Z");
        assert_eq!(time.for_people(), "31 March 2026, 00:00 UTC");
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59Z"), None);
        assert_eq!(Timestamp::parse("2026-13-01T00:00:00Z"), None);
    }
}
