//! `POST admin/reconcile`: compares with Stripe now, and repairs.

use app::billing;
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{self, Written};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBodyOrNone};
use crate::problem::{Failure, Problems};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconcileBody {
    /// Left out, as `external_id`: all accounts.
    #[schema(inline)]
    account: Option<Text<1, 64>>,
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
}

/// What a comparison with Stripe found.
#[derive(Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub struct ReconciledShape {
    /// How many accounts were compared.
    compared: usize,
    found: Vec<FoundShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReconciliationFinding)]
pub struct FoundShape {
    #[schema(value_type = String)]
    account: Written<AccountId>,
    /// What was different here and is not any more.
    repaired: Vec<String>,
    /// What Stripe says that the catalog does not know; somebody has to look.
    drift: Option<String>,
}

/// Compare with Stripe
///
/// By schedule this is done for every account once a day. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/admin/reconcile",
    tag = "admin",
    request_body = ReconcileBody,
    responses((status = 200, body = ReconciledShape), Problems),
)]
pub async fn reconcile(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBodyOrNone(body): JsonBodyOrNone<ReconcileBody>,
) -> Result<Response, Failure> {
    let account = match (body.account, body.external_id) {
        (None, None) => None,
        (account, external) => Some(account_ref(account.map(|text| text.0), external.map(|text| text.0))?),
    };
    let done = billing::reconcile(&state.app, &caller, account.as_ref()).await?;
    let found = done.found.into_iter().map(|(account, found)| FoundShape {
        account: Written(account),
        repaired: found.repaired,
        drift: found.drift,
    });
    Ok(answer::ok(&ReconciledShape { compared: done.compared, found: found.collect() }))
}
