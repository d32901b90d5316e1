//! Reports overage that was booked to a meter at Stripe, each part once, while the invoice that closes its window is a draft.
//!
//! Stripe puts what was reported on an invoice when it finalizes it, and takes an event's identifier once for a day. So a
//! report is noted before it is sent and counts as made when Stripe has taken it. Where that was never learned and the
//! draft is gone, Stripe is asked what its meter has; what it has not got is put on an invoice from here.

use domain::quantity::Quantity;
use domain::time::{MICROS_PER_HOUR, MICROS_PER_MINUTE, Timestamp};
use providers::stripe::{Meter, MeterEvent, Stripe, StripeError};
use storage::Tx;
use storage::records::overage_charges::{self, ChargeState, OverageCharge};

use super::bill_overage::ToBill;
use crate::{App, AppError};

/// A draft that Stripe may finalize any moment is none any more: it stays one for an hour.
const DRAFT_MINUTES: i64 = 50;
/// Stripe adds up what it has taken within minutes.
const ADDED_UP_HOURS: i64 = 1;
/// Past it the same identifier might be taken twice.
const IDENTIFIER_HOURS: i64 = 20;

/// What became of a charge that is for a meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Report {
    /// The meter has it.
    Made,
    /// Whether the meter has it is not known yet.
    Waits,
    /// It is not for a meter, or comes too late for it: it is put on an invoice from here.
    ByInvoice,
}

pub(super) async fn report(
    app: &App,
    stripe: &Stripe,
    to_bill: &ToBill,
    charge: &OverageCharge,
) -> Result<Report, AppError> {
    let Some(event) = &charge.stripe_meter else { return Ok(Report::ByInvoice) };
    let now = app.now();
    let is_draft = is_draft(stripe, to_bill, charge, now).await?;
    let since = match charge.state {
        ChargeState::Reporting(since) => since,
        _ if !is_draft => return Ok(Report::ByInvoice),
        _ => {
            let charge = charge.clone();
            let write =
                move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(overage_charges::begin_report(tx, &charge, now)?) };
            app.database.write("begin_overage_report", write).await?;
            now
        }
    };
    let is_younger = |hours: i64| now < since.plus_micros(hours * MICROS_PER_HOUR);
    if !is_draft && is_younger(ADDED_UP_HOURS) {
        return Ok(Report::Waits);
    }
    if !is_draft || !is_younger(IDENTIFIER_HOURS) {
        if has_it(app, stripe, &to_bill.customer, charge).await? {
            return settle(app, charge).await;
        }
        if !is_draft {
            return give_up(app, charge).await;
        }
    }
    let told = MeterEvent {
        event_name: event.to_string(),
        customer: to_bill.customer.clone(),
        value: units(charge.quantity).to_string(),
        identifier: identifier(charge),
        timestamp: Some(last_second(charge)),
    };
    match stripe.create_meter_event(&told, &format!("meter:{}", identifier(charge))).await {
        Ok(()) => settle(app, charge).await,
        // It was sent for the first time, and the meter has surely not got it.
        Err(error) if charge.state == ChargeState::Waiting && !error.is_passing() => {
            tracing::error!(account = %charge.account, %event, %error, "a meter at Stripe does not take what was used");
            give_up(app, charge).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn give_up(app: &App, charge: &OverageCharge) -> Result<Report, AppError> {
    let charge = charge.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(overage_charges::give_up_report(tx, &charge)?) };
    app.database.write("give_up_overage_report", write).await?;
    Ok(Report::ByInvoice)
}

async fn settle(app: &App, charge: &OverageCharge) -> Result<Report, AppError> {
    let charge = charge.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        Ok(overage_charges::settle(tx, &charge, &identifier(&charge), true)?)
    };
    app.database.write("settle_overage_report", write).await?;
    Ok(Report::Made)
}

/// Whether the invoice that closes the window is still a draft, and stays one for a while.
async fn is_draft(stripe: &Stripe, to_bill: &ToBill, charge: &OverageCharge, now: Timestamp) -> Result<bool, AppError> {
    let at = last_second(charge);
    let closing = to_bill
        .drafts
        .iter()
        .find(|draft| draft.subscription == charge.subscription && draft.period.0 <= at && at < draft.period.1);
    let Some(draft) = closing.filter(|draft| now < draft.created_at.plus_micros(DRAFT_MINUTES * MICROS_PER_MINUTE))
    else {
        return Ok(false);
    };
    match stripe.get_invoice(&draft.id).await {
        Ok(invoice) => Ok(invoice.status.as_deref() == Some("draft")),
        Err(StripeError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether all that was reported of the window, this with it, is with the meter.
async fn has_it(app: &App, stripe: &Stripe, customer: &str, charge: &OverageCharge) -> Result<bool, AppError> {
    let meters = stripe.list_meters().await?;
    let is_its = |meter: &&Meter| charge.stripe_meter.as_ref().is_some_and(|event| event.as_str() == meter.event_name);
    let Some(meter) = meters.iter().find(is_its) else { return Ok(false) };
    let told = stripe.meter_total(&meter.id, customer, (charge.window_start, charge.window_end)).await?;
    let this = charge.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<i64, AppError> {
        let OverageCharge { account, meter, window, window_start, part, .. } = &this;
        let all = overage_charges::of_window(tx, *account, meter, (*window, *window_start))?;
        let is_told = |other: &&OverageCharge| other.state == ChargeState::Reported || other.part == *part;
        Ok(all.iter().filter(is_told).map(|other| units(other.quantity)).sum())
    };
    Ok(told >= app.database.read("reported_overage", read).await?)
}

/// It counts in the window that it was used in.
fn last_second(charge: &OverageCharge) -> Timestamp {
    Timestamp::from_seconds(charge.window_end.seconds() - 1)
}

/// One unit of the meter here is one unit there.
fn units(quantity: i64) -> i64 {
    quantity / Quantity::ONE.millionths()
}

/// The same for the same part of the same window, for ever, and no longer than Stripe takes.
fn identifier(charge: &OverageCharge) -> String {
    let OverageCharge { account, window_start, part, .. } = charge;
    let event = charge.stripe_meter.as_ref().map_or("", |event| event.as_str());
    format!("{account}:{event}:{}:{part}", window_start.seconds())
}
