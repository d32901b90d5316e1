//! What the benchmark calls: filling the database, and the usual way of counting quotas to compare with. Mounted only on a
//! server that was started for it; described nowhere else.

use std::sync::Arc;

use app::{AppError, benchmark};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use domain::catalog::LimitScope;
use domain::entitlements::{LimitOverride, Overrides};
use domain::ids::AccountId;
use domain::name::Name;
use domain::windows::WindowKind;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Shared;
use crate::WebState;
use crate::answer::{json, ok};
use crate::extract::Authenticated;
use crate::problem::Failure;

pub fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/api/v1/benchmark/seed", post(seed))
        .route("/api/v1/benchmark/checkpoint", post(checkpoint))
        .route("/api/v1/benchmark/clear", post(clear))
        .route("/api/v1/benchmark/unlimited", post(unlimited))
        .route("/api/v1/benchmark/reference", post(reference))
}

#[derive(Deserialize)]
struct Seed {
    accounts_from: i64,
    accounts_to: i64,
    events_from: i64,
    events_to: i64,
}

#[derive(Deserialize)]
struct Counted {
    account: String,
    limit: i64,
}

#[derive(Deserialize)]
struct Named {
    account: String,
}

async fn seed(State(state): Shared, Authenticated(caller): Authenticated, body: Bytes) -> Result<Response, Failure> {
    caller.must_operate()?;
    let seed: Seed = read(&body)?;
    benchmark::seed_accounts(&state.app, seed.accounts_from, seed.accounts_to).await?;
    benchmark::seed_events(&state.app, seed.events_from, seed.events_to, seed.accounts_to).await?;
    Ok(ok(&()))
}

async fn checkpoint(State(state): Shared, Authenticated(caller): Authenticated) -> Result<Response, Failure> {
    caller.must_operate()?;
    benchmark::checkpoint(&state.app).await?;
    Ok(ok(&()))
}

async fn clear(State(state): Shared, Authenticated(caller): Authenticated) -> Result<Response, Failure> {
    caller.must_operate()?;
    benchmark::clear_counters(&state.app).await?;
    Ok(ok(&()))
}

/// Lifts an account's limit on requests, so that one account can take a whole run.
async fn unlimited(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    body: Bytes,
) -> Result<Response, Failure> {
    let named: Named = read(&body)?;
    let account = AccountId::parse(&named.account).ok_or(AppError::AccountUnknown)?;
    let lifted = LimitOverride {
        meter: Name::new("requests"),
        per: WindowKind::Period,
        each: LimitScope::Account,
        amount: None,
        past: None,
    };
    let overrides = Overrides { limits: vec![lifted], ..Overrides::default() };
    app::billing::put_overrides(&state.app, &caller, &app::AccountRef::Id(account), overrides).await?;
    Ok(ok(&()))
}

async fn reference(State(state): Shared, Authenticated(_): Authenticated, body: Bytes) -> Result<Response, Failure> {
    let Counted { account, limit } = read(&body)?;
    let allowed = benchmark::read_compare_write(&state.app, account, limit).await?;
    let status = if allowed { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS };
    Ok(json(status, &serde_json::json!({ "allowed": allowed })))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| crate::problem::EdgeError::MalformedJson(error.to_string()).into())
}
