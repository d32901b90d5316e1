//! `POST subscription`: begins a purchase on a form inside the app.

use app::billing::{self};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IntervalName;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubscriptionBody {
    /// The account, with a service key.
    #[schema(inline)]
    account: Option<Text<1, 64>>,
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$", example = "pro")]
    plan: Text<1, 255>,
    interval: IntervalName,
}

/// A subscription that waits for the customer.
#[derive(Serialize, ToSchema)]
#[schema(as = BegunSubscription)]
pub struct BegunShape {
    /// Stripe's id.
    subscription: String,
    /// `incomplete` until it is paid, `trialing` where a trial comes first.
    status: String,
    /// For Stripe's form in the browser. Null: nothing is to be paid or kept.
    client_secret: Option<String>,
    /// The key that the form is opened with.
    publishable_key: Option<String>,
}

/// Begin a subscription
///
/// For a form of your own inside the app: pay with the client secret in the browser. The plan holds as soon as Stripe says
/// that it is paid. Asking again while it waits gives the same subscription. For owners, admins and service keys.
#[utoipa::path(
    post,
    path = "/api/v1/subscription",
    tag = "subscription",
    request_body = NewSubscriptionBody,
    responses((status = 201, body = BegunShape), Problems),
)]
pub async fn create_subscription(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<NewSubscriptionBody>,
) -> Result<Response, Failure> {
    let account = account_ref(body.account.map(|text| text.0), body.external_id.map(|text| text.0))?;
    let begun = billing::subscribe(&state.app, &caller, &account, &body.plan.0, body.interval.into()).await?;
    let shape = BegunShape {
        subscription: begun.subscription,
        status: begun.status,
        client_secret: begun.client_secret,
        publishable_key: state.app.settings.billing.publishable_key.clone(),
    };
    Ok(answer::json(StatusCode::CREATED, &shape))
}
