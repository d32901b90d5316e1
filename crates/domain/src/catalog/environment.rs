//! Single limits set from outside the catalog file: `TOLLWAY_LIMIT_PRO_REQUESTS_PERIOD=20000`.
//!
//! A setting is named by plan, meter and window, and by scope where the limit is not the whole account's:
//! `TOLLWAY_LIMIT_PRO_COST_DAY_KEY=5.00`. The window may be left out where the plan has one limit on the meter. Only
//! limits that the catalog has can be set; who wants another writes it into the catalog.

use super::mistakes::did_you_mean;
use super::plan::{Limit, LimitScope, Plan};
use super::{COST_METER, Catalog, words};
use crate::money::NanoUsd;
use crate::quantity::{Quantity, QuantityError};

/// How the names of such settings begin.
pub const LIMIT_PREFIX: &str = "TOLLWAY_LIMIT_";

/// A setting that cannot be followed, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{key}: {what} {fix}")]
pub struct LimitSettingError {
    pub key: String,
    pub what: String,
    pub fix: String,
}

/// Sets the limits that the settings name; keys that do not begin with [`LIMIT_PREFIX`] are left alone. Every setting that
/// cannot be followed is told, and then nothing is set.
pub fn apply_limit_settings<'s>(
    catalog: &mut Catalog,
    settings: impl IntoIterator<Item = (&'s str, &'s str)>,
) -> Result<(), Vec<LimitSettingError>> {
    let mut changed = catalog.clone();
    let mut errors = Vec::new();
    for (key, value) in settings {
        let Some(name) = key.strip_prefix(LIMIT_PREFIX) else { continue };
        if let Err((what, fix)) = apply_one(&mut changed, name, value.trim()) {
            errors.push(LimitSettingError { key: key.to_owned(), what, fix });
        }
    }
    if errors.is_empty() {
        *catalog = changed;
        return Ok(());
    }
    Err(errors)
}

fn apply_one(catalog: &mut Catalog, name: &str, value: &str) -> Result<(), (String, String)> {
    let limits = catalog.plans.values_mut().flat_map(|plan| {
        let names: Vec<Vec<String>> = plan.limits.iter().map(|limit| setting_names(plan, limit)).collect();
        plan.limits.iter_mut().zip(names)
    });
    let (mut matching, others): (Vec<_>, Vec<_>) =
        limits.partition(|(_, names)| names.iter().any(|candidate| candidate == name));
    match matching.as_mut_slice() {
        [(limit, _)] => {
            limit.amount = read_amount(limit, value)?;
            Ok(())
        }
        [] => {
            let mut known: Vec<&str> = others.iter().map(|(_, names)| names[0].as_str()).collect();
            known.sort_unstable();
            Err(("No plan has such a limit.".to_owned(), did_you_mean(name, known)))
        }
        [_, _, ..] => {
            let named: Vec<&str> = matching.iter().map(|(_, names)| names[0].as_str()).collect();
            let what = format!("It could be any of {}.", super::mistakes::enumerate(&named));
            Err((what, "Rename a plan or a meter so that the two can be told apart.".to_owned()))
        }
    }
}

/// The names a limit goes by, the full one first.
fn setting_names(plan: &Plan, limit: &Limit) -> Vec<String> {
    let scope = match limit.each {
        LimitScope::Account => String::new(),
        other => format!("_{}", other.as_str()),
    };
    let full = format!("{}_{}_{}{scope}", plan.key, limit.meter, limit.per.as_str());
    let is_alone = plan.limits.iter().filter(|other| other.meter == limit.meter).count() == 1;
    let short = is_alone.then(|| format!("{}_{}", plan.key, limit.meter));
    [Some(full), short].into_iter().flatten().map(|name| name.to_ascii_uppercase().replace('-', "_")).collect()
}

