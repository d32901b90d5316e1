//! Model calls: authenticated, held to the plan, forwarded, metered and priced.
//!
//! In the order of a call: [`call`] checks model, plan and rate and holds the quota; [`upstreams`] says who serves a
//! model and in which [`line`] a call waits; [`forwarding`] sends it and tries the next upstream where one fails;
//! [`streaming`] passes a streamed answer on while it is read; [`settling`] books what was used. [`open_calls`] keeps the
//! holds of running calls alive, so that a crash charges what was begun and nothing else. Prompts and answers are never
//! kept or logged.

pub mod call;
mod forwarding;
pub mod line;
pub mod list_models;
mod open_calls;
mod settling;
pub mod streaming;
pub mod upstreams;

pub use call::{Asked, Reply, ReplyBody, call};
pub use open_calls::{OpenCalls, keep_open_calls};
pub use providers::model_api::{ApiKind, Endpoint};
pub use settling::Settled;
pub use streaming::{BrokenOff, CallStream};
pub use upstreams::{Gateway, GatewaySettings, UpstreamSettings};

use domain::name::Name;
use providers::model_api::RequestError;

use crate::AppError;

/// Why a call was not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    App(#[from] AppError),
    /// The request cannot be understood.
    #[error("{0}.")]
    Request(#[from] RequestError),
    #[error("The model `{0}` does not exist here. `GET /v1/models` lists those that your plan allows.")]
    ModelNotFound(Name),
    /// Every upstream that serves the model has as many calls as it takes, and the line is full or the wait was too long.
    #[error("All models are busy right now. Try again in {retry_after_seconds} s.")]
    Saturated { retry_after_seconds: u64 },
    /// No upstream answered.
    #[error("{sentence}")]
    Upstream { code: &'static str, sentence: &'static str, status: u16, retry_after_seconds: Option<u64> },
}

impl CallError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::App(error) => error.code(),
            Self::Request(_) => "invalid_request",
            Self::ModelNotFound(_) => "model_not_found",
            Self::Saturated { .. } => "upstream_busy",
            Self::Upstream { code, .. } => code,
        }
    }
}
