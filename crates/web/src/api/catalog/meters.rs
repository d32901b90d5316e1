//! `GET meters`: what is counted.

use axum::extract::State;
use axum::response::Response;
use domain::catalog::{Feed, MeterKind};
use domain::name::Name;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{self, Page};
use crate::api::Shared;
use crate::problem::{Failure, Problems};

/// A named quantity.
#[derive(Serialize, ToSchema)]
#[schema(as = Meter)]
pub struct MeterShape {
    #[schema(value_type = String, example = "requests")]
    id: Name,
    /// `sum` adds up window by window; `level` goes up and down and never resets.
    #[schema(example = "sum")]
    kind: &'static str,
    unit: String,
    /// What moves it when a call names no quantity for it.
    #[schema(example = "named")]
    feed: &'static str,
}

/// List meters
#[utoipa::path(
    get,
    path = "/api/v1/meters",
    tag = "catalog",
    security(()),
    responses((status = 200, body = Page<MeterShape>), Problems),
)]
pub async fn list_meters(State(state): Shared) -> Result<Response, Failure> {
    let plans = state.app.plans().await?;
    let meters = plans.catalog.meters.iter().map(|(name, meter)| MeterShape {
        id: name.clone(),
        kind: match meter.kind {
            MeterKind::Sum => "sum",
            MeterKind::Level => "level",
        },
        unit: meter.unit.clone(),
        feed: match meter.feed {
            Feed::Named => "named",
            Feed::Requests => "requests",
            Feed::TotalTokens => "total_tokens",
            Feed::PromptTokens => "prompt_tokens",
            Feed::CompletionTokens => "completion_tokens",
            Feed::Voice => "voice",
            Feed::Cost => "cost",
        },
    });
    Ok(answer::ok(&Page { data: meters.collect(), next_cursor: None }))
}
