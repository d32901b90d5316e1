//! One model call, from the request's bytes to the answer's.

use std::sync::Arc;

use bytes::Bytes;
use domain::catalog::FeatureValue;
use domain::ids::AccountId;
use domain::ledger::{OnExpiry, Terms};
use domain::name::Name;
use domain::pricing::{CallTokens, lookup_model};
use http::{HeaderMap, StatusCode, header};
use providers::model_api::{Answer, Endpoint, ModelRequest, answer_text_of, estimate_tokens, usage_of_answer};

use storage::ledger::Durability;

use super::forwarding::{Forwarded, forward};
use super::open_calls::HOLD_SECONDS;
use super::settling::{Lasting, OpenCall, Settled};
use super::streaming::CallStream;
use super::upstreams::Serving;
use super::{CallError, forwarding};
use crate::identity::scopes::MODELS_CALL;
use crate::metering::consume::account_to_count;
use crate::metering::reserve::hold_usage;
use crate::metering::{Context, Counts, Hold, Work};
use crate::rate_limits::Allowance;
use crate::{AccountRef, App, AppError, Caller, rate_limits};

/// The plan's feature whose callers go first where an upstream is busy.
const PRIORITY_PROCESSING: &str = "priority_processing";
/// The rate limit of model calls, and the one that holds where a plan has none for them.
const RATE_SCOPES: [&str; 2] = ["gateway", "api"];
/// The largest answer that is read whole: pictures come as text.
const LARGEST_ANSWER: usize = 64 << 20;
/// Bytes of text for each token, to charge a prompt whose tokens nobody reported.
const BYTES_PER_TOKEN: u64 = 4;
const TOKENS_A_MESSAGE: u64 = 4;
const LONGEST_WORD: usize = 255;
const LONGEST_METADATA_BYTES: usize = 16 * 1024;

/// What a client asks, parsed at the edge as far as the form goes.
#[derive(Debug)]
pub struct Asked {
    pub endpoint: Endpoint,
    pub account: AccountRef,
    /// The client's headers; only those that belong to the call are passed on.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The member, where the caller names one.
    pub user: Option<Name>,
    pub end_user: Option<Name>,
    pub context: Context,
}

/// What the client gets.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    /// The upstream's, those that are worth passing on.
    pub headers: HeaderMap,
    pub body: ReplyBody,
    /// The limits: after the booking for a whole answer, after the hold for a stream.
    pub limits: Vec<domain::ledger::LimitState>,
    pub allowance: Option<Allowance>,
    /// Of a whole answer, without its limits. `None`: it cost nothing, or is still being booked.
    pub settled: Option<Settled>,
}

#[derive(Debug)]
pub enum ReplyBody {
    Whole(Bytes),
    Stream(Box<CallStream>),
}

/// Answers a model call.
///
/// # Errors
/// What stands in the way before anything is sent on: the model, the plan, the rate, the quota; then that no upstream
/// answered. A call that ends in an error costs nothing.
pub async fn call(app: &App, caller: &Caller, mut asked: Asked) -> Result<Reply, CallError> {
    let content_type = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let request = ModelRequest::read(asked.endpoint, content_type, asked.body.clone())?;
    let model = app.gateway.meant(&request.model);
    let mut serving = app.gateway.serving(asked.endpoint.kind(), model.as_str());
    let plans = app.plans().await?;
    // Whoever answers, the call can be priced. Where nobody's can, the plan's own refusal goes first.
    let is_priced =
        |serving: &Arc<Serving>| lookup_model(&plans.catalog, model.as_str(), Some(&serving.provider)).is_ok();
    if serving.len() > 1 {
        let (priced, unpriced): (Vec<_>, _) = serving.into_iter().partition(is_priced);
        serving = if priced.is_empty() { unpriced } else { priced };
    }
    let Some(first) = serving.first() else { return Err(CallError::ModelNotFound(Name::new(&request.model))) };
    let account = account_to_count(app, caller, &asked.account, MODELS_CALL).await?;
    let allowance = hold_to_rate(app, caller, account).await?;
    let provider = first.provider.clone();
    let work = work_of(&mut asked, &request, (model.clone(), provider))?;
    let open = hold(app, caller, account, (&request, work)).await?;
    let has_priority = app.ledger.remembered_terms(account).is_some_and(|terms| has_priority(&terms));
    let sent = forward(&serving, &request, (&model, &asked.headers, has_priority)).await;
    match sent {
        Ok(forwarded) => answer(request, open, forwarded, allowance).await,
        Err(error) => {
            open.release().await;
            Err(error)
        }
    }
}

