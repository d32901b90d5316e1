//! `GET admin/jobs`: the jobs of one state, newest first, a page at a time.

use app::AppError;
use app::jobs::{self, JobState};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::JobShape;
use crate::answer::{self, Page};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

const DEFAULT_PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Those of this state; `failed` where it is left out.
    #[param(inline)]
    state: Option<JobStateName>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Text<1, 255>>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum JobStateName {
    Ready,
    Running,
    Failed,
}

/// List jobs
///
/// Those that were given up, unless another state is named; the newest first. For service keys.
#[utoipa::path(
    get,
    path = "/api/v1/admin/jobs",
    tag = "admin",
    params(JobsQuery),
    responses((status = 200, body = Page<JobShape>), Problems),
)]
pub async fn list_jobs(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<JobsQuery>,
) -> Result<Response, Failure> {
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(AppError::invalid("limit", format!("`limit` is not between 1 and {LONGEST_PAGE}.")).into());
    }
    let of = match query.state {
        Some(JobStateName::Ready) => JobState::Ready,
        Some(JobStateName::Running) => JobState::Running,
        Some(JobStateName::Failed) | None => JobState::Failed,
    };
    let cursor = query.cursor.as_ref().map(|text| text.0.as_str());
    let page = jobs::list_jobs(&state.app, &caller, of, cursor, limit).await?;
    let data = page.jobs.into_iter().map(JobShape::from).collect();
    Ok(answer::ok(&Page { data, next_cursor: page.next_cursor }))
}
