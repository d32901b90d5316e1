//! Ends a granted plan before its time.

use serde_json::json;
use storage::Tx;
use storage::records::subscriptions;

use super::SubscriptionView;
use super::subscription::view;
use crate::identity::scopes::BILLING_WRITE;
use crate::webhooks::{Emitted, Event, emit};
use crate::{AccountRef, App, AppError, Caller};

/// The account is on the default plan's newest version again, with the periods and the usage it has. Where no plan was
/// granted nothing changes.
pub async fn end_grant(app: &App, caller: &Caller, account: &AccountRef) -> Result<SubscriptionView, AppError> {
    caller.must_operate()?;
    let account = caller.account(app, account, BILLING_WRITE).await?;
    let plans = app.plans().await?;
    let default_plan = plans.default_plan().map(|version| version.id);
    let (now, told) = (app.now(), Emitted::new(app, Event::SubscriptionChanged));
    let plan = plans.default_plan().map(|version| version.plan.key.to_string());
    let write = move |tx: &mut Tx<'_>| -> Result<SubscriptionView, AppError> {
        if subscriptions::end_grant(tx, account, default_plan, now)? {
            emit(tx, &told, account, &json!({ "plan": plan, "source": "default" }))?;
        }
        view(tx, &plans, account, now)
    };
    app.database.write("end_grant", write).await
}
