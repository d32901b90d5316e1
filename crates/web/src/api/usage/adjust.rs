//! `POST usage/adjustments`: gives usage back, or adds some, with a reason.

use app::{AppError, metering};
use axum::extract::State;
use axum::response::Response;
use serde::de::MapAccess;
use utoipa::ToSchema;

use super::{CountedShape, counted};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::{Fields, Worked, take};
use crate::extract::{Authenticated, JsonBody, KeyHeader};
use crate::problem::{Failure, Problems};

/// Why usage is adjusted.
#[derive(Debug, Default, ToSchema)]
#[schema(as = AdjustBody)]
pub struct ReasonFields {
    /// Kept with the event.
    #[schema(value_type = String, min_length = 1, max_length = 500, pattern = r"^[^\u0000]*$")]
    pub reason: Option<Text<1, 500>>,
}

/// The body of an adjustment.
pub type AdjustBody = Worked<ReasonFields>;

impl Fields for ReasonFields {
    const NAMES: &'static [&'static str] = &["reason"];

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "reason" => take(&mut self.reason, name, map).map(|()| true),
            _ => Ok(false),
        }
    }
}

/// Adjust usage
///
/// Negative quantities give back in the open windows, never below zero; positive ones add. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/usage/adjustments",
    tag = "usage",
    request_body = AdjustBody,
    responses((status = 200, body = CountedShape), Problems),
)]
pub async fn adjust(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    KeyHeader(key): KeyHeader,
    JsonBody(body): JsonBody<AdjustBody>,
) -> Result<Response, Failure> {
    caller.must_operate()?;
    let account = body.work.account()?;
    let missing = || AppError::invalid("reason", "`reason` is missing: say why usage is adjusted.");
    let reason = body.own.reason.ok_or_else(missing)?.0;
    let work = body.work.into_work(key.as_deref(), "adjust", &[("reason", reason.clone())])?;
    counted(&state, metering::adjust::adjust(&state.app, &caller, &account, work, reason).await?).await
}
