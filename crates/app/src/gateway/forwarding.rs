//! Sending a call on, to the next upstream where one fails before it has answered.

use std::sync::Arc;

use domain::name::Name;
use http::{HeaderMap, StatusCode, header};
use providers::model_api::{Answer, BodyError, ModelRequest, SendError};

use super::CallError;
use super::line::Slot;
use super::upstreams::{Serving, Took};

/// An upstream's answer, and the place in its line that the call holds until it ends.
pub(super) struct Forwarded {
    pub answer: Answer,
    pub slot: Option<Slot>,
    /// Whose answer it is, and so whose prices it has.
    pub provider: String,
}

/// Sends the call to the first upstream that takes it. A refused connection, 429 and 5xx go on to the next; an answer
/// that did not begin in time does not, since that upstream may be at work.
pub(super) async fn forward(
    serving: &[Arc<Serving>],
    request: &ModelRequest,
    (model, headers, has_priority): (&Name, &HeaderMap, bool),
) -> Result<Forwarded, CallError> {
    let body = request.rewritten(model.as_str(), true);
    let mut last = None;
    for (is_last, serving) in serving_in_turn(serving) {
        let slot = match &serving.line {
            Some(line) => match line.enter(has_priority).await {
                Ok(slot) => Some(slot),
                Err(_) => {
                    last = Some(Err(CallError::Saturated { retry_after_seconds: line.patience().as_secs().max(1) }));
                    continue;
                }
            },
            None => None,
        };
        let provider = serving.provider.clone();
        match serving.client.send(request.endpoint, headers, body.clone()).await {
            Ok(answer) if is_last || !is_trouble(answer.status) => {
                serving.count(Took::Answered);
                return Ok(Forwarded { answer, slot, provider });
            }
            Ok(answer) => {
                serving.count(Took::Refused);
                tracing::warn!(
                    upstream = serving.client.upstream().name,
                    status = answer.status.as_u16(),
                    "an upstream refused a call; trying the next"
                );
                last = Some(Ok(Forwarded { answer, slot: None, provider }));
            }
            Err(error) => {
                serving.count(Took::Failed);
                tracing::warn!(upstream = serving.client.upstream().name, %error, "an upstream did not answer");
                let goes_on = error != SendError::FirstByteTimeout;
                last = Some(Err(unanswered(error)));
                if !goes_on {
                    break;
                }
            }
        }
    }
    last.unwrap_or_else(|| Err(CallError::ModelNotFound(Name::new(&request.model))))
}

/// Each upstream, and whether it is the last one.
fn serving_in_turn(serving: &[Arc<Serving>]) -> impl Iterator<Item = (bool, &Arc<Serving>)> {
    let count = serving.len();
    serving.iter().enumerate().map(move |(place, serving)| (place + 1 == count, serving))
}

/// What another upstream may do better.
fn is_trouble(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() || is_ours(status)
}

/// The upstream does not take the operator's key; no client can do anything about it.
fn is_ours(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED)
}

/// What the client is told of an upstream's own trouble. `None`: the answer is about the request, and the client's.
pub(super) fn trouble(answer: &Answer) -> Option<CallError> {
    let retry_after = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let error = |code, status, sentence, retry_after_seconds| {
        Some(CallError::Upstream { code, sentence, status, retry_after_seconds })
    };
    match answer.status {
        status if is_ours(status) => {
            let sentence = "The model provider does not accept this server's key. Whoever runs it has to mend that.";
            tracing::error!(status = status.as_u16(), "an upstream does not accept the configured key");
            error("upstream_unauthorized", 502, sentence, None)
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let sentence = "The model provider is limiting this server. Try again in a moment.";
            error("upstream_rate_limited", 503, sentence, retry_after.or(Some(1)))
        }
        status if status.is_server_error() => {
            let sentence = "The model provider failed to answer. Nothing was charged; try again.";
            error("upstream_error", 502, sentence, retry_after)
        }
        _ => None,
    }
}

fn unanswered(error: SendError) -> CallError {
    let (code, status, sentence) = match error {
        SendError::FirstByteTimeout | SendError::ConnectTimeout => {
            ("upstream_timeout", 504, "The model provider did not answer in time. Nothing was charged; try again.")
        }
        _ => ("upstream_unreachable", 502, "The model provider cannot be reached. Nothing was charged; try again."),
    };
    CallError::Upstream { code, sentence, status, retry_after_seconds: None }
}

/// A whole answer that did not come whole.
pub(super) fn broken(error: BodyError) -> CallError {
    tracing::warn!(%error, "an upstream's answer broke off");
    let sentence = "The model provider broke off its answer. Nothing was charged; try again.";
    CallError::Upstream { code: "upstream_broke_off", sentence, status: 502, retry_after_seconds: None }
}
