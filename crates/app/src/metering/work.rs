//! From what a caller tells to one ledger command: which meters it moves and by how much, for whom, under which key.

use std::sync::Arc;

use domain::catalog::{COST_METER, Catalog, Feed, Meter};
use domain::entitlements::model_allowed;
use domain::ids::{AccountId, EventId};
use domain::ledger::{Action, Amount, Command, Scopes, Terms};
use domain::name::Name;
use domain::plain::Plain;
use domain::quantity::Quantity;
use domain::suggestion::suggest_plan_with_model;
use sha2::{Digest, Sha256};
use storage::ledger::plan_book::PlanBook;
use storage::ledger::{CallerKey, Durability, Request};

use super::details::details;
use super::pricing::{Priced, price};
use super::{Counts, IdempotencyKey, Work};
use crate::{App, AppError, Caller};

/// Millionths of a unit to nano-dollars, for quantities of `cost` that a caller names in dollars.
const NANO_IN_A_MILLIONTH: i64 = 1_000;

/// A command on its way to the ledger, and what its answer will need.
pub(super) struct Prepared {
    pub request: Request,
    pub cost: Option<domain::pricing::CallCost>,
    pub plans: Arc<PlanBook>,
}

/// Everything about the account that preparing goes by.
pub(super) struct Asked<'a> {
    pub app: &'a App,
    pub caller: Option<&'a Caller>,
    pub account: AccountId,
    pub terms: &'a Terms,
    pub plans: Arc<PlanBook>,
}

impl Asked<'_> {
    /// The ledger request for this work.
    pub fn prepare(&self, work: &Work, action: Action, reason: Option<&str>) -> Result<Prepared, AppError> {
        let command = self.command(work, action)?;
        Ok(self.request(work, reason, command))
    }

    /// What the ledger judges by, without what it keeps of the work.
    pub fn command(&self, work: &Work, action: Action) -> Result<(Command, Option<Priced<'_>>), AppError> {
        let catalog = &self.plans.catalog;
        let priced = price(catalog, work)?;
        let amounts = amounts(catalog, work, priced.as_ref())?;
        Ok((self.command_of(work, action, amounts), priced))
    }

    /// As [`Asked::prepare`], but naming nothing is fine: a void, or a commit of what was held.
    pub fn prepare_amounts(&self, work: &Work, action: Action, reason: Option<&str>) -> Result<Prepared, AppError> {
        if work.usage.is_empty() {
            return Ok(self.request(work, reason, (self.command_of(work, action, Vec::new()), None)));
        }
        self.prepare(work, action, reason)
    }

    fn command_of(&self, work: &Work, action: Action, amounts: Vec<Amount>) -> Command {
        let event = EventId::new(self.account, self.app.now(), self.app.entropy.bits());
        Command { event, action, scopes: scopes(self.caller, work), amounts, occurred_at: work.occurred_at }
    }

    /// The ledger request for a command of this work.
    pub fn request(
        &self,
        work: &Work,
        reason: Option<&str>,
        (command, priced): (Command, Option<Priced<'_>>),
    ) -> Prepared {
        let details =
            details(self.caller, work, priced.as_ref(), (self.plans.catalog.markup_millionths_percent, reason));
        Prepared {
            request: Request {
                command,
                key: work.key.as_ref().map(caller_key),
                model: work.model.clone().unwrap_or_default(),
                details: Arc::from(details),
                epoch: None,
                durability: Durability::Synced,
            },
            cost: priced.map(|priced| priced.cost),
            plans: self.plans.clone(),
        }
    }

    /// As [`Asked::must_allow_model`], but work that was counted before is let through to its first outcome, though the
    /// plan has lost the model since.
    pub async fn must_allow_model_unless_counted(&self, work: &Work) -> Result<(), AppError> {
        let Err(refused) = self.must_allow_model(work) else { return Ok(()) };
        match &work.key {
            Some(key) if self.app.ledger.knows_key(self.account, &caller_key(key)).await? => Ok(()),
            _ => Err(refused),
        }
    }

    /// Refuses a model that the plan does not allow.
    pub fn must_allow_model(&self, work: &Work) -> Result<(), AppError> {
        let (Some(model), Some(plan)) = (&work.model, &self.terms.plan) else { return Ok(()) };
        let catalog = &self.plans.catalog;
        let provider = work.provider.as_deref();
        if model_allowed(&plan.features, &catalog.model_groups, model.as_str(), provider) {
            return Ok(());
        }
        let suggested = suggest_plan_with_model(catalog, Some(plan), model.as_str(), provider);
        Err(AppError::FeatureNotInPlan {
            feature: format!("the model {model}"),
            plan: Some(plan.key.clone()),
            suggested_plan: suggested.map(|plan| plan.key.clone()),
            model: true,
        })
    }
}

