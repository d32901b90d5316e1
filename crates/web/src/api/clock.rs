//! `admin/clock`: the clock of a development server, which can be moved forward; everything follows.

use app::AppError;
use app::development_clock::{self, Move};
use axum::extract::State;
use axum::response::Response;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use crate::WebState;
use crate::answer::{self, Time, Written};
use crate::extract::fields::{self, Count};
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{EdgeError, Failure, Problems};

/// The time it is for this server.
#[derive(Serialize, ToSchema)]
pub struct Clock {
    now: Time,
    /// How far it was moved ahead of the wall clock.
    ahead_seconds: i64,
}

/// One of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockBody {
    #[schema(inline)]
    advance_seconds: Option<Count>,
    #[schema(inline)]
    now: Option<fields::Time>,
}

/// Show the clock
///
/// In development only. For service keys.
#[utoipa::path(
    get,
    path = "/api/v1/admin/clock",
    tag = "admin",
    responses((status = 200, body = Clock), Problems),
)]
pub async fn get_clock(State(state): Shared, Authenticated(caller): Authenticated) -> Result<Response, Failure> {
    must_be_development(&state)?;
    caller.must_operate()?;
    Ok(shown(&state, state.app.now()))
}

/// Move the clock forward
///
/// Resets, expiries and everything else that goes by time follow. In development only. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/admin/clock",
    tag = "admin",
    request_body = ClockBody,
    responses((status = 200, body = Clock), Problems),
)]
pub async fn move_clock(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<ClockBody>,
) -> Result<Response, Failure> {
    must_be_development(&state)?;
    let to = match (body.advance_seconds, body.now) {
        (Some(Count(seconds)), None) => Move::BySeconds(seconds),
        (None, Some(time)) => Move::To(time.0),
        _ => {
            let message = "Say how far with `advance_seconds`, or to when with `now`.";
            return Err(AppError::invalid("advance_seconds", message).into());
        }
    };
    let now = development_clock::move_clock(&state.app, &caller, to).await?;
    Ok(shown(&state, now))
}

/// Outside of development there is no such address.
fn must_be_development(state: &WebState) -> Result<(), Failure> {
    if state.app.settings.development { Ok(()) } else { Err(EdgeError::NoSuchRoute.into()) }
}

fn shown(state: &WebState, now: Timestamp) -> Response {
    let ahead_seconds = state.app.clock().offset_micros() / MICROS_PER_SECOND;
    answer::ok(&Clock { now: Written(now), ahead_seconds })
}
