//! What an app's pages need to know before anybody has signed in.

use std::collections::BTreeSet;

use domain::money::Currency;
use domain::name::Name;

use crate::identity::{PasswordRules, Registration};
use crate::{App, AppError};

#[derive(Clone, PartialEq, Debug)]
pub struct PublicConfig {
    pub product: String,
    pub currency: Currency,
    /// For Stripe's own forms in the browser.
    pub stripe_publishable_key: Option<String>,
    /// Whether plans can be bought here.
    pub selling: bool,
    pub sign_in: PublicSignIn,
    /// Features that plans include or not.
    pub features: BTreeSet<Name>,
    pub meters: BTreeSet<Name>,
    pub default_plan: Option<Name>,
}

/// How people sign up and in.
#[derive(Clone, PartialEq, Debug)]
pub struct PublicSignIn {
    pub registration: Registration,
    pub password_rules: PasswordRules,
    pub providers: Vec<PublicProvider>,
}

/// Somebody else whom people may sign in by.
#[derive(Clone, PartialEq, Debug)]
pub struct PublicProvider {
    pub name: String,
    pub display_name: String,
    /// Where a browser is sent to begin.
    pub start_url: String,
}

pub async fn config(app: &App) -> Result<PublicConfig, AppError> {
    let book = app.plans().await?;
    let catalog = &book.catalog;
    let active = catalog.plans.values().filter(|plan| plan.active);
    Ok(PublicConfig {
        product: catalog.product.clone(),
        currency: catalog.money_currency(),
        stripe_publishable_key: app.settings.billing.publishable_key.clone(),
        selling: app.sells(),
        sign_in: sign_in(app),
        features: active.flat_map(|plan| plan.features.keys().cloned()).collect(),
        meters: catalog.meters.keys().cloned().collect(),
        default_plan: catalog.default_plan.clone(),
    })
}

fn sign_in(app: &App) -> PublicSignIn {
    let people = &app.settings.people;
    let providers = app.sign_in_providers.all().map(|provider| PublicProvider {
        name: provider.name().to_owned(),
        display_name: provider.display_name().to_owned(),
        start_url: app.settings.page(&format!("api/v1/auth/oidc/{}/start", provider.name())),
    });
    let providers = providers.collect();
    PublicSignIn { registration: people.registration, password_rules: people.password, providers }
}
