//! What operators do with rate limits: see how somebody stands, and let them go on at once.

use domain::catalog::RateLimit;
use domain::name::Name;

use super::{Identity, whole_seconds};
use crate::identity::scopes;
use crate::{App, AppError, Caller};

/// How somebody stands with one rate limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    pub scope: Name,
    pub requests: u32,
    pub window_seconds: u32,
    /// Of the last window. More than `requests` where the rate was lowered meanwhile.
    pub used: u32,
    /// Seconds until all of it is over, rounded up.
    pub reset_seconds: u64,
}

/// Every rate limit that an identity is held to, or the one of this scope.
pub async fn show_rate_limits(
    app: &App,
    caller: &Caller,
    identity: &Identity,
    scope: Option<&Name>,
) -> Result<Vec<Standing>, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(scopes::OPERATIONS_READ)?;
    let limits = limits_of(app, identity, scope).await?;
    let named: Vec<(&str, RateLimit)> = limits.iter().map(|(scope, limit)| (scope.as_str(), *limit)).collect();
    let found = app.rate_limits.standing(&named, &identity.to_string(), app.now()).await;
    let shown = limits.iter().zip(found).map(|((scope, limit), (used, free_in_micros))| Standing {
        scope: scope.clone(),
        requests: limit.requests,
        window_seconds: limit.window_seconds,
        used,
        reset_seconds: whole_seconds(free_in_micros),
    });
    Ok(shown.collect())
}

/// Forgets what was counted for an identity, in every scope or in this one. Without Redis that is on this node.
pub async fn clear_rate_limits(
    app: &App,
    caller: &Caller,
    identity: &Identity,
    scope: Option<&Name>,
) -> Result<(), AppError> {
    caller.must_operate()?;
    caller.must_have_scope(scopes::OPERATIONS_WRITE)?;
    let limits = limits_of(app, identity, scope).await?;
    let scopes: Vec<&str> = limits.iter().map(|(scope, _)| scope.as_str()).collect();
    app.rate_limits.clear(&scopes, &identity.to_string()).await;
    tracing::info!(?scopes, "rate limits were cleared");
    Ok(())
}

/// The limits by scope: an account's are its plan's, anybody else's the catalog's base rates.
async fn limits_of(app: &App, identity: &Identity, scope: Option<&Name>) -> Result<Vec<(Name, RateLimit)>, AppError> {
    let plans = app.plans().await?;
    let base = &plans.catalog.rates;
    let plan = match identity {
        Identity::Account(account) => app.ledger.terms(*account).await?.ok_or(AppError::AccountUnknown)?.plan.clone(),
        Identity::Address(_) | Identity::SignInName(_) => None,
    };
    let mut names: Vec<&Name> = base.keys().chain(plan.iter().flat_map(|plan| plan.rates.keys())).collect();
    names.sort();
    names.dedup();
    let limit_of = |name: &Name| match &plan {
        Some(plan) => plan.rate_limit(name.as_str(), base),
        None => base.get(name).copied(),
    };
    let limits: Vec<(Name, RateLimit)> = names
        .into_iter()
        .filter(|name| scope.is_none_or(|scope| scope == *name))
        .filter_map(|name| Some((name.clone(), limit_of(name)?)))
        .collect();
    match scope {
        Some(scope) if limits.is_empty() => Err(AppError::NotFound { what: "rate limit", name: scope.to_string() }),
        _ => Ok(limits),
    }
}
