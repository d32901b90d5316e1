//! Tokens of last resort, for where a provider reports nothing. Start at [`estimate_tokens`].
//!
//! Everything is counted by OpenAI's `o200k_base`, whatever the model: it is exact for OpenAI's since GPT-4o, a few
//! percent off for older and for other makers' models. Anthropic publishes no encoding for its own; its texts have
//! about a fifth more tokens, which is added. What is counted so is an estimate and is to be marked as one.
//!
//! The encoding is part of the program (3.6 MB) and is built when it is first needed, which takes some 120 ms and keeps
//! about 45 MB for good; a server whose providers all report usage never pays for it.

use tiktoken_rs::o200k_base_singleton;

/// Counting is work for the processor: a millisecond for 50 kB of prose, 30 for the worst text of this length. Past it
/// the rest is taken to be alike.
const MOST_COUNTED_BYTES: usize = 256 << 10;
/// Texts are counted in pieces: in one piece, a text made for it (nothing but spaces) takes time by the square of its
/// length. A cut adds a token at most.
const PIECE_BYTES: usize = 4 << 10;
/// Of Anthropic's tokens to OpenAI's: 6 to 5.
const ANTHROPIC: (u64, u64) = (6, 5);

/// How many tokens a text probably is. Blocks while it counts: long texts belong on a thread where that is allowed.
pub fn estimate_tokens(model: &str, text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    let encoding = o200k_base_singleton();
    let (mut rest, mut tokens) = (text.get(..text.floor_char_boundary(MOST_COUNTED_BYTES)).unwrap_or(text), 0);
    let counted_bytes = rest.len();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(end_of_piece(rest));
        tokens += encoding.count_ordinary(piece) as u64;
        rest = after;
    }
    if text.len() > counted_bytes {
        tokens = scale(tokens, text.len() as u64, counted_bytes as u64);
    }
    if is_anthropics(model) { scale(tokens, ANTHROPIC.0, ANTHROPIC.1) } else { tokens }
}

/// Where a piece ends: before a word where there is one, never within a character.
fn end_of_piece(text: &str) -> usize {
    if text.len() <= PIECE_BYTES {
        return text.len();
    }
    let most = text.floor_char_boundary(PIECE_BYTES);
    text[..most].rfind(' ').filter(|at| *at > PIECE_BYTES / 2).unwrap_or(most)
}

fn is_anthropics(model: &str) -> bool {
    model.to_ascii_lowercase().contains("claude")
}

/// `count * of / to`, rounded up.
fn scale(count: u64, of: u64, to: u64) -> u64 {
    let scaled = (u128::from(count) * u128::from(of)).div_ceil(u128::from(to));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_counted_as_openai_does() {
        assert_eq!(estimate_tokens("gpt-4o", ""), 0);
        assert_eq!(estimate_tokens("gpt-4o", "Hello, world!"), 4);
        assert_eq!(estimate_tokens("gpt-4o", "<|endoftext|>"), 7);
        assert_eq!(estimate_tokens("anthropic/Claude-Sonnet", "Hello, world!"), 5);
    }

    #[test]
    fn cutting_a_text_into_pieces_changes_its_count_by_little() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(1_000);
        let whole = o200k_base_singleton().count_ordinary(&text) as u64;
        let pieces = estimate_tokens("gpt-4o", &text);
        assert!(pieces.abs_diff(whole) <= text.len() as u64 / PIECE_BYTES as u64 + 1, "{pieces} of {whole}");
    }

    #[test]
    fn a_text_past_the_bound_is_taken_to_go_on_alike() {
        let text = "word ".repeat(400_000);
        let tokens = estimate_tokens("gpt-4o", &text);
        assert!((380_000..=420_000).contains(&tokens), "{tokens}");
    }

    #[test]
    fn texts_made_to_take_long_do_not() {
        for unit in [" ", "a", "\n", "\u{a0}", "🦀", "ǅ", "'s", "0", "\u{300}", " \n", "Aa", "/", "\r\n "] {
            let text = unit.repeat(MOST_COUNTED_BYTES / unit.len());
            assert!(estimate_tokens("gpt-4o", &text) > 0, "{unit:?}");
            assert!(estimate_tokens("gpt-4o", &format!("{text}x")) > 0, "{unit:?}");
        }
    }

    #[test]
    fn what_is_held_for_a_prompt_is_no_less_than_what_it_counts() {
        use super::super::{Endpoint, ModelRequest};
        for text in [
            "Write a haiku about the sea, please. It should mention salt and the colour of the sky.",
            "Schreib bitte ein Haiku über das Meer; erwähne Salz, Möwen und Überschwemmungsgebiete.",
            "写一首关于大海的俳句，提到盐和天空的颜色。",
            "海についての俳句を書いてください。塩と空の色に触れてください。",
            "Напиши хайку о море, упомяни соль и цвет неба над водой.",
            "fn main() { let total: u64 = items.iter().map(|item| item.price * item.count).sum(); }",
        ] {
            let body = serde_json::json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]});
            let request = ModelRequest::read(Endpoint::ChatCompletions, None, body.to_string().into());
            let held = request.expect("a request").prompt_estimate();
            // OpenAI frames a message by 3 tokens and a role, and the prompt by 3 more.
            let counted = estimate_tokens("gpt-4o", text) + 4 + 3;
            assert!(held >= counted, "{held} of {counted}: {text}");
        }
    }
}
