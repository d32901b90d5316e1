//! Which plan an account is on, by what is paid and what was given.

use super::*;

const GRACE_DAYS: u32 = 7;

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a valid time")
}

fn plan(number: u128) -> PlanVersionId {
    PlanVersionId::new(Timestamp::EPOCH, number)
}

fn billed(id: &str, status: Status, created_at: &str) -> Billed {
    Billed {
        id: id.into(),
        status,
        plan: Some(plan(1)),
        rank: 1,
        interval: Interval::Monthly,
        anchor: time("2026-01-31T10:00:00Z"),
        created_at: time(created_at),
        period_end: time("2026-02-28T10:00:00Z"),
        cancel_at: None,
        past_due_since: None,
        pause: None,
        kept: None,
    }
}

fn at(billed: &Billed, now: &str) -> (Option<PlanVersionId>, Option<Timestamp>, Source) {
    let standing = standing(Some(billed), None, GRACE_DAYS, time(now));
    (standing.plan, standing.until, standing.source)
}

#[test]
fn a_trial_gives_the_plan_and_a_paused_one_the_default() {
    let trialing = billed("sub_1", Status::Trialing, "2026-01-31T10:00:00Z");
    assert_eq!(at(&trialing, "2026-02-01T00:00:00Z"), (Some(plan(1)), None, Source::Paid));
    let paused = Billed { status: Status::Paused, ..trialing };
    assert_eq!(at(&paused, "2026-02-01T00:00:00Z"), (None, None, Source::Default));
    assert_eq!(standing(Some(&paused), None, GRACE_DAYS, time("2026-02-01T00:00:00Z")).status, Status::Paused);
}

#[test]
fn grace_counts_from_the_payment_that_failed_and_ends_to_the_instant() {
    let mut past_due = billed("sub_1", Status::PastDue, "2026-01-31T10:00:00Z");
    past_due.past_due_since = Some(time("2026-02-28T11:00:00Z"));
    let ends = Some(time("2026-03-07T11:00:00Z"));
    assert_eq!(at(&past_due, "2026-03-07T10:59:59Z"), (Some(plan(1)), ends, Source::Paid));
    assert_eq!(at(&past_due, "2026-03-07T11:00:00Z"), (None, None, Source::Default));
}

#[test]
fn a_cancellation_at_the_end_keeps_the_plan_until_then() {
    let mut ending = billed("sub_1", Status::Active, "2026-01-31T10:00:00Z");
    ending.cancel_at = Some(ending.period_end);
    let ends = Some(time("2026-02-28T10:00:00Z"));
    assert_eq!(at(&ending, "2026-02-28T09:59:59Z"), (Some(plan(1)), ends, Source::Paid));
    assert_eq!(at(&ending, "2026-02-28T10:00:00Z"), (None, None, Source::Default));
}

#[test]
fn a_smaller_plan_bought_for_later_leaves_the_larger_until_then() {
    let mut shrinking = billed("sub_1", Status::Active, "2026-01-31T10:00:00Z");
    shrinking.kept = Some(Kept { plan: plan(2), rank: 2, until: shrinking.period_end });
    let before = standing(Some(&shrinking), None, GRACE_DAYS, time("2026-02-10T00:00:00Z"));
    assert_eq!((before.plan, before.until, before.then), (Some(plan(2)), Some(shrinking.period_end), Some(plan(1))));
    let after = standing(Some(&shrinking), None, GRACE_DAYS, time("2026-02-28T10:00:00Z"));
    assert_eq!((after.plan, after.until, after.then), (Some(plan(1)), None, None));
    // Canceled as well: nothing comes after.
    shrinking.cancel_at = Some(shrinking.period_end);
    let ending = standing(Some(&shrinking), None, GRACE_DAYS, time("2026-02-10T00:00:00Z"));
    assert_eq!((ending.plan, ending.until, ending.then), (Some(plan(2)), Some(shrinking.period_end), None));
}

