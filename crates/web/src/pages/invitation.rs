//! `/invitation`: joins an account by a mailed invitation. Whoever has the address here signs in; anybody else becomes a
//! user by it.

use app::identity::{self, Credentials, Device, Keep, LoggedIn, Registered, Registrant, SignedIn};
use app::teams::{self, ShownInvitation};
use app::{App, AppError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::time::MICROS_PER_SECOND;
use serde::Deserialize;

use super::LinkQuery;
use super::form::Form;
use super::render::{DonePage, InvitationPage, page, product};
use crate::api::Shared;
use crate::api::auth::{PasswordText, hold_address};
use crate::extract::fields::Text;
use crate::extract::{FromDevice, QueryFields, cookie};
use crate::problem::Failure;

#[derive(Deserialize)]
pub struct Sent {
    token: Text<1, 512>,
    name: Option<Text<0, 200>>,
    password: PasswordText,
}

pub async fn show(
    State(state): Shared,
    FromDevice(device): FromDevice,
    QueryFields(link): QueryFields<LinkQuery>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "login").await?;
    let shown = teams::show_invitation(&state.app, &link.token.0).await?;
    let product = product(&state.app).await?;
    Ok(page(StatusCode::OK, &asking(&state.app, (&product, &link.token.0), &shown, None)))
}

pub async fn send(
    State(state): Shared,
    FromDevice(device): FromDevice,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    let app = &state.app;
    hold_address(app, &device, "login").await?;
    let shown = teams::show_invitation(app, &sent.token.0).await?;
    let product = product(app).await?;
    let token = sent.token.0.clone();
    match join(app, sent, &shown, &device).await {
        Ok(done) => {
            let explanation = format!("You belong to {} now, and are signed in.", shown.account_name);
            let title = "Welcome";
            let written = DonePage { product: &product, title, explanation: &explanation };
            let mut response = page(StatusCode::OK, &written);
            let seconds = done.session_expires_at.since(app.now()) / MICROS_PER_SECOND;
            cookie::set(&mut response, &done.secret, seconds);
            Ok(response)
        }
        Err(error) => {
            let failure = Failure::from(error);
            let again = asking(app, (&product, &token), &shown, Some(failure.to_string()));
            Ok(page(failure.status(), &again))
        }
    }
}

/// Signs in and accepts, or registers by the invitation.
async fn join(app: &App, sent: Sent, shown: &ShownInvitation, device: &Device) -> Result<SignedIn, AppError> {
    if shown.registered {
        let credentials = Credentials { login: shown.email.clone(), password: sent.password.0 };
        return match identity::log_in(app, credentials, Keep::Cookie, device).await? {
            LoggedIn::SignedIn(done) => {
                let caller = identity::authenticate_cookie(app, &done.secret).await?;
                teams::accept_invitation(app, &caller, &sent.token.0, device).await?;
                Ok(*done)
            }
            LoggedIn::SecondFactor { challenge, expires_at } => {
                Err(AppError::SecondFactorRequired { challenge, expires_at })
            }
        };
    }
    let registrant = Registrant {
        email: shown.email.clone(),
        password: sent.password.0,
        name: sent.name.map(|text| text.0).filter(|name| !name.trim().is_empty()),
        invitation: Some(sent.token.0),
        ..Registrant::default()
    };
    match identity::register(app, registrant, Keep::Cookie, device).await? {
        Registered::SignedIn(done) => Ok(*done),
        Registered::Told | Registered::ToVerify => Err(AppError::LinkInvalid),
    }
}

fn asking<'p>(
    app: &App,
    (product, token): (&'p str, &'p str),
    shown: &'p ShownInvitation,
    failure: Option<String>,
) -> InvitationPage<'p> {
    InvitationPage {
        product,
        token,
        account: &shown.account_name,
        inviter: &shown.inviter,
        email: &shown.email,
        role: shown.role.as_str(),
        registered: shown.registered,
        min_length: app.settings.people.password.min_length,
        failure,
    }
}
