//! `POST admin/jobs/{id}/retry`: runs a job again that was given up.

use app::jobs;
use axum::extract::State;
use axum::response::Response;
use domain::ids::JobId;

use super::JobShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::{Authenticated, PathId};
use crate::problem::{Failure, Problems};

/// Retry a job
///
/// It is begun at once and has all its attempts again. Only a job that is `failed` can be retried. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/admin/jobs/{id}/retry",
    tag = "admin",
    params(("id" = String, Path, description = "`job_…`")),
    responses((status = 200, body = JobShape), Problems),
)]
pub async fn retry_job(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<JobId>,
) -> Result<Response, Failure> {
    let job = jobs::retry_job(&state.app, &caller, id).await?;
    Ok(answer::ok(&JobShape::from(job)))
}
