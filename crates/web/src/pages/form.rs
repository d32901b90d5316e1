//! What a form sends.

use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;

use crate::extract::body::{BODY_LIMIT, read_bytes};
use crate::problem::{EdgeError, Failure};

const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The fields of a form.
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let found = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let found = found.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
        if !found.eq_ignore_ascii_case(MEDIA_TYPE) {
            return Err(EdgeError::MediaType { found }.into());
        }
        let bytes = read_bytes(request.into_body(), BODY_LIMIT).await?;
        let fields = serde_urlencoded::from_bytes(&bytes);
        fields
            .map(Self)
            .map_err(|error| app::AppError::invalid("", format!("The form cannot be read: {error}.")).into())
    }
}
