//! `POST subscription/checkout`: begins a purchase on Stripe's page.

use app::billing::{self, Checkout, Purchase};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IntervalName;
use crate::answer::{self, Time, Written};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckoutBody {
    /// The account, with a service key.
    #[schema(inline)]
    account: Option<Text<1, 64>>,
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$", example = "pro")]
    plan: Text<1, 255>,
    interval: IntervalName,
    /// Where the customer goes after paying: an address of this server or of an allowed origin. `{CHECKOUT_SESSION_ID}` in
    /// it is replaced.
    #[schema(inline)]
    success_url: Option<Text<1, 2000>>,
    #[schema(inline)]
    cancel_url: Option<Text<1, 2000>>,
}

/// The page to send the customer to.
#[derive(Serialize, ToSchema)]
#[schema(as = Checkout)]
pub struct CheckoutShape {
    checkout_url: String,
    /// Stripe's id.
    session: String,
    expires_at: Option<Time>,
}

impl From<Checkout> for CheckoutShape {
    fn from(made: Checkout) -> Self {
        let expires_at = made.expires_at.map(Written);
        Self { checkout_url: made.url, session: made.session, expires_at }
    }
}

/// Buy a plan
///
/// The plan holds as soon as Stripe says that it is paid. Asking again while the page is open gives the same page. For
/// owners, admins and service keys.
#[utoipa::path(
    post,
    path = "/api/v1/subscription/checkout",
    tag = "subscription",
    request_body = CheckoutBody,
    responses((status = 201, body = CheckoutShape), Problems),
)]
pub async fn checkout(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<CheckoutBody>,
) -> Result<Response, Failure> {
    let account = account_ref(body.account.map(|text| text.0), body.external_id.map(|text| text.0))?;
    let wanted = Purchase {
        plan: body.plan.0,
        interval: body.interval.into(),
        success_url: body.success_url.map(|text| text.0),
        cancel_url: body.cancel_url.map(|text| text.0),
    };
    let made = billing::checkout(&state.app, &caller, &account, &wanted).await?;
    Ok(answer::json(StatusCode::CREATED, &CheckoutShape::from(made)))
}
