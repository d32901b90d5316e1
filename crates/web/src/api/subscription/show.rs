//! `GET subscription`: which plan an account is on, and why.

use app::billing::{self, BillingView, SubscriptionView};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{AccountId, SubscriptionId};
use domain::name::Name;
use serde::Serialize;
use utoipa::ToSchema;

use super::money;
use crate::answer::{self, Time, Written};
use crate::api::Shared;
use crate::api::usage::now::Period;
use crate::extract::work::AccountQuery;
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

/// An account's subscription as it stands now.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
pub struct SubscriptionShape {
    #[schema(value_type = String, example = "sub_01k…")]
    id: Written<SubscriptionId>,
    #[schema(value_type = String)]
    account: Written<AccountId>,
    /// The plan's key in the catalog. Null: the catalog names no default plan.
    #[schema(value_type = Option<String>)]
    plan: Option<Name>,
    plan_name: Option<String>,
    /// Counts the plan's versions from 1.
    plan_version: Option<i64>,
    /// A newer version of the plan is sold.
    has_newer_version: bool,
    /// Of what is paid for, whether its plan is in force or not: `incomplete`, `trialing`, `active`, `past_due`, `unpaid`,
    /// `paused`. `active` where nothing is paid for.
    #[schema(example = "active")]
    status: &'static str,
    /// `default`: the catalog's default plan. `granted`: given without payment. `paid`: bought.
    #[schema(example = "default")]
    source: &'static str,
    #[schema(example = "monthly")]
    interval: &'static str,
    /// The month that usage is counted in now.
    period: Period,
    /// When a granted plan ends.
    granted_until: Option<Time>,
    /// What is paid for, or was begun to be. Null: nothing.
    billing: Option<BillingShape>,
    created_at: Time,
}

/// What an account pays for.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionBilling)]
pub struct BillingShape {
    /// Stripe's id.
    subscription: String,
    /// Each interval. Null: the price says no single amount.
    #[schema(example = "15.00")]
    amount: Option<String>,
    #[schema(example = "USD")]
    currency: String,
    /// What was paid for last: a month or a year.
    period: Period,
    /// Null: it is not renewed by itself.
    renews_at: Option<Time>,
    auto_renew: bool,
    trial_ends_at: Option<Time>,
    /// When it ends by itself.
    cancel_at: Option<Time>,
    /// Until when the plan is kept although a payment has failed.
    grace_until: Option<Time>,
    /// A plan or interval that was chosen for later.
    scheduled_change: Option<ScheduledShape>,
    /// Payments are not collected.
    paused: bool,
    resumes_at: Option<Time>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ScheduledChange)]
pub struct ScheduledShape {
    #[schema(value_type = String)]
    plan: Name,
    interval: &'static str,
    at: Time,
}

impl From<BillingView> for BillingShape {
    fn from(view: BillingView) -> Self {
        Self {
            amount: view.amount.map(|amount| money(amount, &view.currency)),
            subscription: view.subscription,
            currency: view.currency,
            period: Period { start: Written(view.period_start), end: Written(view.period_end) },
            renews_at: view.renews_at.map(Written),
            auto_renew: view.renews_at.is_some(),
            trial_ends_at: view.trial_ends_at.map(Written),
            cancel_at: view.cancel_at.map(Written),
            grace_until: view.grace_until.map(Written),
            scheduled_change: view.scheduled.map(|change| ScheduledShape {
                plan: change.plan,
                interval: change.interval.as_str(),
                at: Written(change.at),
            }),
            paused: view.paused,
            resumes_at: view.resumes_at.map(Written),
        }
    }
}

impl From<SubscriptionView> for SubscriptionShape {
    fn from(view: SubscriptionView) -> Self {
        Self {
            id: Written(view.id),
            account: Written(view.account),
            plan: view.plan.as_ref().map(|plan| plan.key.clone()),
            plan_name: view.plan.as_ref().map(|plan| plan.name.clone()),
            plan_version: view.plan_version,
            has_newer_version: view.has_newer_version,
            status: view.status.as_str(),
            source: view.source.as_str(),
            interval: view.interval.as_str(),
            period: Period { start: Written(view.period_start), end: Written(view.period_end) },
            granted_until: view.granted_until.map(Written),
            billing: view.billing.map(BillingShape::from),
            created_at: Written(view.created_at),
        }
    }
}

/// Show the subscription
#[utoipa::path(
    get,
    path = "/api/v1/subscription",
    tag = "subscription",
    params(AccountQuery),
    responses((status = 200, body = SubscriptionShape), Problems),
)]
pub async fn get_subscription(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<AccountQuery>,
) -> Result<Response, Failure> {
    let view = billing::subscription(&state.app, &caller, &query.account()?).await?;
    Ok(answer::ok(&SubscriptionShape::from(view)))
}
