//! Adds usage by hand, or gives it back.

use domain::ledger::Action;

use super::consume::{submit, terms};
use super::work::Asked;
use super::{Counted, Work};
use crate::identity::scopes::USAGE_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// Changes what is counted in the open windows; negative quantities give back, never below zero. The reason stays with
/// the event.
pub async fn adjust(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    work: Work,
    reason: String,
) -> Result<Counted, AppError> {
    caller.must_operate()?;
    let account = caller.account(app, account, USAGE_WRITE).await?;
    let terms = terms(app, account).await?;
    let plans = app.plans().await?;
    let asked = Asked { app, caller: Some(caller), account, terms: &terms, plans };
    let prepared = asked.prepare(&work, Action::Adjust, Some(&reason))?;
    submit(app, &terms, prepared).await
}
