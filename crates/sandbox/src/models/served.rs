//! What the stand-in has served, by its own count: `GET /sandbox/served`, and `DELETE` to begin again.
//!
//! Tests hold a gateway's totals against it. Nothing here is said by the caller or read from an answer's text; a
//! token counts as sent when its piece of the answer is handed to the connection. Start with [`Count`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use parking_lot::{Mutex, RwLock};
use serde_json::{Map, Value, json};

/// What is counted, for each model that was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Calls that named the model, refused ones among them.
    Calls,
    /// Calls whose answer was, or began as, a stream.
    Streams,
    /// Calls answered by an error status.
    Errors,
    /// Calls that a fault of the stand-in's own broke off.
    Faults,
    /// Calls that the client hung up on before they were answered whole.
    Cancelled,
    /// Prompt tokens of every call that was not refused, cached and written ones among them.
    PromptTokens,
    CachedTokens,
    CacheWriteTokens,
    /// Completion tokens that the whole answers to those calls have, hidden ones among them.
    CompletionTokens,
    ReasoningTokens,
    /// Completion tokens put on the wire, and the hidden ones that went before them; those of a plain answer only when
    /// it is whole.
    CompletionTokensSent,
    /// Deltas of streams put on the wire; each is one token.
    DeltasSent,
    /// Answers whose usage was put on the wire; once for a stream that says it twice.
    UsagesSent,
    /// What those said.
    PromptTokensReported,
    CompletionTokensReported,
    Images,
    /// Characters to be spoken.
    Characters,
    /// Seconds of recordings, each rounded up.
    AudioSeconds,
}

const NAMES: [&str; 18] = [
    "calls",
    "streams",
    "errors",
    "faults",
    "cancelled",
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "completion_tokens_sent",
    "deltas_sent",
    "usages_sent",
    "prompt_tokens_reported",
    "completion_tokens_reported",
    "images",
    "characters",
    "audio_seconds",
];

/// The counts of one model.
#[derive(Default)]
pub struct Tally([AtomicU64; NAMES.len()]);

impl Tally {
    pub fn add(&self, count: Count, amount: u64) {
        if amount > 0 {
            self.0[count as usize].fetch_add(amount, Relaxed);
        }
    }
}

/// All that the stand-in remembers of its calls.
#[derive(Default)]
pub struct Served {
    models: RwLock<HashMap<Box<str>, Arc<Tally>>>,
    open_streams: AtomicU64,
    /// By the hash of a prompt: how often it was asked, for the directive `times`.
    asked: Mutex<HashMap<u64, u64>>,
}

impl Served {
    pub fn tally(&self, model: &str) -> Arc<Tally> {
        if let Some(tally) = self.models.read().get(model) {
            return tally.clone();
        }
        self.models.write().entry(model.into()).or_default().clone()
    }

    /// How often this prompt was asked before.
    pub fn times_asked(&self, prompt: u64) -> u64 {
        let mut asked = self.asked.lock();
        let times = asked.entry(prompt).or_default();
        *times += 1;
        *times - 1
    }
}

/// One call on its way. Dropped before it is over, the client has hung up.
pub struct Progress {
    served: Arc<Served>,
    pub tally: Arc<Tally>,
    is_stream: bool,
    is_over: bool,
}

impl Progress {
    pub fn begin(served: &Arc<Served>, model: &str) -> Progress {
        let tally = served.tally(model);
        tally.add(Count::Calls, 1);
        Progress { served: served.clone(), tally, is_stream: false, is_over: false }
    }

    /// From here on the answer is an open stream.
    pub fn becomes_stream(&mut self) {
        assert!(!self.is_stream, "a call becomes a stream once");
        self.is_stream = true;
        self.tally.add(Count::Streams, 1);
        self.served.open_streams.fetch_add(1, Relaxed);
    }

    /// All that will be answered has been.
    pub fn is_over(&mut self) {
        self.is_over = true;
    }

    pub fn is_broken_off(&mut self) {
        self.tally.add(Count::Faults, 1);
        self.is_over = true;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_stream {
            self.served.open_streams.fetch_sub(1, Relaxed);
        }
        if !self.is_over {
            self.tally.add(Count::Cancelled, 1);
        }
    }
}

/// `{"calls", …, "open_streams", "by_model": {"small": {"calls", …}}}`; the totals have the names of [`Count`].
pub async fn served(State(served): State<Arc<Served>>) -> Json<Value> {
    let tallies: BTreeMap<Box<str>, Arc<Tally>> =
        served.models.read().iter().map(|(model, tally)| (model.clone(), tally.clone())).collect();
    let mut totals = [0; NAMES.len()];
    let mut by_model = Map::new();
    for (model, tally) in &tallies {
        let counts: Vec<u64> = tally.0.iter().map(|count| count.load(Relaxed)).collect();
        totals.iter_mut().zip(&counts).for_each(|(total, count)| *total += count);
        by_model.insert(model.to_string(), named(&counts).into());
    }
    let mut answer = named(&totals);
    answer.insert("open_streams".to_owned(), json!(served.open_streams.load(Relaxed)));
    answer.insert("by_model".to_owned(), by_model.into());
    Json(answer.into())
}

fn named(counts: &[u64]) -> Map<String, Value> {
    NAMES.iter().zip(counts).map(|(name, count)| ((*name).to_owned(), json!(count))).collect()
}

/// Begins to count again. Calls that are still on their way no longer count.
pub async fn forget(State(served): State<Arc<Served>>) -> StatusCode {
    served.models.write().clear();
    served.asked.lock().clear();
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_dropped_before_it_is_over_is_cancelled() {
        let served = Arc::new(Served::default());
        let mut progress = Progress::begin(&served, "small");
        progress.becomes_stream();
        assert_eq!(served.open_streams.load(Relaxed), 1);
        drop(progress);
        Progress::begin(&served, "small").is_over();
        let tally = served.tally("small");
        let count = |count: Count| tally.0[count as usize].load(Relaxed);
        assert_eq!((count(Count::Calls), count(Count::Cancelled), count(Count::Streams)), (2, 1, 1));
        assert_eq!(served.open_streams.load(Relaxed), 0);
    }

    #[test]
    fn every_count_has_its_name() {
        assert_eq!(NAMES[Count::AudioSeconds as usize], "audio_seconds");
        assert_eq!(NAMES[Count::DeltasSent as usize], "deltas_sent");
    }
}
