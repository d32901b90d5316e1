//! What an app's pages need to know before anybody has signed in.

use std::collections::BTreeSet;

use domain::money::Currency;
use domain::name::Name;

use crate::{App, AppError};

#[derive(Clone, PartialEq, Debug)]
pub struct PublicConfig {
    pub product: String,
    pub currency: Currency,
    /// How people can sign in; none yet.
    pub sign_in_methods: Vec<&'static str>,
    /// Features that plans include or not.
    pub features: BTreeSet<Name>,
    pub meters: BTreeSet<Name>,
    pub default_plan: Option<Name>,
}

pub async fn config(app: &App) -> Result<PublicConfig, AppError> {
    let book = app.plans().await?;
    let catalog = &book.catalog;
    let active = catalog.plans.values().filter(|plan| plan.active);
    Ok(PublicConfig {
        product: catalog.product.clone(),
        currency: catalog.money_currency(),
        sign_in_methods: Vec::new(),
        features: active.flat_map(|plan| plan.features.keys().cloned()).collect(),
        meters: catalog.meters.keys().cloned().collect(),
        default_plan: catalog.default_plan.clone(),
    })
}
