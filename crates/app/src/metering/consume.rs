//! Checks and counts in one atomic step.

use std::sync::Arc;

use domain::ids::AccountId;
use domain::ledger::{Accepted, Action, Denial, DenialReason, Outcome, Terms};
use domain::name::Name;
use domain::suggestion::{Need, suggest_plan};
use storage::ledger::plan_book::PlanBook;
use storage::ledger::{Answer, StoredEvent};

use super::details::KeptCost;
use super::work::{Asked, Prepared};
use super::{Counted, Work, decisions};
use crate::error::Denied;
use crate::identity::scopes::USAGE_WRITE;
use crate::{AccountRef, App, AppError, Caller, accounts};

/// How often something is tried by terms that change under it.
const TRIES: usize = 4;

/// Counts work when it fits the account's limits; otherwise counts nothing. Answers after the count is durable.
///
/// # Errors
/// [`AppError::Denied`] with the limit in the way, [`AppError::FeatureNotInPlan`] for a model outside the plan.
pub async fn consume(app: &App, caller: &Caller, account: &AccountRef, work: Work) -> Result<Counted, AppError> {
    must_not_give_back(caller, &work)?;
    let account = account_to_count(app, caller, account, USAGE_WRITE).await?;
    let mut tried = 0;
    loop {
        let terms = terms_to_try(app, account, tried).await?;
        let outcome = consume_by(app, caller, (account, &terms), &work).await;
        if !is_for_old_terms(app, &outcome, tried) {
            return outcome;
        }
        tried += 1;
    }
}

async fn consume_by(
    app: &App,
    caller: &Caller,
    (account, terms): (AccountId, &Terms),
    work: &Work,
) -> Result<Counted, AppError> {
    let plans = app.plans().await?;
    let asked = Asked { app, caller: Some(caller), account, terms, plans };
    asked.must_allow_model_unless_counted(work).await?;
    let (command, priced) = asked.command(work, Action::Consume)?;
    if work.key.is_none()
        && let Some(denial) = app.ledger.remembered_denial(&command)
    {
        return Err(denied(app, terms, &asked.plans, &denial));
    }
    let mut prepared = asked.request(work, None, (command, priced));
    prepared.request.epoch = Some(terms.epoch);
    submit(app, terms, prepared).await
}

/// The terms to try something by, first those remembered. Where several nodes share the database these may be old: the
/// ledger notices by their epoch, and [`is_for_old_terms`] says when to try again.
pub(super) async fn terms_to_try(app: &App, account: AccountId, tried: usize) -> Result<Arc<Terms>, AppError> {
    match app.ledger.remembered_terms(account) {
        Some(remembered) if tried == 0 => Ok(remembered),
        _ => app.ledger.terms_now(account).await?.ok_or(AppError::AccountUnknown),
    }
}

/// Whether an outcome may be otherwise by the terms as the database has them now.
pub(super) fn is_for_old_terms<T>(app: &App, outcome: &Result<T, AppError>, tried: usize) -> bool {
    match outcome {
        Err(AppError::TermsChanged) => tried + 1 < TRIES,
        Err(AppError::FeatureNotInPlan { .. }) => tried == 0 && app.database.is_postgres(),
        _ => false,
    }
}

/// The account that metered work is for; a new `external_id` makes one.
pub(crate) async fn account_to_count(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    scope: &'static str,
) -> Result<AccountId, AppError> {
    match (caller, account) {
        (Caller::Service { .. }, AccountRef::External(_)) => {
            caller.must_have_scope(scope)?;
            accounts::resolve_or_create(app, account).await
        }
        _ => caller.account(app, account, scope).await,
    }
}

/// A level goes down by a negative quantity. Whoever signs in from a browser would give back what is still used.
fn must_not_give_back(caller: &Caller, work: &Work) -> Result<(), AppError> {
    if work.usage.iter().any(|(_, quantity)| quantity.is_negative()) { caller.must_be_key() } else { Ok(()) }
}

pub(crate) async fn terms(app: &App, account: AccountId) -> Result<Arc<Terms>, AppError> {
    app.ledger.terms(account).await?.ok_or(AppError::AccountUnknown)
}

