//! `POST usage/events/{id}/reverse`: voids an event, or corrects what it counted.

use app::metering;
use axum::extract::State;
use axum::response::Response;
use domain::ids::EventId;
use utoipa::ToSchema;

use super::{CountedShape, counted};
use crate::api::Shared;
use crate::extract::fields::{Exact, Text, Word};
use crate::extract::work::{MeterQuantity, usage};
use crate::extract::{Authenticated, JsonBody, PathId};
use crate::problem::{Failure, Problems};

/// Why, and what counts instead.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReverseBody {
    /// Kept with the event.
    #[schema(value_type = String, min_length = 1, max_length = 500, pattern = r"^[^\u0000]*$")]
    reason: Text<1, 500>,
    #[schema(inline)]
    meter: Option<Word>,
    #[schema(inline)]
    quantity: Option<Exact>,
    /// What counts instead, meter by meter. Nothing: the event is void.
    usage: Option<Vec<MeterQuantity>>,
}

/// Void or correct an event
///
/// What it counted is taken back in the windows it counted in; the original stays. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/usage/events/{id}/reverse",
    tag = "usage",
    params(("id" = String, Path, description = "`evt_…`")),
    request_body = ReverseBody,
    responses((status = 200, body = CountedShape), Problems),
)]
pub async fn reverse(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<EventId>,
    JsonBody(body): JsonBody<ReverseBody>,
) -> Result<Response, Failure> {
    let corrected = usage(body.meter, body.quantity, body.usage)?;
    counted(&state, metering::reverse::reverse(&state.app, &caller, id, corrected, body.reason.0).await?).await
}
