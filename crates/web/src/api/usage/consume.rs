//! `POST usage/consume`: checks and counts in one step. Whoever gets a 200 has been counted on disk.

use app::metering;
use axum::extract::State;
use axum::response::Response;

use super::{CallBody, CountedShape, counted, hold_to_rate};
use crate::api::Shared;
use crate::extract::{Authenticated, JsonBody, KeyHeader};
use crate::problem::{Failure, Problems};

/// Count usage, if it fits
///
/// Checks every limit and counts, all or none. A denial counts nothing.
#[utoipa::path(
    post,
    path = "/api/v1/usage/consume",
    tag = "usage",
    request_body = CallBody,
    responses((status = 200, body = CountedShape), Problems),
)]
pub async fn consume(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    KeyHeader(key): KeyHeader,
    JsonBody(body): JsonBody<CallBody>,
) -> Result<Response, Failure> {
    let account = body.work.account()?;
    let work = body.work.into_work(key.as_deref(), "consume", &[])?;
    hold_to_rate(&state, &caller, &account, body.own.rate_scope.as_ref()).await?;
    counted(&state, metering::consume::consume(&state.app, &caller, &account, work).await?).await
}
