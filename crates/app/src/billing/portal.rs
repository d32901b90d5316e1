//! Sends a customer to Stripe's own page for cards, invoices and plan.

use providers::stripe::NewPortalSession;

use super::customer::ensure_customer;
use super::selling::{payer, redirect_target};
use crate::{AccountRef, App, AppError, Caller};

/// A page that is good for a short while, for this account alone.
pub async fn portal(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    return_url: Option<&str>,
) -> Result<String, AppError> {
    let account = payer(app, caller, account).await?;
    let stripe = app.stripe()?;
    let return_url = redirect_target(app, "return_url", return_url, "billing")?;
    let customer = ensure_customer(app, stripe, account).await?;
    let new = NewPortalSession {
        customer,
        return_url: Some(return_url),
        configuration: app.settings.billing.portal_configuration.clone(),
        flow: None,
    };
    // Each session is its own: there is nothing that must be made once only.
    let key = format!("portal:{account}:{}", app.new_id::<domain::ids::BillingIntentKind>());
    Ok(stripe.create_portal_session(&new, &key).await?.url)
}
