//! `POST subscription/preview`: what a change would cost and allow.

use app::billing::{self, ChangePreview};
use axum::extract::State;
use axum::response::Response;
use domain::name::Name;
use serde::Serialize;
use utoipa::ToSchema;

use super::change::ChangeBody;
use super::money;
use crate::answer::{self, Decimal, Time, Written};
use crate::api::Shared;
use crate::api::shapes::on_exceed;
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{Failure, Problems};

/// What a change would do.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangePreview)]
pub struct PreviewShape {
    #[schema(example = "USD")]
    currency: String,
    /// With tax, after credit. Below zero it is credited to later invoices.
    #[schema(example = "49.16")]
    due_now: String,
    /// What `due_now` is made of.
    lines: Vec<PreviewLineShape>,
    next_invoice: NextInvoice,
    /// Given to the change, it costs to the cent what is shown here.
    proration_date: Time,
    takes_effect_at: Time,
    /// The limits that hold then.
    limits_after: Vec<LimitAfter>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PreviewLine)]
pub struct PreviewLineShape {
    description: String,
    amount: String,
    /// Credits or charges a part of a period.
    proration: bool,
}

#[derive(Serialize, ToSchema)]
pub struct NextInvoice {
    amount: String,
    at: Time,
}

#[derive(Serialize, ToSchema)]
pub struct LimitAfter {
    #[schema(value_type = String)]
    meter: Name,
    window: &'static str,
    /// Null: unlimited.
    limit: Option<Decimal>,
    on_exceed: &'static str,
}

impl From<ChangePreview> for PreviewShape {
    fn from(preview: ChangePreview) -> Self {
        let currency = preview.currency;
        let lines = preview.lines.into_iter().map(|line| PreviewLineShape {
            amount: money(line.amount, &currency),
            description: line.description,
            proration: line.proration,
        });
        let limits = preview.limits_after.into_iter().map(|limit| LimitAfter {
            window: limit.per.as_str(),
            limit: limit.amount.map(|amount| Decimal::of_meter(limit.meter.as_str(), amount)),
            on_exceed: on_exceed(&limit.past),
            meter: limit.meter,
        });
        Self {
            due_now: money(preview.due_now, &currency),
            lines: lines.collect(),
            next_invoice: NextInvoice { amount: money(preview.next_amount, &currency), at: Written(preview.next_at) },
            proration_date: Written(preview.proration_date),
            takes_effect_at: Written(preview.takes_effect_at),
            limits_after: limits.collect(),
            currency,
        }
    }
}

/// Preview a change
///
/// Nothing is changed. For owners, admins and service keys.
#[utoipa::path(
    post,
    path = "/api/v1/subscription/preview",
    tag = "subscription",
    request_body = ChangeBody,
    responses((status = 200, body = PreviewShape), Problems),
)]
pub async fn preview_change(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<ChangeBody>,
) -> Result<Response, Failure> {
    let preview = billing::preview_change(&state.app, &caller, &body.account()?, &body.wanted()).await?;
    Ok(answer::ok(&PreviewShape::from(preview)))
}
