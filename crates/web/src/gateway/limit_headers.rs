//! What is left, in the headers that the providers' clients know: `x-ratelimit-*-requests` and `x-ratelimit-*-tokens`.

use app::App;
use app::rate_limits::Allowance;
use axum::http::HeaderName;
use domain::catalog::Feed;
use domain::ledger::LimitState;
use domain::time::MICROS_PER_SECOND;

use crate::answer::Decimal;
use crate::headers::Part::{Number, Text};
use crate::headers::{Lines, tightest};

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Of the limits on requests and on tokens the tightest each. Where no quota limits requests, the rate does.
pub async fn add(lines: &mut Lines<'_>, app: &App, (limits, allowance): (&[LimitState], Option<&Allowance>)) {
    let Ok(plans) = app.plans().await else { return };
    let meters = &plans.catalog.meters;
    let tightest_of = |feed: &[Feed]| {
        let is_fed = |limit: &&LimitState| meters.get(&limit.meter).is_some_and(|meter| feed.contains(&meter.feed));
        tightest(limits.iter().filter(is_fed).filter(|limit| limit.limit.is_some()))
    };
    let now = app.now();
    let show = |lines: &mut Lines<'_>, names: &[HeaderName; 3], limit: &LimitState| {
        let whole = |amount: i64| Decimal::of_meter(limit.meter.as_str(), amount).whole();
        let (Some(most), Some(left)) = (limit.limit, limit.remaining()) else { return };
        lines.put(names[0].clone(), &[Number(whole(most))]);
        lines.put(names[1].clone(), &[Number(whole(left))]);
        if let Some(resets_at) = limit.resets_at {
            let seconds = resets_at.since(now).max(0) / MICROS_PER_SECOND;
            lines.put(names[2].clone(), &[Number(seconds), Text("s")]);
        }
    };
    match (tightest_of(&[Feed::Requests]), allowance) {
        (Some(limit), _) => show(lines, &REQUESTS, limit),
        (None, Some(allowance)) => {
            lines.put(REQUESTS[0].clone(), &[Number(allowance.requests.into())]);
            lines.put(REQUESTS[1].clone(), &[Number(allowance.remaining.into())]);
            let seconds = i64::try_from(allowance.reset_seconds).unwrap_or(i64::MAX);
            lines.put(REQUESTS[2].clone(), &[Number(seconds), Text("s")]);
        }
        (None, None) => {}
    }
    if let Some(limit) = tightest_of(&[Feed::TotalTokens, Feed::PromptTokens, Feed::CompletionTokens]) {
        show(lines, &TOKENS, limit);
    }
}
