//! Subscriptions as Stripe told them last. An account may have had many; which one stands for it is
//! [`domain::billing::current`]'s to say.

use domain::billing::{CollectionPause, Status};
use domain::catalog::Interval;
use domain::ids::{AccountId, PlanVersionId};
use domain::name::Name;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const PUT: &str = "INSERT INTO billed_subscriptions (id, account_id, status, price_id, item_id, plan_version_id, \
    billing_interval, currency, unit_amount, anchor, period_start, period_end, trial_end, cancel_at, ended_at, \
    past_due_since, paid_until, pause, resumes_at, kept_version_id, kept_until, metered, former_anchors, created_at) VALUES ($1, $2, $3, \
    $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24) ON CONFLICT (id) DO \
    UPDATE SET status = excluded.status, price_id = excluded.price_id, item_id = excluded.item_id, \
    plan_version_id = excluded.plan_version_id, billing_interval = excluded.billing_interval, currency = \
    excluded.currency, unit_amount = excluded.unit_amount, anchor = excluded.anchor, period_start = \
    excluded.period_start, period_end = excluded.period_end, trial_end = excluded.trial_end, cancel_at = \
    excluded.cancel_at, ended_at = excluded.ended_at, past_due_since = excluded.past_due_since, paid_until = \
    excluded.paid_until, pause = excluded.pause, resumes_at = excluded.resumes_at, kept_version_id = \
    excluded.kept_version_id, kept_until = excluded.kept_until, metered = excluded.metered, former_anchors = \
    excluded.former_anchors";
const BY_ACCOUNT: &str = "SELECT id, account_id, status, price_id, item_id, plan_version_id, billing_interval, \
    currency, unit_amount, anchor, period_start, period_end, trial_end, cancel_at, ended_at, past_due_since, \
    paid_until, pause, resumes_at, kept_version_id, kept_until, metered, former_anchors, created_at FROM billed_subscriptions WHERE \
    account_id = $1 ORDER BY created_at, id";

pub(crate) const STATEMENTS: &[&str] = &[PUT, BY_ACCOUNT];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BilledSubscription {
    /// Stripe's id.
    pub id: String,
    pub account: AccountId,
    pub status: Status,
    pub price: Option<String>,
    pub item: Option<String>,
    /// The plan version that the price is for. `None`: the catalog never knew the price.
    pub plan_version: Option<PlanVersionId>,
    pub interval: Interval,
    /// ISO 4217, upper case.
    pub currency: String,
    /// Minor units each interval.
    pub unit_amount: Option<i64>,
    pub anchor: Timestamp,
    pub period_start: Timestamp,
    pub period_end: Timestamp,
    pub trial_end: Option<Timestamp>,
    pub cancel_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub past_due_since: Option<Timestamp>,
    pub pause: Option<CollectionPause>,
    /// A plan that stays in force until then, although the price is another one already.
    pub kept: Option<(PlanVersionId, Timestamp)>,
    /// What meters at Stripe count beside it.
    pub metered: Vec<MeteredItem>,
    /// What periods counted from before, the oldest first.
    pub former_anchors: Vec<FormerAnchor>,
    pub created_at: Timestamp,
}

/// An item of a subscription that a meter at Stripe counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MeteredItem {
    /// Stripe's ids.
    pub item: String,
    pub price: String,
    /// The plan whose limit it charges past.
    pub plan: Name,
    /// The event name of the meter.
    pub event: Name,
}

/// The billing cycle began anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FormerAnchor {
    pub anchor: Timestamp,
    /// When the next one took its place.
    pub until: Timestamp,
}

/// Writes what Stripe says now.
pub fn put(tx: &mut Tx<'_>, billed: &BilledSubscription) -> Result<(), StorageError> {
    let pause = billed.pause.as_ref();
    let metered = serde_json::to_string(&billed.metered).map_err(StorageError::unexpected)?;
    let former_anchors = serde_json::to_string(&billed.former_anchors).map_err(StorageError::unexpected)?;
    let values: [Value; 24] = [
        (&billed.id).into(),
        billed.account.into(),
        billed.status.as_str().into(),
        billed.price.as_ref().into(),
        billed.item.as_ref().into(),
        billed.plan_version.into(),
        billed.interval.as_str().into(),
        (&billed.currency).into(),
        billed.unit_amount.into(),
        billed.anchor.into(),
        billed.period_start.into(),
        billed.period_end.into(),
        billed.trial_end.into(),
        billed.cancel_at.into(),
        billed.ended_at.into(),
        billed.past_due_since.into(),
        pause.map(|pause| pause.paid_until).into(),
        pause.map(|pause| &pause.behavior).into(),
        pause.and_then(|pause| pause.resumes_at).into(),
        billed.kept.map(|(version, _)| version).into(),
        billed.kept.map(|(_, until)| until).into(),
        metered.into(),
        former_anchors.into(),
        billed.created_at.into(),
    ];
    tx.execute(PUT, &values).map(|_| ())
}

/// All that the account ever had, the oldest first.
pub fn by_account(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<BilledSubscription>, StorageError> {
    tx.query(BY_ACCOUNT, &[account.into()])?.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<BilledSubscription, StorageError> {
    let text = |column: &str| Ok::<_, StorageError>(row.text_or_null(column)?.map(str::to_owned));
    let (behavior, paid_until) = (text("pause")?, row.time_or_null("paid_until")?);
    let (resumes_at, kept_until) = (row.time_or_null("resumes_at")?, row.time_or_null("kept_until")?);
    let kept_version = row.parsed_or_null("kept_version_id", PlanVersionId::parse)?;
    Ok(BilledSubscription {
        id: row.text("id")?.to_owned(),
        account: row.parsed("account_id", AccountId::parse)?,
        status: row.parsed("status", Status::parse)?,
        price: text("price_id")?,
        item: text("item_id")?,
        plan_version: row.parsed_or_null("plan_version_id", PlanVersionId::parse)?,
        interval: row.parsed("billing_interval", Interval::parse)?,
        currency: row.text("currency")?.to_owned(),
        unit_amount: row.integer_or_null("unit_amount")?,
        anchor: row.time("anchor")?,
        period_start: row.time("period_start")?,
        period_end: row.time("period_end")?,
        trial_end: row.time_or_null("trial_end")?,
        cancel_at: row.time_or_null("cancel_at")?,
        ended_at: row.time_or_null("ended_at")?,
        past_due_since: row.time_or_null("past_due_since")?,
        pause: behavior.zip(paid_until).map(|(behavior, paid_until)| CollectionPause {
            behavior,
            resumes_at,
            paid_until,
        }),
        kept: kept_version.zip(kept_until),
        metered: row.json("metered")?,
        former_anchors: row.json("former_anchors")?,
        created_at: row.time("created_at")?,
    })
}
