//! `GET config`: what an app's pages need before anybody has signed in.

use std::collections::BTreeSet;

use app::catalog::{self, PublicSignIn};
use app::identity::PasswordRules;
use axum::extract::State;
use axum::response::Response;
use domain::name::Name;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer;
use crate::api::Shared;
use crate::problem::{Failure, Problems};

/// What is public about this server.
#[derive(Serialize, ToSchema)]
#[schema(as = Config)]
pub struct ConfigShape {
    product: String,
    #[schema(example = "USD")]
    currency: &'static str,
    /// For Stripe's own forms in the browser. Null: none are to be used.
    #[schema(example = "pk_live_51…")]
    stripe_publishable_key: Option<String>,
    /// Whether plans can be bought here.
    selling: bool,
    sign_in: SignInShape,
    /// Features that plans include or not.
    #[schema(value_type = Vec<String>)]
    features: BTreeSet<Name>,
    #[schema(value_type = Vec<String>)]
    meters: BTreeSet<Name>,
    /// The plan of accounts that have bought nothing.
    #[schema(value_type = Option<String>)]
    default_plan: Option<Name>,
}

/// How people sign up and in.
#[derive(Serialize, ToSchema)]
#[schema(as = SignInConfig)]
pub struct SignInShape {
    /// `instant`: signed in at once. `private`: what comes of it is told by mail. `closed`: by invitation alone.
    #[schema(example = "instant")]
    registration: &'static str,
    password_rules: PasswordRulesShape,
    /// Who people may sign in by, beside a password.
    providers: Vec<ProviderShape>,
}

/// What a password must be like.
#[derive(Serialize, ToSchema)]
#[schema(as = PasswordRules)]
pub struct PasswordRulesShape {
    /// In characters.
    #[schema(example = 10)]
    min_length: usize,
    max_length: usize,
    /// Whether it must have a capital letter.
    upper: bool,
    /// Whether it must have a small letter.
    lower: bool,
    digit: bool,
    /// Whether it must have a character that is no letter and no digit.
    special: bool,
    /// 0 to 4, as zxcvbn counts it.
    #[schema(example = 2)]
    min_strength: u8,
}

/// An OpenID Connect provider.
#[derive(Serialize, ToSchema)]
#[schema(as = SignInProvider)]
pub struct ProviderShape {
    #[schema(example = "google")]
    name: String,
    #[schema(example = "Google")]
    display_name: String,
    /// Send a browser there; with `?return_to=/usage` it comes back to that page.
    start_url: String,
}

impl From<PublicSignIn> for SignInShape {
    fn from(sign_in: PublicSignIn) -> Self {
        let PasswordRules { min_length, upper, lower, digit, special, min_strength } = sign_in.password_rules;
        let max_length = PasswordRules::LONGEST;
        let providers = sign_in.providers.into_iter().map(|provider| ProviderShape {
            name: provider.name,
            display_name: provider.display_name,
            start_url: provider.start_url,
        });
        Self {
            registration: sign_in.registration.as_str(),
            password_rules: PasswordRulesShape { min_length, max_length, upper, lower, digit, special, min_strength },
            providers: providers.collect(),
        }
    }
}

/// Show the public configuration
#[utoipa::path(
    get,
    path = "/api/v1/config",
    tag = "catalog",
    security(()),
    responses((status = 200, body = ConfigShape), Problems),
)]
pub async fn get_config(State(state): Shared) -> Result<Response, Failure> {
    let config = catalog::config(&state.app).await?;
    Ok(answer::ok(&ConfigShape {
        product: config.product,
        currency: config.currency.code(),
        stripe_publishable_key: config.stripe_publishable_key,
        selling: config.selling,
        sign_in: config.sign_in.into(),
        features: config.features,
        meters: config.meters,
        default_plan: config.default_plan,
    }))
}
