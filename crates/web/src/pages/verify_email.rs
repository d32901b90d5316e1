//! `/verify-email`: the address that a link was mailed to is somebody's.

use app::identity;
use axum::extract::State;
use axum::response::Response;

use super::LinkQuery;
use super::confirmation::{Sent, Words, ask, tell};
use super::form::Form;
use crate::api::Shared;
use crate::extract::{FromDevice, QueryFields};
use crate::problem::Failure;

const WORDS: Words = Words {
    title: "Verify your email address",
    explanation: "With this you say that the address the link was mailed to is yours.",
    button: "Verify the address",
    done_title: "Your address is verified",
    done: "You can close this page and go on.",
};

pub async fn show(State(state): Shared, QueryFields(link): QueryFields<LinkQuery>) -> Result<Response, Failure> {
    ask(&state.app, &WORDS, &link.token.0).await
}

pub async fn send(
    State(state): Shared,
    FromDevice(device): FromDevice,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    let outcome = identity::verify_email(&state.app, &sent.token.0, &device).await;
    tell(&state.app, &WORDS, &sent.token.0, outcome.map(drop)).await
}
