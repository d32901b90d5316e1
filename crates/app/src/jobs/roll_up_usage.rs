//! Adds up what each member, key and end user has used a day, from the events, after they were counted.
//!
//! How far this has come is kept as the last event's id. Ids are made before the ledger has written their event, so the
//! last minute is left for later: by then what was on its way has arrived or failed.

use std::collections::BTreeMap;

use domain::catalog::LimitScope;
use domain::ids::{AccountId, EventId};
use domain::name::Name;
use domain::time::{MICROS_PER_DAY, MICROS_PER_MINUTE, Timestamp};
use serde::Deserialize;
use storage::Tx;
use storage::records::settings::{self, ROLLED_UP_TO};
use storage::records::usage_daily::{self, Days, MeterSum, ScopedDay, UsageEvent};

use crate::{App, AppError};

/// Longer than a command may wait and its transaction take.
const LEFT_FOR_LATER_MICROS: i64 = MICROS_PER_MINUTE;
/// Events added up in one transaction.
const TOGETHER: u32 = 1_000;
/// The most events read on top of what is added up, for one account.
const MOST_RECENT: u32 = 20_000;

/// Amount and count of events, by whose usage of what on which day.
type Sums = BTreeMap<ScopedDay, (i64, i64)>;

pub(super) async fn roll_up_usage(app: &App) -> Result<(), AppError> {
    let before = first_id_at(app.now().minus_micros(LEFT_FOR_LATER_MICROS));
    loop {
        let before = before.clone();
        let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
            let after = settings::get(tx, ROLLED_UP_TO)?.unwrap_or_default();
            let events = usage_daily::events_between(tx, &after, &before, TOGETHER)?;
            Ok((after, events))
        };
        let (after, events) = app.database.read("read_usage_to_roll_up", read).await?;
        // Otherwise another node has added these up meanwhile.
        let goes_on = !events.is_empty() && add(app, after, &events).await?;
        if !goes_on || events.len() < TOGETHER as usize {
            return Ok(());
        }
    }
}

/// Adds up events that were read when everything up to `after` was. Returns whether that was so still.
async fn add(app: &App, after: String, events: &[UsageEvent]) -> Result<bool, AppError> {
    let last = events.last().map(|event| event.id.own_text()).unwrap_or_default();
    let sums = add_up(events);
    let write = move |tx: &mut Tx<'_>| -> Result<bool, AppError> {
        if settings::lock(tx, ROLLED_UP_TO, "")? != after {
            return Ok(false);
        }
        for (day, (amount, events)) in &sums {
            usage_daily::add_scoped(tx, day, *amount, *events)?;
        }
        settings::put(tx, ROLLED_UP_TO, &last)?;
        Ok(true)
    };
    app.database.write("roll_up_usage", write).await
}

/// What each member, key or end user of an account has used on these days, up to now: what is added up, and the last
/// events on top.
pub async fn scoped_usage(
    app: &App,
    account: AccountId,
    scope: LimitScope,
    days: Days,
) -> Result<Vec<(Name, MeterSum)>, AppError> {
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        let after = settings::get(tx, ROLLED_UP_TO)?.unwrap_or_default();
        let added_up = usage_daily::by_scope(tx, account, scope, days)?;
        Ok((added_up, usage_daily::events_of_account(tx, account, &after, MOST_RECENT)?))
    };
    let (added_up, recent) = app.database.read("read_scoped_usage", read).await?;
    let mut sums: BTreeMap<(Name, Name), (i64, i64)> = BTreeMap::new();
    let mut add = |scope_id: Name, meter: Name, amount: i64, events: i64| {
        let sum = sums.entry((scope_id, meter)).or_default();
        *sum = (sum.0.saturating_add(amount), sum.1.saturating_add(events));
    };
    for (scope_id, sum) in added_up {
        add(scope_id, sum.meter, sum.amount, sum.events);
    }
    for (day, (amount, events)) in add_up(&recent) {
        if day.scope == scope && (days.first..=days.last).contains(&day.day) {
            add(day.scope_id, day.meter, amount, events);
        }
    }
    let sums = sums.into_iter();
    Ok(sums.map(|((scope_id, meter), (amount, events))| (scope_id, MeterSum { meter, amount, events })).collect())
}

