//! Sets levels (storage, seats) to what was observed.

use domain::ids::AccountId;
use domain::ledger::Action;
use domain::name::Name;
use domain::quantity::Quantity;
use domain::time::Timestamp;

use super::consume::{account_to_count, submit, terms};
use super::work::Asked;
use super::{Counted, Work};
use crate::identity::scopes::USAGE_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// Sets the meters of `work.usage` to these levels. Never denied; ignored when it was observed before the last reading.
pub async fn set_levels(app: &App, caller: &Caller, account: &AccountRef, work: Work) -> Result<Counted, AppError> {
    caller.must_be_key()?;
    let account = account_to_count(app, caller, account, USAGE_WRITE).await?;
    let terms = terms(app, account).await?;
    let plans = app.plans().await?;
    let asked = Asked { app, caller: Some(caller), account, terms: &terms, plans };
    let prepared = asked.prepare(&work, Action::SetLevel, None)?;
    submit(app, &terms, prepared).await
}

/// Sets one meter to what the server itself has observed.
pub(crate) async fn set_observed_level(
    app: &App,
    account: AccountId,
    level: (Name, Quantity),
    observed_at: Timestamp,
) -> Result<(), AppError> {
    let (terms, plans) = (terms(app, account).await?, app.plans().await?);
    let work = Work { usage: vec![level], occurred_at: Some(observed_at), ..Work::default() };
    let asked = Asked { app, caller: None, account, terms: &terms, plans };
    let prepared = asked.prepare(&work, Action::SetLevel, None)?;
    submit(app, &terms, prepared).await.map(|_| ())
}