/// Sends a prepared command to the ledger and turns its answer into what callers are told.
pub(super) async fn submit(app: &App, terms: &Terms, prepared: Prepared) -> Result<Counted, AppError> {
    let Prepared { request, cost, plans } = prepared;
    let plan = terms.plan.as_ref().map(|plan| plan.key.clone());
    match app.ledger.submit(request).await? {
        Answer::Judged(Outcome::Accepted(accepted)) => {
            accepted.event.amounts.iter().for_each(|amount| decisions::count("allowed", &amount.meter));
            Ok(counted(app, terms, &plans, (*accepted, cost)))
        }
        Answer::Judged(Outcome::Denied(denial)) => Err(denied(app, terms, &plans, &denial)),
        Answer::Judged(Outcome::Refused(refusal)) => Err(refusal.into()),
        Answer::Judged(Outcome::Settled(event)) => Err(AppError::NotFound { what: "event", name: event.to_string() }),
        Answer::Conflict(event) => Err(AppError::KeyReused { event: Some(event) }),
        Answer::Replayed { event, limits, stored } => Ok(Counted {
            event,
            replayed: true,
            late: stored.as_ref().is_some_and(|stored| stored.late),
            limits,
            cost: kept_cost(stored.as_ref()),
            plan,
            would_deny: false,
            suggested_plan: None,
            at: app.now(),
        }),
    }
}

fn counted(
    app: &App,
    terms: &Terms,
    plans: &PlanBook,
    (accepted, cost): (Accepted, Option<domain::pricing::CallCost>),
) -> Counted {
    let warned = accepted.limits.iter().any(|limit| limit.warning_percent.is_some());
    let needs = || accepted.limits.iter().map(need_at_capacity).collect::<Vec<_>>();
    let suggested_plan = warned.then(|| suggestion(terms, plans, &needs())).flatten();
    Counted {
        event: accepted.event.id,
        replayed: false,
        late: accepted.event.late,
        limits: accepted.limits,
        cost,
        plan: terms.plan.as_ref().map(|plan| plan.key.clone()),
        would_deny: accepted.would_deny.is_some(),
        suggested_plan,
        at: app.now(),
    }
}

/// Past a warning the next plan is the one that holds more than this one does.
fn need_at_capacity(limit: &domain::ledger::LimitState) -> Need {
    let total = match (limit.limit, limit.warning_percent) {
        (Some(amount), Some(_)) => amount.saturating_add(1).max(limit.used),
        _ => limit.used,
    };
    Need { meter: limit.meter.clone(), per: limit.window, each: limit.scope, total }
}

pub(super) fn suggestion(terms: &Terms, plans: &PlanBook, needs: &[Need]) -> Option<Name> {
    suggest_plan(&plans.catalog, terms.plan.as_deref(), needs).map(|plan| plan.key.clone())
}

/// A denial with the plan that would fit.
pub(crate) fn denied(app: &App, terms: &Terms, plans: &PlanBook, denial: &Denial) -> AppError {
    if let Some(limit) = &denial.limit {
        decisions::count("denied", &limit.meter);
    }
    let suggested_plan = match denial.reason {
        DenialReason::QuotaExceeded => {
            let need = denial.limit.as_ref().map(|limit| Need {
                meter: limit.meter.clone(),
                per: limit.window,
                each: limit.scope,
                total: limit.used.saturating_add(limit.reserved).saturating_add(denial.requested),
            });
            suggestion(terms, plans, need.as_slice())
        }
        DenialReason::SubscriptionRequired => suggestion(terms, plans, &[]),
        DenialReason::AccountSuspended => None,
    };
    let plan = terms.plan.as_ref().map(|plan| plan.key.clone());
    AppError::Denied(Box::new(Denied::new(app, denial.clone(), plan, suggested_plan)))
}

fn kept_cost(stored: Option<&StoredEvent>) -> Option<domain::pricing::CallCost> {
    serde_json::from_str::<KeptCost>(&stored?.details).ok()?.cost
}
