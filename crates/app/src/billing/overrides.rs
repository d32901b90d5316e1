//! What was agreed with one account beside its plan: features and limits of its own. They outlive a change of plan.

use std::collections::BTreeSet;

use domain::catalog::{ALLOWED_MODELS, Catalog, Charge, FeatureValue, MeterKind, Past};
use domain::entitlements::{LimitOverride, Overrides};
use domain::name::Name;
use domain::windows::WindowKind;
use storage::Tx;
use storage::ledger::plan_book::PlanBook;
use storage::records::{accounts, subscriptions};

use super::note_terms::{charge_soon, note_overrides};
use crate::identity::scopes::{ACCOUNTS_READ, BILLING_WRITE};
use crate::{AccountRef, App, AppError, Caller};

const MOST_LIMITS: usize = 200;

/// Nothing agreed is answered as empty overrides.
pub async fn get_overrides(app: &App, caller: &Caller, account: &AccountRef) -> Result<Overrides, AppError> {
    let account = caller.account(app, account, ACCOUNTS_READ).await?;
    let read = move |tx: &mut Tx<'_>| -> Result<Overrides, AppError> {
        accounts::by_id(tx, account)?.ok_or(AppError::AccountUnknown)?;
        Ok(subscriptions::overrides(tx, account)?.unwrap_or_default())
    };
    app.database.read("get_overrides", read).await
}

/// Takes the place of everything agreed before; empty overrides end it. They hold from the next call on.
pub async fn put_overrides(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    overrides: Overrides,
) -> Result<Overrides, AppError> {
    caller.must_operate()?;
    let plans = app.plans().await?;
    check(&plans, &overrides)?;
    let account = caller.account(app, account, BILLING_WRITE).await?;
    let (now, writer) = (app.now(), app.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<Overrides, AppError> {
        accounts::lock(tx, account)?.ok_or(AppError::AccountUnknown)?;
        if overrides == Overrides::default() {
            subscriptions::delete_overrides(tx, account)?;
        } else {
            subscriptions::put_overrides(tx, account, &overrides, now)?;
        }
        if note_overrides(tx, account, &overrides, now)? {
            charge_soon(tx, &writer, account, now)?;
        }
        Ok(overrides.clone())
    };
    app.database.write("put_overrides", write).await
}

/// Every meter and feature is one that the catalog knows: a mistyped name would be agreed on and never hold.
fn check(plans: &PlanBook, overrides: &Overrides) -> Result<(), AppError> {
    for (name, value) in &overrides.features {
        check_feature(plans, name, value)?;
    }
    if overrides.limits.len() > MOST_LIMITS {
        return Err(AppError::invalid("limits", format!("At most {MOST_LIMITS} limits can be agreed on.")));
    }
    let mut seen = BTreeSet::new();
    for (place, limit) in overrides.limits.iter().enumerate() {
        check_limit(&plans.catalog, place, limit)?;
        if !seen.insert((&limit.meter, limit.per, limit.each)) {
            let message = format!("`{}` is limited twice for the same window and scope.", limit.meter);
            return Err(AppError::invalid(format!("limits[{place}]"), message));
        }
    }
    Ok(())
}

fn check_feature(plans: &PlanBook, name: &Name, value: &FeatureValue) -> Result<(), AppError> {
    let field = format!("features.{name}");
    let known = || plans.versions.values().flat_map(|version| &version.plan.features);
    let Some((_, example)) = known().find(|(known, _)| *known == name) else {
        let names: BTreeSet<&str> = known().map(|(known, _)| known.as_str()).collect();
        return Err(AppError::invalid(field, unknown("feature", name, names)));
    };
    let fits = matches!(
        (example, value),
        (FeatureValue::Boolean(_), FeatureValue::Boolean(_))
            | (FeatureValue::Number(_), FeatureValue::Number(0..))
            | (FeatureValue::List(_), FeatureValue::List(_))
    );
    if !fits {
        let kind = match example {
            FeatureValue::Boolean(_) => "true or false",
            FeatureValue::Number(_) => "a whole number",
            FeatureValue::List(_) => "a list of names",
        };
        return Err(AppError::invalid(field, format!("The feature `{name}` is {kind} in the catalog.")));
    }
    if let (ALLOWED_MODELS, FeatureValue::List(models)) = (name.as_str(), value) {
        check_models(&plans.catalog, &field, models)?;
    }
    Ok(())
}

/// A catalog that prices any model lets any be named.
fn check_models(catalog: &Catalog, field: &str, models: &[Name]) -> Result<(), AppError> {
    if catalog.unknown_model != domain::catalog::UnknownModel::Refuse {
        return Ok(());
    }
    let is_known = |model: &Name| {
        model.as_str() == "*" || catalog.models.contains_key(model) || catalog.model_groups.contains_key(model)
    };
    match models.iter().find(|model| !is_known(model)) {
        None => Ok(()),
        Some(model) => {
            let known = catalog.models.keys().chain(catalog.model_groups.keys()).map(Name::as_str);
            Err(AppError::invalid(field, unknown("model or group of models", model, known)))
        }
    }
}

fn check_limit(catalog: &Catalog, place: usize, limit: &LimitOverride) -> Result<(), AppError> {
    let invalid = |field: &str, message: String| Err(AppError::invalid(format!("limits[{place}].{field}"), message));
    let name = &limit.meter;
    let Some(meter) = catalog.meters.get(name) else {
        return invalid("meter", unknown("meter", name, catalog.meters.keys().map(Name::as_str)));
    };
    if limit.amount.is_some_and(i64::is_negative) {
        return invalid("amount", "A limit is zero or more, or null for unlimited.".into());
    }
    if meter.kind == MeterKind::Level && limit.per != WindowKind::Lifetime {
        let message = format!("The meter `{name}` is a level and never starts again; its limit is per `lifetime`.");
        return invalid("per", message);
    }
    match &limit.past {
        Some(Past::Charge { .. }) if meter.kind == MeterKind::Level => {
            invalid("past", format!("The meter `{name}` is a level: what is above its limit is never billed."))
        }
        Some(Past::Charge { charge_nano, each, up_to_minor, other_currencies, .. }) => {
            let own = Charge { charge_nano: *charge_nano, up_to_minor: *up_to_minor };
            let is_wrong =
                |charge: &Charge| charge.charge_nano <= 0 || charge.up_to_minor.is_some_and(i64::is_negative);
            if *each <= 0 || is_wrong(&own) || other_currencies.values().any(is_wrong) {
                return invalid("past", "A charge and what it is for are more than zero.".into());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn unknown<'n>(what: &str, name: &Name, known: impl IntoIterator<Item = &'n str>) -> String {
    match domain::catalog::nearest(name.as_str(), known) {
        Some(nearest) => format!("The catalog knows no {what} called `{name}`. Did you mean `{nearest}`?"),
        None => format!("The catalog knows no {what} called `{name}`."),
    }
}
