//! The kinds of jobs there are: what does them, how many at once, and what becomes of one that fails.
//!
//! A job is a row that a transaction left behind. It may run more than once (a runner can die after the work and before
//! it has said so), so every handler here is one that does no harm when it is run again.

use std::time::Duration;

use futures_util::future::BoxFuture;
use storage::records::jobs::Job;
use storage::{StorageError, Tx};

use crate::billing::{cancel, charge_overage, end_double, expire_pages, receive_event, reconcile_all};
use crate::identity::{by_mail, register};
use crate::mail::send_mail;
use crate::metering::warn_of_usage;
use crate::teams::seats;
use crate::{App, AppError, webhooks};

/// One kind of job, by the name that its rows have.
#[derive(Clone, Copy)]
pub(crate) struct JobKind {
    pub name: &'static str,
    /// Jobs of this kind at once in this process, so that slow ones keep no other kind from its turn.
    pub at_once: u32,
    /// How long one may take before it is stopped and counts as failed.
    pub deadline: Duration,
    /// How often one is begun before it is given up.
    pub attempts: i64,
    pub back_off: BackOff,
    pub run: fn(App, Job) -> BoxFuture<'static, Result<Done, JobFailure>>,
    /// Called in the transaction that notes a failure; true: the job was given up.
    pub failed: fn(&mut Tx<'_>, &Job, &str, bool) -> Result<(), StorageError>,
    /// Whether this process does jobs of this kind at all. Those that nobody does stay as they are.
    pub is_done_by: fn(&App) -> bool,
}

pub(crate) const KINDS: &[JobKind] = &[
    JobKind {
        name: warn_of_usage::USAGE_THRESHOLD,
        at_once: 4,
        deadline: Duration::from_secs(30),
        attempts: 12,
        back_off: BackOff { first: Duration::from_secs(5), most: Duration::from_secs(3_600) },
        run: |app, job| Box::pin(async move { warn_of_usage::warn_of_usage(&app, &job).await }),
        failed: nothing_to_note,
        is_done_by: |_| true,
    },
    JobKind {
        name: by_mail::MAIL_LINK,
        at_once: 4,
        deadline: Duration::from_secs(30),
        attempts: 12,
        back_off: BackOff { first: Duration::from_secs(5), most: Duration::from_secs(600) },
        run: |app, job| Box::pin(async move { Ok(by_mail::mail_link(&app, &job.payload).await.map(|()| Done)?) }),
        failed: nothing_to_note,
        is_done_by: |_| true,
    },
    JobKind {
        name: register::REGISTER_PRIVATELY,
        at_once: 4,
        deadline: Duration::from_secs(30),
        attempts: 12,
        back_off: BackOff { first: Duration::from_secs(5), most: Duration::from_secs(600) },
        run: |app, job| {
            Box::pin(async move { Ok(register::register_privately(&app, &job.payload).await.map(|()| Done)?) })
        },
        failed: nothing_to_note,
        is_done_by: |_| true,
    },
    JobKind {
        name: webhooks::DELIVER_WEBHOOK,
        at_once: 8,
        deadline: Duration::from_secs(30),
        attempts: 14,
        back_off: BackOff { first: Duration::from_secs(10), most: Duration::from_secs(28_800) },
        run: |app, job| Box::pin(async move { webhooks::deliver(&app, &job).await }),
        failed: webhooks::note_failure,
        is_done_by: |_| true,
    },
    JobKind {
        name: receive_event::APPLY_STRIPE_EVENT,
        at_once: 4,
        deadline: Duration::from_secs(120),
        // For a day and more: Stripe may be away for hours.
        attempts: 40,
        back_off: BackOff { first: Duration::from_secs(2), most: Duration::from_secs(1_800) },
        run: |app, job| Box::pin(async move { receive_event::apply_stripe_event(&app, &job).await }),
        failed: nothing_to_note,
        is_done_by: |app| app.stripe().is_ok(),
    },
    JobKind {
        name: end_double::END_DOUBLE,
        at_once: 2,
        deadline: Duration::from_secs(120),
        attempts: 40,
        back_off: BackOff { first: Duration::from_secs(2), most: Duration::from_secs(1_800) },
        run: |app, job| Box::pin(async move { end_double::end_double(&app, &job).await }),
        failed: nothing_to_note,
        is_done_by: |app| app.stripe().is_ok(),
    },
    JobKind {
        name: cancel::CANCEL_BILLING,
        at_once: 2,
        deadline: Duration::from_secs(120),
        attempts: 40,
        back_off: BackOff { first: Duration::from_secs(2), most: Duration::from_secs(1_800) },
        run: |app, job| Box::pin(async move { cancel::cancel_billing(&app, &job).await }),
        failed: nothing_to_note,
        is_done_by: |app| app.stripe().is_ok(),
    },
    JobKind {
        name: charge_overage::CHARGE_OVERAGE,
        at_once: 2,
        deadline: Duration::from_secs(120),
        attempts: 40,
        back_off: BackOff { first: Duration::from_secs(2), most: Duration::from_secs(1_800) },
        run: |app, job| Box::pin(async move { charge_overage::charge_overage_soon(&app, &job).await }),
        failed: nothing_to_note,
        is_done_by: |app| app.stripe().is_ok(),
    },
    JobKind {
        name: expire_pages::EXPIRE_PAGES,
        at_once: 2,
        deadline: Duration::from_secs(60),
        attempts: 40,
        back_off: BackOff { first: Duration::from_secs(2), most: Duration::from_secs(1_800) },
        run: |app, job| Box::pin(async move { expire_pages::expire_pages_job(&app, &job).await }),
        failed: nothing_to_note,
        is_done_by: |app| app.stripe().is_ok(),
    },
    JobKind {
        name: reconcile_all::RECONCILE_ALL,
        at_once: 1,
        deadline: Duration::from_secs(300),
        attempts: 40,
        back_off: BackOff { first: Duration::from_secs(2), most: Duration::from_secs(1_800) },
        run: |app, job| Box::pin(async move { reconcile_all::reconcile_some(&app, &job).await }),
        failed: reconcile_all::note_failure,
        is_done_by: |app| app.stripe().is_ok(),
    },
    JobKind {
        name: seats::COUNT_SEATS,
        at_once: 4,
        // A sum and a command. Short, since a process that dies meanwhile holds the job until its lease is over.
        deadline: Duration::from_secs(5),
        attempts: 16,
        back_off: BackOff { first: Duration::from_secs(1), most: Duration::from_secs(3_600) },
        run: |app, job| Box::pin(async move { seats::count_seats(&app, &job).await }),
        failed: nothing_to_note,
        is_done_by: |_| true,
    },
    JobKind {
        name: send_mail::SEND_MAIL,
        at_once: 4,
        deadline: Duration::from_secs(90),
        attempts: 16,
        back_off: BackOff { first: Duration::from_secs(30), most: Duration::from_secs(7_200) },
        run: |app, job| Box::pin(async move { send_mail::send_mail(&app, &job).await }),
        failed: send_mail::note_failure,
        is_done_by: |app| app.sends_mail(),
    },
];

/// For kinds whose failures are told by their job alone.
pub(crate) fn nothing_to_note(_: &mut Tx<'_>, _: &Job, _: &str, _: bool) -> Result<(), StorageError> {
    Ok(())
}

/// The job is done, and its row may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Done;

/// Why a job is not done. The text is kept with it, for operators.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum JobFailure {
    /// It may go better another time.
    RetryLater(String),
    /// It will fail the same way each time.
    GiveUp(String),
}

