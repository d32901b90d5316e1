//! The headers that tell of limits: of the tightest one, in three customary ways.
//!
//! `X-RateLimit-*` carries the limit's exact amounts and the Unix second of its reset; `RateLimit` and `RateLimit-Policy`
//! are the IETF's fields, whose numbers are whole; `X-Remaining-Usage` is what is left, or `unlimited`.

use app::error::Denied;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::{BufMut, BytesMut};
use domain::ids::EventId;
use domain::ledger::LimitState;
use domain::plain::Plain;
use domain::time::{MICROS_PER_SECOND, Timestamp};

use self::Part::{Amount, Event, Number, Quoted, Text};
use crate::answer::Decimal;

pub const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
pub const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
pub const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
pub const IETF_STATE: HeaderName = HeaderName::from_static("ratelimit");
pub const IETF_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub const REMAINING_USAGE: HeaderName = HeaderName::from_static("x-remaining-usage");
pub const UPGRADE_URL: HeaderName = HeaderName::from_static("x-upgrade-url");
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts text into a header. Text that cannot stand in one is left out: a header never costs a caller the answer.
pub fn put(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// Writes headers one after another into memory that they share. In parts, and not by `format!`, since every metered
/// answer has seven of them.
pub struct Lines<'h> {
    headers: &'h mut HeaderMap,
    text: BytesMut,
}

/// All headers of an answer are hardly ever longer.
const LINES_BYTES: usize = 256;
const THERE_IS_MEMORY: &str = "there is always more memory";