/// Where ids made at this time begin.
fn first_id_at(at: Timestamp) -> String {
    EventId::new(AccountId::from_bits(0), at, 0).own_text()
}

/// Whose usage an event tells of.
#[derive(Deserialize, Default)]
struct Whose {
    user: Option<Name>,
    key: Option<Name>,
    end_user: Option<Name>,
}

fn add_up(events: &[UsageEvent]) -> Sums {
    let mut sums = Sums::new();
    for event in events {
        let day = event.occurred_at.micros().div_euclid(MICROS_PER_DAY);
        for (scope, scope_id) in whose(event) {
            for (meter, amount) in used(event) {
                let key = ScopedDay { account: event.id.account, scope, scope_id: scope_id.clone(), day, meter };
                let sum = sums.entry(key).or_default();
                *sum = (sum.0.saturating_add(amount), sum.1 + 1);
            }
        }
    }
    sums
}

/// The scopes an event is counted for: as its details name them, else as its postings do.
fn whose(event: &UsageEvent) -> Vec<(LimitScope, Name)> {
    let told: Whose = serde_json::from_str(&event.details).unwrap_or_default();
    let of_posting = |scope: LimitScope| {
        let posting = event.postings.iter().find(|posting| posting.place.scope == scope);
        posting.and_then(|posting| posting.place.scope_id.clone())
    };
    [(LimitScope::Member, told.user), (LimitScope::Key, told.key), (LimitScope::EndUser, told.end_user)]
        .into_iter()
        .filter_map(|(scope, told)| Some((scope, told.or_else(|| of_posting(scope))?)))
        .collect()
}

/// What an event used of each meter. A meter counted in several windows is used once; of what is given back each window
/// takes what it has, and the largest counts, as in the sums by model.
fn used(event: &UsageEvent) -> BTreeMap<Name, i64> {
    let mut used: BTreeMap<Name, i64> = BTreeMap::new();
    for posting in event.postings.iter().filter(|posting| posting.place.scope == LimitScope::Account) {
        let amount = used.entry(posting.place.meter.clone()).or_default();
        if posting.used.unsigned_abs() > amount.unsigned_abs() {
            *amount = posting.used;
        }
    }
    used.retain(|_, amount| *amount != 0);
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ledger::{Place, Posting};
    use domain::windows::WindowKind;

    fn posting(scope: LimitScope, scope_id: Option<&str>, meter: &str, window: WindowKind, used: i64) -> Posting {
        let place = Place {
            scope,
            scope_id: scope_id.map(Name::new),
            meter: Name::new(meter),
            window,
            start: Timestamp::EPOCH,
        };
        Posting { place, used, reserved: 0, credited: 0 }
    }

    #[test]
    fn an_event_counts_once_for_each_scope_it_names() {
        let occurred_at = Timestamp::from_micros(20_000 * MICROS_PER_DAY + 7);
        let event = UsageEvent {
            id: EventId::new(AccountId::from_bits(1), occurred_at, 1),
            occurred_at,
            postings: vec![
                posting(LimitScope::Account, None, "requests", WindowKind::Period, -3),
                posting(LimitScope::Account, None, "requests", WindowKind::Day, -2),
                posting(LimitScope::Account, None, "seats", WindowKind::Lifetime, 0),
                posting(LimitScope::Member, Some("ada"), "requests", WindowKind::Day, -2),
                posting(LimitScope::Key, Some("other"), "requests", WindowKind::Day, -2),
            ],
            details: r#"{"key": "key_1", "tokens": {"prompt": 1}}"#.into(),
        };
        let sums = add_up(&[event.clone(), event]);
        let found: Vec<_> =
            sums.into_iter().map(|(day, sum)| (day.scope, day.scope_id, day.meter, day.day, sum)).collect();
        let requests = Name::new("requests");
        assert_eq!(
            found,
            [
                (LimitScope::Member, Name::new("ada"), requests.clone(), 20_000, (-6, 2)),
                (LimitScope::Key, Name::new("key_1"), requests, 20_000, (-6, 2)),
            ]
        );
    }
}
