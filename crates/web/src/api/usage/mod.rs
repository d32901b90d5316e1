//! Metered usage: check, consume, reserve and settle, record, levels, corrections, and how an account stands.

pub mod adjust;
pub mod analytics;
pub mod check;
pub mod cloud_events;
pub mod commit;
pub mod consume;
pub mod event;
pub mod levels;
pub mod now;
pub mod record;
pub mod release;
pub mod reserve;
pub mod reverse;

use app::metering::Counted;
use app::{AccountRef, AppError, Caller, accounts, rate_limits};
use axum::http::StatusCode;
use axum::response::Response;
use domain::name::Name;
use serde::Serialize;
use serde::de::MapAccess;
use utoipa::ToSchema;

use super::shapes::{self, CostShape, LimitShape, WarningShape};
use crate::WebState;
use crate::answer::Written;
use crate::extract::fields::Word;
use crate::extract::work::{Fields, Worked, take};
use crate::problem::Failure;

/// What a call may name beside its work.
#[derive(Debug, Default, ToSchema)]
#[schema(as = CallBody)]
pub struct CallFields {
    /// The rate limit to hold the account to. A service key is otherwise exempt.
    #[schema(inline, example = "api")]
    pub rate_scope: Option<Word>,
}

/// The body of a consume or a check.
pub type CallBody = Worked<CallFields>;

impl Fields for CallFields {
    const NAMES: &'static [&'static str] = &["rate_scope"];

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "rate_scope" => take(&mut self.rate_scope, name, map).map(|()| true),
            _ => Ok(false),
        }
    }
}

/// Holds the account to the rate limit that a request names. An account that does not exist yet has no rate to hold.
pub async fn hold_to_rate(
    state: &WebState,
    caller: &Caller,
    account: &AccountRef,
    scope: Option<&Word>,
) -> Result<(), AppError> {
    let Some(scope) = scope else { return Ok(()) };
    let id = match caller {
        Caller::Account { account, .. } => Some(*account),
        Caller::Person(person) => person.account,
        Caller::Visitor(visiting) => Some(visiting.account),
        Caller::Service { .. } => accounts::resolve(&state.app, account).await?,
    };
    if let Some(id) = id {
        rate_limits::hold_account(&state.app, id, scope.0.as_str()).await?;
    }
    Ok(())
}

/// Usage that was counted.
#[derive(Serialize, ToSchema)]
#[schema(as = Counted)]
pub struct CountedShape {
    #[schema(value_type = String, example = "evt_01k…")]
    event: Written<domain::ids::EventId>,
    /// The same command was counted before; nothing was counted now.
    replayed: bool,
    /// It counts in a later window than the one it occurred in.
    late: bool,
    /// A limit was passed that only warns, charges or observes.
    would_deny: bool,
    #[schema(value_type = Option<String>)]
    plan: Option<Name>,
    limits: Vec<LimitShape>,
    warnings: Vec<WarningShape>,
    cost: Option<CostShape>,
    /// The plan that would hold more, once a warning is reached.
    #[schema(value_type = Option<String>)]
    suggested_plan: Option<Name>,
    upgrade_url: Option<String>,
}

/// The answer to everything that counts.
pub async fn counted(state: &WebState, counted: Counted) -> Result<Response, Failure> {
    let upgrade_url = counted.suggested_plan.as_ref().map(|plan| state.app.upgrade_url(Some(plan)));
    let body = CountedShape {
        event: Written(counted.event),
        replayed: counted.replayed,
        late: counted.late,
        would_deny: counted.would_deny,
        plan: counted.plan,
        limits: shapes::limits(&counted.limits),
        warnings: shapes::warnings(&counted.limits),
        cost: shapes::cost(&state.app, counted.cost.as_ref()).await?,
        suggested_plan: counted.suggested_plan,
        upgrade_url,
    };
    Ok(shapes::metered(StatusCode::OK, &body, &counted.limits, (counted.at, counted.replayed)))
}
