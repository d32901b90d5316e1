//! `GET config`: what an app's pages need before anybody has signed in.

use std::collections::BTreeSet;

use app::catalog;
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
    /// For Stripe's own forms in the browser. Null: nothing is sold here yet.
    stripe_publishable_key: Option<String>,
    sign_in_methods: Vec<&'static str>,
    /// Features that plans include or not.
    #[schema(value_type = Vec<String>)]
    features: BTreeSet<Name>,
    #[schema(value_type = Vec<String>)]
    meters: BTreeSet<Name>,
    /// The plan of accounts that have bought nothing.
    #[schema(value_type = Option<String>)]
    default_plan: Option<Name>,
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
        stripe_publishable_key: None,
        sign_in_methods: config.sign_in_methods,
        features: config.features,
        meters: config.meters,
        default_plan: config.default_plan,
    }))
}