async fn hold_to_rate(app: &App, caller: &Caller, account: AccountId) -> Result<Option<Allowance>, AppError> {
    if matches!(caller, Caller::Service { .. }) {
        return Ok(None);
    }
    for scope in RATE_SCOPES {
        let held = rate_limits::hold_account(app, account, scope).await?;
        if held.is_some() {
            return Ok(held);
        }
    }
    Ok(None)
}

fn has_priority(terms: &Terms) -> bool {
    let feature = terms.plan.as_ref().and_then(|plan| plan.features.get(PRIORITY_PROCESSING));
    feature.is_some_and(|value| matches!(value, FeatureValue::Boolean(true)))
}

/// Everything about the call but its tokens. What the client has told is taken for it.
fn work_of(asked: &mut Asked, request: &ModelRequest, (model, provider): (Name, String)) -> Result<Work, AppError> {
    must_be_keepable(request)?;
    let mut context = std::mem::take(&mut asked.context);
    context.request_type.get_or_insert_with(|| asked.endpoint.request_type().to_owned());
    if let Some(metadata) = &request.metadata {
        lift(metadata, &mut context);
        context.metadata.get_or_insert_with(|| metadata.clone());
    }
    Ok(Work {
        user: asked.user.take(),
        end_user: asked
            .end_user
            .take()
            .or_else(|| request.user.as_deref().filter(|user| !user.is_empty()).map(Name::new)),
        model: Some(model),
        provider: Some(provider),
        audio_bytes: request.audio_bytes,
        characters: request.characters,
        context,
        ..Work::default()
    })
}

/// What a request tells of itself is kept with its event, so it has the bounds that the API has.
fn must_be_keepable(request: &ModelRequest) -> Result<(), AppError> {
    let is_word = |text: &String| text.chars().count() <= LONGEST_WORD && !text.contains('\0');
    if !request.user.as_ref().is_none_or(is_word) {
        let message = format!("`user` must be at most {LONGEST_WORD} characters without U+0000.");
        return Err(AppError::invalid("user", message));
    }
    let length = request.metadata.as_ref().map_or(0, |metadata| {
        serde_json::to_string(metadata).expect("maps with text keys can always be written").len()
    });
    if length > LONGEST_METADATA_BYTES {
        return Err(AppError::invalid("metadata", "`metadata` is longer than 16 KB."));
    }
    Ok(())
}

/// What the request's own metadata says under these names stands where the headers' would, which go first.
fn lift(metadata: &serde_json::Map<String, serde_json::Value>, context: &mut Context) {
    let places = [
        ("conversation", &mut context.conversation),
        ("agent", &mut context.agent),
        ("resource_type", &mut context.resource_type),
        ("resource_id", &mut context.resource_id),
    ];
    for (name, place) in places {
        let told = metadata.get(name).and_then(serde_json::Value::as_str);
        if let (None, Some(told)) = (&place, told.filter(|told| told.len() <= LONGEST_WORD && !told.contains('\0'))) {
            *place = Some(told.to_owned());
        }
    }
}

/// Holds what the call may use: its prompt and the longest answer, one request, and what they cost.
async fn hold(
    app: &App,
    caller: &Caller,
    account: AccountId,
    (request, mut work): (&ModelRequest, Work),
) -> Result<OpenCall, CallError> {
    let plans = app.plans().await?;
    let spoken = spoken_tokens(&plans.catalog.voice, request);
    let answered = match request.endpoint {
        Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Responses | Endpoint::Messages => {
            request.max_output_tokens.unwrap_or(app.gateway.held_output_tokens).saturating_mul(request.choices)
        }
        _ => 0,
    };
    let prompt = spoken.unwrap_or_else(|| request.prompt_estimate());
    work.tokens = Some(CallTokens::new(prompt, answered));
    // Whatever stops this process or its machine stops the call, and then the hold is worth nothing. What the call used is
    // booked on the disk before it is answered.
    let durability = Durability::OfProcess;
    let hold = Hold { ttl_seconds: HOLD_SECONDS, on_expiry: OnExpiry::Release };
    let model = work.model.clone().unwrap_or_else(|| Name::new(&request.model));
    let charged = spoken.unwrap_or_else(|| {
        let frame = request.messages.saturating_mul(TOKENS_A_MESSAGE);
        request.prompt_bytes.div_ceil(BYTES_PER_TOKEN).saturating_add(frame)
    });
    let (app, caller) = (app.clone(), caller.clone());
    // A client that hangs up meanwhile leaves no hold that nobody gives back.
    let holding = Lasting::new(async move {
        let reserved = hold_usage(&app, &caller, account, (&work, hold, durability)).await?;
        Ok(OpenCall::new((&app, &caller, reserved.reservation), work, (model, charged), reserved.limits))
    });
    holding.await.map_err(|error| match error {
        AppError::ModelUnknown(_) => CallError::ModelNotFound(Name::new(&request.model)),
        other => other.into(),
    })
}

