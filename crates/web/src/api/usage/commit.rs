//! `POST usage/reservations/{id}/commit`: settles a reservation with what was really used.

use app::{AccountRef, AppError, metering};
use axum::extract::State;
use axum::response::Response;
use domain::ids::ReservationId;

use super::{CountedShape, counted};
use crate::api::Shared;
use crate::extract::work::WorkBody;
use crate::extract::{Authenticated, JsonBodyOrNone, KeyHeader, PathId};
use crate::problem::{Failure, Problems};

/// Settle a reservation
///
/// With the actual usage, or without any to book what was held. It may be more than was held, and shows that it was.
/// Twice is the first outcome.
#[utoipa::path(
    post,
    path = "/api/v1/usage/reservations/{id}/commit",
    tag = "usage",
    params(("id" = String, Path, description = "`rsv_…`")),
    request_body = Option<WorkBody>,
    responses((status = 200, body = CountedShape), Problems),
)]
pub async fn commit(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<ReservationId>,
    KeyHeader(key): KeyHeader,
    JsonBodyOrNone(body): JsonBodyOrNone<WorkBody>,
) -> Result<Response, Failure> {
    if body.work.account()? != AccountRef::Own {
        let message = "A reservation knows its account; leave `account` and `external_id` out.";
        return Err(AppError::invalid("account", message).into());
    }
    let work = body.work.into_work(key.as_deref(), "commit", &[("reservation", id.to_string())])?;
    counted(&state, metering::reserve::commit(&state.app, &caller, id, work).await?).await
}
