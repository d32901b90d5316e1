//! Booking what a call used, or giving its hold back, also when nobody waits for the answer any more.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::ids::ReservationId;
use domain::ledger::{Action, LimitState};
use domain::name::Name;
use domain::pricing::CallTokens;
use storage::StorageError;

use crate::metering::reserve::settle_usage;
use crate::metering::{Counted, Counts, Work};
use crate::{App, AppError, Caller};

/// How long the answer to a client waits for its booking. Past it, booking goes on by itself.
const PATIENCE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Tries, with pauses that add up to about a minute. Then the hold expires by its own rule.
const TRIES: u32 = 18;

/// What a call was booked as.
#[derive(Clone, Debug)]
pub struct Settled {
    pub counted: Counted,
    pub counts: Counts,
}

/// A call whose quota is held. Dropped unsettled, as when the client hangs up, it gives the hold back.
pub(super) struct OpenCall {
    app: App,
    caller: Caller,
    reservation: ReservationId,
    /// What is told of the call beside its tokens.
    pub work: Work,
    pub model: Name,
    /// Tokens of the prompt, for where the provider reports none.
    pub prompt_tokens: u64,
    /// The limits as they were when the hold was made.
    pub limits: Vec<LimitState>,
    is_open: bool,
}

impl OpenCall {
    pub fn new(
        (app, caller, reservation): (&App, &Caller, ReservationId),
        work: Work,
        (model, prompt_tokens): (Name, u64),
        limits: Vec<LimitState>,
    ) -> Self {
        app.gateway.open_calls.open(reservation, app.now());
        let (app, caller) = (app.clone(), caller.clone());
        Self { app, caller, reservation, work, model, prompt_tokens, limits, is_open: true }
    }

    /// Something is delivered: from now on a crash charges what is held.
    pub fn begin(&self) {
        self.app.gateway.open_calls.begin(self.reservation);
    }

    /// Books what was used. `None`: the database did not answer in time; booking goes on by itself.
    pub async fn commit(mut self, tokens: CallTokens, counts: Counts) -> Option<Settled> {
        self.is_open = false;
        let mut work = std::mem::take(&mut self.work);
        work.tokens = Some(tokens);
        work.counts = Some(counts);
        let settling = settle(self.app.clone(), self.caller.clone(), self.reservation, Some(work));
        let Ok(counted) = tokio::time::timeout(PATIENCE, Lasting::new(settling)).await else {
            // It is delivered before it is booked.
            self.begin();
            return None;
        };
        Some(Settled { counted: counted?, counts })
    }

    /// Gives the hold back: the call costs nothing.
    pub async fn release(mut self) {
        self.is_open = false;
        let settling = settle(self.app.clone(), self.caller.clone(), self.reservation, None);
        let _ = tokio::time::timeout(PATIENCE, Lasting::new(settling)).await;
    }
}

/// Work that goes on in a task of its own when nobody waits for it any more. Until then it needs none, which spares two
/// changes of thread.
pub(super) struct Lasting<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: Send + 'static> Lasting<T> {
    pub fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for Lasting<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken while it runs: what has panicked, or is done, does not go on.
        let mut work = self.0.take().expect("a future is not polled again once it is done");
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Lasting<T> {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

/// Shows which call it is, and nothing that its client has told.
impl fmt::Debug for OpenCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OpenCall").field("reservation", &self.reservation).finish_non_exhaustive()
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.is_open
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(settle(self.app.clone(), self.caller.clone(), self.reservation, None));
        }
    }
}

/// Settles, however often it takes. Settling twice is the first outcome, so a lost answer does no harm.
async fn settle(app: App, caller: Caller, reservation: ReservationId, work: Option<Work>) -> Option<Counted> {
    let mut pause = FIRST_PAUSE;
    let mut outcome = None;
    for _ in 0..TRIES {
        let settled = match &work {
            Some(work) => settle_usage(&app, &caller, reservation, (work, true), Action::Commit { reservation }).await,
            None => {
                let nothing = Work::default();
                settle_usage(&app, &caller, reservation, (&nothing, false), Action::Release { reservation }).await
            }
        };
        match settled {
            Ok(counted) => {
                outcome = Some(counted);
                break;
            }
            Err(error) if may_pass(&error) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => {
                tracing::error!(%error, %reservation, "a model call could not be settled; its hold expires by its rule");
                break;
            }
        }
    }
    app.gateway.open_calls.close(reservation);
    outcome
}

fn may_pass(error: &AppError) -> bool {
    let passes = |error: &StorageError| {
        matches!(error, StorageError::Busy | StorageError::Unavailable(_) | StorageError::OutcomeUnknown)
    };
    matches!(error, AppError::TooLate) || matches!(error, AppError::Storage(error) if passes(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_goes_on() {
        let (said, heard) = tokio::sync::oneshot::channel();
        let work = async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            said.send(7)
        };
        assert!(tokio::time::timeout(Duration::ZERO, Lasting::new(work)).await.is_err());
        assert_eq!(heard.await, Ok(7));
        assert_eq!(Lasting::new(async { 7 }).await, 7);
    }
}