#[test]
fn a_pause_without_collection_gives_what_was_paid_and_no_more() {
    let mut paused = billed("sub_1", Status::Active, "2026-01-31T10:00:00Z");
    let pause = |behavior: &str| {
        Some(CollectionPause { behavior: behavior.into(), resumes_at: None, paid_until: time("2026-02-28T10:00:00Z") })
    };
    paused.pause = pause("void");
    assert_eq!(at(&paused, "2026-02-27T00:00:00Z").0, Some(plan(1)));
    assert_eq!(at(&paused, "2026-03-01T00:00:00Z").0, None);
    paused.pause = pause("keep_as_draft");
    assert_eq!(at(&paused, "2026-03-01T00:00:00Z").0, Some(plan(1)));
}

#[test]
fn of_a_paid_and_a_given_plan_the_higher_holds_and_the_paid_one_on_a_tie() {
    let paid = billed("sub_1", Status::Active, "2026-01-31T10:00:00Z");
    let now = time("2026-02-10T00:00:00Z");
    let grant = |rank| Some(Grant { plan: plan(9), rank, until: None });
    assert_eq!(standing(Some(&paid), grant(2), GRACE_DAYS, now).source, Source::Granted);
    assert_eq!(standing(Some(&paid), grant(1), GRACE_DAYS, now).source, Source::Paid);
    assert_eq!(standing(None, grant(0), GRACE_DAYS, now).plan, Some(plan(9)));
    let over = Some(Grant { plan: plan(9), rank: 5, until: Some(now) });
    assert_eq!(standing(Some(&paid), over, GRACE_DAYS, now).source, Source::Paid);
}

#[test]
fn of_two_that_run_the_older_stays_and_the_other_is_a_double() {
    let later = billed("sub_a", Status::Active, "2026-02-02T00:00:00Z");
    let older = billed("sub_b", Status::PastDue, "2026-02-01T00:00:00Z");
    let begun = billed("sub_c", Status::Incomplete, "2026-01-01T00:00:00Z");
    let over = billed("sub_d", Status::Canceled, "2025-01-01T00:00:00Z");
    let mut all = vec![later, begun, over, older];
    for _ in 0..all.len() {
        all.rotate_left(1);
        assert_eq!(current(&all).map(|billed| billed.id.as_str()), Some("sub_b"));
        assert_eq!(doubles(&all).map(|billed| billed.id.as_str()).collect::<Vec<_>>(), ["sub_a"]);
    }
}

#[test]
fn an_unknown_price_gives_nothing_by_itself() {
    let unknown = Billed { plan: None, ..billed("sub_1", Status::Active, "2026-01-31T10:00:00Z") };
    assert_eq!(at(&unknown, "2026-02-01T00:00:00Z"), (None, None, Source::Default));
}

#[test]
fn what_outlives_the_plan_in_force_follows_it() {
    let active = billed("sub_1", Status::Active, "2026-01-31T10:00:00Z");
    let ending = Billed { cancel_at: Some(active.period_end), ..active.clone() };
    let (now, ends) = (time("2026-02-01T00:00:00Z"), active.period_end);
    let given = |rank: u32, until: Option<Timestamp>| Grant { plan: plan(9), rank, until };
    let follows = |billed: &Billed, grant: Grant| {
        let standing = standing(Some(billed), Some(grant), GRACE_DAYS, now);
        (standing.plan, standing.until, standing.then)
    };
    let soon = Some(time("2026-02-10T00:00:00Z"));
    assert_eq!(follows(&active, given(2, soon)), (Some(plan(9)), soon, Some(plan(1))));
    assert_eq!(follows(&active, given(2, None)), (Some(plan(9)), None, None));
    assert_eq!(follows(&ending, given(2, Some(ends))), (Some(plan(9)), Some(ends), None));
    assert_eq!(follows(&ending, given(0, None)), (Some(plan(1)), Some(ends), Some(plan(9))));
    assert_eq!(follows(&ending, given(0, soon)), (Some(plan(1)), Some(ends), None));
    assert_eq!(follows(&active, given(0, None)), (Some(plan(1)), None, None));
}
