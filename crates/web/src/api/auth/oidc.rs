//! `auth/oidc/{provider}`: signing in by an OpenID Connect provider, in the browser.

use app::AppError;
use app::identity::{LoggedIn, sign_in_by_provider};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::name::Name;
use domain::time::MICROS_PER_SECOND;
use serde::Deserialize;
use utoipa::IntoParams;

use super::hold_address;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{FromDevice, PathId, QueryFields, cookie};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StartQuery {
    /// The page of this server to come back to; `/` where it is left out.
    #[param(inline)]
    return_to: Option<Text<1, 500>>,
}

/// What the provider sends along. It may add more.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallbackQuery {
    #[param(inline)]
    state: Option<Text<1, 512>>,
    #[param(inline)]
    code: Option<Text<1, 4096>>,
    /// Why there is no code, such as `access_denied`.
    #[param(inline)]
    error: Option<Text<1, 255>>,
}

/// Sign in by a provider
///
/// Sends the browser to the provider. The providers that are configured are in `config`.
#[utoipa::path(
    get,
    path = "/api/v1/auth/oidc/{provider}/start",
    tag = "identity",
    security(()),
    params(("provider" = String, Path, description = "Its name in the configuration."), StartQuery),
    responses((status = 303, description = "On to the provider."), Problems),
)]
pub async fn start(
    State(state): Shared,
    FromDevice(device): FromDevice,
    PathId(provider): PathId<Name>,
    QueryFields(query): QueryFields<StartQuery>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "login").await?;
    let return_to = query.return_to.map_or_else(|| "/".to_owned(), |text| text.0);
    let on = sign_in_by_provider::begin(&state.app, provider.as_str(), return_to).await?;
    let mut response = redirect(&on.url);
    cookie::set_sign_in(&mut response, &on.secret);
    Ok(response)
}

/// Come back from a provider
#[utoipa::path(
    get,
    path = "/api/v1/auth/oidc/{provider}/callback",
    tag = "identity",
    security(()),
    params(("provider" = String, Path, description = "Its name in the configuration."), CallbackQuery),
    responses((status = 303, description = "Signed in, and back to the page it began at."), Problems),
)]
pub async fn callback(
    State(state): Shared,
    FromDevice(device): FromDevice,
    PathId(provider): PathId<Name>,
    headers: HeaderMap,
    QueryFields(query): QueryFields<CallbackQuery>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "login").await?;
    let secret = cookie::sign_in_of(&headers).map(str::to_owned);
    let (Some(secret), Some(came_with), Some(code)) = (secret, query.state, query.code) else {
        return Err(sign_in_by_provider::without_code(&state.app, provider.as_str(), query.error.is_some()).into());
    };
    let answered = sign_in_by_provider::Answered { secret, state: came_with.0, code: code.0 };
    let back = sign_in_by_provider::finish(&state.app, provider.as_str(), answered, &device).await?;
    match back.logged_in {
        LoggedIn::SignedIn(done) => {
            let mut response = redirect(&back.return_to);
            let seconds = done.session_expires_at.since(state.app.now()) / MICROS_PER_SECOND;
            cookie::set(&mut response, &done.secret, seconds);
            cookie::clear_sign_in(&mut response);
            Ok(response)
        }
        LoggedIn::SecondFactor { challenge, expires_at } => {
            Err(AppError::SecondFactorRequired { challenge, expires_at }.into())
        }
    }
}

fn redirect(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    let fields: [(HeaderName, &str); 3] =
        [(header::LOCATION, to), (header::REFERRER_POLICY, "no-referrer"), (header::CACHE_CONTROL, "no-store")];
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("/")));
    }
    response
}
