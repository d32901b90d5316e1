//! How fast one caller may ask: so many requests in any stretch of so many seconds, by scope.
//!
//! The rate comes from the plan, or the catalog's base rate times the plan's multiplier. Counted in this process, or in
//! Redis for all nodes where one is configured; see [`counting`] for what happens when Redis is away. What is sold exactly
//! is a quota, and the ledger's. Start at [`hold_account`], and at [`hold_anyone`] for callers without an account.

mod counting;
mod identity;
mod in_memory;
mod operate;

use domain::catalog::RateLimit;
use domain::ids::AccountId;
use domain::name::Name;
use domain::plain::Plain;
use domain::time::MICROS_PER_SECOND;

pub use counting::RateLimits;
pub use identity::Identity;
pub use operate::{Standing, clear_rate_limits, show_rate_limits};

use crate::{App, AppError};

/// What a caller has left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowance {
    pub scope: Name,
    pub requests: u32,
    pub window_seconds: u32,
    pub remaining: u32,
    /// Seconds until everything is free again, rounded up.
    pub reset_seconds: u64,
}

/// Whether a request was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Counted {
    Counted { remaining: u32 },
    Refused { wait_micros: i64 },
}

/// Holds one account to its plan's rate for a scope. `Ok(None)`: the scope is not limited.
///
/// # Errors
/// [`AppError::RateLimited`] past the rate. What is refused is not counted.
pub async fn hold_account(app: &App, account: AccountId, scope: &str) -> Result<Option<Allowance>, AppError> {
    let terms = app.ledger.terms(account).await?.ok_or(AppError::AccountUnknown)?;
    let plans = app.plans().await?;
    let base = &plans.catalog.rates;
    let limit = match &terms.plan {
        Some(plan) => plan.rate_limit(scope, base),
        None => base.get(scope).copied(),
    };
    let Some(limit) = limit else { return Ok(None) };
    let counted = app.rate_limits.take(limit, scope, &[&account.to_text()], app.now()).await;
    allowance(limit, scope, counted).map(Some)
}

/// Holds whoever asks without an account to the catalog's base rate, under each of the identities they are known by: an
/// address, the name they want to sign in with. One that is past the rate is enough to refuse. `Ok(None)`: the scope is
/// not limited.
///
/// # Errors
/// [`AppError::RateLimited`] past the rate. What is refused is counted for none.
pub async fn hold_anyone(app: &App, scope: &str, identities: &[Identity]) -> Result<Option<Allowance>, AppError> {
    let plans = app.plans().await?;
    match plans.catalog.rates.get(scope).copied() {
        Some(limit) => take(app, scope, identities, limit).await.map(Some),
        None => Ok(None),
    }
}

/// As [`hold_anyone`], for what must never go unlimited: where the catalog has no rate for the scope, `otherwise` holds.
///
/// # Errors
/// [`AppError::RateLimited`] past the rate.
pub async fn hold_anyone_or(
    app: &App,
    scope: &str,
    identities: &[Identity],
    otherwise: RateLimit,
) -> Result<Allowance, AppError> {
    let limit = app.plans().await?.catalog.rates.get(scope).copied();
    take(app, scope, identities, limit.unwrap_or(otherwise)).await
}

async fn take(app: &App, scope: &str, identities: &[Identity], limit: RateLimit) -> Result<Allowance, AppError> {
    let texts: Vec<String> = identities.iter().map(Identity::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let counted = app.rate_limits.take(limit, scope, &texts, app.now()).await;
    allowance(limit, scope, counted)
}

fn allowance(limit: RateLimit, scope: &str, counted: Counted) -> Result<Allowance, AppError> {
    let RateLimit { requests, window_seconds } = limit;
    let scope = Name::new(scope);
    match counted {
        // The last request to be over is this one.
        Counted::Counted { remaining } => {
            Ok(Allowance { scope, requests, window_seconds, remaining, reset_seconds: window_seconds.into() })
        }
        Counted::Refused { wait_micros } => {
            let retry_after_seconds = whole_seconds(wait_micros).max(1);
            Err(AppError::RateLimited { scope, requests, window_seconds, retry_after_seconds })
        }
    }
}

/// Rounded up.
fn whole_seconds(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0).div_ceil(MICROS_PER_SECOND as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_is_told_to_wait_whole_seconds_and_never_none() {
        let limit = RateLimit { requests: 5, window_seconds: 60 };
        for (wait_micros, seconds) in [(49_500_000, 50), (1, 1), (0, 1)] {
            let refused = allowance(limit, "api", Counted::Refused { wait_micros });
            let told = matches!(refused, Err(AppError::RateLimited { retry_after_seconds, .. }) if retry_after_seconds == seconds);
            assert!(told, "{refused:?}");
        }
    }
}
