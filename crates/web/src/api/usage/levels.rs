//! `POST usage/levels`: sets storage, seats and other levels to what was observed.

use app::{AppError, metering};
use axum::extract::State;
use axum::response::Response;

use super::{CountedShape, counted};
use crate::api::Shared;
use crate::extract::work::WorkBody;
use crate::extract::{Authenticated, JsonBody, KeyHeader};
use crate::problem::{Failure, Problems};

/// Set levels
///
/// The quantities are the new levels of meters of kind `level`. Never denied; a reading observed before the last one is
/// ignored.
#[utoipa::path(
    post,
    path = "/api/v1/usage/levels",
    tag = "usage",
    request_body = WorkBody,
    responses((status = 200, body = CountedShape), Problems),
)]
pub async fn set_levels(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    KeyHeader(key): KeyHeader,
    JsonBody(body): JsonBody<WorkBody>,
) -> Result<Response, Failure> {
    let account = body.work.account()?;
    if body.work.meter.is_some() && body.work.quantity.is_none() {
        return Err(AppError::invalid("quantity", "`quantity` is missing: say what the level is.").into());
    }
    let work = body.work.into_work(key.as_deref(), "levels", &[])?;
    counted(&state, metering::levels::set_levels(&state.app, &caller, &account, work).await?).await
}
