//! What an account's plan lets it do, with what was agreed for the account alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::catalog::{FeatureValue, Plan};
use domain::ids::AccountId;
use domain::ledger::{Denial, DenialReason, Standing, Terms};
use domain::name::Name;
use domain::suggestion::suggest_plan;
use domain::time::Timestamp;
use storage::ledger::plan_book::PlanBook;

use crate::error::Denied;
use crate::{AccountRef, App, AppError, Caller};

/// Known within a second.
#[derive(Clone, Debug)]
pub struct AccountEntitlements {
    pub account: AccountId,
    pub standing: Standing,
    /// With its features and limits as they are for this account. `None`: it has no plan.
    pub plan: Option<Arc<Plan>>,
    /// Of every feature that any plan of the catalog names; those the account's plan does not name are not included.
    pub features: BTreeMap<Name, FeatureValue>,
    pub at: Timestamp,
}

pub async fn entitlements(app: &App, caller: &Caller, account: &AccountRef) -> Result<AccountEntitlements, AppError> {
    caller.must_have_scope(crate::identity::scopes::USAGE_READ)?;
    let (account, terms) = account_and_terms(app, caller, account).await?;
    let plans = app.plans().await?;
    let mut features: BTreeMap<Name, FeatureValue> = BTreeMap::new();
    for (name, value) in plans.catalog.plans.values().flat_map(|plan| &plan.features) {
        features.entry(name.clone()).or_insert_with(|| not_included(value));
    }
    if let Some(plan) = &terms.plan {
        features.extend(plan.features.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(AccountEntitlements { account, standing: terms.standing, plan: terms.plan.clone(), features, at: app.now() })
}

fn not_included(example: &FeatureValue) -> FeatureValue {
    match example {
        FeatureValue::Boolean(_) => FeatureValue::Boolean(false),
        FeatureValue::Number(_) => FeatureValue::Number(0),
        FeatureValue::List(_) => FeatureValue::List(Vec::new()),
    }
}

pub(super) async fn account_and_terms(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
) -> Result<(AccountId, Arc<Terms>), AppError> {
    let account = caller.account(app, account, crate::identity::scopes::USAGE_READ).await?;
    let terms = app.ledger.terms(account).await?.ok_or(AppError::AccountUnknown)?;
    Ok((account, terms))
}

/// The plan of an account that may use it.
///
/// # Errors
/// [`AppError::Denied`] when the account is suspended or has no plan.
pub(super) fn plan_in_force<'t>(app: &App, plans: &PlanBook, terms: &'t Terms) -> Result<&'t Plan, AppError> {
    let denied = |reason, suggested_plan: Option<Name>| {
        let denial = Denial { reason, requested: 0, limit: None };
        let plan = terms.plan.as_ref().map(|plan| plan.key.clone());
        AppError::Denied(Box::new(Denied::new(app, denial, plan, suggested_plan)))
    };
    match (terms.standing, &terms.plan) {
        (Standing::Suspended, _) => Err(denied(DenialReason::AccountSuspended, None)),
        (Standing::Open, Some(plan)) => Ok(plan),
        (Standing::NoPlan, _) | (Standing::Open, None) => {
            let suggested = suggest_plan(&plans.catalog, None, &[]).map(|plan| plan.key.clone());
            Err(denied(DenialReason::SubscriptionRequired, suggested))
        }
    }
}
