//! `POST noop`: what a request costs before anything is counted. Mounted for measuring alone.

use axum::response::Response;

use crate::answer;
use crate::extract::{Authenticated, JsonBody};
use crate::problem::Failure;

use super::usage::CallBody;

/// Authenticates and reads the body of a consume, and answers nothing.
pub async fn noop(Authenticated(_): Authenticated, JsonBody(_): JsonBody<CallBody>) -> Result<Response, Failure> {
    Ok(answer::ok(&serde_json::Map::new()))
}
