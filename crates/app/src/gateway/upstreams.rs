//! Who serves which model. The order of the configuration is the order in which upstreams are tried.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::name::Name;
use metrics::Counter;
use providers::model_api::{ApiKind, ModelClient, Upstream, UpstreamError};

use super::line::Line;
use super::open_calls::OpenCalls;

/// Everything that the operator says of the gateway.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// In the order in which they are tried.
    pub upstreams: Vec<UpstreamSettings>,
    /// Other names for models: what a client may ask for, and what is sent on, checked and priced instead.
    pub aliases: BTreeMap<String, Name>,
    /// Tokens of an answer that quota is held for where the client gives no bound of its own.
    pub held_output_tokens: u64,
}

/// One upstream.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    pub upstream: Upstream,
    /// Whose prices its models have: `openai`.
    pub provider: String,
    /// Names of models, or beginnings of names with a star behind. Empty: every model.
    pub models: Vec<String>,
    /// Calls under way at once. 0: any number.
    pub concurrency: usize,
    /// Calls that may wait for a place.
    pub queue: usize,
    /// How long a call may wait for a place.
    pub queue_patience: Duration,
}

/// The upstreams, ready to be called; one a process.
#[derive(Debug, Default)]
pub struct Gateway {
    serving: Vec<Arc<Serving>>,
    pub(super) aliases: BTreeMap<String, Name>,
    pub(super) held_output_tokens: u64,
    pub(super) open_calls: OpenCalls,
}

/// One upstream with its connections and its line.
#[derive(Debug)]
pub(super) struct Serving {
    pub client: ModelClient,
    pub provider: String,
    pub models: Vec<String>,
    pub line: Option<Arc<Line>>,
    taken: [OnceLock<Counter>; 3],
}

/// How an upstream took a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Took {
    Answered,
    Refused,
    Failed,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self { upstreams: Vec::new(), aliases: BTreeMap::new(), held_output_tokens: 4_096 }
    }
}

impl Gateway {
    /// Reads the settings; connects to nothing yet.
    ///
    /// # Errors
    /// The name of the upstream that cannot be used, and why.
    pub fn new(settings: GatewaySettings) -> Result<Self, (String, UpstreamError)> {
        let serving = settings.upstreams.into_iter().map(|settings| {
            let name = settings.upstream.name.clone();
            let line = (settings.concurrency > 0)
                .then(|| Line::new(settings.concurrency, settings.queue, settings.queue_patience));
            let client = ModelClient::new(settings.upstream).map_err(|error| (name, error))?;
            let (provider, models) = (settings.provider, settings.models);
            Ok(Arc::new(Serving { client, provider, models, line, taken: Default::default() }))
        });
        Ok(Self {
            serving: serving.collect::<Result<_, _>>()?,
            aliases: settings.aliases,
            held_output_tokens: settings.held_output_tokens,
            open_calls: OpenCalls::default(),
        })
    }

    /// Calls that are under way, for whoever keeps their holds alive.
    pub fn open_calls(&self) -> &OpenCalls {
        &self.open_calls
    }

    /// The model that a client means.
    pub(super) fn meant(&self, asked: &str) -> Name {
        self.aliases.get(asked).cloned().unwrap_or_else(|| Name::new(asked))
    }

    /// The upstreams that serve a model in this form, in the order to try them.
    pub(super) fn serving(&self, kind: ApiKind, model: &str) -> Vec<Arc<Serving>> {
        let serves = |serving: &&Arc<Serving>| serving.client.upstream().kind == kind && serving.serves(model);
        self.serving.iter().filter(serves).cloned().collect()
    }

    pub(super) fn all(&self) -> &[Arc<Serving>] {
        &self.serving
    }
}

impl Took {
    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Serving {
    /// Counts a call, for `/metrics`. The counter is looked up once: that builds a key.
    pub fn count(&self, took: Took) {
        let counter = self.taken[took as usize].get_or_init(|| {
            let upstream = self.client.upstream().name.clone();
            metrics::counter!("tollway_upstream_calls_total", "upstream" => upstream, "outcome" => took.as_str())
        });
        counter.increment(1);
    }

    pub fn serves(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| is_meant(pattern, model))
    }
}

fn is_meant(pattern: &str, model: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => model.starts_with(beginning),
        None => pattern == model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_ending() {
        assert!(is_meant("gpt-4o*", "gpt-4o-mini") && is_meant("gpt-4o*", "gpt-4o") && is_meant("*", "anything"));
        assert!(is_meant("o3", "o3"));
        assert!(!is_meant("o3", "o3-mini") && !is_meant("gpt-4o*", "gpt-4"));
    }
}
