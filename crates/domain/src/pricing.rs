//! What a model call costs: token prices in pico-dollars, one rounding half to even to a nano-dollar, then the markup.

use serde::{Deserialize, Serialize};

/// Price of a model, in pico-dollars (10^-12 dollars) for one token of each kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ModelPrice {
    pub input_pico_usd: i64,
    pub output_pico_usd: i64,
}

/// How audio becomes tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VoiceFormulas {
    /// Speech to text: one token for each so many bytes of audio, rounded down. S3 says 16,000.
    pub audio_bytes_per_token: u32,
    /// Text to speech: tokens for each character. S3 says 2.
    pub tokens_per_character: u32,
}
