//! `GET entitlements`: every feature, as the account's plan includes it.

use std::collections::BTreeMap;

use app::catalog;
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;
use domain::ledger::Standing;
use domain::name::Name;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::value_of;
use crate::answer::{self, Written};
use crate::api::Shared;
use crate::extract::work::AccountQuery;
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

/// What an account may do.
#[derive(Serialize, ToSchema)]
#[schema(as = Entitlements)]
pub struct EntitlementsShape {
    #[schema(value_type = String)]
    account: Written<AccountId>,
    /// `open`, `suspended` or `no_plan`.
    #[schema(example = "open")]
    standing: &'static str,
    #[schema(value_type = Option<String>)]
    plan: Option<Name>,
    /// True or false, a number, or a list with `*` for all, by name.
    #[schema(value_type = Object)]
    features: BTreeMap<Name, Value>,
}

/// List features
///
/// Every feature that the catalog knows, with what the account's plan and agreements include of it.
#[utoipa::path(
    get,
    path = "/api/v1/entitlements",
    tag = "entitlements",
    params(AccountQuery),
    responses((status = 200, body = EntitlementsShape), Problems),
)]
pub async fn list_entitlements(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<AccountQuery>,
) -> Result<Response, Failure> {
    let found = catalog::entitlements(&state.app, &caller, &query.account()?).await?;
    Ok(answer::ok(&EntitlementsShape {
        account: Written(found.account),
        standing: match found.standing {
            Standing::Open => "open",
            Standing::Suspended => "suspended",
            Standing::NoPlan => "no_plan",
        },
        plan: found.plan.as_ref().map(|plan| plan.key.clone()),
        features: found.features.iter().map(|(name, value)| (name.clone(), value_of(value))).collect(),
    }))
}
