//! `DELETE me`: the person leaves for ever.

use app::identity;
use axum::extract::State;
use axum::response::Response;

use crate::answer;
use crate::api::Shared;
use crate::extract::{Authenticated, FromDevice, cookie};
use crate::problem::{Failure, Problems};

/// Delete yourself
///
/// Signs out everywhere, frees the address, and closes accounts that nobody else belongs to. Asks for a recent sign-in.
#[utoipa::path(
    delete,
    path = "/api/v1/me",
    tag = "identity",
    responses((status = 204), Problems),
)]
pub async fn delete_me(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
) -> Result<Response, Failure> {
    identity::delete_me(&state.app, &caller, &device).await?;
    let mut response = answer::no_content();
    cookie::clear(&mut response);
    Ok(response)
}
