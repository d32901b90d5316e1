//! Extra quantity or money given to an account, used after the plan's own amount.

use domain::catalog::COST_METER;
use domain::ids::{AccountId, CreditId};
use domain::ledger::{Action, Credit};
use domain::name::Name;
use domain::quantity::Quantity;
use domain::time::Timestamp;

use super::consume::{submit, terms};
use super::work::{Asked, in_units};
use super::{Counted, Work};
use crate::identity::scopes::{BILLING_WRITE, USAGE_READ};
use crate::{AccountRef, App, AppError, Caller};

/// A grant to be made. Dollars where the meter is `cost`.
#[derive(Clone, Debug)]
pub struct NewCredit {
    pub meter: Name,
    pub quantity: Quantity,
    /// The lowest goes first.
    pub priority: i32,
    pub expires_at: Option<Timestamp>,
    pub reason: Option<String>,
    pub key: Option<super::IdempotencyKey>,
}

/// Gives an account extra quantity. Used at once by what is denied now.
pub async fn grant_credit(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    new: NewCredit,
) -> Result<(CreditId, Counted), AppError> {
    caller.must_operate()?;
    if new.expires_at.is_some_and(|expiry| expiry <= app.now()) {
        return Err(AppError::invalid("expires_at", "The credit would be expired already; name a time in the future."));
    }
    let account = caller.account(app, account, BILLING_WRITE).await?;
    let terms = terms(app, account).await?;
    let plans = app.plans().await?;
    let amount = in_units(&new.meter, new.quantity)?;
    let credit = Credit {
        id: app.new_id(),
        meter: new.meter.clone(),
        granted: amount,
        remaining: amount,
        priority: new.priority,
        expires_at: new.expires_at,
    };
    let id = credit.id;
    let asked = Asked { app, caller: Some(caller), account, terms: &terms, plans };
    let work = Work { usage: vec![(new.meter, new.quantity)], key: new.key, ..Work::default() };
    let prepared = asked.prepare(&work, Action::Grant { credit }, new.reason.as_deref())?;
    Ok((id, submit(app, &terms, prepared).await?))
}

/// Gives what was bought, once for each purchase.
pub(crate) async fn give_bought(
    app: &App,
    account: AccountId,
    grant: Action,
    purchase: &str,
) -> Result<Counted, AppError> {
    let Action::Grant { credit } = &grant else { return Err(AppError::TermsChanged) };
    let text = format!("bought:{purchase}");
    let key = super::IdempotencyKey { content: [0; 16], text };
    let terms = terms(app, account).await?;
    let plans = app.plans().await?;
    let usage = vec![(credit.meter.clone(), quantity_of(credit))];
    let asked = Asked { app, caller: None, account, terms: &terms, plans };
    let work = Work { usage, key: Some(key), ..Work::default() };
    let prepared = asked.prepare(&work, grant, Some("bought"))?;
    submit(app, &terms, prepared).await
}

fn quantity_of(credit: &Credit) -> Quantity {
    let nano_in_a_millionth = if credit.meter.as_str() == COST_METER { 1_000 } else { 1 };
    Quantity::from_millionths(credit.granted / nano_in_a_millionth)
}

/// The account's open credits, in the order they are used.
pub async fn list_credits(app: &App, caller: &Caller, account: &AccountRef) -> Result<Vec<Credit>, AppError> {
    let account = caller.account(app, account, USAGE_READ).await?;
    let now = app.now();
    let mut credits = app.ledger.credits(account).await?;
    credits.retain(|credit| credit.is_open(now));
    credits.sort_by_key(|credit| (credit.priority, credit.expires_at.unwrap_or(Timestamp::MAX), credit.id));
    Ok(credits)
}
