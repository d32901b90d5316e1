//! `POST /v1/embeddings`: the same text has the same vector, of length 1; other texts have others.
//!
//! Vectors mean nothing: near ones are not near in meaning. They come as numbers, or as base64 of little-endian 32-bit
//! floats when `encoding_format` says so.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::call::{Call, JSON, read};
use super::refusal::{Provider, Refusal};
use super::served::Served;
use super::token_input::TokenInput;

const DEFAULT_DIMENSIONS: usize = 1536;
const MOST_DIMENSIONS: usize = 4096;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: TokenInput<'a>,
    dimensions: Option<usize>,
    encoding_format: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Embeddings<'a> {
    object: &'static str,
    data: Vec<Embedding>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

pub async fn embed(State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let request: Request<'_> = read(Provider::OpenAi, &headers, &body)?;
    let call = Call::begin(Provider::OpenAi, &served, &request.model, &body, request.input.texts()).await?;
    // An embedding has no completion.
    let plan = call.plan(request.input.tokens(), Some(0), request.input.count());
    let dimensions = request.dimensions.unwrap_or(DEFAULT_DIMENSIONS).clamp(1, MOST_DIMENSIONS);
    let is_base64 = request.encoding_format.is_some_and(|format| format == "base64");
    let embedding = |(index, part): (usize, Vec<u8>)| {
        let numbers = vector(&part, dimensions);
        let embedding = if is_base64 { Vector::Base64(base64_of(&numbers)) } else { Vector::Numbers(numbers) };
        Embedding { object: "embedding", index, embedding }
    };
    let answer = Embeddings {
        object: "list",
        data: request.input.parts().into_iter().enumerate().map(embedding).collect(),
        model: &call.model,
        usage: plan.reported().map(|usage| Usage { prompt_tokens: usage.prompt, total_tokens: usage.prompt }),
    };
    let body = serde_json::to_vec(&answer).expect("the answer has no map with odd keys");
    Ok(call.plain(&plan, JSON, body).await)
}

/// Numbers of one size, whose signs are the bits of the part's hashes.
fn vector(part: &[u8], dimensions: usize) -> Vec<f32> {
    let size = 1.0 / (dimensions as f32).sqrt();
    let mut hasher = DefaultHasher::new();
    hasher.write(part);
    let mut bits = 0;
    let numbers = (0..dimensions).map(|place| {
        if place % 64 == 0 {
            hasher.write_u8(0);
            bits = hasher.finish();
        }
        if bits >> (place % 64) & 1 == 0 { size } else { -size }
    });
    numbers.collect()
}

fn base64_of(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
