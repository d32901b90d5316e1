//! What is done by a mailed link and a button: asked, then told.

use app::{App, AppError};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::render::{ConfirmPage, DonePage, page, product};
use crate::extract::fields::Text;
use crate::problem::Failure;

/// The words of one confirmation.
pub struct Words {
    pub title: &'static str,
    pub explanation: &'static str,
    pub button: &'static str,
    pub done_title: &'static str,
    pub done: &'static str,
}

#[derive(Deserialize)]
pub struct Sent {
    pub token: Text<1, 512>,
}

pub async fn ask(app: &App, words: &Words, token: &str) -> Result<Response, Failure> {
    let product = product(app).await?;
    Ok(page(StatusCode::OK, &asking(words, &product, token, None)))
}

/// It is done, or why not, with the button once more.
pub async fn tell(app: &App, words: &Words, token: &str, outcome: Result<(), AppError>) -> Result<Response, Failure> {
    let product = product(app).await?;
    match outcome {
        Ok(()) => {
            let written = DonePage { product: &product, title: words.done_title, explanation: words.done };
            Ok(page(StatusCode::OK, &written))
        }
        Err(error) => {
            let failure = Failure::from(error);
            Ok(page(failure.status(), &asking(words, &product, token, Some(failure.to_string()))))
        }
    }
}

fn asking<'p>(words: &Words, product: &'p str, token: &'p str, failure: Option<String>) -> ConfirmPage<'p> {
    let Words { title, explanation, button, .. } = *words;
    ConfirmPage { product, title, explanation, button, token, failure }
}
