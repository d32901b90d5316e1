//! Reads what judges an account: its standing, plan version, anchor and overrides.

use std::sync::Arc;

use domain::catalog::Plan;
use domain::entitlements::{Entitlements, Overrides};
use domain::ids::{AccountId, PlanVersionId};
use domain::ledger::{Book, Standing, Terms};
use domain::time::Timestamp;

use crate::value::Row;
use crate::{StorageError, Tx};

use super::journal::Noted;
use super::memory::AsOf;
use super::plan_book::{PlanBook, PlanVersion};
use super::postgres_journal;
use super::postponed::Postponed;
use super::reading::decode_credit;

pub(crate) const SELECT_TERMS: &str = "SELECT a.status, a.created_at, s.plan_version_id, s.source, s.anchor, \
    s.periods_since, s.plan_until, s.then_plan_version_id, o.content AS overrides \
    FROM accounts a LEFT JOIN subscriptions s ON s.account_id = a.id LEFT JOIN overrides o ON o.account_id = a.id \
    WHERE a.id = $1";
/// Everything about an account in one statement: with many accounts, most of a command's time goes into this.
const SELECT_ACCOUNT: &str = "SELECT a.status, a.created_at, s.plan_version_id, s.source, s.anchor, s.periods_since, \
    s.plan_until, s.then_plan_version_id, o.content AS overrides, \
    (SELECT entitlement_epoch FROM ledger_accounts WHERE account_id = $1) AS entitlement_epoch, \
    (SELECT version FROM ledger_accounts WHERE account_id = $1) AS version, \
    (SELECT last_at FROM ledger_accounts WHERE account_id = $1) AS last_at, \
    (SELECT postponed FROM ledger_accounts WHERE account_id = $1) AS postponed, \
    (SELECT MIN(expires_at) FROM reservations WHERE account_id = $1 AND state = 'open') AS next_expiry, \
    CAST(CASE WHEN EXISTS (SELECT 1 FROM credits WHERE account_id = $1 AND remaining > 0) THEN 1 ELSE 0 END AS BIGINT) \
    AS has_credits \
    FROM accounts a LEFT JOIN subscriptions s ON s.account_id = a.id LEFT JOIN overrides o ON o.account_id = a.id \
    WHERE a.id = $1";
pub(crate) const SELECT_CREDITS: &str = "SELECT id, meter, granted, remaining, priority, expires_at FROM credits \
    WHERE account_id = $1 AND remaining > 0 ORDER BY id";

pub(crate) const STATEMENTS: &[&str] = &[SELECT_TERMS, SELECT_ACCOUNT, SELECT_CREDITS];

/// Reads an account's book with its terms and credits, no balance yet, and what it is true as of. `Ok(None)`: there is no
/// such account.
pub(crate) fn load_book(
    tx: &mut Tx<'_>,
    plans: &PlanBook,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<(Book, AsOf)>, StorageError> {
    let noted = tx.journal().and_then(|journal| journal.noted(account));
    postgres_journal::must_be_ours(tx)?;
    let Some(row) = tx.query_optional(SELECT_ACCOUNT, &[account.into()])? else { return Ok(None) };
    if noted.is_none() {
        tx.must_see_what_left()?;
    }
    let epoch = row.integer_or_null("entitlement_epoch")?.unwrap_or(0);
    let mut book = Book::new(account, Arc::new(from_row(&row, plans, epoch, now)?));
    if row.integer("has_credits")? != 0 {
        let credits = tx.query(SELECT_CREDITS, &[account.into()])?;
        book.load_credits(credits.iter().map(decode_credit).collect::<Result<_, _>>()?);
    }
    let version = row.integer_or_null("version")?.unwrap_or(0);
    let next_expiry = row.time_or_null("next_expiry")?;
    let last_at = row.time_or_null("last_at")?.unwrap_or(Timestamp::EPOCH);
    let of_row = Noted { version, last_at, postponed: Arc::new(Postponed::of_row(&row)?) };
    let Noted { version, last_at, postponed } = noted.filter(|noted| noted.version > version).unwrap_or(of_row);
    let postponed = Some(postponed).filter(|postponed| !postponed.is_empty());
    Ok(Some((book, AsOf { next_expiry, at: now, version, since_version: version, last_at, postponed })))
}

/// Builds terms from a row that has the columns of [`SELECT_TERMS`].
pub(crate) fn from_row(row: &Row, plans: &PlanBook, epoch: i64, now: Timestamp) -> Result<Terms, StorageError> {
    let plan_until = row.time_or_null("plan_until")?;
    let is_over = plan_until.is_some_and(|until| until <= now);
    let in_force = if is_over { "then_plan_version_id" } else { "plan_version_id" };
    let subscribed = row.parsed_or_null(in_force, PlanVersionId::parse)?;
    // With the plan goes its anchor, unless another plan of the same subscription comes after it.
    let anchor = if is_over && subscribed.is_none() { "created_at" } else { "anchor" };
    let version = match subscribed {
        Some(id) => Some(plans.versions.get(&id).ok_or_else(|| unknown_version(id))?),
        None => plans.default_plan(),
    };
    let created_at = row.time("created_at")?;
    let standing = match (row.text("status")?, version) {
        ("active", Some(_)) => Standing::Open,
        ("active", None) => Standing::NoPlan,
        _ => Standing::Suspended,
    };
    let overrides: Option<Overrides> = row.text_or_null("overrides")?.map(read_overrides).transpose()?;
    let (plan, meters) = plan_and_meters(plans, version, overrides.as_ref());
    Ok(Terms {
        epoch,
        standing,
        plan,
        anchor: row.time_or_null(anchor)?.unwrap_or(created_at),
        periods_since: row.time_or_null("periods_since")?.unwrap_or(Timestamp::EPOCH),
        meters,
        warn_at_percent: plans.warn_at_percent.clone(),
        valid_until: plan_until.filter(|_| !is_over),
    })
}

fn plan_and_meters(
    plans: &PlanBook,
    version: Option<&PlanVersion>,
    overrides: Option<&Overrides>,
) -> (Option<Arc<Plan>>, super::plan_book::SharedMeters) {
    match (version, overrides) {
        (None, _) => (None, plans.no_plan.clone()),
        (Some(version), None) => (Some(version.plan.clone()), plans.meters_of(version)),
        (Some(version), Some(overrides)) => {
            let Entitlements { features, limits, .. } = Entitlements::new(&version.plan, overrides);
            let meters = plans.meters_with(&limits);
            let plan = Plan { features, limits, ..Plan::clone(&version.plan) };
            (Some(Arc::new(plan)), Arc::new(meters))
        }
    }
}

fn read_overrides(text: &str) -> Result<Overrides, StorageError> {
    serde_json::from_str(text).map_err(|error| StorageError::Unexpected(format!("overrides cannot be read: {error}")))
}

fn unknown_version(id: PlanVersionId) -> StorageError {
    StorageError::Unexpected(format!("the plan version {id} is not in the database"))
}
