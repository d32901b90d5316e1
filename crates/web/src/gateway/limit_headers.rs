//! What is left, in the headers that the providers' clients know: `x-ratelimit-*-requests` and `x-ratelimit-*-tokens`.

use app::App;
use app::rate_limits::Allowance;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use domain::catalog::Feed;
use domain::ledger::LimitState;
use domain::time::MICROS_PER_SECOND;

use crate::answer::Decimal;
use crate::headers::{self, tightest};

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
pub async fn add(headers: &mut HeaderMap, app: &App, (limits, allowance): (&[LimitState], Option<&Allowance>)) {
    let Ok(plans) = app.plans().await else { return };
    let meters = &plans.catalog.meters;
    let tightest_of = |feed: &[Feed]| {
        let is_fed = |limit: &&LimitState| meters.get(&limit.meter).is_some_and(|meter| feed.contains(&meter.feed));
        tightest(limits.iter().filter(is_fed).filter(|limit| limit.limit.is_some()))
    };
    let now = app.now();
    let show = |headers: &mut HeaderMap, names: &[HeaderName; 3], limit: &LimitState| {
        let whole = |amount: i64| Decimal::of_meter(limit.meter.as_str(), amount).whole();
        let (Some(most), Some(left)) = (limit.limit, limit.remaining()) else { return };
        headers.insert(&names[0], HeaderValue::from(whole(most)));
        headers.insert(&names[1], HeaderValue::from(whole(left)));
        if let Some(resets_at) = limit.resets_at {
            let seconds = resets_at.since(now).max(0) / MICROS_PER_SECOND;
            headers::put(headers, names[2].clone(), &format!("{seconds}s"));
        }
    };
    match (tightest_of(&[Feed::Requests]), allowance) {
        (Some(limit), _) => show(headers, &REQUESTS, limit),
        (None, Some(allowance)) => {
            headers.insert(&REQUESTS[0], HeaderValue::from(allowance.requests));
            headers.insert(&REQUESTS[1], HeaderValue::from(allowance.remaining));
            headers::put(headers, REQUESTS[2].clone(), &format!("{}s", allowance.reset_seconds));
        }
        (None, None) => {}
    }
    if let Some(limit) = tightest_of(&[Feed::TotalTokens, Feed::PromptTokens, Feed::CompletionTokens]) {
        show(headers, &TOKENS, limit);
    }
}
