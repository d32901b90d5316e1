//! Billing periods: whole intervals from an anchor, on the anchor's day where the month has it, in UTC.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

use super::fields::Fields;

pub const DAY: i64 = 86_400;

/// The length of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    unit: Unit,
    count: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

impl Interval {
    pub fn of(price: &Value) -> Interval {
        let unit = match price.text("recurring.interval") {
            "day" => Unit::Day,
            "week" => Unit::Week,
            "year" => Unit::Year,
            _ => Unit::Month,
        };
        Interval { unit, count: price.whole("recurring.interval_count").max(1) }
    }

    /// The anchor and so many intervals. Always counted from the anchor, so that a short month is not remembered.
    pub fn after(self, anchor: i64, intervals: i64) -> i64 {
        let count = intervals * self.count;
        let span = match self.unit {
            Unit::Day => return anchor + count * DAY,
            Unit::Week => return anchor + count * 7 * DAY,
            Unit::Month => Span::new().months(count),
            Unit::Year => Span::new().years(count),
        };
        let start = Timestamp::from_second(anchor).expect("times of a sandbox fit").to_zoned(TimeZone::UTC);
        start.checked_add(span).expect("times of a sandbox fit").timestamp().as_second()
    }

    /// The first boundary after a moment.
    pub fn next_boundary(self, anchor: i64, moment: i64) -> i64 {
        if moment < anchor {
            return self.boundary_before(anchor, moment);
        }
        let days = match self.unit {
            Unit::Day => 1,
            Unit::Week => 7,
            Unit::Month => 31,
            Unit::Year => 366,
        };
        let mut passed = (moment - anchor) / (days * DAY * self.count);
        while self.after(anchor, passed) <= moment {
            passed += 1;
        }
        self.after(anchor, passed)
    }

    /// An anchor ahead: the boundary between the moment and one interval later.
    fn boundary_before(self, anchor: i64, moment: i64) -> i64 {
        let mut intervals = 0;
        while self.after(anchor, intervals - 1) > moment {
            intervals -= 1;
        }
        self.after(anchor, intervals)
    }
}

/// A day as invoices write it: `15 Nov 2026`.
pub fn day(moment: i64) -> String {
    Timestamp::from_second(moment)
        .expect("times of a sandbox fit")
        .to_zoned(TimeZone::UTC)
        .strftime("%-d %b %Y")
        .to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> i64 {
        format!("{text}T12:00:00Z").parse::<Timestamp>().expect("a day").as_second()
    }

    fn interval(unit: &str, count: i64) -> Interval {
        Interval::of(&json!({ "recurring": { "interval": unit, "interval_count": count } }))
    }

    /// docs.stripe.com/billing/subscriptions/billing-cycle: a subscription anchored on 31 January bills on 28 February,
    /// 31 March, 30 April.
    #[test]
    fn the_anchors_day_comes_back_after_a_short_month() {
        let month = interval("month", 1);
        let anchor = at("2027-01-31");
        let mut moment = anchor;
        for expected in ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"] {
            moment = month.next_boundary(anchor, moment);
            assert_eq!(moment, at(expected));
        }
    }

    #[test]
    fn years_quarters_and_anchors_ahead() {
        assert_eq!(interval("year", 1).next_boundary(at("2028-02-29"), at("2028-03-01")), at("2029-02-28"));
        assert_eq!(interval("month", 3).next_boundary(at("2026-11-30"), at("2026-11-30")), at("2027-02-28"));
        assert_eq!(interval("month", 1).next_boundary(at("2026-12-15"), at("2026-11-20")), at("2026-12-15"));
        assert_eq!(interval("month", 1).next_boundary(at("2026-12-15"), at("2026-10-20")), at("2026-11-15"));
        assert_eq!(day(at("2026-11-05")), "5 Nov 2026");
    }
}
