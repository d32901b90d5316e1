//! Voids an event, or corrects what it counted. The original stays.

use domain::ids::{EventId, ReservationId};
use domain::ledger::{Action, EventAction, Original};
use domain::name::Name;
use domain::quantity::Quantity;
use storage::ledger::rows;

use super::consume::{submit, terms};
use super::work::Asked;
use super::{Counted, Work};
use crate::identity::scopes::USAGE_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// Takes an event's usage back in the windows it counted in; with `corrected` quantities, counts those instead.
pub async fn reverse(
    app: &App,
    caller: &Caller,
    id: EventId,
    corrected: Vec<(Name, Quantity)>,
    reason: String,
) -> Result<Counted, AppError> {
    caller.must_operate()?;
    let unknown = || AppError::NotFound { what: "event", name: id.to_string() };
    let account = caller.account(app, &AccountRef::Id(id.account), USAGE_WRITE).await.map_err(|_| unknown())?;
    let row = app.ledger.event(id).await?.ok_or_else(unknown)?;
    let original = Original {
        event: id,
        reservation: row.parsed_or_null("reservation_id", |text| ReservationId::from_own_text(account, text))?,
        postings: rows::decode_postings(row.text("postings")?)?,
        draws: rows::decode_draws(row.text("draws")?)?,
        reversed_by: row.parsed_or_null("reversed_by", |text| EventId::from_own_text(account, text))?,
        is_usage: row.parsed("action", EventAction::parse)?.is_usage(),
    };
    let terms = terms(app, account).await?;
    let plans = app.plans().await?;
    let asked = Asked { app, caller: Some(caller), account, terms: &terms, plans };
    // Counted on the original's day and model, so that what the day says is corrected where it was wrong.
    let model = row.text("model")?;
    let work = Work { usage: corrected, occurred_at: Some(row.time("occurred_at")?), ..Work::default() };
    let mut prepared = asked.prepare_amounts(&work, Action::Reverse { original: Box::new(original) }, Some(&reason))?;
    prepared.request.model = Name::new(model);
    submit(app, &terms, prepared).await
}
