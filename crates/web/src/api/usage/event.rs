//! `GET usage/events/{id}`: one event as it was counted.

use app::metering;
use axum::extract::State;
use axum::response::Response;
use domain::ids::EventId;
use domain::name::Name;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{self, Decimal, Time, Written};
use crate::api::Shared;
use crate::extract::{Authenticated, PathId};
use crate::problem::{Failure, Problems};

/// What one meter was moved by.
#[derive(Serialize, ToSchema)]
#[schema(as = MovedMeter)]
pub struct MovedShape {
    #[schema(value_type = String, example = "requests")]
    meter: Name,
    quantity: Decimal,
}

/// An event. It never changes, but for being reversed.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageEvent)]
pub struct EventShape {
    #[schema(value_type = String, example = "evt_01k…")]
    event: Written<EventId>,
    #[schema(value_type = String, example = "acct_01k…")]
    account: Written<domain::ids::AccountId>,
    /// `consume`, `commit`, `record`, ….
    #[schema(example = "consume")]
    action: String,
    /// When it was counted.
    at: Time,
    /// When the work was done.
    occurred_at: Time,
    late: bool,
    over_limit: bool,
    #[schema(value_type = Option<String>)]
    model: Option<Name>,
    usage: Vec<MovedShape>,
    /// Key, user, tokens, where the counts come from (`reported` or `estimated`), price, cost in billionths of a dollar,
    /// and context, as they were then.
    #[schema(value_type = Object)]
    details: serde_json::Value,
    /// The event that voided or corrected it.
    #[schema(value_type = Option<String>)]
    reversed_by: Option<Written<EventId>>,
}

/// Show an event
///
/// As it was counted, with the price it was made with.
#[utoipa::path(
    get,
    path = "/api/v1/usage/events/{id}",
    tag = "usage",
    params(("id" = String, Path, description = "`evt_…`")),
    responses((status = 200, body = EventShape), Problems),
)]
pub async fn get_event(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<EventId>,
) -> Result<Response, Failure> {
    let kept = metering::show_event::show_event(&state.app, &caller, id).await?;
    let usage = kept.amounts.into_iter().map(|moved| MovedShape {
        quantity: Decimal::of_meter(moved.meter.as_str(), moved.amount),
        meter: moved.meter,
    });
    Ok(answer::ok(&EventShape {
        event: Written(kept.id),
        account: Written(kept.id.account),
        action: kept.action,
        at: Written(kept.at),
        occurred_at: Written(kept.occurred_at),
        late: kept.late,
        over_limit: kept.over_limit,
        model: kept.model,
        usage: usage.collect(),
        details: kept.details,
        reversed_by: kept.reversed_by.map(Written),
    }))
}
