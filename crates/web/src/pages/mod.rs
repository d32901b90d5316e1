//! Pages for people: what the links in mails lead to. They work without scripts, in light and dark, on a phone.
//!
//! A link alone changes nothing, since programs that read mails follow links too: it shows a form, and sending that does
//! it. [`render`] writes pages, [`form`] reads what is sent.

pub mod billing;
pub mod checkout;
pub mod confirm_email;
mod confirmation;
pub mod forgot_password;
mod form;
pub mod hand_off;
pub mod invitation;
mod render;
pub mod reset_password;
pub mod verify_email;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use serde::Deserialize;

use crate::WebState;
use crate::extract::fields::Text;

const PAGES: [&str; 10] = [
    "/hand-off",
    "/invitation",
    "/verify-email",
    "/confirm-email",
    "/forgot-password",
    "/reset-password",
    "/checkout/done",
    "/checkout/canceled",
    "/billing",
    "/billing/portal",
];

pub use render::finish;

/// Every page.
pub fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/hand-off", get(hand_off::arrive))
        .route("/verify-email", get(verify_email::show).post(verify_email::send))
        .route("/invitation", get(invitation::show).post(invitation::send))
        .route("/confirm-email", get(confirm_email::show).post(confirm_email::send))
        .route("/forgot-password", get(forgot_password::show).post(forgot_password::send))
        .route("/reset-password", get(reset_password::show).post(reset_password::send))
        .route("/billing", get(billing::show))
        .route("/billing/portal", get(billing::portal))
        .route("/checkout/done", get(checkout::done))
        .route("/checkout/canceled", get(checkout::canceled))
        .route("/pages/style.css", get(render::style))
}

/// Whether what is answered there is read by people.
pub fn is_page(path: &str) -> bool {
    PAGES.contains(&path)
}

/// The secret of a link.
#[derive(Deserialize)]
pub struct LinkQuery {
    token: Text<1, 512>,
}
