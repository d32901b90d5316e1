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
use serde::de::MapAccess;
use utoipa::ToSchema;

use super::shapes::{self, CostShape, LimitShape, WarningShape};
use crate::WebState;
use crate::answer;
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
#[derive(ToSchema)]
#[schema(as = Counted)]
pub struct CountedShape {
    #[schema(example = "evt_01k…")]
    pub event: String,
    /// The same command was counted before; nothing was counted now.
    pub replayed: bool,
    /// It counts in a later window than the one it occurred in.
    pub late: bool,
    /// A limit was passed that only warns, charges or observes.
    pub would_deny: bool,
    pub plan: Option<String>,
    pub limits: Vec<LimitShape>,
    pub warnings: Vec<WarningShape>,
    pub cost: Option<CostShape>,
    /// The plan that would hold more, once a warning is reached.
    pub suggested_plan: Option<String>,
    pub upgrade_url: Option<String>,
}

/// The answer to everything that counts.
pub async fn counted(state: &WebState, counted: Counted) -> Result<Response, Failure> {
    let suggested_plan = counted.suggested_plan.as_ref();
    let upgrade_url = suggested_plan.map(|plan| state.app.settings.upgrade_url(Some(plan)));
    let cost = CostShape::of(&state.app, counted.cost.as_ref()).await?;
    let body = answer::object(|json| {
        json.plain("event", Some(counted.event));
        json.boolean("replayed", counted.replayed);
        json.boolean("late", counted.late);
        json.boolean("would_deny", counted.would_deny);
        json.text("plan", counted.plan.as_ref().map(Name::as_str));
        shapes::put_limits(json, &counted.limits);
        shapes::put_warnings(json, &counted.limits);
        json.inner("cost", cost, |json, cost| cost.put(json));
        json.text("suggested_plan", suggested_plan.map(Name::as_str));
        json.text("upgrade_url", upgrade_url.as_deref());
    });
    Ok(shapes::metered(StatusCode::OK, body, &counted.limits, (counted.at, counted.replayed)))
}
