//! Says whether work would be allowed. Changes nothing.

use domain::ledger::{Action, DenialReason, Outcome};

use super::consume::{denied, terms};
use super::work::Asked;
use super::{Checked, Work};
use crate::identity::scopes::USAGE_READ;
use crate::{AccountRef, App, AppError, Caller, accounts};

/// Whether a consume of the same work would be counted right now, and why not.
///
/// A service key may ask for an `external_id` that has no account yet: the answer is the default plan's, by the account
/// that the first consume would make.
pub async fn check(app: &App, caller: &Caller, account: &AccountRef, work: Work) -> Result<Checked, AppError> {
    let account = match (caller, account) {
        (Caller::Service { .. }, AccountRef::External(_)) => {
            caller.must_have_scope(USAGE_READ)?;
            accounts::resolve(app, account).await?.ok_or(AppError::AccountUnknown)?
        }
        _ => caller.account(app, account, USAGE_READ).await?,
    };
    let terms = terms(app, account).await?;
    let plans = app.plans().await?;
    let asked = Asked { app, caller: Some(caller), account, terms: &terms, plans };
    let plan = terms.plan.as_ref().map(|plan| plan.key.clone());
    let (command, _) = asked.command(&work, Action::Consume)?;
    let (outcome, standing) = app.ledger.check(&command).await?;
    let mut checked =
        Checked { allowed: true, code: None, limits: standing.limits, plan, suggested_plan: None, at: standing.at };
    if let Err(AppError::FeatureNotInPlan { suggested_plan, .. }) = asked.must_allow_model(&work) {
        return Ok(Checked { allowed: false, code: Some("model_not_allowed"), suggested_plan, ..checked });
    }
    match outcome {
        Outcome::Accepted(_) | Outcome::Settled(_) => {}
        Outcome::Refused(refusal) => return Err(refusal.into()),
        Outcome::Denied(denial) => {
            checked.allowed = false;
            checked.code = Some(match denial.reason {
                DenialReason::QuotaExceeded => "quota_exceeded",
                DenialReason::AccountSuspended => "account_suspended",
                DenialReason::SubscriptionRequired => "subscription_required",
            });
            if let AppError::Denied(denied) = denied(app, &standing.terms, &asked.plans, &denial) {
                checked.suggested_plan = denied.suggested_plan;
            }
        }
    }
    Ok(checked)
}
