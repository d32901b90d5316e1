//! `GET admin/mails/{id}`: one mail with its words.

use app::mail;
use axum::extract::State;
use axum::response::Response;
use domain::ids::MailId;

use super::ShownMailShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::{Authenticated, PathId};
use crate::problem::{Failure, Problems};

/// Show a mail
///
/// With its link while it waits, so that an operator without a mail server can pass it on; later only in development.
/// For service keys.
#[utoipa::path(
    get,
    path = "/api/v1/admin/mails/{id}",
    tag = "admin",
    params(("id" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = ShownMailShape), Problems),
)]
pub async fn show_mail(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<MailId>,
) -> Result<Response, Failure> {
    let shown = mail::show_mail(&state.app, &caller, id).await?;
    Ok(answer::ok(&ShownMailShape::from(shown)))
}
