//! `/billing`: what the signed-in person's account pays for, with the way to Stripe's page for cards, invoices and plan.

use app::billing::{self, BillingView, Invoice, SubscriptionView};
use app::{AccountRef, AppError};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::render::{BillingLine, BillingPage, DonePage, page, product};
use crate::api::Shared;
use crate::api::subscription::money;
use crate::extract::Authenticated;
use crate::problem::Failure;

const INVOICES: u32 = 12;

pub async fn show(State(state): Shared, caller: Result<Authenticated, Failure>) -> Result<Response, Failure> {
    let app = &state.app;
    let product = product(app).await?;
    let Ok(Authenticated(caller)) = caller else {
        let explanation = "Sign in to the app, and follow the link again.";
        return Ok(page(
            StatusCode::UNAUTHORIZED,
            &DonePage { product: &product, title: "Sign in first", explanation },
        ));
    };
    let account = &AccountRef::Own;
    let subscription = billing::subscription(app, &caller, account).await?;
    let invoices = billing::list_invoices(app, &caller, account, (None, INVOICES)).await?;
    let written = BillingPage {
        product: &product,
        plan: subscription.plan.as_ref().map_or("none", |plan| plan.name.as_str()),
        standing: standing(&subscription),
        has_portal: subscription.billing.is_some() || !invoices.is_empty(),
        invoices: invoices.iter().filter(|invoice| invoice.status != "draft").map(line).collect(),
    };
    Ok(page(StatusCode::OK, &written))
}

/// Makes Stripe's page and leads there.
pub async fn portal(State(state): Shared, Authenticated(caller): Authenticated) -> Result<Response, Failure> {
    let url = billing::portal(&state.app, &caller, &AccountRef::Own, None).await?;
    let unusable = |_| AppError::BillingRefused("its page has an address that cannot be followed".into());
    let url = HeaderValue::from_str(&url).map_err(unusable)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response())
}

/// What becomes of the plan by itself, in a sentence.
fn standing(subscription: &SubscriptionView) -> String {
    let Some(billing) = &subscription.billing else {
        return match subscription.granted_until {
            Some(until) => format!("It was given to you until {}.", until.for_people()),
            None => "Nothing is charged for it.".into(),
        };
    };
    let price = billing.amount.map(|amount| format!("{} {}", money(amount, &billing.currency), billing.currency));
    let price = price.unwrap_or_else(|| "what was agreed".into());
    sentence(billing, &price)
}

fn sentence(billing: &BillingView, price: &str) -> String {
    let BillingView { cancel_at, trial_ends_at, grace_until, scheduled, renews_at, paused, .. } = billing;
    if let Some(until) = cancel_at {
        return format!("It is canceled and ends on {}. Nothing more is charged.", until.for_people());
    }
    if let Some(until) = grace_until {
        return format!("A payment has failed. Please pay it before {}.", until.for_people());
    }
    if let Some(ends) = trial_ends_at {
        return format!("The trial ends on {}; then it costs {price}.", ends.for_people());
    }
    if let Some(change) = scheduled {
        return format!("On {} it changes to {}, for {price}.", change.at.for_people(), change.plan);
    }
    match renews_at {
        _ if *paused => "It is paused, and nothing is charged.".into(),
        Some(at) => format!("It is renewed on {} for {price}.", at.for_people()),
        None => "Nothing is charged for it now.".into(),
    }
}

fn line(invoice: &Invoice) -> BillingLine {
    BillingLine {
        number: invoice.number.clone().unwrap_or_default(),
        date: invoice.created_at.for_people(),
        total: format!("{} {}", money(invoice.total, &invoice.currency), invoice.currency),
        status: invoice.status.clone(),
        url: invoice.hosted_url.clone().filter(|url| url.starts_with("http")),
    }
}
