//! What an account has used over days: in all, by model, by day, by member and by key.

use std::collections::BTreeMap;

use domain::catalog::LimitScope;
use domain::ids::AccountId;
use domain::name::Name;
use domain::time::{MICROS_PER_DAY, Timestamp};
use storage::records::usage_daily::{self, Days, MeterSum};
use storage::{StorageError, Tx};

use crate::identity::scopes::USAGE_READ;
use crate::jobs::scoped_usage;
use crate::{AccountRef, App, AppError, Caller};

/// The longest stretch that is answered at once.
const MOST_DAYS: i64 = 366;

/// Whole days, UTC, both included.
#[derive(Clone, Copy, Debug)]
pub struct AnalyticsQuery {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Sums of meters, each by its name.
pub type Sums = Vec<MeterSum>;

#[derive(Clone, Debug, Default)]
pub struct Analytics {
    pub account: Option<AccountId>,
    /// Starts of the first and of the last day.
    pub from: Timestamp,
    pub to: Timestamp,
    pub totals: Sums,
    /// The empty name stands for usage that no model made.
    pub by_model: BTreeMap<Name, Sums>,
    /// By the start of the day.
    pub by_day: BTreeMap<Timestamp, Sums>,
    pub by_user: BTreeMap<Name, Sums>,
    pub by_key: BTreeMap<Name, Sums>,
}

impl AnalyticsQuery {
    /// The last 30 days, today included.
    pub fn last_30_days(now: Timestamp) -> Self {
        Self { from: now.minus_micros(29 * MICROS_PER_DAY), to: now }
    }

    fn days(self) -> Result<Days, AppError> {
        let days = Days {
            first: self.from.micros().div_euclid(MICROS_PER_DAY),
            last: self.to.micros().div_euclid(MICROS_PER_DAY),
        };
        if days.last < days.first {
            return Err(AppError::invalid("to", "`to` is before `from`; name the later time as `to`."));
        }
        if days.last - days.first >= MOST_DAYS {
            return Err(AppError::invalid("from", "Ask for at most 366 days at once."));
        }
        Ok(days)
    }
}

/// What the account used from one day to another. Read from sums that are kept as events arrive, so that it is as fast
/// after years as on the first day.
pub async fn analytics(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    query: AnalyticsQuery,
) -> Result<Analytics, AppError> {
    let account = caller.account(app, account, USAGE_READ).await?;
    let days = query.days()?;
    app.database.write_back_of(account).await?;
    let mut found =
        app.database.read::<_, StorageError, _>("usage_analytics", move |tx| read(tx, account, days)).await?;
    found.by_user = grouped(scoped_usage(app, account, LimitScope::Member, days).await?);
    found.by_key = grouped(scoped_usage(app, account, LimitScope::Key, days).await?);
    found.account = Some(account);
    found.from = day_start(days.first);
    found.to = day_start(days.last);
    Ok(found)
}

fn read(tx: &mut Tx<'_>, account: AccountId, days: Days) -> Result<Analytics, StorageError> {
    Ok(Analytics {
        totals: usage_daily::totals(tx, account, days)?,
        by_model: grouped(usage_daily::by_model(tx, account, days)?),
        by_day: grouped(
            usage_daily::by_day(tx, account, days)?.into_iter().map(|(day, sum)| (day_start(day), sum)).collect(),
        ),
        ..Analytics::default()
    })
}

fn grouped<K: Ord>(rows: Vec<(K, MeterSum)>) -> BTreeMap<K, Sums> {
    let mut groups: BTreeMap<K, Sums> = BTreeMap::new();
    for (key, sum) in rows {
        groups.entry(key).or_default().push(sum);
    }
    groups
}

fn day_start(day: i64) -> Timestamp {
    Timestamp::from_micros(day.saturating_mul(MICROS_PER_DAY))
}
