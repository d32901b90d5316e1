//! `GET subscription/history`: what became of the plan, newest first.

use app::billing::{self, HistoryEntry};
use axum::extract::State;
use axum::response::Response;
use domain::ids::HistoryEntryId;
use domain::name::Name;
use serde::Serialize;
use utoipa::ToSchema;

use super::money;
use crate::answer::{self, Page, Time, Written};
use crate::api::Shared;
use crate::api::paging::{self, AccountListQuery};
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

/// Something that became of the plan.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionHistoryEntry)]
pub struct HistoryShape {
    #[schema(value_type = String, example = "sbh_01k…")]
    id: Written<HistoryEntryId>,
    /// `created`, `trial_started`, `trial_converted`, `activated`, `renewed`, `paid`, `upgraded`, `downgraded`,
    /// `interval_changed`, `change_scheduled`, `payment_failed`, `past_due`, `recovered`, `cancellation_scheduled`,
    /// `resumed`, `canceled`, `refunded`, `disputed`, …
    kind: String,
    #[schema(value_type = Option<String>)]
    plan: Option<Name>,
    #[schema(value_type = Option<String>)]
    former_plan: Option<Name>,
    interval: Option<&'static str>,
    #[schema(example = "15.00")]
    amount: Option<String>,
    currency: Option<String>,
    /// Stripe's ids.
    subscription: Option<String>,
    invoice: Option<String>,
    at: Time,
}

impl From<HistoryEntry> for HistoryShape {
    fn from(entry: HistoryEntry) -> Self {
        let currency = entry.currency;
        Self {
            id: Written(entry.id),
            kind: entry.kind,
            plan: entry.plan,
            former_plan: entry.former_plan,
            interval: entry.interval.map(|interval| interval.as_str()),
            amount: entry.amount.map(|amount| money(amount, currency.as_deref().unwrap_or_default())),
            currency,
            subscription: entry.subscription,
            invoice: entry.invoice,
            at: Written(entry.at),
        }
    }
}

/// List the plan's history
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/api/v1/subscription/history",
    tag = "subscription",
    params(AccountListQuery),
    responses((status = 200, body = Page<HistoryShape>), Problems),
)]
pub async fn list_history(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<AccountListQuery>,
) -> Result<Response, Failure> {
    let (account, (before, limit)) = query.read(HistoryEntryId::parse)?;
    let found = billing::list_history(&state.app, &caller, &account, (before, limit + 1)).await?;
    Ok(answer::ok(&paging::page(found, limit, |entry| entry.id.to_string(), HistoryShape::from)))
}
