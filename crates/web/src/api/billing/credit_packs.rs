//! `GET credit-packs` and `POST credit-packs/checkout`: extra quantity that is bought once.

use app::billing::{self, CreditPurchase};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::name::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{self, Decimal, Page};
use crate::api::Shared;
use crate::api::subscription::checkout::CheckoutShape;
use crate::api::subscription::money;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{Failure, Problems};

/// Extra quantity for a price, used after the plan's own amount.
#[derive(Serialize, ToSchema)]
#[schema(as = CreditPack)]
pub struct CreditPackShape {
    #[schema(value_type = String, example = "small")]
    id: Name,
    name: String,
    #[schema(value_type = String)]
    meter: Name,
    /// Money where the meter is `cost`.
    quantity: Decimal,
    #[schema(example = "5.00")]
    price: String,
    #[schema(example = "USD")]
    currency: String,
    /// Null: it does not expire.
    expires_after_days: Option<u32>,
}

/// List credit packs
#[utoipa::path(
    get,
    path = "/api/v1/credit-packs",
    tag = "catalog",
    security(()),
    responses((status = 200, body = Page<CreditPackShape>), Problems),
)]
pub async fn list_credit_packs(State(state): Shared) -> Result<Response, Failure> {
    let currency = state.app.plans().await?.catalog.currency.clone();
    let packs = billing::list_credit_packs(&state.app).await?.into_iter().map(|(id, pack)| CreditPackShape {
        id,
        name: pack.name,
        quantity: Decimal::of_meter(pack.meter.as_str(), pack.amount),
        meter: pack.meter,
        price: money(pack.price, &currency),
        currency: currency.clone(),
        expires_after_days: pack.expires_after_days,
    });
    Ok(answer::ok(&Page { data: packs.collect(), next_cursor: None }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreditCheckoutBody {
    /// The account, with a service key.
    #[schema(inline)]
    account: Option<Text<1, 64>>,
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$", example = "small")]
    pack: Text<1, 255>,
    /// Where the customer goes after paying: an address of this server or of an allowed origin.
    #[schema(inline)]
    success_url: Option<Text<1, 2000>>,
    #[schema(inline)]
    cancel_url: Option<Text<1, 2000>>,
}

/// Buy credits
///
/// The credit is given as soon as Stripe says that it is paid, once for each purchase. For owners, admins and service keys.
#[utoipa::path(
    post,
    path = "/api/v1/credit-packs/checkout",
    tag = "subscription",
    request_body = CreditCheckoutBody,
    responses((status = 201, body = CheckoutShape), Problems),
)]
pub async fn buy_credits(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<CreditCheckoutBody>,
) -> Result<Response, Failure> {
    let account = account_ref(body.account.map(|text| text.0), body.external_id.map(|text| text.0))?;
    let wanted = CreditPurchase {
        pack: body.pack.0,
        success_url: body.success_url.map(|text| text.0),
        cancel_url: body.cancel_url.map(|text| text.0),
    };
    let made = billing::buy_credits(&state.app, &caller, &account, &wanted).await?;
    Ok(answer::json(StatusCode::CREATED, &CheckoutShape::from(made)))
}