/// The tokens of speech by the catalog's formulas.
fn spoken_tokens(voice: &domain::pricing::VoiceFormulas, request: &ModelRequest) -> Option<u64> {
    let heard = request.audio_bytes.map(|bytes| voice.tokens_of_audio(bytes));
    heard.or_else(|| request.characters.and_then(|count| voice.tokens_of_text(count)))
}

async fn answer(
    request: ModelRequest,
    mut open: OpenCall,
    forwarded: Forwarded,
    allowance: Option<Allowance>,
) -> Result<Reply, CallError> {
    let Forwarded { mut answer, slot, provider } = forwarded;
    open.work.provider = Some(provider);
    let status = answer.status;
    if !status.is_success() {
        return refused(open, answer, allowance).await;
    }
    let headers = std::mem::take(&mut answer.headers);
    let is_stream =
        headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    // Sound is passed on as it comes, too; nothing in it tells what it used.
    if is_stream || request.endpoint == Endpoint::Speech {
        let limits = open.limits.clone();
        let stream = CallStream::new(&request, open, answer, (slot, is_stream));
        let body = ReplyBody::Stream(Box::new(stream));
        return Ok(Reply { status, headers, body, limits, allowance, settled: None });
    }
    let whole = match answer.whole(LARGEST_ANSWER).await {
        Ok(whole) => whole,
        Err(error) => {
            open.release().await;
            return Err(forwarding::broken(error));
        }
    };
    drop(slot);
    let held_limits = std::mem::take(&mut open.limits);
    let mut settled = match usage_of_answer(request.endpoint, &whole) {
        Some(tokens) => open.commit(tokens, Counts::Reported).await,
        None => settle_estimated(request.endpoint, open, whole.clone()).await,
    };
    let limits = settled.as_mut().map_or(held_limits, |settled| std::mem::take(&mut settled.counted.limits));
    Ok(Reply { status, headers, body: ReplyBody::Whole(whole), limits, allowance, settled })
}

/// Books a whole answer that reports no usage by its text. In a task of its own: counting takes milliseconds, the first
/// time it loads the vocabulary, and a client that hangs up meanwhile must not stop it.
async fn settle_estimated(endpoint: Endpoint, open: OpenCall, whole: Bytes) -> Option<Settled> {
    let model = open.model.clone();
    let settling = tokio::spawn(async move {
        let count = move || estimate_tokens(model.as_str(), &answer_text_of(endpoint, &whole));
        let completion = tokio::task::spawn_blocking(count).await.unwrap_or(0);
        let tokens = CallTokens::new(open.prompt_tokens, completion);
        open.commit(tokens, Counts::Estimated).await
    });
    settling.await.ok().flatten()
}

/// The upstream did not do it: the call costs nothing. What it says of the request is the client's to read; what it says
/// of its own trouble, or of the operator's key, is not.
async fn refused(open: OpenCall, mut answer: Answer, allowance: Option<Allowance>) -> Result<Reply, CallError> {
    let limits = open.limits.clone();
    open.release().await;
    if let Some(error) = forwarding::trouble(&answer) {
        return Err(error);
    }
    let (status, headers) = (answer.status, std::mem::take(&mut answer.headers));
    let body = answer.whole(LARGEST_ANSWER).await.map_err(forwarding::broken)?;
    Ok(Reply { status, headers, body: ReplyBody::Whole(body), limits, allowance, settled: None })
}
