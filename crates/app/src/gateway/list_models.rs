//! The models that an account may call.

use std::collections::BTreeMap;

use domain::entitlements::model_allowed;
use domain::name::Name;

use crate::identity::scopes::MODELS_CALL;
use crate::metering::consume::{account_to_count, terms};
use crate::{AccountRef, App, AppError, Caller};

/// A model, by the name that clients call it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallableModel {
    pub name: Name,
    /// Whose it is: `openai`.
    pub provider: String,
}

/// The models that some upstream serves by name, that have a price, or that are another name for one of these, and that
/// the account's plan allows. In the order of names. A model that is not listed may still be called where an upstream
/// serves every model and the plan allows all.
pub async fn list_models(app: &App, caller: &Caller, account: &AccountRef) -> Result<Vec<CallableModel>, AppError> {
    let account = account_to_count(app, caller, account, MODELS_CALL).await?;
    let terms = terms(app, account).await?;
    let plans = app.plans().await?;
    let catalog = &plans.catalog;
    let mut served: BTreeMap<Name, String> = BTreeMap::new();
    // The first upstream that serves a model is the one that is asked.
    for serving in app.gateway.all().iter().rev() {
        let named = serving.models.iter().filter(|pattern| !pattern.ends_with('*')).map(|model| Name::new(model));
        let priced = catalog.models.keys().map(|model| match model.as_str().split_once('/') {
            Some((provider, model)) if provider == serving.provider => Name::new(model),
            _ => model.clone(),
        });
        let models = named.chain(priced).filter(|model| serving.serves(model.as_str()));
        served.extend(models.map(|model| (model, serving.provider.clone())));
    }
    for (alias, model) in &app.gateway.aliases {
        if let Some(provider) = served.get(model).cloned() {
            served.insert(Name::new(alias), provider);
        }
    }
    let is_allowed = |name: &Name, provider: &str| {
        let meant = app.gateway.meant(name.as_str());
        let features = terms.plan.as_ref().map(|plan| &plan.features);
        features.is_none_or(|features| model_allowed(features, &catalog.model_groups, meant.as_str(), Some(provider)))
    };
    let models = served.into_iter().filter(|(name, provider)| is_allowed(name, provider));
    Ok(models.map(|(name, provider)| CallableModel { name, provider }).collect())
}
