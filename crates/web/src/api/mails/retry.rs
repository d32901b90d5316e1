//! `POST admin/mails/{id}/retry`: sends a mail after all that was given up.

use app::mail;
use axum::extract::State;
use axum::response::Response;
use domain::ids::MailId;

use super::MailShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::{Authenticated, PathId};
use crate::problem::{Failure, Problems};

/// Retry a mail
///
/// It is sent at once and has all its attempts again. Only a mail that is `failed` can be retried. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/admin/mails/{id}/retry",
    tag = "admin",
    params(("id" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = MailShape), Problems),
)]
pub async fn retry_mail(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<MailId>,
) -> Result<Response, Failure> {
    let mail = mail::retry_mail(&state.app, &caller, id).await?;
    Ok(answer::ok(&MailShape::from(mail)))
}
