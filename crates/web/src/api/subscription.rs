//! `GET subscription`: which plan an account is on, and why.

use app::billing::{self, SubscriptionView};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{AccountId, SubscriptionId};
use domain::name::Name;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::usage::now::Period;
use crate::answer::{self, Time, Written};
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

/// Names the account, with a service key.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SubscriptionQuery {
    #[param(inline)]
    account: Option<Text<1, 64>>,
    #[param(inline)]
    external_id: Option<Text<1, 255>>,
}

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
    #[schema(example = "active")]
    status: &'static str,
    /// `default`: the catalog's default plan. `granted`: given without payment.
    #[schema(example = "default")]
    source: &'static str,
    #[schema(example = "monthly")]
    interval: &'static str,
    period: Period,
    /// When a granted plan ends.
    granted_until: Option<Time>,
    created_at: Time,
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
            created_at: Written(view.created_at),
        }
    }
}

/// Show the subscription
#[utoipa::path(
    get,
    path = "/api/v1/subscription",
    tag = "subscription",
    params(SubscriptionQuery),
    responses((status = 200, body = SubscriptionShape), Problems),
)]
pub async fn get_subscription(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<SubscriptionQuery>,
) -> Result<Response, Failure> {
    let account = account_ref(query.account.map(|text| text.0), query.external_id.map(|text| text.0))?;
    let view = billing::subscription(&state.app, &caller, &account).await?;
    Ok(answer::ok(&SubscriptionShape::from(view)))
}
