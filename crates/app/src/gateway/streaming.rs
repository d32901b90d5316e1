//! A streamed answer on its way to the client: passed on untouched, read as it passes, and booked before its end is sent.
//!
//! A stream that ends in any way ends here. Whole: what the upstream reported. Broken off by the upstream, by an error in
//! it or by the client after some content: what was reported, else an estimate of what was delivered. Before any content:
//! nothing, and the request is given back.

use std::collections::VecDeque;

use bytes::Bytes;
use providers::model_api::{Answer, ApiKind, Endpoint, ModelRequest, StreamReader};

use super::line::Slot;
use super::settling::{Lasting, OpenCall, Settled};
use crate::metering::Counts;
use domain::pricing::CallTokens;

/// What a client of a broken stream is told.
const BROKEN: &str = "The model provider broke off its answer. What was delivered is charged.";

/// The body of a streamed answer. Dropping it before its end, as when the client hangs up, books what was delivered and
/// closes the connection to the upstream.
#[derive(Debug)]
pub struct CallStream {
    answer: Option<Answer>,
    reader: StreamReader,
    endpoint: Endpoint,
    /// Whether the answer is one of events; sound is not.
    is_events: bool,
    open: Option<OpenCall>,
    begun: bool,
    /// To be sent before anything more is read.
    waiting: VecDeque<Bytes>,
    _slot: Option<Slot>,
}

impl CallStream {
    pub(super) fn new(
        request: &ModelRequest,
        open: OpenCall,
        answer: Answer,
        (slot, is_events): (Option<Slot>, bool),
    ) -> Self {
        Self {
            answer: Some(answer),
            reader: StreamReader::new(request.endpoint, !request.wants_usage),
            endpoint: request.endpoint,
            is_events,
            open: Some(open),
            begun: false,
            waiting: VecDeque::new(),
            _slot: slot,
        }
    }

    /// The next bytes for the client; `None` at the end. `Err`: the end is not what it should be, and the client must not
    /// take it for whole.
    pub async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        loop {
            if let Some(bytes) = self.waiting.pop_front() {
                return Some(Ok(bytes));
            }
            let chunk = match self.answer.as_mut()?.chunk().await {
                Ok(chunk) => chunk,
                Err(error) => {
                    tracing::warn!(%error, "an upstream broke off a stream");
                    return self.end_broken().await;
                }
            };
            let Some(chunk) = chunk else { return self.end().await };
            if !self.is_events || self.open.is_none() {
                self.begin();
                return Some(Ok(chunk));
            }
            let Ok(fed) = self.reader.feed(chunk) else { return self.end_broken().await };
            self.waiting.extend(fed.pass);
            if self.reader.seen().content_delivered {
                self.begin();
            }
            if let Some(last) = fed.last {
                self.settle_before_end().await;
                self.waiting.push_back(last);
            }
        }
    }

    /// The first content is about to be delivered.
    fn begin(&mut self) {
        if !self.begun
            && let Some(open) = &self.open
        {
            self.begun = true;
            open.begin();
        }
    }

    /// The upstream has closed the stream.
    async fn end(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        self.answer = None;
        if self.is_events {
            let fed = self.reader.finish();
            // What follows must not become a part of it.
            self.waiting.extend(fed.pass.into_iter().flat_map(|event| [event, Bytes::from_static(b"\n\n")]));
            self.waiting.extend(fed.last);
            if !self.reader.seen().complete && self.open.is_some() {
                return self.end_broken().await;
            }
        }
        self.settle_before_end().await;
        self.waiting.pop_front().map(Ok)
    }

    /// The stream ends before its time: books what was delivered, and tells the client as its API tells errors.
    async fn end_broken(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        self.answer = None;
        let is_told = self.open.is_none() || self.reader.seen().error.is_some();
        let sequence_number = self.reader.seen().next_sequence_number;
        self.settle_before_end().await;
        if !self.is_events {
            return Some(Err(BrokenOff));
        }
        if !is_told {
            self.waiting.push_back(error_event(self.endpoint, sequence_number));
        }
        self.waiting.pop_front().map(Ok)
    }

    fn take_reader(&mut self) -> StreamReader {
        std::mem::replace(&mut self.reader, StreamReader::new(self.endpoint, false))
    }

    async fn settle_before_end(&mut self) {
        let Some(open) = self.open.take() else { return };
        let reader = self.take_reader();
        // A client that hangs up meanwhile must not stop it.
        let settling = Lasting::new(settle(open, reader, (self.is_events, self.begun)));
        if let Some(settled) = settling.await
            && self.is_events
        {
            self.waiting.push_back(cost_comment(&settled));
        }
    }
}

/// The answer broke off.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub struct BrokenOff;

impl Drop for CallStream {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let reader = self.take_reader();
        let told = (self.is_events, self.begun);
        runtime.spawn(async move { settle(open, reader, told).await });
    }
}

/// Books a stream by what it has said and delivered.
async fn settle(open: OpenCall, reader: StreamReader, (is_events, begun): (bool, bool)) -> Option<Settled> {
    if !is_events {
        if !begun {
            open.release().await;
            return None;
        }
        let tokens = CallTokens::new(open.prompt_tokens, 0);
        return open.commit(tokens, Counts::Estimated).await;
    }
    let seen = reader.seen();
    if !seen.content_delivered && !seen.complete {
        open.release().await;
        return None;
    }
    // Without a report tokens are counted, which takes milliseconds; streams without one are rare.
    let used = if seen.complete && seen.usage.is_some() {
        seen.used(open.model.as_str(), open.prompt_tokens)
    } else {
        let (model, prompt_tokens) = (open.model.clone(), open.prompt_tokens);
        let count = move || reader.seen().used(model.as_str(), prompt_tokens);
        tokio::task::spawn_blocking(count).await.expect("counting tokens never panics")
    };
    let counts = if used.is_estimated { Counts::Estimated } else { Counts::Reported };
    open.commit(used.tokens, counts).await
}

/// A comment, which clients skip: the event and what the call cost.
fn cost_comment(settled: &Settled) -> Bytes {
    let cost = settled.counted.cost.map(|cost| format!(" cost={}", cost.final_cost)).unwrap_or_default();
    let counts = match settled.counts {
        Counts::Reported => "reported",
        Counts::Estimated => "estimated",
    };
    format!(": tollway event={}{cost} counts={counts}\n\n", settled.counted.event).into()
}

fn error_event(endpoint: Endpoint, sequence_number: u64) -> Bytes {
    let text = match (endpoint, endpoint.kind()) {
        (_, ApiKind::Anthropic) => {
            format!(
                "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"api_error\",\"message\":\"{BROKEN}\"}}}}\n\n"
            )
        }
        (Endpoint::Responses, _) => {
            format!(
                "event: error\ndata: {{\"type\":\"error\",\"code\":\"upstream_broke_off\",\"message\":\"{BROKEN}\",\"param\":null,\"sequence_number\":{sequence_number}}}\n\n"
            )
        }
        _ => format!(
            "data: {{\"error\":{{\"message\":\"{BROKEN}\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_broke_off\"}}}}\n\n"
        ),
    };
    text.into()
}