impl From<AppError> for JobFailure {
    fn from(error: AppError) -> Self {
        Self::RetryLater(error.to_string())
    }
}

impl From<StorageError> for JobFailure {
    fn from(error: StorageError) -> Self {
        Self::RetryLater(error.to_string())
    }
}

/// How long a failed job waits: twice as long each time, never longer than `most`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BackOff {
    pub first: Duration,
    pub most: Duration,
}

impl BackOff {
    /// The wait after the attempt of this number, counted from 1: between half of it and all, by `random`, so that what
    /// failed together does not come again together.
    pub fn after(self, attempt: i64, random: u128) -> Duration {
        let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.most);
        let half = whole / 2;
        let share = u64::try_from(random % (half.as_micros() + 1)).unwrap_or(0);
        half + Duration::from_micros(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_vary() {
        let back_off = BackOff { first: Duration::from_secs(4), most: Duration::from_secs(60) };
        let longest = |attempt| back_off.after(attempt, 0) * 2;
        assert_eq!([1, 2, 3, 4].map(longest), [4, 8, 16, 32].map(Duration::from_secs));
        assert_eq!([5, 6, 60, 6_000].map(longest), [Duration::from_secs(60); 4]);
        for random in [0, 1, 1_999_999, 2_000_000, u128::MAX] {
            let wait = back_off.after(1, random);
            assert!((Duration::from_secs(2)..=Duration::from_secs(4)).contains(&wait), "{wait:?}");
        }
        assert_ne!(back_off.after(1, 7), back_off.after(1, 8));
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_is_tried_more_than_once() {
        for (place, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..place].iter().all(|other| other.name != kind.name), "{}", kind.name);
            assert!(kind.attempts > 1 && kind.at_once > 0, "{}", kind.name);
        }
    }
}
