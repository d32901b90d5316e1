//! `POST usage/reservations/{id}/release`: gives a reservation back.

use app::metering;
use axum::extract::State;
use axum::response::Response;
use domain::ids::ReservationId;

use super::{CountedShape, counted};
use crate::api::Shared;
use crate::extract::{Authenticated, JsonBodyOrNone, PathId};
use crate::problem::{Failure, Problems};

/// Takes no fields.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBody {}

/// Give a reservation back
///
/// Twice is the first outcome.
#[utoipa::path(
    post,
    path = "/api/v1/usage/reservations/{id}/release",
    tag = "usage",
    params(("id" = String, Path, description = "`rsv_…`")),
    request_body = Option<ReleaseBody>,
    responses((status = 200, body = CountedShape), Problems),
)]
pub async fn release(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<ReservationId>,
    JsonBodyOrNone(ReleaseBody {}): JsonBodyOrNone<ReleaseBody>,
) -> Result<Response, Failure> {
    counted(&state, metering::reserve::release(&state.app, &caller, id).await?).await
}
