//! `GET accounts/{id}/audit-events`: who did what with an account.

use app::AccountRef;
use app::accounts::{self, AuditEvent};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{AccountId, AuditEventId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::members::page_limit;
use crate::answer::{self, Page, Time, Written};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, PathId, QueryFields};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only this action, such as `member.removed`.
    #[param(inline)]
    action: Option<Text<1, 100>>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Text<1, 255>>,
}

/// Something that somebody did.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub struct AuditEventShape {
    #[schema(value_type = String, example = "aud_01k…")]
    id: Written<AuditEventId>,
    /// The id of the user or key, or `server`.
    actor: String,
    #[schema(example = "member.removed")]
    action: String,
    /// The id of what it was done to.
    resource: String,
    #[schema(value_type = Object)]
    metadata: Value,
    /// Where the request came from, if it is known.
    address: Option<String>,
    created_at: Time,
}

impl From<AuditEvent> for AuditEventShape {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: Written(event.id),
            actor: event.actor,
            action: event.action,
            resource: event.resource,
            metadata: event.metadata,
            address: event.address,
            created_at: Written(event.created_at),
        }
    }
}

/// List audit events
///
/// The newest first. For its owners and admins, and service keys.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/audit-events",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`"), AuditQuery),
    responses((status = 200, body = Page<AuditEventShape>), Problems),
)]
pub async fn list_audit_events(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
    QueryFields(query): QueryFields<AuditQuery>,
) -> Result<Response, Failure> {
    let limit = page_limit(query.limit)?;
    let cursor = query.cursor.as_ref().map(|text| text.0.as_str());
    let wanted = (query.action.map(|text| text.0), cursor);
    let page = accounts::list_audit_events(&state.app, &caller, &AccountRef::Id(id), wanted, limit).await?;
    let data = page.events.into_iter().map(AuditEventShape::from).collect();
    Ok(answer::ok(&Page { data, next_cursor: page.next_cursor }))
}
