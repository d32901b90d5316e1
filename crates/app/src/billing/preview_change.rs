//! Shows what a change of plan would cost and allow. Nothing is changed.

use domain::catalog::Limit;
use domain::entitlements::Entitlements;
use domain::time::Timestamp;
use providers::stripe::{Invoice, InvoiceLine, Preview, ProrationBehavior, Stripe};
use storage::Tx;
use storage::records::subscriptions;

use super::change::{Change, WantedChange, When, possible};
use super::converge::converge;
use super::read_stripe::Depth;
use super::selling::buyer;
use crate::{AccountRef, App, AppError, Caller};

/// What a change would do.
#[derive(Clone, Debug)]
pub struct ChangePreview {
    /// ISO 4217, upper case.
    pub currency: String,
    /// Minor units, with tax, after credit. Below zero nothing is paid out: it is credited to later invoices.
    pub due_now: i64,
    /// What `due_now` is made of.
    pub lines: Vec<PreviewLine>,
    /// What is charged at the next renewal, with tax and before credit, and when.
    pub next_amount: i64,
    pub next_at: Timestamp,
    /// Given to the change, it costs to the cent what is shown here.
    pub proration_date: Timestamp,
    /// When the plan holds.
    pub takes_effect_at: Timestamp,
    /// The limits that hold then.
    pub limits_after: Vec<Limit>,
}

#[derive(Clone, Debug)]
pub struct PreviewLine {
    pub description: String,
    /// Minor units; below zero it is a credit.
    pub amount: i64,
    pub proration: bool,
}

/// # Errors
/// Those of [`possible`].
pub async fn preview_change(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    wanted: &WantedChange,
) -> Result<ChangePreview, AppError> {
    let account = buyer(app, caller, account).await?;
    let stripe = app.must_sell()?;
    converge(app, account, Depth::Recent).await?;
    let change = possible(app, stripe, account, wanted).await?;
    let customer = change.stands.customer.as_ref().and_then(|customer| customer.customer.clone());
    let customer = customer.ok_or(AppError::NotSubscribed)?;
    let invoice = stripe.preview_invoice(&change.preview(&customer, app.settings.billing.automatic_tax)).await?;
    let is_now = change.when == When::Now && !invoice.lines.is_empty();
    let new_interval = change.billed.interval != change.offer.interval;
    let (due_now, lines) = if is_now { due_now(&invoice, new_interval) } else { (0, Vec::new()) };
    let next_amount = next_amount(app, stripe, &change, &customer, &invoice).await?;
    let plan = change.offer.version.plan.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<Limit>, AppError> {
        let overrides = subscriptions::overrides(tx, account)?.unwrap_or_default();
        Ok(Entitlements::new(&plan, &overrides).limits)
    };
    let now = app.now();
    Ok(ChangePreview {
        currency: change.offer.currency.clone(),
        due_now,
        lines,
        next_amount,
        next_at: next_renewal(&invoice, change.when, new_interval).unwrap_or(change.billed.period_end),
        proration_date: change.proration_date,
        takes_effect_at: if change.when == When::Now { now } else { change.billed.period_end },
        limits_after: app.database.read("limits_after_change", read).await?,
    })
}

/// What Stripe says of the next renewal by the new price. Where it says nothing, as of what is to end before, the price.
async fn next_amount(
    app: &App,
    stripe: &Stripe,
    change: &Change,
    customer: &str,
    seen: &Invoice,
) -> Result<i64, AppError> {
    let preview = change.preview(customer, app.settings.billing.automatic_tax);
    if preview.proration_behavior == Some(ProrationBehavior::None) {
        return Ok(next_total(seen, change.offer.amount));
    }
    let preview = Preview { proration_behavior: Some(ProrationBehavior::None), proration_date: None, ..preview };
    match stripe.preview_invoice(&preview).await {
        Ok(invoice) => Ok(next_total(&invoice, change.offer.amount)),
        Err(error) if error.is_passing() => Err(error.into()),
        Err(_) => Ok(change.offer.amount),
    }
}

/// An invoice that has nothing on it is none.
fn next_total(invoice: &Invoice, price: i64) -> i64 {
    if invoice.lines.iter().any(|line| !line.proration) { invoice.total } else { price }
}

/// Of an invoice that would be made now. Under the same interval its renewal line is for the period after this one.
fn due_now(invoice: &Invoice, new_interval: bool) -> (i64, Vec<PreviewLine>) {
    let now = |line: &&InvoiceLine| new_interval || line.proration;
    let lines: Vec<PreviewLine> = invoice.lines.iter().filter(now).map(shown).collect();
    let is_whole = lines.len() == invoice.lines.len();
    let due = if is_whole { invoice.amount_due } else { lines.iter().map(|line| line.amount).sum() };
    (due, lines)
}

fn shown(line: &InvoiceLine) -> PreviewLine {
    let description = line.description.clone().unwrap_or_default();
    PreviewLine { description, amount: line.amount, proration: line.proration }
}

fn next_renewal(invoice: &Invoice, when: When, new_interval: bool) -> Option<Timestamp> {
    (when == When::Now && new_interval)
        .then(|| invoice.lines.iter().filter(|line| !line.proration).filter_map(|line| line.period_end).max())
        .flatten()
}
