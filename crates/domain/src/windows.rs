//! The windows that usage is counted in. All are half-open, `start <= t < end`, in UTC.
//!
//! A period is always `anchor + n months`, counted from the anchor itself: chaining one month onto the last start would
//! drift (31 January, 28 February, 28 March) where the anchor day must come back (31 March).

use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::civil::Date;
use crate::time::{MICROS_PER_DAY, Timestamp};

/// How long usage adds up before it starts again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// One month from the subscription's anchor, whatever the billing interval.
    Period,
    /// One year from the subscription's anchor.
    Year,
    /// A calendar month.
    Month,
    /// A calendar day.
    Day,
    /// Never starts again. Levels live here.
    Lifetime,
}

impl WindowKind {
    pub const ALL: [WindowKind; 5] =
        [WindowKind::Period, WindowKind::Year, WindowKind::Month, WindowKind::Day, WindowKind::Lifetime];

    pub fn as_str(self) -> &'static str {
        match self {
            WindowKind::Period => "period",
            WindowKind::Year => "year",
            WindowKind::Month => "month",
            WindowKind::Day => "day",
            WindowKind::Lifetime => "lifetime",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One stretch of time of a kind. `end` is `None` for a lifetime.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Window {
    pub kind: WindowKind,
    pub start: Timestamp,
    pub end: Option<Timestamp>,
}

impl Window {
    /// The window of this kind that `at` falls in. `anchor` is the instant the subscription's periods count from.
    pub fn containing(kind: WindowKind, anchor: Timestamp, at: Timestamp) -> Window {
        match kind {
            WindowKind::Period => anchored(kind, anchor, at, 1),
            WindowKind::Year => anchored(kind, anchor, at, 12),
            WindowKind::Month => calendar_month(at),
            WindowKind::Day => {
                let start = Timestamp::from_micros(at.micros() - at.micros().rem_euclid(MICROS_PER_DAY));
                Window { kind, start, end: Some(start.plus_micros(MICROS_PER_DAY)) }
            }
            WindowKind::Lifetime => Window { kind, start: Timestamp::EPOCH, end: None },
        }
    }

    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

/// One window of each kind that is counted by the calendar, with its anchor: whoever asks for the windows of the same
/// moment again and again counts once.
#[derive(Clone, Default)]
pub(crate) struct KnownWindows {
    period: OnceLock<(Timestamp, Window)>,
    year: OnceLock<(Timestamp, Window)>,
    month: OnceLock<(Timestamp, Window)>,
}

impl KnownWindows {
    /// The same as [`Window::containing`].
    pub fn containing(&self, kind: WindowKind, anchor: Timestamp, at: Timestamp) -> Window {
        let known = match kind {
            WindowKind::Period => &self.period,
            WindowKind::Year => &self.year,
            WindowKind::Month => &self.month,
            WindowKind::Day | WindowKind::Lifetime => return Window::containing(kind, anchor, at),
        };
        let (known_anchor, window) = known.get_or_init(|| (anchor, Window::containing(kind, anchor, at)));
        let is_it = *known_anchor == anchor && window.contains(at);
        if is_it { *window } else { Window::containing(kind, anchor, at) }
    }
}

impl fmt::Debug for KnownWindows {
    /// What is known changes nothing, so it is not told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownWindows")
    }
}

fn calendar_month(at: Timestamp) -> Window {
    let first = Date { day: 1, ..at.date() };
    let midnight = |date: Date| Timestamp::from_micros(date.day_number() * MICROS_PER_DAY);
    Window { kind: WindowKind::Month, start: midnight(first), end: Some(midnight(first.plus_months(1))) }
}

/// The n-th stretch of `months` from the anchor that holds `at`; n is negative before the anchor.
fn anchored(kind: WindowKind, anchor: Timestamp, at: Timestamp, months: i64) -> Window {
    let first = anchor.date();
    // In microseconds, since the one that holds `at` may begin before there are timestamps.
    let start_of =
        |count: i64| first.plus_months(count * months).day_number() * MICROS_PER_DAY + anchor.micros_of_day();
    let mut count = (at.month_number() - first.month_number()).div_euclid(months);
    let mut start = start_of(count);
    if start > at.micros() {
        count -= 1;
        start = start_of(count);
    }
    let end = Timestamp::from_micros(start_of(count + 1));
    Window { kind, start: Timestamp::from_micros(start), end: Some(end) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use proptest::prelude::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a valid time")
    }

    fn period(anchor: &str, at: &str) -> (String, String) {
        let window = Window::containing(WindowKind::Period, time(anchor), time(at));
        (window.start.to_string(), window.end.expect("a period ends").to_string())
    }

    #[test]
    fn a_period_anchored_on_the_31st_comes_back_to_the_31st() {
        let anchor = "2026-01-31T00:00:00Z";
        assert_eq!(
            period(anchor, "2026-02-10T00:00:00Z"),
            ("2026-01-31T00:00:00Z".into(), "2026-02-28T00:00:00Z".into())
        );
        assert_eq!(
            period(anchor, "2026-02-28T00:00:00Z"),
            ("2026-02-28T00:00:00Z".into(), "2026-03-31T00:00:00Z".into())
        );
        assert_eq!(
            period(anchor, "2026-03-31T00:00:00Z"),
            ("2026-03-31T00:00:00Z".into(), "2026-04-30T00:00:00Z".into())
        );
        assert_eq!(
            period("2027-01-31T12:00:00Z", "2028-02-29T11:59:59Z"),
            ("2028-01-31T12:00:00Z".into(), "2028-02-29T12:00:00Z".into())
        );
    }

    #[test]
    fn a_leap_day_anchor_has_a_year_that_ends_on_the_28th() {
        let window = Window::containing(WindowKind::Year, time("2024-02-29T00:00:00Z"), time("2025-01-01T00:00:00Z"));
        assert_eq!(window.start.to_string(), "2024-02-29T00:00:00Z");
        assert_eq!(window.end.map(|end| end.to_string()).as_deref(), Some("2025-02-28T00:00:00Z"));
    }

    #[test]
    fn months_and_days_follow_the_calendar_and_a_lifetime_never_ends() {
        let at = time("2026-12-31T23:59:59.999999Z");
        let month = Window::containing(WindowKind::Month, at, at);
        assert_eq!(month.start.to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(month.end.map(|end| end.to_string()).as_deref(), Some("2027-01-01T00:00:00Z"));
        let day = Window::containing(WindowKind::Day, at, at);
        assert_eq!(day.start.to_string(), "2026-12-31T00:00:00Z");
        assert_eq!(Window::containing(WindowKind::Lifetime, at, at).end, None);
    }

    proptest! {
        /// Windows hold their instant, and tile time without gap or overlap.
        #[test]
        fn windows_tile_time(anchor in 0i64..4_000_000_000_000_000, at in 0i64..4_000_000_000_000_000, kind in 0usize..5) {
            let kind = WindowKind::ALL[kind];
            let (anchor, at) = (Timestamp::from_micros(anchor), Timestamp::from_micros(at));
            let window = Window::containing(kind, anchor, at);
            prop_assert!(window.contains(at));
            prop_assert_eq!(Window::containing(kind, anchor, window.start), window);
            if let Some(end) = window.end {
                let next = Window::containing(kind, anchor, end);
                prop_assert_eq!(next.start, end);
                prop_assert!(next.end > Some(end));
            }
        }

        /// A known window answers for its own instants alone, up to its borders, and for its own anchor alone.
        #[test]
        fn known_windows_are_those_that_are_counted_anew(
            anchors in prop::array::uniform2(0i64..4_000_000_000_000_000),
            instants in prop::collection::vec(0i64..4_000_000_000_000_000, 1..6),
        ) {
            let known = KnownWindows::default();
            for at in instants {
                for (kind, anchor) in WindowKind::ALL.into_iter().flat_map(|kind| anchors.map(|anchor| (kind, anchor))) {
                    let anchor = Timestamp::from_micros(anchor);
                    let window = known.containing(kind, anchor, Timestamp::from_micros(at));
                    let end = window.end.unwrap_or(Timestamp::MAX);
                    let borders = [window.start.minus_micros(1), window.start, end.minus_micros(1), end];
                    for at in borders.into_iter().chain([Timestamp::from_micros(at), Timestamp::EPOCH, Timestamp::MAX]) {
                        let counted = Window::containing(kind, anchor, at);
                        prop_assert_eq!(known.containing(kind, anchor, at), counted);
                    }
                }
            }
        }

        /// The start of every period is the anchor plus whole months: its day is the anchor's, or the month's last.
        #[test]
        fn period_starts_keep_the_anchor_day(anchor in 0i64..4_000_000_000_000_000, at in 0i64..4_000_000_000_000_000) {
            let (anchor, at) = (Timestamp::from_micros(anchor), Timestamp::from_micros(at));
            let window = Window::containing(WindowKind::Period, anchor, at);
            // Before 1970 there is no instant; the first period of early times starts at the epoch.
            prop_assume!(window.start > Timestamp::EPOCH);
            let (start, anchor) = (window.start.to_utc(), anchor.to_utc());
            prop_assert_eq!(start.day(), anchor.day().min(start.date().days_in_month()));
            prop_assert_eq!(start.time(), anchor.time());
        }

        /// The same counted with jiff's dates.
        #[test]
        fn periods_are_those_of_jiff(anchor in 0i64..4_000_000_000_000_000, at in 0i64..4_000_000_000_000_000, years in any::<bool>()) {
            let (anchor, at) = (Timestamp::from_micros(anchor), Timestamp::from_micros(at));
            let (kind, months) = if years { (WindowKind::Year, 12) } else { (WindowKind::Period, 1) };
            let start_of = |count: i32| anchor.to_utc() + (count * months).months();
            let (first, now) = (anchor.to_utc(), at.to_utc());
            let between = (now.year() - first.year()) as i32 * 12 + i32::from(now.month() - first.month());
            let nearest = between.div_euclid(months);
            let count = if start_of(nearest) > now { nearest - 1 } else { nearest };
            let timestamp = |datetime: jiff::civil::DateTime| {
                let zoned = datetime.to_zoned(jiff::tz::TimeZone::UTC).expect("a time between the years 1900 and 2100");
                Timestamp::from_micros(zoned.timestamp().as_microsecond())
            };
            let expected = Window { kind, start: timestamp(start_of(count)), end: Some(timestamp(start_of(count + 1))) };
            prop_assert_eq!(Window::containing(kind, anchor, at), expected);
        }
    }
}
