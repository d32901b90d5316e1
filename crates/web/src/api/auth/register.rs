//! `POST auth/register`: a person signs up and has an account on the default plan.

use app::AppError;
use app::identity::{self, Registered, Registrant};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::catalog::Interval;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{KeepBy, PasswordText, SecretText, SignedInShape, hold_address, signed_in};
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::{Text, Word};
use crate::extract::{FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

/// Somebody who signs up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// May be left out with an `invitation`, which knows it.
    #[schema(inline, example = "ada@example.com")]
    email: Option<Text<1, 254>>,
    #[schema(inline, example = "violet-harbour-9-lantern")]
    password: PasswordText,
    /// Left out: what stands before the `@`.
    #[schema(inline)]
    name: Option<Text<1, 200>>,
    /// Three to 32 letters, digits, dots, dashes or underscores; good for signing in.
    #[schema(inline)]
    username: Option<Text<1, 64>>,
    /// The plan they mean to buy, kept for checkout.
    #[schema(value_type = Option<String>, example = "pro")]
    plan: Option<Word>,
    #[schema(inline)]
    interval: Option<IntervalName>,
    /// The version of your terms that they accepted.
    #[schema(inline)]
    terms: Option<Text<1, 100>>,
    /// `token` of an invitation's link: joins the account that invited.
    #[schema(inline)]
    invitation: Option<SecretText>,
    #[serde(default)]
    #[schema(inline)]
    keep: KeepBy,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalName {
    Monthly,
    Annual,
}

impl From<IntervalName> for Interval {
    fn from(name: IntervalName) -> Self {
        match name {
            IntervalName::Monthly => Interval::Monthly,
            IntervalName::Annual => Interval::Annual,
        }
    }
}

/// Where it goes on: in a mail.
#[derive(Serialize, ToSchema)]
pub struct ToldByMail {
    /// `check_your_mail`
    status: &'static str,
    detail: &'static str,
}

pub(super) fn told_by_mail(detail: &'static str) -> Response {
    answer::json(StatusCode::ACCEPTED, &ToldByMail { status: "check_your_mail", detail })
}

/// Sign up
///
/// Signs in at once, and mails a link that verifies the address. Where the server is set to private registration, every
/// address is answered 202 and a mail tells the rest. A plan that costs something is remembered for checkout; until it is
/// paid the account is on the default plan.
///
/// By an invitation: the address is verified, the account is the one that invited, and it is possible where registration is
/// closed.
#[utoipa::path(
    post,
    path = "/api/v1/auth/register",
    tag = "identity",
    security(()),
    request_body = RegisterBody,
    responses(
        (status = 201, body = SignedInShape),
        (status = 202, body = ToldByMail, description = "What comes of it is told by mail."),
        Problems,
    ),
)]
pub async fn register(
    State(state): Shared,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<RegisterBody>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "register").await?;
    let wanted = match (body.plan, body.interval) {
        (Some(plan), interval) => Some((plan.0, interval.unwrap_or(IntervalName::Monthly).into())),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(
                AppError::invalid("interval", "`interval` says how a `plan` is billed; name the plan too.").into()
            );
        }
    };
    let email = match (body.email, &body.invitation) {
        (Some(email), _) => email.0,
        (None, Some(_)) => String::new(),
        (None, None) => return Err(AppError::invalid("email", "`email` is missing.").into()),
    };
    let registrant = Registrant {
        email,
        password: body.password.0,
        name: body.name.map(|text| text.0),
        username: body.username.map(|text| text.0),
        wanted,
        terms: body.terms.map(|text| text.0),
        invitation: body.invitation.map(|text| text.0),
    };
    Ok(match identity::register(&state.app, registrant, body.keep.into(), &device).await? {
        Registered::SignedIn(done) => signed_in(&state.app, StatusCode::CREATED, *done),
        Registered::Told => told_by_mail("Follow the link that is on its way to this address."),
        Registered::ToVerify => told_by_mail("Verify the address by the link that was mailed to it, then sign in."),
    })
}
