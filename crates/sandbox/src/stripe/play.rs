//! Time goes on: all that falls due by a moment is played, in the order of its time, each at its own.

use serde_json::json;

use super::checkout;
use super::invoices::paying;
use super::payment_intents;
use super::state::{State, Task};
use super::subscriptions::{cancel, change, cycle};
use super::work::{Origin, Work};

/// Plays what falls due by a moment for all that follows no test clock. Gives how much did.
pub fn play_until(state: &mut State, until: i64, public_url: &str, api_version: &str) -> u64 {
    let mut played = 0;
    while let Some((at, _, task, id)) = state.next_due("", until) {
        let origin = Origin { api_version: api_version.to_owned(), ..Origin::default() };
        let mut work = Work::new(state, at, origin, public_url);
        carry_out(&mut work, task, &id);
        work.keep();
        played += 1;
    }
    played
}

/// Plays a test clock up to a moment and leaves it there.
pub fn play_clock(work: &mut Work, clock: &str, until: i64) {
    let (now, following) = (work.now, std::mem::replace(&mut work.clock, clock.to_owned()));
    while let Some((at, _, task, id)) = work.state.next_due(clock, until) {
        work.now = at;
        work.set("test_helpers.test_clock", clock, json!({ "frozen_time": at }));
        carry_out(work, task, &id);
    }
    work.now = now;
    work.clock = following;
    let after = work.set("test_helpers.test_clock", clock, json!({ "frozen_time": until }));
    work.tell("test_helpers.test_clock.ready", &after);
}

fn carry_out(work: &mut Work, task: Task, id: &str) {
    match task {
        Task::TrialWillEnd => cycle::trial_will_end(work, id),
        Task::InvoiceUpcoming => cycle::invoice_upcoming(work, id),
        Task::EndPeriod => cycle::end_period(work, id),
        Task::CancelSubscription => cycle::cancel_due(work, id),
        Task::ExpireIncomplete => cancel::expire_incomplete(work, id),
        Task::ExpirePendingUpdate => change::expire_pending(work, id),
        Task::ResumeCollection => cycle::resume_collection(work, id),
        Task::FinalizeInvoice => cycle::finalize_due(work, id),
        Task::RetryInvoice => paying::retry(work, id),
        Task::SettlePayment => payment_intents::settle_delayed(work, id),
        Task::ExpireSession => checkout::paying::expire_due(work, id),
    }
}
