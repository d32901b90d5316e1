//! `GET entitlements/{feature}`: whether the account's plan includes a feature, or one value of it.

use app::catalog;
use axum::extract::State;
use axum::response::Response;
use domain::name::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::value_of;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, PathId, QueryFields};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FeatureQuery {
    #[param(inline)]
    account: Option<Text<1, 64>>,
    #[param(inline)]
    external_id: Option<Text<1, 255>>,
    /// A value that is asked for: `pdf` of `export_formats`, a model of `allowed_models`, a number.
    #[param(inline)]
    value: Option<Text<1, 255>>,
}

/// A feature that the plan includes.
#[derive(Serialize, ToSchema)]
#[schema(as = IncludedFeature)]
pub struct IncludedShape {
    allowed: bool,
    #[schema(value_type = String)]
    feature: Name,
    /// What the plan includes: true, a number, or a list with `*` for all.
    value: Option<Value>,
    #[schema(value_type = String)]
    plan: Name,
}

/// Check a feature
///
/// 403 `feature_not_in_plan`, with the plan that would include it, when this one does not.
#[utoipa::path(
    get,
    path = "/api/v1/entitlements/{feature}",
    tag = "entitlements",
    params(("feature" = String, Path, description = "Its name in the catalog."), FeatureQuery),
    responses((status = 200, body = IncludedShape), Problems),
)]
pub async fn check_feature(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(feature): PathId<Name>,
    QueryFields(query): QueryFields<FeatureQuery>,
) -> Result<Response, Failure> {
    let account = account_ref(query.account.map(|text| text.0), query.external_id.map(|text| text.0))?;
    let value = query.value.as_ref().map(|text| text.0.as_str());
    let included = catalog::check_feature(&state.app, &caller, &account, feature.as_str(), value).await?;
    Ok(answer::ok(&IncludedShape {
        allowed: true,
        feature: included.feature,
        value: included.value.as_ref().map(value_of),
        plan: included.plan,
    }))
}
