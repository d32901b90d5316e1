//! API keys: of accounts under `accounts/{id}/api-keys`, of the platform under `keys`.

pub mod account_keys;
pub mod service_keys;

use app::identity::{self, ApiKey, KeysOf, NewKey};
use app::{AppError, Caller};
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::KeyId;
use domain::name::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::WebState;
use crate::answer::{self, Page, Time, Written};
use crate::extract::fields::{self, Text, Word};
use crate::idempotency::StoredInstead;
use crate::problem::Failure;

const MOST_SCOPES: usize = 32;

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKeyBody {
    /// What people call it.
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\u0000]*$", example = "Production")]
    name: Text<1, 100>,
    /// What it may do. None: everything its kind may, but make other keys.
    #[schema(value_type = Option<Vec<String>>, max_items = 32, example = json!(["usage:write"]))]
    scopes: Option<Vec<Word>>,
    /// Null or left out: never.
    #[schema(inline)]
    expires_at: Option<fields::Time>,
    /// The member of the account it acts for. Not for service keys.
    #[schema(inline)]
    member: Option<Word>,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct KeyShape {
    #[schema(value_type = String, example = "key_01k…")]
    id: Written<KeyId>,
    name: String,
    /// The first characters of the secret, to recognise it by.
    prefix: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Name>,
    #[schema(value_type = Option<String>)]
    member: Option<Name>,
    created_at: Time,
    expires_at: Option<Time>,
    last_used_at: Option<Time>,
    revoked_at: Option<Time>,
}

/// A key that was just made. The secret is shown this once.
#[derive(Serialize, ToSchema)]
pub struct NewKeyShape {
    #[serde(flatten)]
    key: KeyShape,
    /// Null when the answer is replayed: it is not kept.
    #[schema(example = "tw_live_…")]
    secret: Option<String>,
}

impl From<ApiKey> for KeyShape {
    fn from(key: ApiKey) -> Self {
        Self {
            id: Written(key.id),
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            member: key.member,
            created_at: Written(key.created_at),
            expires_at: key.expires_at.map(Written),
            last_used_at: key.last_used_at.map(Written),
            revoked_at: key.revoked_at.map(Written),
        }
    }
}

async fn create(state: &WebState, caller: &Caller, of: KeysOf, body: NewKeyBody) -> Result<Response, Failure> {
    let scopes = body.scopes.unwrap_or_default();
    if scopes.len() > MOST_SCOPES {
        return Err(AppError::invalid("scopes", format!("`scopes` names more than {MOST_SCOPES} scopes.")).into());
    }
    let new = NewKey {
        name: body.name.0,
        scopes: scopes.into_iter().map(|word| word.0).collect(),
        expires_at: body.expires_at.map(|time| time.0),
        member: body.member.map(|word| word.0),
    };
    let (key, secret) = identity::create_key(&state.app, caller, &of, new).await?;
    let mut shape = NewKeyShape { key: key.into(), secret: Some(secret.reveal().to_owned()) };
    let mut response = answer::json(StatusCode::CREATED, &shape);
    shape.secret = None;
    StoredInstead::of(&shape).attach(&mut response);
    Ok(response)
}

async fn list(state: &WebState, caller: &Caller, of: KeysOf) -> Result<Response, Failure> {
    let keys = identity::list_keys(&state.app, caller, &of).await?;
    Ok(answer::ok(&Page { data: keys.into_iter().map(KeyShape::from).collect(), next_cursor: None }))
}

/// A key is revoked under the owner it belongs to; elsewhere it does not exist.
async fn revoke(state: &WebState, caller: &Caller, of: KeysOf, id: KeyId) -> Result<Response, Failure> {
    identity::revoke_key(&state.app, caller, &of, id).await?;
    Ok(answer::no_content())
}
