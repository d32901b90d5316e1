//! `me/sessions`: the devices that are signed in.

use app::identity::{self, Session};
use axum::extract::State;
use axum::response::Response;
use domain::ids::SessionId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{self, Page, Time, Written};
use crate::api::Shared;
use crate::extract::{Authenticated, FromDevice, PathId};
use crate::problem::{Failure, Problems};

/// A device that is signed in.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionShape {
    #[schema(value_type = String, example = "ses_01k…")]
    id: Written<SessionId>,
    /// The one that this request came with.
    current: bool,
    /// How it was begun: `password`, `oidc:google`, ….
    method: String,
    user_agent: String,
    address: String,
    created_at: Time,
    /// Kept to the minute.
    last_seen_at: Time,
    expires_at: Time,
}

#[derive(Serialize, ToSchema)]
pub struct EndedSessions {
    /// How many were ended.
    ended: usize,
}

impl SessionShape {
    fn of(session: Session, current: SessionId) -> Self {
        Self {
            id: Written(session.id),
            current: session.id == current,
            method: session.method,
            user_agent: session.user_agent,
            address: session.address,
            created_at: Written(session.created_at),
            last_seen_at: Written(session.last_seen_at),
            expires_at: Written(session.expires_at),
        }
    }
}

/// List sessions
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/api/v1/me/sessions",
    tag = "identity",
    responses((status = 200, body = Page<SessionShape>), Problems),
)]
pub async fn list_sessions(State(state): Shared, Authenticated(caller): Authenticated) -> Result<Response, Failure> {
    let (sessions, current) = identity::list_sessions(&state.app, &caller).await?;
    let data = sessions.into_iter().map(|session| SessionShape::of(session, current)).collect();
    Ok(answer::ok(&Page { data, next_cursor: None }))
}

/// End all other sessions
#[utoipa::path(
    delete,
    path = "/api/v1/me/sessions",
    tag = "identity",
    responses((status = 200, body = EndedSessions), Problems),
)]
pub async fn end_other_sessions(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
) -> Result<Response, Failure> {
    let ended = identity::end_other_sessions(&state.app, &caller, &device).await?;
    Ok(answer::ok(&EndedSessions { ended }))
}

/// End a session
///
/// The next request that comes with it is answered 401.
#[utoipa::path(
    delete,
    path = "/api/v1/me/sessions/{id}",
    tag = "identity",
    params(("id" = String, Path, description = "`ses_…`")),
    responses((status = 204), Problems),
)]
pub async fn end_session(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathId(id): PathId<SessionId>,
) -> Result<Response, Failure> {
    identity::end_session(&state.app, &caller, id, &device).await?;
    Ok(answer::no_content())
}
