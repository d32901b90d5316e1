//! What every sale asks first: whether anything can be sold, whether this plan is, and whether the account may buy it.

use std::sync::Arc;

use domain::billing::Status;
use domain::catalog::{Interval, Plan, PlanPrice};
use domain::ids::AccountId;
use domain::permissions::Action;
use storage::Tx;
use storage::ledger::plan_book::{PlanBook, PlanVersion};
use storage::records::accounts::{self, AccountStatus};
use storage::records::billed_subscriptions::{self, BilledSubscription};
use storage::records::billing_customers::{self, BillingCustomer};

use super::grant_plan::find_plan;
use super::plan_of_price::amount;
use super::subscription::current;
use crate::identity::scopes::BILLING_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// Who buys: an owner or admin of the account, or a service key for it.
pub(super) async fn buyer(app: &App, caller: &Caller, account: &AccountRef) -> Result<AccountId, AppError> {
    app.must_sell()?;
    payer(app, caller, account).await
}

/// The same, for what sells nothing: ending, pausing and going on, and Stripe's page for cards.
pub(super) async fn payer(app: &App, caller: &Caller, account: &AccountRef) -> Result<AccountId, AppError> {
    app.stripe()?;
    caller.account_of_person(app, account, (Action::Buy, BILLING_WRITE)).await
}

/// How an account stands with what it pays.
pub(super) struct Stands {
    pub plans: Arc<PlanBook>,
    /// Neither suspended nor closed.
    is_active: bool,
    /// The subscription that stands for it.
    pub billed: Option<BilledSubscription>,
    pub customer: Option<BillingCustomer>,
}

pub(super) async fn stands(app: &App, account: AccountId) -> Result<Stands, AppError> {
    let plans = app.plans().await?;
    let known = plans.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        let row = accounts::by_id(tx, account)?.ok_or(AppError::AccountUnknown)?;
        let billed = billed_subscriptions::by_account(tx, account)?;
        Ok((row.status, current(&known, &billed).cloned(), billing_customers::by_account(tx, account)?))
    };
    let (status, billed, customer) = app.database.read("how_account_pays", read).await?;
    Ok(Stands { plans, is_active: status == AccountStatus::Active, billed, customer })
}

/// Whether a subscription runs and is charged.
pub(super) fn is_changeable(status: Status) -> bool {
    matches!(status, Status::Trialing | Status::Active | Status::PastDue)
}

/// Whoever is suspended or closed buys nothing.
pub(super) fn must_be_active(stands: &Stands) -> Result<(), AppError> {
    if stands.is_active { Ok(()) } else { Err(AppError::AccountUnknown) }
}

/// A plan that is sold, with what it costs.
pub(super) struct Offer {
    pub version: PlanVersion,
    pub interval: Interval,
    /// ISO 4217, upper case.
    pub currency: String,
    /// Minor units each interval.
    pub amount: i64,
}

/// # Errors
/// [`AppError::PlanNotSold`] with the reason for a plan that is free, retired, agreed on with the seller, or not sold by
/// this interval or in this currency; [`AppError::NotFound`] for one that does not exist.
pub(super) fn offer(stands: &Stands, plan: &str, interval: Interval) -> Result<Offer, AppError> {
    must_be_active(stands)?;
    let version = find_plan(&stands.plans, plan)?;
    let sold = &*version.plan;
    let refused = |reason: String| AppError::PlanNotSold { plan: sold.key.clone(), reason };
    match &sold.price {
        _ if !sold.active => return Err(refused(format!("The plan {} is not sold any more.", sold.key))),
        PlanPrice::Free => {
            return Err(refused(format!("The plan {} is free; cancel the paid plan to come to it.", sold.key)));
        }
        PlanPrice::Custom => {
            return Err(refused(format!("The plan {} is agreed on with the seller; contact sales.", sold.key)));
        }
        PlanPrice::Paid { .. } => {}
    }
    let catalog_currency = &stands.plans.catalog.currency;
    let paid_in = stands.customer.as_ref().and_then(|customer| customer.currency.clone());
    let currency = paid_in.unwrap_or_else(|| catalog_currency.clone());
    let Some(amount) = amount(sold, catalog_currency, &currency, interval) else {
        let sold_by = sold_by(sold);
        return Err(refused(format!(
            "The plan {} is not sold {} in {currency}. It is sold {sold_by}.",
            sold.key,
            interval.as_str()
        )));
    };
    Ok(Offer { version: version.clone(), interval, currency, amount })
}

fn sold_by(plan: &Plan) -> String {
    let PlanPrice::Paid { by_interval, .. } = &plan.price else { return "otherwise".into() };
    by_interval.keys().map(|interval| interval.as_str()).collect::<Vec<_>>().join(" and ")
}

/// The days of trial that the account still has coming with this plan.
pub(super) fn trial_days(stands: &Stands, plan: &Plan) -> Option<u32> {
    let had_one = stands.customer.as_ref().is_some_and(|customer| customer.trial_used_at.is_some());
    (plan.trial_days > 0 && !had_one).then_some(plan.trial_days)
}

/// Where a customer is sent from Stripe's pages: this server, or an origin that the operator has named.
///
/// # Errors
/// [`AppError::Invalid`] for anything else, so that nobody can be led elsewhere by a link of ours.
pub(super) fn redirect_target(app: &App, field: &str, wanted: Option<&str>, usual: &str) -> Result<String, AppError> {
    let Some(wanted) = wanted else { return Ok(app.settings.page(usual)) };
    if app.settings.may_lead_to(wanted) {
        // As it was written, so that Stripe's placeholder stays.
        return Ok(wanted.to_owned());
    }
    let message = "Customers are not sent there. Name a whole address of this server, or add its origin to \
        `allowed_redirect_origins` first.";
    Err(AppError::invalid(field, message))
}