fn read_amount(limit: &Limit, value: &str) -> Result<Option<i64>, (String, String)> {
    if value == words::UNLIMITED {
        return Ok(None);
    }
    let read = if limit.meter.as_str() == COST_METER {
        NanoUsd::parse(value).map(NanoUsd::nano)
    } else {
        Quantity::parse(value).map(Quantity::millionths)
    };
    let fix = "Write a number such as 20000, or `unlimited`.".to_owned();
    match read {
        Ok(amount) if amount >= 0 => Ok(Some(amount)),
        Ok(_) => Err((format!("`{value}` is negative."), fix)),
        Err(QuantityError::NotANumber) => Err((format!("`{value}` is not a number."), fix)),
        Err(QuantityError::TooPrecise) => Err((format!("`{value}` has more decimals than can be kept."), fix)),
        Err(QuantityError::TooLarge) => Err((format!("`{value}` is too large."), fix)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOG: &str = r#"
        product = "Test"
        [meters.requests]
        [meters.seats]
        [plans.pro.limits]
        requests = [10, { amount = 5, per = "day", each = "end_user" }]
        seats = 3
        cost = "5.00"
        [plans.pro-plus.limits]
        requests = 20
    "#;

    fn set(settings: &[(&str, &str)]) -> Result<Catalog, Vec<String>> {
        let mut catalog = crate::catalog::parse(CATALOG).expect("a good catalog");
        let result = apply_limit_settings(&mut catalog, settings.iter().copied());
        result.map(|()| catalog).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_limit_is_set_by_plan_meter_window_and_scope() {
        let catalog = set(&[
            ("TOLLWAY_LIMIT_PRO_REQUESTS_PERIOD", "20000"),
            ("TOLLWAY_LIMIT_PRO_REQUESTS_DAY_END_USER", "unlimited"),
            ("TOLLWAY_LIMIT_PRO_SEATS", " 7 "),
            ("TOLLWAY_LIMIT_PRO_COST", "12.50"),
            ("TOLLWAY_LIMIT_PRO_PLUS_REQUESTS", "0"),
            ("PATH", "/bin"),
        ])
        .expect("settings that can be followed");
        let amounts: Vec<Option<i64>> = catalog.plans["pro"].limits.iter().map(|limit| limit.amount).collect();
        assert_eq!(amounts, [Some(20_000_000_000), None, Some(7_000_000), Some(12_500_000_000)]);
        assert_eq!(catalog.plans["pro-plus"].limits[0].amount, Some(0));
    }

    #[test]
    fn a_setting_that_cannot_be_followed_is_explained_and_nothing_is_set() {
        let errors = set(&[
            ("TOLLWAY_LIMIT_PRO_SEATS", "9"),
            ("TOLLWAY_LIMIT_PRO_REQESTS_PERIOD", "1"),
            ("TOLLWAY_LIMIT_PRO_REQUESTS", "1"),
            ("TOLLWAY_LIMIT_PRO_SEATS_LIFETIME", "many"),
            ("TOLLWAY_LIMIT_PRO_COST", "-1"),
            ("TOLLWAY_LIMIT_PRO_COST", "0.0000000001"),
        ])
        .expect_err("settings that cannot be followed");
        assert_eq!(
            errors,
            [
                "TOLLWAY_LIMIT_PRO_REQESTS_PERIOD: No plan has such a limit. Did you mean `PRO_REQUESTS_PERIOD`?",
                "TOLLWAY_LIMIT_PRO_REQUESTS: No plan has such a limit. Known are `PRO_COST_PERIOD`, \
                 `PRO_PLUS_REQUESTS_PERIOD`, `PRO_REQUESTS_DAY_END_USER`, `PRO_REQUESTS_PERIOD` and `PRO_SEATS_LIFETIME`.",
                "TOLLWAY_LIMIT_PRO_SEATS_LIFETIME: `many` is not a number. Write a number such as 20000, or `unlimited`.",
                "TOLLWAY_LIMIT_PRO_COST: `-1` is negative. Write a number such as 20000, or `unlimited`.",
                "TOLLWAY_LIMIT_PRO_COST: `0.0000000001` has more decimals than can be kept. Write a number such as \
                 20000, or `unlimited`.",
            ]
        );
    }
}
