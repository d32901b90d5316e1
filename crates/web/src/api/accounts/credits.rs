//! `accounts/{id}/credits`: extra quantity or money for an account, used after the plan's own amount.

use app::metering::IdempotencyKey;
use app::metering::credits::{self, NewCredit};
use app::{AccountRef, AppError};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use domain::ids::{AccountId, CreditId};
use domain::name::Name;
use domain::quantity::Quantity;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{self, Decimal, Page, Written};
use crate::api::Shared;
use crate::api::shapes::{self, LimitShape};
use crate::canonical::Meaning;
use crate::extract::fields::{Exact, Text, Time, Word};
use crate::extract::{Authenticated, JsonBody, KeyHeader, PathId};
use crate::headers;
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCreditBody {
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$", example = "requests")]
    meter: Word,
    /// How much: money where the meter is `cost`.
    #[schema(value_type = f64, example = 500)]
    quantity: Exact,
    /// Of several credits the lowest goes first. 0 when left out.
    priority: Option<i32>,
    /// Null or left out: never.
    #[schema(inline)]
    expires_at: Option<Time>,
    #[schema(inline)]
    reason: Option<Text<1, 500>>,
}

/// A credit that was given.
#[derive(ToSchema)]
pub struct GrantedCredit {
    #[schema(example = "crd_01k…")]
    pub id: String,
    pub event: String,
    pub replayed: bool,
    pub limits: Vec<LimitShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Credit)]
pub struct CreditShape {
    #[schema(value_type = String)]
    id: Written<CreditId>,
    #[schema(value_type = String)]
    meter: Name,
    granted: Decimal,
    remaining: Decimal,
    priority: i32,
    expires_at: Option<crate::answer::Time>,
}

/// Give a credit
///
/// Used at once by what is denied now. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/credits",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    request_body = NewCreditBody,
    responses((status = 201, body = GrantedCredit), Problems),
)]
pub async fn grant_credit(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
    KeyHeader(key): KeyHeader,
    JsonBody(body): JsonBody<NewCreditBody>,
) -> Result<Response, Failure> {
    if body.quantity.0 <= Quantity::ZERO {
        return Err(AppError::invalid("quantity", "`quantity` is not more than zero.").into());
    }
    let key = key.map(|text| IdempotencyKey { text, content: body.content() });
    let new = NewCredit {
        meter: body.meter.0,
        quantity: body.quantity.0,
        priority: body.priority.unwrap_or(0),
        expires_at: body.expires_at.map(|time| time.0),
        reason: body.reason.map(|text| text.0),
        key,
    };
    let (credit, counted) = credits::grant_credit(&state.app, &caller, &AccountRef::Id(id), new).await?;
    let body = answer::object(|json| {
        json.plain("id", Some(credit));
        json.plain("event", Some(counted.event));
        json.boolean("replayed", counted.replayed);
        shapes::put_limits(json, &counted.limits);
    });
    let mut response = answer::json_text(StatusCode::CREATED, body);
    if counted.replayed {
        response.headers_mut().insert(headers::REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

impl NewCreditBody {
    fn content(&self) -> [u8; 16] {
        let mut meaning = Meaning::of("credit");
        meaning.text(self.meter.0.as_str());
        meaning.number("quantity", Some(self.quantity.0.millionths()));
        meaning.number("priority", self.priority);
        meaning.number("expires_at", self.expires_at.map(|time| time.0.micros()));
        meaning.field("reason", self.reason.as_ref().map(|text| text.0.as_str()));
        meaning.short_hash()
    }
}

/// List credits
///
/// Those that are open, in the order they are used.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/credits",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    responses((status = 200, body = Page<CreditShape>), Problems),
)]
pub async fn list_credits(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
) -> Result<Response, Failure> {
    let credits = credits::list_credits(&state.app, &caller, &AccountRef::Id(id)).await?;
    let data = credits
        .into_iter()
        .map(|credit| CreditShape {
            id: Written(credit.id),
            granted: Decimal::of_meter(credit.meter.as_str(), credit.granted),
            remaining: Decimal::of_meter(credit.meter.as_str(), credit.remaining),
            meter: credit.meter,
            priority: credit.priority,
            expires_at: credit.expires_at.map(Written),
        })
        .collect();
    Ok(answer::ok(&Page { data, next_cursor: None }))
}
