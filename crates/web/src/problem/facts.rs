//! What a caller is told beside the sentence, so that a program can act on it.

use app::error::Denied;
use app::{AppError, Settings};
use domain::json::Json;
use domain::ledger::Refusal;
use domain::name::Name;

use crate::answer::Decimal;
use crate::api::shapes::put_limit;

pub fn write(json: &mut Json, error: &AppError, settings: &Settings) {
    match error {
        AppError::Denied(denied) => write_denial(json, denied),
        AppError::FeatureNotInPlan { feature, plan, suggested_plan, .. } => {
            json.text("feature", Some(feature));
            json.text("plan", plan.as_ref().map(Name::as_str));
            json.text("suggested_plan", suggested_plan.as_ref().map(Name::as_str));
            json.text("upgrade_url", Some(&settings.upgrade_url(suggested_plan.as_ref())));
        }
        AppError::SecondFactorRequired { challenge, expires_at } => {
            json.text("challenge", Some(challenge));
            json.plain("expires_at", Some(*expires_at));
        }
        AppError::InsufficientRole { needed } => json.text("role", Some(needed.as_str())),
        AppError::InsufficientScope { scope } => json.text("scope", Some(scope)),
        AppError::Invalid { field, .. } if field.is_empty() => {}
        AppError::Invalid { field, .. } => json.text("field", Some(field)),
        AppError::Taken { field, value } => {
            json.text("field", Some(field));
            json.text("value", Some(value));
        }
        AppError::RateLimited { scope, requests, window_seconds, retry_after_seconds } => {
            json.text("scope", Some(scope.as_str()));
            json.number("limit", Some(*requests));
            json.number("window_seconds", Some(*window_seconds));
            json.number("retry_after_seconds", Some(*retry_after_seconds));
        }
        AppError::PlanNotSold { plan, .. } => json.text("plan", Some(plan.as_str())),
        AppError::PaymentFailed { code, .. } => json.text("decline_code", Some(code)),
        AppError::ModelUnknown(model) => json.text("model", Some(model.as_str())),
        AppError::KeyReused { event: Some(event) } => json.plain("event", Some(*event)),
        AppError::Refused(refusal) => write_refusal(json, refusal),
        _ => {}
    }
}

fn write_refusal(json: &mut Json, refusal: &Refusal) {
    match refusal {
        Refusal::MeterUnknown(meter)
        | Refusal::NegativeQuantity(meter)
        | Refusal::NotALevel(meter)
        | Refusal::LevelBelowZero(meter)
        | Refusal::TooLarge(meter) => json.text("meter", Some(meter.as_str())),
        Refusal::AlreadyReversed(event) => json.plain("event", Some(*event)),
        Refusal::TooOld | Refusal::InTheFuture => json.text("field", Some("occurred_at")),
        _ => {}
    }
}

fn write_denial(json: &mut Json, denied: &Denied) {
    if let Some(limit) = &denied.denial.limit {
        put_limit(json, limit, "current");
        json.exact("requested", Some(Decimal::of_meter(limit.meter.as_str(), denied.denial.requested)));
    }
    json.text("plan", denied.plan.as_ref().map(Name::as_str));
    if let Some(upgrade_url) = &denied.upgrade_url {
        json.text("suggested_plan", denied.suggested_plan.as_ref().map(Name::as_str));
        json.text("upgrade_url", Some(upgrade_url));
    }
}
