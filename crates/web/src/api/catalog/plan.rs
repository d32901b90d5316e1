//! `GET plans/{id}`: one plan that is sold.

use app::{AppError, catalog};
use axum::extract::State;
use axum::response::Response;
use domain::name::Name;

use super::plans::PlanShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::PathId;
use crate::problem::{Failure, Problems};

/// Show a plan
#[utoipa::path(
    get,
    path = "/api/v1/plans/{id}",
    tag = "catalog",
    security(()),
    params(("id" = String, Path, description = "Its key in the catalog.")),
    responses((status = 200, body = PlanShape), Problems),
)]
pub async fn get_plan(State(state): Shared, PathId(id): PathId<Name>) -> Result<Response, Failure> {
    let list = catalog::list_plans(&state.app).await?;
    let found = list.plans.iter().find(|public| public.plan.key == id);
    let unknown = || AppError::NotFound { what: "plan", name: id.to_string() };
    Ok(answer::ok(&PlanShape::of(found.ok_or_else(unknown)?, list.currency)))
}
