//! Holds an estimate, and settles it: commit what was really used, or give it back.

use domain::ids::{AccountId, ReservationId};
use domain::ledger::{Action, Outcome, Terms};
use domain::time::MICROS_PER_SECOND;
use storage::ledger::{Answer, Durability};

use super::consume::{account_to_count, denied, is_for_old_terms, submit, terms, terms_to_try};
use super::work::Asked;
use super::{Counted, Hold, Reserved, Work};
use crate::identity::scopes::USAGE_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// Holds work's amounts when they fit. The hold ends at `expires_at` by its own rule.
pub async fn reserve(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    work: Work,
    hold: Hold,
) -> Result<Reserved, AppError> {
    caller.must_be_key()?;
    let account = account_to_count(app, caller, account, USAGE_WRITE).await?;
    hold_usage(app, caller, account, (&work, hold, Durability::Synced)).await
}

/// As [`reserve`], for an account that is known and a caller who may.
pub(crate) async fn hold_usage(
    app: &App,
    caller: &Caller,
    account: AccountId,
    (work, hold, durability): (&Work, Hold, Durability),
) -> Result<Reserved, AppError> {
    let mut tried = 0;
    loop {
        let terms = terms_to_try(app, account, tried).await?;
        let outcome = hold_by(app, caller, (account, &terms), (work, hold, durability)).await;
        if !is_for_old_terms(app, &outcome, tried) {
            return outcome;
        }
        tried += 1;
    }
}

async fn hold_by(
    app: &App,
    caller: &Caller,
    (account, terms): (AccountId, &Terms),
    (work, hold, durability): (&Work, Hold, Durability),
) -> Result<Reserved, AppError> {
    let plans = app.plans().await?;
    let asked = Asked { app, caller: Some(caller), account, terms, plans };
    asked.must_allow_model_unless_counted(work).await?;
    let reservation = ReservationId::new(account, app.now(), app.entropy.bits());
    let ttl_micros = i64::from(hold.ttl_seconds) * MICROS_PER_SECOND;
    let action = Action::Reserve { reservation, ttl_micros, on_expiry: hold.on_expiry };
    let mut prepared = asked.prepare(work, action, None)?;
    prepared.request.epoch = Some(terms.epoch);
    prepared.request.durability = durability;
    let plan = terms.plan.as_ref().map(|plan| plan.key.clone());
    match app.ledger.submit(prepared.request).await? {
        Answer::Judged(Outcome::Accepted(accepted)) => Ok(Reserved {
            reservation,
            replayed: false,
            expires_at: accepted.event.at.plus_micros(ttl_micros),
            limits: accepted.limits,
            plan,
            at: accepted.event.at,
        }),
        Answer::Judged(Outcome::Denied(denial)) => Err(denied(app, terms, &prepared.plans, &denial)),
        Answer::Judged(Outcome::Refused(refusal)) => Err(refusal.into()),
        Answer::Judged(Outcome::Settled(_)) => Err(domain::ledger::Refusal::ReservationUnknown.into()),
        Answer::Conflict(event) => Err(AppError::KeyReused { event: Some(event) }),
        Answer::Replayed { event, limits, stored } => {
            let kept = stored.and_then(|stored| Some((stored.reservation?, stored.at)));
            let (reservation, made_at) = kept.ok_or(AppError::KeyReused { event: Some(event) })?;
            Ok(Reserved {
                reservation,
                replayed: true,
                expires_at: made_at.plus_micros(ttl_micros),
                limits,
                plan,
                at: app.now(),
            })
        }
    }
}

/// Settles a reservation with what was really used; without usage, with what was held. Twice is the first outcome.
pub async fn commit(app: &App, caller: &Caller, id: ReservationId, work: Work) -> Result<Counted, AppError> {
    let says_usage =
        !work.usage.is_empty() || work.model.is_some() || work.audio_bytes.is_some() || work.characters.is_some();
    caller.must_be_key()?;
    caller.must_have_scope(USAGE_WRITE)?;
    settle_usage(app, caller, id, (&work, says_usage), Action::Commit { reservation: id }).await
}

/// Gives a reservation back. Twice is the first outcome.
pub async fn release(app: &App, caller: &Caller, id: ReservationId) -> Result<Counted, AppError> {
    caller.must_be_key()?;
    caller.must_have_scope(USAGE_WRITE)?;
    settle_usage(app, caller, id, (&Work::default(), false), Action::Release { reservation: id }).await
}

/// As [`commit`] and [`release`], for a caller who may.
pub(crate) async fn settle_usage(
    app: &App,
    caller: &Caller,
    id: ReservationId,
    (work, says_usage): (&Work, bool),
    action: Action,
) -> Result<Counted, AppError> {
    let unknown = |_| AppError::from(domain::ledger::Refusal::ReservationUnknown);
    let account = caller.account(app, &AccountRef::Id(id.account), USAGE_WRITE).await.map_err(unknown)?;
    // Nothing in a settlement depends on how old they are: the ledger judges by its own.
    let terms = match app.ledger.remembered_terms(account) {
        Some(remembered) => remembered,
        None => terms(app, account).await.map_err(unknown)?,
    };
    let plans = app.plans().await?;
    let asked = Asked { app, caller: Some(caller), account, terms: &terms, plans };
    let prepared =
        if says_usage { asked.prepare(work, action, None)? } else { asked.prepare_amounts(work, action, None)? };
    submit(app, &terms, prepared).await
}