#[derive(Clone, Copy)]
pub enum Part<'p> {
    Text(&'p str),
    /// A string of structured fields (RFC 9651).
    Quoted(&'p str),
    Number(i64),
    Amount(Decimal),
    Event(EventId),
}

impl<'h> Lines<'h> {
    pub fn of(headers: &'h mut HeaderMap) -> Self {
        Self { headers, text: BytesMut::with_capacity(LINES_BYTES) }
    }

    /// As [`put`].
    pub fn put(&mut self, name: HeaderName, parts: &[Part<'_>]) {
        if let Some(value) = self.written(parts) {
            self.headers.insert(name, value);
        }
    }

    /// The same under two names.
    fn put_both(&mut self, [one, other]: [HeaderName; 2], parts: &[Part<'_>]) {
        if let Some(value) = self.written(parts) {
            self.headers.insert(one, value.clone());
            self.headers.insert(other, value);
        }
    }

    fn written(&mut self, parts: &[Part<'_>]) -> Option<HeaderValue> {
        parts.iter().for_each(|part| self.add(*part));
        let text = self.text.split().freeze();
        if text.is_ascii() { HeaderValue::from_maybe_shared(text).ok() } else { None }
    }

    fn add(&mut self, part: Part<'_>) {
        match part {
            Text(text) => self.text.extend_from_slice(text.as_bytes()),
            Quoted(text) => self.add_quoted(text),
            Number(number) => self.text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            Amount(amount) => amount.write_to(&mut self.text).expect(THERE_IS_MEMORY),
            Event(id) => id.write_to(&mut self.text).expect(THERE_IS_MEMORY),
        }
    }

    fn add_quoted(&mut self, text: &str) {
        self.text.put_u8(b'"');
        if text.bytes().any(|byte| matches!(byte, b'\\' | b'"')) {
            self.text.extend_from_slice(text.replace('\\', "\\\\").replace('"', "\\\"").as_bytes());
        } else {
            self.text.extend_from_slice(text.as_bytes());
        }
        self.text.put_u8(b'"');
    }
}

/// What a metered answer tells of the limits it touched.
pub fn add_limits(lines: &mut Lines<'_>, limits: &[LimitState], at: Timestamp) {
    if let Some(tightest) = tightest(limits) {
        add_limit(lines, tightest, at);
    }
}

fn add_limit(lines: &mut Lines<'_>, limit: &LimitState, at: Timestamp) {
    let amount = |value: i64| Decimal::of_meter(limit.meter.as_str(), value);
    let (Some(most), Some(remaining)) = (limit.limit, limit.remaining()) else {
        lines.put(REMAINING_USAGE, &[Text("unlimited")]);
        return;
    };
    lines.put_both([REMAINING_USAGE, REMAINING], &[Amount(amount(remaining))]);
    lines.put(LIMIT, &[Amount(amount(most))]);
    let meter = Quoted(limit.meter.as_str());
    let (most, left) = (Number(amount(most).whole()), Number(amount(remaining).whole()));
    match limit.resets_at {
        Some(resets_at) => {
            lines.put(RESET, &[Number(resets_at.seconds())]);
            let window = Number(resets_at.since(limit.start) / MICROS_PER_SECOND);
            lines.put(IETF_POLICY, &[meter, Text(";q="), most, Text(";w="), window]);
            lines.put(IETF_STATE, &[meter, Text(";r="), left, Text(";t="), Number(seconds_until(resets_at, at))]);
        }
        None => {
            lines.put(IETF_POLICY, &[meter, Text(";q="), most]);
            lines.put(IETF_STATE, &[meter, Text(";r="), left]);
        }
    }
}

/// What a denial tells: the limit in the way, when to come back, and where to get more.
pub fn add_denial(headers: &mut HeaderMap, denied: &Denied) {
    let mut lines = Lines::of(headers);
    if let Some(limit) = &denied.denial.limit {
        add_limit(&mut lines, limit, denied.at);
        if let Some(resets_at) = limit.resets_at {
            let seconds = seconds_until(resets_at, denied.at).max(1);
            lines.put(header::RETRY_AFTER, &[Number(seconds)]);
        }
    }
    if let Some(upgrade_url) = &denied.upgrade_url {
        lines.put(UPGRADE_URL, &[Text(upgrade_url)]);
    }
}

/// What a caller who asks too often is told: so many in a window, and the seconds until the next is let through.
pub fn add_rate_limit(
    headers: &mut HeaderMap,
    now: Timestamp,
    scope: &str,
    (requests, window, retry): (u32, u32, u64),
) {
    let seconds = i64::try_from(retry).unwrap_or(i64::MAX).max(1);
    let (requests, window) = (Number(requests.into()), Number(window.into()));
    let mut lines = Lines::of(headers);
    lines.put(header::RETRY_AFTER, &[Number(seconds)]);
    lines.put(LIMIT, &[requests]);
    lines.put(REMAINING, &[Number(0)]);
    lines.put(RESET, &[Number(now.seconds().saturating_add(seconds))]);
    lines.put(IETF_POLICY, &[Quoted(scope), Text(";q="), requests, Text(";w="), window]);
    lines.put(IETF_STATE, &[Quoted(scope), Text(";r=0;t="), Number(seconds)]);
}

/// The limit with the smallest share left; of equal ones the one that holds longest. Unlimited ones come last.
pub fn tightest<'l>(limits: impl IntoIterator<Item = &'l LimitState>) -> Option<&'l LimitState> {
    limits.into_iter().reduce(|tightest, limit| if is_tighter(limit, tightest) { limit } else { tightest })
}

fn is_tighter(a: &LimitState, b: &LimitState) -> bool {
    let share = |limit: &LimitState| Some((i128::from(limit.remaining()?), i128::from(limit.limit?.max(1))));
    match (share(a), share(b)) {
        (Some((left_a, most_a)), Some((left_b, most_b))) => {
            let (a_share, b_share) = (left_a * most_b, left_b * most_a);
            a_share < b_share || (a_share == b_share && ends(a) > ends(b))
        }
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn ends(limit: &LimitState) -> Timestamp {
    limit.resets_at.unwrap_or(Timestamp::MAX)
}

/// Whole seconds, rounded up.
fn seconds_until(end: Timestamp, at: Timestamp) -> i64 {
    let micros = end.since(at).max(0);
    micros.saturating_add(MICROS_PER_SECOND - 1) / MICROS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use domain::catalog::{LimitScope, Past};
    use domain::name::Name;
    use domain::windows::WindowKind;

    use super::*;

    fn limit(meter: &str, limit: Option<i64>, used: i64, resets_at: Option<i64>) -> LimitState {
        LimitState {
            meter: Name::new(meter),
            scope: LimitScope::Account,
            scope_id: None,
            window: WindowKind::Day,
            start: Timestamp::from_seconds(0),
            resets_at: resets_at.map(Timestamp::from_seconds),
            limit,
            used,
            reserved: 0,
            credited: 0,
            credits_left: 0,
            past: Past::Block,
            observed_only: false,
            denied_status: 429,
            warning_percent: None,
        }
    }

    fn shown(limits: &[LimitState], at: Timestamp) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        add_limits(&mut Lines::of(&mut headers), limits, at);
        let mut shown: Vec<(String, String)> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        shown.sort();
        shown
    }

    #[test]
    fn the_tightest_limit_is_shown_in_three_ways() {
        let limits = [
            limit("requests", Some(100_000_000), 1_000_000, Some(86_400)),
            limit("tokens", Some(10_000_000), 7_500_000, Some(86_400)),
        ];
        let at = Timestamp::from_micros(86_395 * MICROS_PER_SECOND + 1);
        let expected = [
            ("ratelimit", "\"tokens\";r=2;t=5"),
            ("ratelimit-policy", "\"tokens\";q=10;w=86400"),
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "2.5"),
            ("x-ratelimit-reset", "86400"),
            ("x-remaining-usage", "2.5"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(shown(&limits, at), expected);
    }

    #[test]
    fn a_limit_that_never_resets_names_no_time() {
        let shown = shown(&[limit("seats", Some(3_000_000), 5_000_000, None)], Timestamp::EPOCH);
        let names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
        assert!(!names.contains(&"x-ratelimit-reset"));
        assert!(shown.contains(&("ratelimit".into(), "\"seats\";r=0".into())), "{shown:?}");
    }

    #[test]
    fn unlimited_is_said_only_when_everything_is() {
        let unlimited = limit("seats", None, 5_000_000, None);
        assert_eq!(
            shown(std::slice::from_ref(&unlimited), Timestamp::EPOCH),
            [("x-remaining-usage".into(), "unlimited".into())]
        );
        let limits = [unlimited, limit("requests", Some(1_000_000), 0, Some(60))];
        assert_eq!(tightest(&limits).map(|limit| limit.meter.as_str()), Some("requests"));
    }

    #[test]
    fn of_two_limits_used_up_the_longer_one_is_the_tighter() {
        let limits = [
            limit("day", Some(1_000_000), 1_000_000, Some(60)),
            limit("month", Some(5_000_000), 5_000_000, Some(6_000)),
            limit("week", Some(5_000_000), 5_000_000, Some(600)),
        ];
        assert_eq!(tightest(&limits).map(|limit| limit.meter.as_str()), Some("month"));
    }

    #[test]
    fn amounts_are_written_as_they_are_shown_elsewhere() {
        let mut headers = HeaderMap::new();
        let mut lines = Lines::of(&mut headers);
        for value in [0, 1, -1, 10, 999_999, 1_000_000, 2_500_000, -250_000, 123_456_789_012, i64::MAX, i64::MIN] {
            for places in [6, 9] {
                let amount = Decimal { value, places };
                lines.put(LIMIT, &[Amount(amount)]);
                assert_eq!(lines.headers[LIMIT], amount.to_string());
            }
        }
    }

    #[test]
    fn who_asks_too_often_waits_a_second_at_least() {
        let mut headers = HeaderMap::new();
        add_rate_limit(&mut headers, Timestamp::from_seconds(100), "a\"pi", (300, 60, 0));
        assert_eq!(headers[header::RETRY_AFTER], "1");
        assert_eq!(headers[RESET], "101");
        assert_eq!(headers[IETF_POLICY], "\"a\\\"pi\";q=300;w=60");
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_left_out() {
        let at = Timestamp::EPOCH;
        let shown = shown(&[limit("é", Some(3_000_000), 0, None)], at);
        let names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-ratelimit-limit", "x-ratelimit-remaining", "x-remaining-usage"]);
    }
}
