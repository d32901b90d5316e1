//! Signing up, in and out, and what mails lead back to. Nobody is signed in yet; every address and login is held to a rate.

pub mod confirm_email;
pub mod forgot_password;
pub mod introspect;
pub mod jwks;
pub mod login;
pub mod logout;
pub mod oidc;
pub mod refresh;
pub mod register;
pub mod resend_verification;
pub mod reset_password;
pub mod second_step;
pub mod verify_email;

use app::identity::{Keep, SignedIn, User};
use app::rate_limits::{self, Identity};
use app::{App, AppError};
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::{AccountId, SessionId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{self, Time, Written};
use crate::extract::cookie;
use crate::extract::fields::Text;

/// A password on its way in. What it must be like is told by the rules, not here.
pub type PasswordText = Text<1, 1024>;
/// A secret out of a link, a refresh token, a challenge.
pub type SecretText = Text<1, 4096>;

/// How a client keeps its session going.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepBy {
    /// By a refresh token: API clients.
    #[default]
    Tokens,
    /// By a cookie that scripts cannot read: browsers.
    Cookie,
}

impl From<KeepBy> for Keep {
    fn from(by: KeepBy) -> Self {
        match by {
            KeepBy::Tokens => Keep::Tokens,
            KeepBy::Cookie => Keep::Cookie,
        }
    }
}

/// Somebody who is signed in now.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
pub struct SignedInShape {
    /// Send it as `Authorization: Bearer …`. Null where a cookie keeps the session.
    access_token: Option<String>,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// Good once: each refresh answers the next. Null where a cookie keeps the session.
    refresh_token: Option<String>,
    #[schema(value_type = String, example = "ses_01k…")]
    session: Written<SessionId>,
    /// When the session is over if it is not used before.
    session_expires_at: Time,
    user: UserShape,
    /// The account that is meant where a request names none with `Tollway-Account`.
    #[schema(value_type = Option<String>, example = "acct_01k…")]
    account: Option<Written<AccountId>>,
    /// `member`, `admin` or `owner` of it.
    role: Option<&'static str>,
    /// Where the plan that was chosen at sign-up is paid for. Null: there is nothing to pay, or not here.
    checkout_url: Option<String>,
}

/// A person.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserShape {
    #[schema(value_type = String, example = "usr_01k…")]
    pub id: Written<UserId>,
    pub email: String,
    pub email_verified: bool,
    pub username: Option<String>,
    pub name: String,
    /// `active`, `suspended` or `deleted`.
    #[schema(example = "active")]
    pub status: &'static str,
    /// Operates the platform.
    pub superadmin: bool,
    pub created_at: Time,
}

impl From<&User> for UserShape {
    fn from(user: &User) -> Self {
        Self {
            id: Written(user.id),
            email: user.email.clone(),
            email_verified: user.email_verified_at.is_some(),
            username: user.username.clone(),
            name: user.name.clone(),
            status: user.status.as_str(),
            superadmin: user.superadmin,
            created_at: Written(user.created_at),
        }
    }
}

/// Tells that somebody is signed in; a browser is given its cookie.
pub fn signed_in(app: &App, status: StatusCode, signed_in: SignedIn) -> Response {
    let by_cookie = signed_in.keep == Keep::Cookie;
    let seconds_to = |at: domain::time::Timestamp| at.since(app.now()) / domain::time::MICROS_PER_SECOND;
    let (access, secret) = (signed_in.access, signed_in.secret);
    let shape = SignedInShape {
        expires_in: seconds_to(access.expires_at).max(0),
        access_token: (!by_cookie).then_some(access.text),
        token_type: "Bearer",
        refresh_token: (!by_cookie).then(|| secret.clone()),
        session: Written(signed_in.session),
        session_expires_at: Written(signed_in.session_expires_at),
        user: UserShape::from(&signed_in.user),
        account: signed_in.account.map(|(account, _)| Written(account)),
        role: signed_in.account.map(|(_, role)| role.as_str()),
        checkout_url: signed_in.checkout_url,
    };
    let mut response = answer::json(status, &shape);
    if by_cookie {
        cookie::set(&mut response, &secret, seconds_to(signed_in.session_expires_at));
    }
    response
}

/// Holds the address that a request comes from to the rate of a scope.
pub async fn hold_address(app: &App, device: &app::identity::Device, scope: &str) -> Result<(), AppError> {
    let address = device.address.parse().map(Identity::Address);
    let address = address.unwrap_or_else(|_| Identity::SignInName(device.address.clone()));
    rate_limits::hold_anyone(app, scope, &[address]).await.map(|_| ())
}