/// What each meter moves by: the quantities that were named, and those that the call feeds where none was named.
fn amounts(catalog: &Catalog, work: &Work, priced: Option<&Priced<'_>>) -> Result<Vec<Amount>, AppError> {
    let mut amounts = Vec::with_capacity(work.usage.len() + 3);
    for (meter, quantity) in &work.usage {
        // The catalog's own copy of the name: what is remembered of many accounts shares it.
        let Some((meter, _)) = catalog.meters.get_key_value(meter) else {
            return Err(domain::ledger::Refusal::MeterUnknown(meter.clone()).into());
        };
        amounts.push(Amount { meter: meter.clone(), amount: in_units(meter, *quantity)? });
    }
    let is_call = work.model.is_some() || work.audio_bytes.is_some() || work.characters.is_some();
    for (name, meter) in catalog.meters.iter().filter(|_| is_call) {
        if !work.usage.iter().any(|(named, _)| named == name)
            && let Some(amount) = fed(catalog, meter, work, priced)?
        {
            amounts.push(Amount { meter: name.clone(), amount });
        }
    }
    if amounts.is_empty() {
        return Err(AppError::invalid(
            "meter",
            "Nothing to count: name a `meter` and a `quantity`, or a `model` with its token counts.",
        ));
    }
    Ok(amounts)
}

/// A named quantity in the meter's integer unit.
pub(super) fn in_units(meter: &Name, quantity: Quantity) -> Result<i64, AppError> {
    if meter.as_str() != COST_METER {
        return Ok(quantity.millionths());
    }
    quantity
        .millionths()
        .checked_mul(NANO_IN_A_MILLIONTH)
        .ok_or_else(|| domain::ledger::Refusal::TooLarge(meter.clone()).into())
}

/// What a call feeds into a meter that the caller did not name. `None`: nothing.
fn fed(catalog: &Catalog, meter: &Meter, work: &Work, priced: Option<&Priced<'_>>) -> Result<Option<i64>, AppError> {
    let counts = match meter.feed {
        Feed::Named => return Ok(None),
        Feed::Cost => return Ok(priced.map(|priced| priced.cost.final_cost.nano())),
        Feed::Requests => work.model.is_some().then_some(1),
        Feed::TotalTokens => priced.map(|priced| priced.tokens.total().unwrap_or(u64::MAX)),
        Feed::PromptTokens => priced.map(|priced| priced.tokens.prompt),
        Feed::CompletionTokens => priced.map(|priced| priced.tokens.completion),
        Feed::Voice => voice_tokens(catalog, work),
    };
    let too_large = || AppError::invalid("prompt_tokens", "The counts are too large to be kept.");
    counts
        .map(|count| {
            let units = i64::try_from(count).ok().and_then(Quantity::from_units);
            units.map(Quantity::millionths).ok_or_else(too_large)
        })
        .transpose()
}

/// What the provider reported of speech, else what the catalog's formulas say.
fn voice_tokens(catalog: &Catalog, work: &Work) -> Option<u64> {
    if let (Some(Counts::Reported), Some(tokens)) = (work.counts, work.tokens)
        && (work.audio_bytes.is_some() || work.characters.is_some())
    {
        return tokens.total();
    }
    let heard = work.audio_bytes.map(|bytes| catalog.voice.tokens_of_audio(bytes));
    let spoken = work.characters.map(|count| catalog.voice.tokens_of_text(count).unwrap_or(u64::MAX));
    match (heard, spoken) {
        (None, None) => None,
        (heard, spoken) => Some(heard.unwrap_or(0).saturating_add(spoken.unwrap_or(0))),
    }
}

/// Whom inside the account it is for. An account's own key counts by itself; the member is the caller's own, else the one named.
fn scopes(caller: Option<&Caller>, work: &Work) -> Scopes {
    let key = match caller {
        Some(Caller::Account { key, .. }) => Some(Name::from(key.to_text())),
        _ => None,
    };
    // Who acts for a member cannot name another to pass a limit that each has.
    let member = caller.and_then(Caller::member).or_else(|| work.user.clone());
    Scopes { member, key, end_user: work.end_user.clone() }
}

fn caller_key(key: &IdempotencyKey) -> CallerKey {
    let digest = Sha256::digest(key.text.as_bytes());
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    CallerKey { hash, content: key.content }
}
