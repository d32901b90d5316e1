//! Seats: how many people a plan is for. Every member holds one, and so does every open invitation.
//!
//! Members and invitations are the truth, and the transaction that adds one judges by them, with the account's row held:
//! by the ledger's own rules, so that a limit on seats blocks, warns or observes as any other. What the ledger keeps as the
//! level follows: each such transaction leaves a job that sets it to what there is. A crash in between loses nothing.

use std::sync::Arc;

use domain::catalog::{Catalog, MeterKind};
use domain::ids::{AccountId, EventId, JobId};
use domain::ledger::{Action, Amount, Balance, Book, Command, Outcome, Scopes, Terms, apply};
use domain::name::Name;
use domain::quantity::Quantity;
use domain::time::Timestamp;
use storage::ledger::plan_book::PlanBook;
use storage::records::jobs::{self, Job, NewJob};
use storage::records::{accounts, invitations, members};
use storage::{StorageError, Tx};

use crate::jobs::kinds::{Done, JobFailure};
use crate::metering::consume::denied;
use crate::metering::levels::set_observed_level;
use crate::{App, AppError};

/// The job that sets the level.
pub(crate) const COUNT_SEATS: &str = "count_seats";
/// What catalogs call the meter; the first one that a catalog has is meant.
pub(crate) const SEAT_METERS: [&str; 3] = ["seats", "team_members", "max_users"];
/// How often something is tried by terms that change under it.
const TRIES: usize = 4;

/// The level that counts people. `None`: the catalog limits nobody's team.
fn meter_of(catalog: &Catalog) -> Option<Name> {
    let is_level = |name: &Name| catalog.meters.get(name).is_some_and(|meter| meter.kind == MeterKind::Level);
    SEAT_METERS.into_iter().map(Name::new).find(is_level)
}

/// What the seats of one account are judged by.
#[derive(Clone)]
pub(crate) struct Seats {
    app: App,
    account: AccountId,
    /// With the terms that limit it. `None`: nothing does.
    limited: Option<(Name, Arc<Terms>, Arc<PlanBook>)>,
    /// Names a judgement; nothing is kept under it.
    event: EventId,
    changed: SeatsChanged,
    now: Timestamp,
}

impl Seats {
    async fn of(app: &App, account: AccountId) -> Result<Self, AppError> {
        let plans = app.plans().await?;
        let limited = match meter_of(&plans.catalog) {
            Some(meter) => {
                let terms = app.ledger.terms_now(account).await?.ok_or(AppError::AccountUnknown)?;
                Some((meter, terms, plans))
            }
            None => None,
        };
        Ok(Self {
            app: app.clone(),
            account,
            limited,
            event: EventId::new(account, app.now(), app.entropy.bits()),
            changed: SeatsChanged::new(app).await?,
            now: app.now(),
        })
    }

    /// Refuses one more than `held` seats where the plan has none left. Whoever calls holds the account's row.
    ///
    /// # Errors
    /// [`AppError::Denied`]; [`AppError::TermsChanged`] when the plan has changed since the terms were read.
    pub fn must_have_one_more_than(&self, tx: &mut Tx<'_>, held: i64) -> Result<(), AppError> {
        let Some((meter, terms, plans)) = &self.limited else { return Ok(()) };
        if accounts::epoch(tx, self.account)? != terms.epoch {
            return Err(AppError::TermsChanged);
        }
        let mut book = Book::new(self.account, terms.clone());
        let command = Command {
            event: self.event,
            action: Action::Consume,
            scopes: Scopes::default(),
            amounts: vec![Amount { meter: meter.clone(), amount: Quantity::ONE.millionths() }],
            occurred_at: None,
        };
        let used = held.saturating_mul(Quantity::ONE.millionths());
        for place in book.places_of(&command, self.now) {
            book.load_balance(place, Balance { used, ..Balance::default() });
        }
        match apply(&mut book, &command, self.now).map_err(StorageError::unexpected)? {
            Outcome::Denied(denial) => Err(denied(&self.app, terms, plans, &denial)),
            Outcome::Refused(refusal) => Err(refusal.into()),
            Outcome::Accepted(_) | Outcome::Settled(_) => Ok(()),
        }
    }

    /// Members and open invitations.
    pub fn held(&self, tx: &mut Tx<'_>) -> Result<i64, StorageError> {
        held(tx, self.account, self.now)
    }

    /// Leaves the job that sets the level; once a transaction.
    pub fn note_changed(&self, tx: &mut Tx<'_>) -> Result<(), StorageError> {
        self.changed.note(tx, self.account, 0)
    }
}

/// Runs a transaction that may take a seat, again when the account's plan changes in the same moment.
pub(crate) async fn write_with_seats<T: Send + 'static>(
    app: &App,
    account: AccountId,
    name: &'static str,
    write: impl Fn(&mut Tx<'_>, &Seats) -> Result<T, AppError> + Clone + Send + 'static,
) -> Result<T, AppError> {
    let mut tried = 1;
    loop {
        let (seats, write) = (Seats::of(app, account).await?, write.clone());
        match app.database.write(name, move |tx: &mut Tx<'_>| write(tx, &seats)).await {
            Err(AppError::TermsChanged) if tried < TRIES => tried += 1,
            outcome => return outcome,
        }
    }
}

/// The jobs of a transaction that gives seats back, made before it.
#[derive(Clone)]
pub(crate) struct SeatsChanged {
    /// The first job of those that the transaction may leave; `None` where no seats are counted.
    first: Option<JobId>,
    now: Timestamp,
}

impl SeatsChanged {
    pub async fn new(app: &App) -> Result<Self, AppError> {
        let are_counted = meter_of(&app.plans().await?.catalog).is_some();
        Ok(Self { first: are_counted.then(|| app.new_id()), now: app.now() })
    }

    /// `place` tells several accounts of one transaction apart.
    pub fn note(&self, tx: &mut Tx<'_>, account: AccountId, place: usize) -> Result<(), StorageError> {
        let Some(first) = self.first else { return Ok(()) };
        let id = JobId::from_bits(first.bits().wrapping_add(place as u128));
        let job = NewJob { id, kind: COUNT_SEATS, account: Some(account), payload: "{}".to_owned(), run_at: self.now };
        jobs::insert(tx, &job, self.now)
    }
}

fn held(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<i64, StorageError> {
    Ok(members::count(tx, account)? + invitations::count_open(tx, account, now)?)
}

/// The job: sets the level to what there is. Of several at once the one that began last is the one that counts, since the
/// ledger ignores what was observed before.
pub(crate) async fn count_seats(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let account = job.account.ok_or_else(|| JobFailure::GiveUp("the job names no account".to_owned()))?;
    let Some(meter) = meter_of(&app.plans().await?.catalog) else { return Ok(Done) };
    let observed_at = app.now();
    let read = move |tx: &mut Tx<'_>| -> Result<i64, AppError> { Ok(held(tx, account, observed_at)?) };
    let seats = app.database.read("count_seats", read).await?;
    let seats = Quantity::from_units(seats).unwrap_or(Quantity::MAX);
    set_observed_level(app, account, (meter, seats), observed_at).await?;
    Ok(Done)
}
