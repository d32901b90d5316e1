//! `GET admin/mails`: the outbox, newest first, a page at a time.

use app::AppError;
use app::mail::{self, MailFilter, MailState};
use axum::extract::State;
use axum::response::Response;
use domain::ids::MailId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::ListedMailShape;
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
pub struct MailsQuery {
    /// Only those of this state.
    #[param(inline)]
    state: Option<MailStateName>,
    /// Only those to this address.
    #[param(inline)]
    to: Option<Text<1, 254>>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Text<1, 255>>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MailStateName {
    Waiting,
    Sent,
    Failed,
}

/// List mails
///
/// The newest first. Mails that were sent are kept for 30 days. For service keys.
#[utoipa::path(
    get,
    path = "/api/v1/admin/mails",
    tag = "admin",
    params(MailsQuery),
    responses((status = 200, body = Page<ListedMailShape>), Problems),
)]
pub async fn list_mails(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<MailsQuery>,
) -> Result<Response, Failure> {
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(AppError::invalid("limit", format!("`limit` is not between 1 and {LONGEST_PAGE}.")).into());
    }
    let unreadable = || {
        AppError::invalid(
            "cursor",
            "`cursor` is not one that a page of mails was answered with; leave it out to begin.",
        )
    };
    let before = query.cursor.map(|cursor| MailId::parse(&cursor.0).ok_or_else(unreadable)).transpose()?;
    let of = query.state.map(|name| match name {
        MailStateName::Waiting => MailState::Waiting,
        MailStateName::Sent => MailState::Sent,
        MailStateName::Failed => MailState::Failed,
    });
    let filter = MailFilter { state: of, to: query.to.map(|to| to.0), before };
    let page = mail::list_mails(&state.app, &caller, filter, limit).await?;
    let data = page.mails.into_iter().map(ListedMailShape::from).collect();
    Ok(answer::ok(&Page { data, next_cursor: page.next_cursor }))
}
