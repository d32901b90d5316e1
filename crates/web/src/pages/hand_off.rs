//! `/hand-off?token=…`: the app has sent its own user here. The link is good once; the browser is signed in by it.

use app::identity::hand_off;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{FromDevice, QueryFields, cookie};
use crate::problem::Failure;

#[derive(Deserialize)]
pub struct HandOffQuery {
    token: Text<1, 512>,
}

pub async fn arrive(
    State(state): Shared,
    FromDevice(device): FromDevice,
    QueryFields(query): QueryFields<HandOffQuery>,
) -> Result<Response, Failure> {
    let arrived = hand_off::arrive(&state.app, &query.token.0, &device).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    let to = HeaderValue::from_str(&arrived.return_to).unwrap_or(HeaderValue::from_static("/"));
    headers.insert(header::LOCATION, to);
    // The secret in the address goes nowhere else.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    cookie::set(&mut response, &arrived.cookie, arrived.seconds);
    Ok(response)
}
