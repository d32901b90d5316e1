//! What a piece of work costs, and the details kept with its event.

use domain::catalog::Catalog;
use domain::name::Name;
use domain::pricing::{CallCost, CallTokens, ModelPrice, PricingError, lookup_model, price_call};
use serde::{Deserialize, Serialize};

use super::{Context, Counts, Work};
use crate::{AppError, Caller};

/// What is kept with an event beside its amounts, as JSON. The price stays with it, whatever the table says later.
#[derive(Serialize)]
pub(super) struct Details<'w> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'w Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_user: Option<&'w Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<CallTokens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    characters: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CallCost>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<&'w ModelPrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    markup_millionths_percent: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'w str>,
    #[serde(skip_serializing_if = "is_empty")]
    context: &'w Context,
}

/// The cost in kept details, for answers that repeat an event.
#[derive(Deserialize)]
pub(super) struct KeptCost {
    pub cost: Option<CallCost>,
}

/// A model call with its price.
pub(super) struct Priced<'c> {
    pub tokens: CallTokens,
    pub cost: CallCost,
    price: &'c ModelPrice,
}

/// Prices the work when a model did it and tokens are known.
///
/// # Errors
/// [`AppError::ModelUnknown`] when the catalog refuses models it does not know.
pub(super) fn price<'c>(catalog: &'c Catalog, work: &Work) -> Result<Option<Priced<'c>>, AppError> {
    let Some(model) = &work.model else { return Ok(None) };
    let unknown = |error| match error {
        PricingError::UnknownModel(_) => AppError::ModelUnknown(model.clone()),
        other => AppError::invalid("prompt_tokens", format!("The call cannot be priced: {other}.")),
    };
    let price = lookup_model(catalog, model.as_str(), work.provider.as_deref()).map_err(unknown)?;
    let tokens = work.call_tokens();
    let cost = price_call(price, &tokens, catalog.markup_millionths_percent).map_err(unknown)?;
    Ok(Some(Priced { tokens, cost, price }))
}

/// The JSON kept with the event.
pub(super) fn details(
    caller: Option<&Caller>,
    work: &Work,
    priced: Option<&Priced<'_>>,
    (catalog, reason): (&Catalog, Option<&str>),
) -> String {
    let member = caller.and_then(Caller::member);
    let details = Details {
        key: caller.and_then(Caller::key).map(|key| key.to_string()),
        user: member.as_ref().or(work.user.as_ref()),
        end_user: work.end_user.as_ref(),
        provider: work.provider.as_deref(),
        tokens: priced.map(|priced| priced.tokens),
        counts: work.counts,
        audio_bytes: work.audio_bytes,
        characters: work.characters,
        cost: priced.map(|priced| priced.cost),
        price: priced.map(|priced| priced.price),
        markup_millionths_percent: priced.map(|_| catalog.markup_millionths_percent),
        reason,
        context: &work.context,
    };
    serde_json::to_string(&details).expect("text, integers and JSON values always serialize")
}

fn is_empty(context: &&Context) -> bool {
    **context == Context::default()
}
