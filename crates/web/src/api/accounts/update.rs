//! `PATCH accounts/{id}`: changes what is known of an account.

use app::AccountRef;
use app::accounts::{self, AccountChanges};
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{AccountShape, present};
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::{Metadata, Text};
use crate::extract::{Authenticated, JsonBody, PathId};
use crate::problem::{Failure, Problems};

/// What is left out stays as it is; an email given as null is taken away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChangesBody {
    /// Can be set where there is none; it never changes.
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
    #[schema(inline)]
    name: Option<Text<1, 200>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(inline)]
    email: Option<Option<Text<1, 254>>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(inline)]
    billing_email: Option<Option<Text<1, 254>>>,
    /// Takes the place of all that was there.
    #[schema(inline)]
    metadata: Option<Metadata>,
}

/// Change an account
///
/// For service keys.
#[utoipa::path(
    patch,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    request_body = AccountChangesBody,
    responses((status = 200, body = AccountShape), Problems),
)]
pub async fn update_account(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<AccountChangesBody>,
) -> Result<Response, Failure> {
    let changes = AccountChanges {
        external_id: body.external_id.map(|text| text.0),
        name: body.name.map(|text| text.0),
        email: body.email.map(|email| email.map(|text| text.0)),
        billing_email: body.billing_email.map(|email| email.map(|text| text.0)),
        metadata: body.metadata.map(|metadata| metadata.0),
    };
    let account = accounts::update_account(&state.app, &caller, &AccountRef::Id(id), changes).await?;
    Ok(answer::ok(&AccountShape::from(account)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::body::parse_json;

    #[test]
    fn null_takes_away_and_absence_leaves() {
        let read = |json: &str| parse_json::<AccountChangesBody>(json.as_bytes()).unwrap();
        assert_eq!(read("{}").email, None);
        assert_eq!(read(r#"{"email": null}"#).email, Some(None));
        assert_eq!(read(r#"{"email": "a@b"}"#).email, Some(Some(Text("a@b".into()))));
    }
}
