//! Whether an account's plan includes a feature, and for a value asked for whether it includes that value.

use domain::catalog::{ALLOWED_MODELS, Catalog, FeatureValue, Plan};
use domain::entitlements::model_allowed;
use domain::name::Name;
use domain::suggestion::{suggest_plan_with_feature, suggest_plan_with_model};

use super::entitlements::{account_and_terms, plan_in_force};
use crate::{AccountRef, App, AppError, Caller};

/// A feature that the plan includes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IncludedFeature {
    pub feature: Name,
    /// As the plan has it: `true`, a number, or a list. `None`: no plan limits it, as where no plan names its models.
    pub value: Option<FeatureValue>,
    pub plan: Name,
}

/// `check_feature(…, "export_formats", Some("pdf"))`; of `allowed_models` the value is a model, alone or as
/// `provider/model`.
///
/// # Errors
/// [`AppError::FeatureNotInPlan`] with the plan that would include it; a feature nobody names is included nowhere.
pub async fn check_feature(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    feature: &str,
    value: Option<&str>,
) -> Result<IncludedFeature, AppError> {
    caller.must_have_scope(crate::identity::scopes::USAGE_READ)?;
    let (_, terms) = account_and_terms(app, caller, account).await?;
    let plans = app.plans().await?;
    let plan = plan_in_force(app, &plans, &terms)?;
    if includes(&plans.catalog, plan, feature, value) {
        let included = plan.features.get(feature).cloned();
        return Ok(IncludedFeature { feature: Name::new(feature), value: included, plan: plan.key.clone() });
    }
    let model = (feature == ALLOWED_MODELS).then_some(value).flatten();
    let suggested = match model {
        Some(model) => suggest_plan_with_model(&plans.catalog, Some(plan), model, None),
        None => suggest_plan_with_feature(&plans.catalog, Some(plan), feature, value),
    };
    Err(AppError::FeatureNotInPlan {
        feature: match (model, value) {
            (Some(model), _) => format!("the model {model}"),
            (None, Some(value)) => format!("{feature} {value}"),
            (None, None) => feature.to_owned(),
        },
        plan: Some(plan.key.clone()),
        suggested_plan: suggested.map(|plan| plan.key.clone()),
        model: model.is_some(),
    })
}

fn includes(catalog: &Catalog, plan: &Plan, feature: &str, value: Option<&str>) -> bool {
    match value {
        Some(model) if feature == ALLOWED_MODELS => model_allowed(&plan.features, &catalog.model_groups, model, None),
        _ => plan.features.get(feature).is_some_and(|included| included.includes(value)),
    }
}
