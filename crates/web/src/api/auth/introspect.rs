//! `POST auth/introspect`: what a token or a key is good for right now, for services that prefer to ask.

use app::identity;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::answer;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntrospectBody {
    /// An access token, a hand-off token or an API key.
    #[schema(value_type = String, min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*$")]
    token: Text<1, 4096>,
}

/// What a token stands for (after RFC 7662). Where it is not good, `active` is all there is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is written from a map")]
pub struct Introspection {
    active: bool,
    /// `person`, `visitor`, `account_key` or `service_key`.
    kind: Option<String>,
    /// The user, the account of a visitor, or the key.
    sub: Option<String>,
    sid: Option<String>,
    account: Option<String>,
    role: Option<String>,
    /// Of a key; none: everything its kind may.
    scope: Option<String>,
    exp: Option<i64>,
}

/// Introspect a token
///
/// For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/auth/introspect",
    tag = "identity",
    request_body = IntrospectBody,
    responses((status = 200, body = Introspection), Problems),
)]
pub async fn introspect(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<IntrospectBody>,
) -> Result<Response, Failure> {
    let told = identity::introspect(&state.app, &caller, &body.token.0).await?;
    let mut answer = Map::from_iter([("active".to_owned(), json!(told.is_some()))]);
    answer.extend(told.unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null()));
    Ok(answer::ok(&Value::Object(answer)))
}
