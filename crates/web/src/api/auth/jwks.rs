//! `/.well-known/jwks.json`: the keys that other services verify access tokens by (RFC 7517, RFC 8037).

use app::identity::signing_keys;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json};

use crate::answer;
use crate::api::Shared;
use crate::problem::Failure;

/// Keys change rarely and are published days before they sign.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=3600");

pub async fn jwks(State(state): Shared) -> Result<Response, Failure> {
    let keys = signing_keys::published(&state.app).await?;
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "EdDSA",
                "use": "sig",
                "kid": key.id,
                "x": base64url(&key.public_key),
            })
        })
        .collect();
    let mut response = answer::ok(&json!({ "keys": keys }));
    response.headers_mut().insert(header::CACHE_CONTROL, KEPT);
    Ok(response)
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
