//! Ends a granted plan before its time.

use storage::Tx;
use storage::records::subscriptions;

use super::SubscriptionView;
use super::subscription::view;
use crate::{AccountRef, App, AppError, Caller};

/// The account is on the default plan's newest version again, with the periods and the usage it has. Where no plan was
/// granted nothing changes.
pub async fn end_grant(app: &App, caller: &Caller, account: &AccountRef) -> Result<SubscriptionView, AppError> {
    caller.must_be_service()?;
    caller.must_have_scope(crate::identity::scopes::BILLING_WRITE)?;
    let account = caller.account(app, account).await?;
    let plans = app.plans().await?;
    let default_plan = plans.default_plan().map(|version| version.id);
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| -> Result<SubscriptionView, AppError> {
        subscriptions::end_grant(tx, account, default_plan, now)?;
        view(tx, &plans, account, now)
    };
    app.database.write("end_grant", write).await
}
