//! Shows one event as it was counted: what, when, for whom, and what it cost.

use domain::ids::EventId;
use domain::ledger::Amount;
use domain::name::Name;
use domain::pricing::CallTokens;
use domain::time::Timestamp;
use serde::Deserialize;
use storage::ledger::rows;

use crate::identity::scopes::USAGE_READ;
use crate::{AccountRef, App, AppError, Caller};

/// An event as it is kept. It never changes, but for being reversed.
#[derive(Clone, Debug)]
pub struct KeptEvent {
    pub id: EventId,
    /// `consume`, `commit`, `record`, ….
    pub action: String,
    /// When it was counted.
    pub at: Timestamp,
    /// When the work was done.
    pub occurred_at: Timestamp,
    /// It counts in a later window than the one it occurred in.
    pub late: bool,
    /// It passed a limit that does not hold back what was done already.
    pub over_limit: bool,
    pub model: Option<Name>,
    pub amounts: Vec<Amount>,
    /// Key, user, tokens, where the counts come from, price, cost and context, as they were then.
    pub details: serde_json::Value,
    pub reversed_by: Option<EventId>,
}

/// The event with this id.
///
/// # Errors
/// [`AppError::NotFound`] also for one of an account that the caller may not act for.
pub async fn show_event(app: &App, caller: &Caller, id: EventId) -> Result<KeptEvent, AppError> {
    caller.must_have_scope(USAGE_READ)?;
    let unknown = || AppError::NotFound { what: "event", name: id.to_string() };
    let account = caller.account(app, &AccountRef::Id(id.account), USAGE_READ).await.map_err(|_| unknown())?;
    let row = app.ledger.event(id).await?.ok_or_else(unknown)?;
    let flags = row.integer("flags")?;
    let model = row.text("model")?;
    Ok(KeptEvent {
        id,
        action: row.text("action")?.to_owned(),
        at: row.time("at")?,
        occurred_at: row.time("occurred_at")?,
        late: rows::is_late(flags),
        over_limit: rows::is_over_limit(flags),
        model: Some(model).filter(|model| !model.is_empty()).map(Name::new),
        amounts: rows::decode_amounts(row.text("amounts")?)?,
        details: with_all_tokens(serde_json::from_str(row.text("details")?).unwrap_or_default()),
        reversed_by: row.parsed_or_null("reversed_by", |text| EventId::from_own_text(account, text))?,
    })
}

/// Tokens of a kind that the call had none of are not kept.
fn with_all_tokens(mut details: serde_json::Value) -> serde_json::Value {
    let tokens = details.get_mut("tokens");
    let kept = tokens.as_deref().and_then(|tokens| CallTokens::deserialize(tokens).ok());
    if let Some((tokens, all)) = tokens.zip(kept) {
        *tokens = serde_json::json!(all);
    }
    details
}
