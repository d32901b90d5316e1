//! What a piece of work costs.

use domain::catalog::Catalog;
use domain::pricing::{CallCost, CallTokens, ModelPrice, PricingError, lookup_model, price_call};

use super::Work;
use crate::AppError;

/// A model call with its price.
pub(super) struct Priced<'c> {
    pub tokens: CallTokens,
    pub cost: CallCost,
    pub price: &'c ModelPrice,
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
