//! `admin/reconcile`: compares with Stripe, and repairs.

use app::billing::{self, Finding, ReconciliationView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::{AccountId, ReconciliationId};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{self, Written};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBodyOrNone, PathId};
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

/// A comparison of all accounts.
#[derive(Serialize, ToSchema)]
#[schema(as = ReconciliationRun)]
pub struct RunShape {
    #[schema(value_type = String, example = "rec_01k0…")]
    id: Written<ReconciliationId>,
    /// `running`, `done`, or `failed` where it was given up.
    #[schema(example = "running")]
    state: &'static str,
    /// How many accounts were compared so far.
    compared: i64,
    /// What was found so far, a thousand accounts at most.
    found: Vec<FoundShape>,
    /// Why it does not get on, where it does not.
    last_error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    started_at: Written<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Written<Timestamp>>,
}

impl RunShape {
    fn of(ReconciliationView { run, found }: ReconciliationView) -> Self {
        Self {
            id: Written(run.id),
            state: run.state.as_str(),
            compared: run.compared,
            found: found.into_iter().map(FoundShape::of).collect(),
            last_error: run.last_error,
            started_at: Written(run.started_at),
            ended_at: run.ended_at.map(Written),
        }
    }
}

impl FoundShape {
    fn of(Finding { account, repaired, drift }: Finding) -> Self {
        Self { account: Written(account), repaired, drift }
    }
}

/// Compare with Stripe
///
/// One account is compared at once. All of them are compared by jobs, and the answer, 202, says which comparison it is; while
/// one runs it is that one. By schedule this is done for every account once a day. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/admin/reconcile",
    tag = "admin",
    request_body = ReconcileBody,
    responses(
        (status = 200, body = ReconciledShape, description = "The account was compared."),
        (status = 202, body = RunShape, description = "All accounts are being compared."),
        Problems,
    ),
)]
pub async fn reconcile(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBodyOrNone(body): JsonBodyOrNone<ReconcileBody>,
) -> Result<Response, Failure> {
    if body.account.is_none() && body.external_id.is_none() {
        let run = billing::begin_reconciliation(&state.app, &caller).await?;
        return Ok(answer::json(StatusCode::ACCEPTED, &RunShape::of(run)));
    }
    let account = account_ref(body.account.map(|text| text.0), body.external_id.map(|text| text.0))?;
    let done = billing::reconcile(&state.app, &caller, &account).await?;
    let found = done.found.into_iter().map(|(account, found)| FoundShape {
        account: Written(account),
        repaired: found.repaired,
        drift: found.drift,
    });
    Ok(answer::ok(&ReconciledShape { compared: done.compared, found: found.collect() }))
}

/// Show a comparison with Stripe
///
/// How far it has come, and what it found so far. For service keys.
#[utoipa::path(
    get,
    path = "/api/v1/admin/reconcile/{id}",
    tag = "admin",
    params(("id" = String, Path, description = "`rec_…`")),
    responses((status = 200, body = RunShape), Problems),
)]
pub async fn get_reconciliation(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<ReconciliationId>,
) -> Result<Response, Failure> {
    let run = billing::get_reconciliation(&state.app, &caller, id).await?;
    Ok(answer::ok(&RunShape::of(run)))
}
