//! The holds of calls that are under way. Each expires by itself soon after this process is gone; while it runs they are
//! renewed, and once something of an answer was delivered, they are booked rather than given back when they expire.

use std::time::Duration;

use domain::ids::ReservationId;
use domain::ledger::OnExpiry;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use parking_lot::Mutex;
use storage::id_map::IdMap;
use storage::ledger::Renewal;
use tokio::sync::Notify;

use crate::App;

/// How long a hold lives without being renewed.
pub(super) const HOLD_SECONDS: u32 = 120;
const RENEWED_EVERY_MICROS: i64 = 40 * MICROS_PER_SECOND;
/// A call that still runs at the second pulse after its first content is charged though the process dies: most answers are
/// booked before, and need nothing of that. One transaction for all that began.
const PULSE: Duration = Duration::from_millis(20);
/// How often holds that grow old are looked for.
const PULSES_BETWEEN_LOOKS: u32 = 50;

/// The calls under way in this process.
#[derive(Debug, Default)]
pub struct OpenCalls {
    calls: Mutex<Calls>,
    closed: Notify,
}

#[derive(Debug, Default)]
struct Calls {
    open: IdMap<ReservationId, OpenHold>,
    /// Calls that have begun to deliver since the last pulse.
    begun: Vec<ReservationId>,
    /// Those that had begun before it.
    running: Vec<ReservationId>,
}

#[derive(Clone, Copy, Debug)]
struct OpenHold {
    on_expiry: OnExpiry,
    renewed_at: Timestamp,
}

impl OpenCalls {
    pub(super) fn open(&self, reservation: ReservationId, at: Timestamp) {
        let hold = OpenHold { on_expiry: OnExpiry::Release, renewed_at: at };
        self.calls.lock().open.insert(reservation, hold);
    }

    /// Something of the answer is on its way to the client.
    pub(super) fn begin(&self, reservation: ReservationId) {
        let mut calls = self.calls.lock();
        if let Some(hold) = calls.open.get_mut(&reservation)
            && hold.on_expiry == OnExpiry::Release
        {
            hold.on_expiry = OnExpiry::Commit;
            calls.begun.push(reservation);
        }
    }

    pub(super) fn close(&self, reservation: ReservationId) {
        let mut calls = self.calls.lock();
        calls.open.remove(&reservation);
        if calls.open.is_empty() {
            self.closed.notify_waiters();
        }
    }

    /// Calls that are not settled yet.
    pub fn count(&self) -> usize {
        self.calls.lock().open.len()
    }

    /// Waits until every call is settled, at most so long.
    pub async fn settled(&self, patience: Duration) {
        let all = async {
            loop {
                let closed = self.closed.notified();
                if self.count() == 0 {
                    return;
                }
                closed.await;
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!(calls = self.count(), "stopped before all model calls were settled; their holds expire");
        }
    }

    /// What is to be renewed now.
    fn due(&self, now: Timestamp, look_at_all: bool) -> Vec<Renewal> {
        let mut calls = self.calls.lock();
        let begun = std::mem::take(&mut calls.begun);
        let mut due = std::mem::replace(&mut calls.running, begun);
        if look_at_all {
            let is_old = |hold: &OpenHold| now.since(hold.renewed_at) >= RENEWED_EVERY_MICROS;
            due.extend(calls.open.iter().filter(|(_, hold)| is_old(hold)).map(|(reservation, _)| *reservation));
        }
        let expires_at = now.plus_micros(i64::from(HOLD_SECONDS) * MICROS_PER_SECOND);
        due.into_iter()
            .filter_map(|reservation| {
                let hold = calls.open.get_mut(&reservation)?;
                hold.renewed_at = now;
                Some(Renewal { reservation, expires_at, on_expiry: hold.on_expiry })
            })
            .collect()
    }

    /// Renews again what could not be.
    fn put_back(&self, renewals: Vec<Renewal>) {
        let mut calls = self.calls.lock();
        calls.running.extend(renewals.into_iter().map(|renewal| renewal.reservation));
    }
}

/// Keeps the holds of running calls alive for as long as the server runs.
pub async fn keep_open_calls(app: App) {
    let calls = app.gateway.open_calls();
    let mut failing = false;
    for pulse in 0u32.. {
        tokio::time::sleep(PULSE).await;
        let due = calls.due(app.now(), pulse % PULSES_BETWEEN_LOOKS == 0);
        if due.is_empty() {
            continue;
        }
        let renewed = app.ledger.renew_reservations(due.clone()).await;
        if let Err(error) = &renewed {
            calls.put_back(due);
            if !failing {
                tracing::warn!(%error, "the holds of running model calls could not be renewed; trying again");
            }
        }
        failing = renewed.is_err();
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::AccountId;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn reservation(number: u128) -> ReservationId {
        ReservationId::new(AccountId::from_bits(1), at(0), number)
    }

    #[test]
    fn a_hold_is_renewed_when_content_begins_and_when_it_grows_old() {
        let calls = OpenCalls::default();
        calls.open(reservation(1), at(0));
        calls.open(reservation(2), at(0));
        assert_eq!(calls.due(at(1), true), []);
        calls.begin(reservation(1));
        calls.begin(reservation(1));
        assert_eq!(calls.due(at(2), false), []);
        let due = calls.due(at(2), false);
        assert_eq!(due.len(), 1);
        assert_eq!(
            (due[0].reservation, due[0].on_expiry, due[0].expires_at),
            (reservation(1), OnExpiry::Commit, at(122))
        );
        assert_eq!(calls.due(at(39), true), []);
        let due = calls.due(at(40), true);
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].reservation, due[0].on_expiry), (reservation(2), OnExpiry::Release));
    }

    #[test]
    fn a_settled_call_is_not_renewed_and_a_failed_renewal_is_tried_again() {
        let calls = OpenCalls::default();
        calls.open(reservation(1), at(0));
        calls.begin(reservation(1));
        assert_eq!(calls.due(at(1), false), []);
        let due = calls.due(at(1), false);
        assert_eq!(due.len(), 1);
        calls.put_back(due);
        assert_eq!(calls.due(at(1), false).len(), 1);
        calls.begin(reservation(1));
        calls.close(reservation(1));
        assert_eq!((calls.due(at(90), true).len(), calls.count()), (0, 0));
    }
}
