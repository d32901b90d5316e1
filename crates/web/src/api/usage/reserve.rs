//! `POST usage/reservations`: holds an estimate until the work is done.

use app::AppError;
use app::metering::{self, Hold};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ledger::OnExpiry;
use domain::name::Name;
use serde::Deserialize;
use serde::de::MapAccess;
use utoipa::ToSchema;

use super::hold_to_rate;
use crate::answer::{self, Time};
use crate::api::Shared;
use crate::api::shapes::{self, LimitShape, WarningShape};
use crate::extract::fields::{Count, Word};
use crate::extract::work::{Fields, Worked, take};
use crate::extract::{Authenticated, JsonBody, KeyHeader};
use crate::problem::{Failure, Problems};

const DEFAULT_TTL_SECONDS: u32 = 600;
const LONGEST_TTL_SECONDS: u64 = 86_400;

/// How a reservation is held.
#[derive(Debug, Default, ToSchema)]
#[schema(as = HoldBody)]
pub struct HoldFields {
    /// After so many seconds it settles itself.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 86_400, default = 600)]
    pub ttl_seconds: Option<Count>,
    /// What happens then: `release` gives it back, `commit` books the estimate.
    #[schema(inline)]
    pub on_expiry: Option<OnExpiryName>,
    /// The rate limit to hold the account to. A service key is otherwise exempt.
    #[schema(inline)]
    pub rate_scope: Option<Word>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiryName {
    Release,
    Commit,
}

/// The body of a reservation.
pub type HoldBody = Worked<HoldFields>;

impl Fields for HoldFields {
    const NAMES: &'static [&'static str] = &["ttl_seconds", "on_expiry", "rate_scope"];

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "ttl_seconds" => take(&mut self.ttl_seconds, name, map),
            "on_expiry" => take(&mut self.on_expiry, name, map),
            "rate_scope" => take(&mut self.rate_scope, name, map),
            _ => return Ok(false),
        }?;
        Ok(true)
    }
}

impl HoldFields {
    fn hold(&self) -> Result<Hold, AppError> {
        let ttl_seconds = match self.ttl_seconds {
            None => DEFAULT_TTL_SECONDS,
            Some(Count(seconds @ 1..=LONGEST_TTL_SECONDS)) => u32::try_from(seconds).unwrap_or(u32::MAX),
            Some(_) => {
                let message = format!("`ttl_seconds` is not between 1 and {LONGEST_TTL_SECONDS}.");
                return Err(AppError::invalid("ttl_seconds", message));
            }
        };
        let on_expiry = match self.on_expiry {
            None => OnExpiry::default(),
            Some(OnExpiryName::Release) => OnExpiry::Release,
            Some(OnExpiryName::Commit) => OnExpiry::Commit,
        };
        Ok(Hold { ttl_seconds, on_expiry })
    }
}

/// An estimate that is held.
#[derive(ToSchema)]
#[schema(as = Reserved)]
pub struct ReservedShape {
    #[schema(example = "rsv_01k…")]
    pub reservation: String,
    pub replayed: bool,
    pub expires_at: Time,
    pub plan: Option<String>,
    pub limits: Vec<LimitShape>,
    pub warnings: Vec<WarningShape>,
}

/// Hold usage, if it fits
///
/// Commit with what was really used, or release. A reservation nobody settles settles itself.
#[utoipa::path(
    post,
    path = "/api/v1/usage/reservations",
    tag = "usage",
    request_body = HoldBody,
    responses((status = 201, body = ReservedShape), Problems),
)]
pub async fn reserve(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    KeyHeader(key): KeyHeader,
    JsonBody(body): JsonBody<HoldBody>,
) -> Result<Response, Failure> {
    let account = body.work.account()?;
    let hold = body.own.hold()?;
    let held_as = [("ttl_seconds", hold.ttl_seconds.to_string()), ("on_expiry", hold.on_expiry.as_str().to_owned())];
    let work = body.work.into_work(key.as_deref(), "reserve", &held_as)?;
    hold_to_rate(&state, &caller, &account, body.own.rate_scope.as_ref()).await?;
    let reserved = metering::reserve::reserve(&state.app, &caller, &account, work, hold).await?;
    let body = answer::object(|json| {
        json.plain("reservation", Some(reserved.reservation));
        json.boolean("replayed", reserved.replayed);
        json.plain("expires_at", Some(reserved.expires_at));
        json.text("plan", reserved.plan.as_ref().map(Name::as_str));
        shapes::put_limits(json, &reserved.limits);
        shapes::put_warnings(json, &reserved.limits);
    });
    Ok(shapes::metered(StatusCode::CREATED, body, &reserved.limits, (reserved.at, reserved.replayed)))
}
