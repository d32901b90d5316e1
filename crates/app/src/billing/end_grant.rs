//! Ends a granted plan before its time.

use storage::Tx;
use storage::records::subscriptions;

use super::SubscriptionView;
use super::note_terms::charge_soon;
use super::settle::settle;
use super::subscription::view;
use crate::identity::scopes::BILLING_WRITE;
use crate::webhooks::{Emitted, Event};
use crate::{AccountRef, App, AppError, Caller};

/// The account is on what it pays for, else on the default plan's newest version, with the usage it has. Where no plan
/// was granted nothing changes.
pub async fn end_grant(app: &App, caller: &Caller, account: &AccountRef) -> Result<SubscriptionView, AppError> {
    caller.must_operate()?;
    let account = caller.account(app, account, BILLING_WRITE).await?;
    let plans = app.plans().await?;
    let (now, told, writer) = (app.now(), Emitted::new(app, Event::SubscriptionChanged), app.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<SubscriptionView, AppError> {
        subscriptions::set_grant(tx, account, None, now)?;
        if settle(tx, &plans, account, &told, now)? {
            charge_soon(tx, &writer, account, now)?;
        }
        view(tx, &plans, account, now)
    };
    app.database.write("end_grant", write).await
}
