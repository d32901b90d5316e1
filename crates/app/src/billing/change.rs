//! What a change of plan would be at Stripe: its parts, once for the preview and for the change itself, so that they are
//! the same to the cent.
//!
//! - `now`: the time that is left of the old price is credited and that of the new one charged, at once, on an invoice of
//!   its own; another interval begins a new period. The plan holds from when that is paid.
//! - `period_end`: the price is changed at once without charging anything, and the old plan is kept until the period that
//!   is paid for is over. Another interval begins then, too: until then Stripe charges nothing.

use domain::billing::{Direction, Status, direction};
use domain::catalog::Interval;
use domain::ids::{AccountId, PlanVersionId};
use domain::time::Timestamp;
use providers::stripe::{
    Metadata, MeteredChange, PaymentBehavior, Preview, ProrationBehavior, Stripe, SubscriptionChange, TrialEnd,
};
use storage::records::billed_subscriptions::BilledSubscription;

use super::apply_stripe_subscription::{KEPT_ANCHOR, KEPT_BEFORE, KEPT_PLAN, KEPT_UNTIL};
use super::checkout::named;
use super::plan_of_price::{Prices, prices_of_plan};
use super::selling::{Offer, Stands, is_changeable, offer, stands};
use super::settle::rank;
use crate::{App, AppError};

/// What is wanted instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedChange {
    /// The plan's key.
    pub plan: String,
    pub interval: Interval,
    pub when: When,
    /// As of when time is credited and charged: that of the preview which was shown. `None`: now.
    pub proration_date: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Now,
    PeriodEnd,
}

impl When {
    pub fn as_str(self) -> &'static str {
        match self {
            When::Now => "now",
            When::PeriodEnd => "period_end",
        }
    }
}

/// A change that is possible.
pub(super) struct Change {
    pub stands: Stands,
    pub billed: BilledSubscription,
    pub offer: Offer,
    pub price: String,
    /// What meters at Stripe count from now on, and what not any more.
    metered: Vec<MeteredChange>,
    pub when: When,
    pub proration_date: Timestamp,
}

/// # Errors
/// [`AppError::NotSubscribed`] when nothing runs that could be changed; [`AppError::NothingToChange`] when it is so
/// already.
pub(super) async fn possible(
    app: &App,
    stripe: &Stripe,
    account: AccountId,
    wanted: &WantedChange,
) -> Result<Change, AppError> {
    let stands = stands(app, account).await?;
    let Some(mut billed) = stands.billed.clone().filter(|billed| is_changeable(billed.status)) else {
        return Err(AppError::NotSubscribed);
    };
    let offer = offer(&stands, &wanted.plan, wanted.interval)?;
    let now = app.now();
    // What was kept until then is forgotten after it, although Stripe still has it written down.
    billed.kept = billed.kept.filter(|(_, until)| *until > now);
    let plan_now = billed.kept.map_or(billed.plan_version, |(plan, _)| Some(plan));
    let undoes = plan_now != billed.plan_version;
    let rank_now = plan_now.map_or(0, |plan| rank(&stands.plans, plan));
    let way = direction((rank_now, billed.interval), (offer.version.plan.rank, offer.interval));
    if way == Direction::Nothing && plan_now == Some(offer.version.id) && !undoes {
        return Err(AppError::NothingToChange);
    }
    let prices = prices_of_plan(app, stripe, &offer.version.plan, offer.interval).await?;
    // A trial has nothing to credit: what changes in it changes at once.
    let when = if billed.status == Status::Trialing && billed.kept.is_none() { When::Now } else { wanted.when };
    let proration_date = wanted.proration_date.unwrap_or(Timestamp::from_seconds(now.seconds()));
    if proration_date > now || proration_date < billed.period_start {
        return Err(AppError::invalid(
            "proration_date",
            "It is within the period that is paid for, and not in the future.",
        ));
    }
    let metered = metered_changes(&billed, &prices);
    Ok(Change { stands, billed, offer, price: prices.bought, metered, when, proration_date })
}

