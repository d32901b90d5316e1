//! How an account stands now: every limit, and what is used of it.

use domain::ledger::Scopes;
use domain::name::Name;
use domain::windows::{Window, WindowKind};
use storage::ledger::Freshness;

use super::UsageNow;
use crate::identity::scopes::USAGE_READ;
use crate::{AccountRef, App, AppError, Caller};

/// Every limit of the account, exact: what a 2xx has counted is in it. With a user or end user, theirs too.
pub async fn usage_now(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    user: Option<Name>,
    end_user: Option<Name>,
) -> Result<UsageNow, AppError> {
    let account = caller.account(app, account, USAGE_READ).await?;
    let key = match caller {
        Caller::Account { key, .. } => Some(Name::from(key.to_string())),
        _ => None,
    };
    let scopes = Scopes { member: user, key, end_user };
    let standing = app.ledger.limits(account, &scopes, Freshness::Exact).await?.ok_or(AppError::AccountUnknown)?;
    let period = Window::containing(WindowKind::Period, standing.terms.anchor, standing.at);
    Ok(UsageNow {
        account,
        plan: standing.terms.plan.as_ref().map(|plan| plan.key.clone()),
        period_start: period.start,
        period_end: period.end.unwrap_or(period.start),
        limits: standing.limits,
        at: standing.at,
    })
}
