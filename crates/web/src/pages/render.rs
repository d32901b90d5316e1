//! Writes pages, with the headers that keep them to themselves.

use app::App;
use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::problem::{self, Failure, Place, table};

const STYLE: &str = include_str!("../static/pages.css");
/// Only the page's own style is loaded, forms go to this server, and no other site shows the page in a frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// Something is done by a link: said before, done by the button.
#[derive(Template)]
#[template(path = "confirm.html")]
pub struct ConfirmPage<'p> {
    pub product: &'p str,
    pub title: &'static str,
    pub explanation: &'static str,
    pub button: &'static str,
    pub token: &'p str,
    pub failure: Option<String>,
}

#[derive(Template)]
#[template(path = "new_password.html")]
pub struct NewPasswordPage<'p> {
    pub product: &'p str,
    pub token: &'p str,
    pub min_length: usize,
    pub failure: Option<String>,
}

#[derive(Template)]
#[template(path = "forgot_password.html")]
pub struct ForgotPasswordPage<'p> {
    pub product: &'p str,
    pub email: &'p str,
    pub failure: Option<String>,
}

#[derive(Template)]
#[template(path = "invitation.html")]
pub struct InvitationPage<'p> {
    pub product: &'p str,
    pub token: &'p str,
    pub account: &'p str,
    pub inviter: &'p str,
    pub email: &'p str,
    pub role: &'p str,
    /// Somebody has the address here, and signs in.
    pub registered: bool,
    pub min_length: usize,
    pub failure: Option<String>,
}

/// What an account pays for.
#[derive(Template)]
#[template(path = "billing.html")]
pub struct BillingPage<'p> {
    pub product: &'p str,
    pub plan: &'p str,
    pub standing: String,
    pub has_portal: bool,
    pub invoices: Vec<BillingLine>,
}

pub struct BillingLine {
    pub number: String,
    pub date: String,
    pub total: String,
    pub status: String,
    pub url: Option<String>,
}

/// It is done, and what to do next.
#[derive(Template)]
#[template(path = "done.html")]
pub struct DonePage<'p> {
    pub product: &'p str,
    pub title: &'static str,
    pub explanation: &'p str,
}

/// What the product is called on its pages.
pub async fn product(app: &App) -> Result<String, Failure> {
    match &app.settings.product_name {
        Some(name) => Ok(name.clone()),
        None => Ok(app.plans().await?.catalog.product.clone()),
    }
}

/// Writes the failure that a response of a page carries, if any, as a page.
pub fn finish(response: Response, app: &App, place: Place<'_>) -> Response {
    let Some(failure) = response.extensions().get::<Failure>() else { return response };
    problem::log(failure, place);
    let product = app.settings.product_name.as_deref().unwrap_or("Tollway");
    let (title, explanation) = (table::entry(failure.code()).title, failure.to_string());
    let mut written = page(response.status(), &DonePage { product, title, explanation: &explanation });
    problem::add_headers(written.headers_mut(), failure, app);
    written
}

/// A page as an answer. Addresses of pages hold secrets, so none is told to another site or kept.
pub fn page(status: StatusCode, page: &impl Template) -> Response {
    let html = page.render().expect("pages are written into memory");
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, html).into_response()
}

pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"))], STYLE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_written_and_what_people_sent_stays_text() {
        let (product, token) = ("Acme <b>", "\"><script>");
        let failure = || Some("It is <wrong>.".to_owned());
        let (title, explanation, button) = ("Title", "Text.", "Do it");
        let pages = [
            ConfirmPage { product, title, explanation, button, token, failure: failure() }.render(),
            NewPasswordPage { product, token, min_length: 10, failure: failure() }.render(),
            ForgotPasswordPage { product, email: token, failure: None }.render(),
            DonePage { product, title, explanation }.render(),
            BillingPage {
                product,
                plan: "<b>",
                standing: "<b>".into(),
                has_portal: true,
                invoices: vec![BillingLine {
                    number: "<b>".into(),
                    date: "1 May 2026".into(),
                    total: "15.00 USD".into(),
                    status: "paid".into(),
                    url: Some("https://invoice.example.com/?a=\"><script>".into()),
                }],
            }
            .render(),
            InvitationPage {
                product,
                token,
                account: "<b>",
                inviter: "<b>",
                email: "<b>",
                role: "member",
                registered: false,
                min_length: 10,
                failure: failure(),
            }
            .render(),
        ];
        for html in pages.map(Result::unwrap) {
            assert!(html.starts_with("<!doctype html>") && html.contains("<h1>"), "{html}");
            assert!(!html.contains("<script>") && !html.contains("<wrong>") && !html.contains("<b>"), "{html}");
        }
    }
}