fn metered_changes(billed: &BilledSubscription, prices: &Prices) -> Vec<MeteredChange> {
    let goes = billed.metered.iter().filter(|there| !prices.metered.contains(&there.price));
    let goes = goes.map(|there| MeteredChange::Remove(there.item.clone()));
    let comes = prices.metered.iter().filter(|price| !billed.metered.iter().any(|there| there.price == **price));
    goes.chain(comes.cloned().map(MeteredChange::Add)).collect()
}

impl Change {
    fn is_in_trial(&self) -> bool {
        self.billed.status == Status::Trialing && self.billed.kept.is_none()
    }

    /// The same price is paid already; only what was planned for later goes.
    fn keeps_price(&self) -> bool {
        self.billed.price.as_ref() == Some(&self.price)
    }

    /// Until when the old plan is kept.
    fn keeps_until(&self) -> Option<Timestamp> {
        (self.when == When::PeriodEnd).then_some(self.billed.period_end)
    }

    fn proration(&self) -> ProrationBehavior {
        match self.when {
            When::Now if self.is_in_trial() || self.keeps_price() => ProrationBehavior::None,
            When::Now => ProrationBehavior::AlwaysInvoice,
            When::PeriodEnd => ProrationBehavior::None,
        }
    }

    /// Another interval would begin a period at once and charge it. With a trial until the period's end it does then.
    fn trial_end(&self) -> Option<TrialEnd> {
        let other_interval = self.billed.interval != self.offer.interval;
        match self.when {
            When::PeriodEnd if other_interval => Some(TrialEnd::At(self.billed.period_end)),
            // What was planned for the period's end is done now.
            When::Now if self.billed.kept.is_some() && self.billed.status == Status::Trialing => Some(TrialEnd::Now),
            _ => None,
        }
    }

    fn metadata(&self, account: AccountId) -> Metadata {
        let mut metadata = named(account, &self.offer);
        // Empty words delete what was there.
        let [mut plan, mut until, mut before, mut anchor] = [const { String::new() }; 4];
        let kept = self.billed.kept.map(|(plan, _)| plan).or(self.billed.plan_version);
        // Back to the plan that is kept anyway, nothing waits any more.
        let changes = |kept: &PlanVersionId| *kept != self.offer.version.id || self.trial_end().is_some();
        let kept = kept.filter(changes);
        if let Some((kept, end)) = kept.zip(self.keeps_until()) {
            (plan, until, before) = (kept.to_string(), end.seconds().to_string(), self.price.clone());
            anchor = self.billed.anchor.seconds().to_string();
        }
        let kept = [(KEPT_PLAN, plan), (KEPT_UNTIL, until), (KEPT_BEFORE, before), (KEPT_ANCHOR, anchor)];
        metadata.extend(kept.map(|(name, text)| (name.to_owned(), text)));
        metadata
    }

    pub fn request(&self, account: AccountId) -> SubscriptionChange {
        let prorates = self.proration() == ProrationBehavior::AlwaysInvoice;
        SubscriptionChange {
            item: self.billed.item.clone(),
            price: Some(self.price.clone()),
            metered: self.metered.clone(),
            proration_behavior: Some(self.proration()),
            proration_date: prorates.then_some(self.proration_date),
            payment_behavior: Some(match prorates {
                true => PaymentBehavior::PendingIfIncomplete,
                false => PaymentBehavior::AllowIncomplete,
            }),
            trial_end: self.trial_end(),
            metadata: if prorates { Metadata::new() } else { self.metadata(account) },
            ..SubscriptionChange::default()
        }
    }

    /// What Stripe does not take together with a change that waits for its payment.
    pub fn metadata_afterwards(&self, account: AccountId) -> Option<Metadata> {
        (self.proration() == ProrationBehavior::AlwaysInvoice).then(|| self.metadata(account))
    }

    pub fn preview(&self, customer: &str, automatic_tax: bool) -> Preview {
        let prorates = self.proration() == ProrationBehavior::AlwaysInvoice;
        Preview {
            customer: customer.to_owned(),
            subscription: Some(self.billed.id.clone()),
            item: self.billed.item.clone(),
            price: Some(self.price.clone()),
            metered: self.metered.clone(),
            proration_behavior: Some(self.proration()),
            proration_date: prorates.then_some(self.proration_date),
            trial_end: self.trial_end(),
            automatic_tax,
            ..Preview::default()
        }
    }
}
