//! `/confirm-email`: a new address takes the place of the old one.

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
    title: "Confirm your new email address",
    explanation: "With this the address that the link was mailed to takes the place of the one you had.",
    button: "Use this address",
    done_title: "Your address is changed",
    done: "From now on you sign in with it, and mails go to it.",
};

pub async fn show(State(state): Shared, QueryFields(link): QueryFields<LinkQuery>) -> Result<Response, Failure> {
    ask(&state.app, &WORDS, &link.token.0).await
}

pub async fn send(
    State(state): Shared,
    FromDevice(device): FromDevice,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    let outcome = identity::confirm_new_email(&state.app, &sent.token.0, &device).await;
    tell(&state.app, &WORDS, &sent.token.0, outcome.map(drop)).await
}
