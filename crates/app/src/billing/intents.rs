//! What somebody asked for that takes calls to Stripe.
//!
//! An intent is written before the first call and names every call, so that asking for the same again, also after a
//! crash or a lost answer, makes the same calls and finds what they made. It is closed when it has come to its end.

use domain::ids::{AccountId, BillingIntentId};
use domain::time::{MICROS_PER_HOUR, Timestamp};
use providers::stripe::{Stripe, StripeError};
use serde_json::Value as Json;
use storage::Tx;
use storage::records::accounts;
use storage::records::billing_intents::{self, BillingIntent};

use crate::{App, AppError};

/// Stripe forgets the names of calls after a day; an intent that is older begins anew.
const GOOD_FOR_HOURS: i64 = 20;

/// Buying credits: open until what was bought is given.
pub(super) const CREDITS: &str = "credits";

/// The open intent for the same request, or a new one. Open ones of the same kind for another request are closed, but for
/// those whose end is waited for ([`CREDITS`]).
pub(super) async fn begin(
    app: &App,
    account: AccountId,
    kind: &'static str,
    request: &Json,
) -> Result<BillingIntent, AppError> {
    let now = app.now();
    let new = BillingIntent {
        id: app.new_id(),
        account,
        kind: kind.to_owned(),
        request: request.to_string(),
        made: None,
        created_at: now,
    };
    let write = move |tx: &mut Tx<'_>| -> Result<BillingIntent, AppError> {
        accounts::lock(tx, account)?.ok_or(AppError::AccountUnknown)?;
        let mut found = None;
        for open in billing_intents::open(tx, account, kind)? {
            if found.is_none() && open.request == new.request && is_good(&open, now) {
                found = Some(open);
            } else if kind != CREDITS {
                billing_intents::close(tx, open.id, now)?;
            }
        }
        if let Some(found) = found {
            return Ok(found);
        }
        billing_intents::insert(tx, &new)?;
        Ok(new.clone())
    };
    app.database.write("begin_billing_intent", write).await
}

fn is_good(intent: &BillingIntent, now: Timestamp) -> bool {
    intent.created_at.plus_micros(GOOD_FOR_HOURS * MICROS_PER_HOUR) > now
}

/// Whether something of a kind was begun and its end never learned. Then it is done, as far as Stripe is concerned, when
/// there is nothing left to do; the intent is closed.
pub(super) async fn was_begun(app: &App, account: AccountId, kind: &'static str) -> Result<bool, AppError> {
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| -> Result<bool, AppError> {
        let open = billing_intents::open(tx, account, kind)?;
        for intent in &open {
            billing_intents::close(tx, intent.id, now)?;
        }
        Ok(!open.is_empty())
    };
    app.database.write("close_begun_intents", write).await
}

/// Gives up what the customer has put off on Stripe's portal: while it waits there, Stripe takes no other change.
pub(super) async fn release_schedule(
    app: &App,
    stripe: &Stripe,
    intent: &BillingIntent,
    subscription: &str,
) -> Result<(), AppError> {
    let Some(schedule) = stripe.get_subscription(subscription).await?.schedule else { return Ok(()) };
    let key = key(intent, &format!("release:{schedule}"));
    answered(app, intent, stripe.release_subscription_schedule(&schedule, &key).await).await.map(|_| ())
}

/// The name of one of its calls to Stripe.
pub(super) fn key(intent: &BillingIntent, step: &str) -> String {
    format!("{}:{step}", intent.id)
}

pub(super) async fn note_made(app: &App, intent: BillingIntentId, made: &str) -> Result<(), AppError> {
    let (now, made) = (app.now(), made.to_owned());
    let write =
        move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(billing_intents::note_made(tx, intent, &made, now)?) };
    app.database.write("note_billing_intent", write).await
}

/// Notes what calls of the intent are made with, unless that is noted already: of several that ask for the same at once
/// each goes by what the first has noted.
pub(super) async fn note_first(app: &App, intent: BillingIntentId, wanted: &str) -> Result<String, AppError> {
    let (now, noted) = (app.now(), wanted.to_owned());
    let write = move |tx: &mut Tx<'_>| -> Result<Option<String>, AppError> {
        Ok(billing_intents::note_first(tx, intent, &noted, now)?)
    };
    let noted = app.database.write("note_first_of_billing_intent", write).await?;
    Ok(noted.unwrap_or_else(|| wanted.to_owned()))
}

pub(super) async fn close(app: &App, intent: BillingIntentId) -> Result<(), AppError> {
    let now = app.now();
    let write =
        move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(billing_intents::close(tx, intent, now).map(|_| ())?) };
    app.database.write("close_billing_intent", write).await
}

/// What Stripe answered to the intent's call. A refusal ends the intent; what is not known leaves it open, to be asked again.
pub(super) async fn answered<T>(
    app: &App,
    intent: &BillingIntent,
    answer: Result<T, StripeError>,
) -> Result<T, AppError> {
    match answer {
        Ok(made) => Ok(made),
        Err(error) => {
            if !error.is_passing() {
                close(app, intent.id).await?;
            }
            Err(error.into())
        }
    }
}
