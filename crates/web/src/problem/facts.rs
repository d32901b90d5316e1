//! What a caller is told beside the sentence, so that a program can act on it.

use app::error::Denied;
use app::{App, AppError};
use domain::ledger::{LimitState, Refusal};
use serde::ser::SerializeMap;

use crate::answer::{Decimal, Written};

pub fn write<M: SerializeMap>(map: &mut M, error: &AppError, app: &App) -> Result<(), M::Error> {
    match error {
        AppError::Denied(denied) => write_denial(map, denied),
        AppError::FeatureNotInPlan { feature, plan, suggested_plan, .. } => {
            map.serialize_entry("feature", feature)?;
            map.serialize_entry("plan", plan)?;
            map.serialize_entry("suggested_plan", suggested_plan)?;
            map.serialize_entry("upgrade_url", &app.upgrade_url(suggested_plan.as_ref()))
        }
        AppError::SecondFactorRequired { challenge, expires_at } => {
            map.serialize_entry("challenge", challenge)?;
            map.serialize_entry("expires_at", &Written(expires_at))
        }
        AppError::InsufficientRole { needed } => map.serialize_entry("role", needed.as_str()),
        AppError::InsufficientScope { scope } => map.serialize_entry("scope", scope),
        AppError::Invalid { field, .. } if field.is_empty() => Ok(()),
        AppError::Invalid { field, .. } => map.serialize_entry("field", field),
        AppError::Taken { field, value } => {
            map.serialize_entry("field", field)?;
            map.serialize_entry("value", value)
        }
        AppError::RateLimited { scope, requests, window_seconds, retry_after_seconds } => {
            map.serialize_entry("scope", scope)?;
            map.serialize_entry("limit", requests)?;
            map.serialize_entry("window_seconds", window_seconds)?;
            map.serialize_entry("retry_after_seconds", retry_after_seconds)
        }
        AppError::PlanNotSold { plan, .. } => map.serialize_entry("plan", plan),
        AppError::PaymentFailed { code, .. } => map.serialize_entry("decline_code", code),
        AppError::ModelUnknown(model) => map.serialize_entry("model", model),
        AppError::KeyReused { event: Some(event) } => map.serialize_entry("event", &Written(event)),
        AppError::Refused(refusal) => write_refusal(map, refusal),
        _ => Ok(()),
    }
}

fn write_refusal<M: SerializeMap>(map: &mut M, refusal: &Refusal) -> Result<(), M::Error> {
    match refusal {
        Refusal::MeterUnknown(meter)
        | Refusal::NegativeQuantity(meter)
        | Refusal::NotALevel(meter)
        | Refusal::LevelBelowZero(meter)
        | Refusal::TooLarge(meter) => map.serialize_entry("meter", meter),
        Refusal::AlreadyReversed(event) => map.serialize_entry("event", &Written(event)),
        Refusal::TooOld | Refusal::InTheFuture => map.serialize_entry("field", "occurred_at"),
        _ => Ok(()),
    }
}

fn write_denial<M: SerializeMap>(map: &mut M, denied: &Denied) -> Result<(), M::Error> {
    if let Some(limit) = &denied.denial.limit {
        write_limit(map, limit)?;
        map.serialize_entry("requested", &Decimal::of_meter(limit.meter.as_str(), denied.denial.requested))?;
    }
    map.serialize_entry("plan", &denied.plan)?;
    if let Some(upgrade_url) = &denied.upgrade_url {
        map.serialize_entry("suggested_plan", &denied.suggested_plan)?;
        map.serialize_entry("upgrade_url", upgrade_url)?;
    }
    Ok(())
}

fn write_limit<M: SerializeMap>(map: &mut M, limit: &LimitState) -> Result<(), M::Error> {
    let amount = |value: i64| Decimal::of_meter(limit.meter.as_str(), value);
    map.serialize_entry("meter", &limit.meter)?;
    map.serialize_entry("scope", limit.scope.as_str())?;
    map.serialize_entry("scope_id", &limit.scope_id)?;
    map.serialize_entry("window", limit.window.as_str())?;
    map.serialize_entry("limit", &limit.limit.map(amount))?;
    map.serialize_entry("current", &amount(limit.used))?;
    map.serialize_entry("reserved", &amount(limit.reserved))?;
    map.serialize_entry("remaining", &limit.remaining().map(amount))?;
    map.serialize_entry("credits", &amount(limit.credits_left))?;
    map.serialize_entry("resets_at", &limit.resets_at.map(Written))
}
