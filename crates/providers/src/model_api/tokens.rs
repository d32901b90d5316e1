//! Tokens of last resort. Start at [`estimate_tokens`].

/// How many tokens a text probably is.
pub fn estimate_tokens(model: &str, text: &str) -> u64 {
    let _ = model;
    text.len() as u64 / 3
}
