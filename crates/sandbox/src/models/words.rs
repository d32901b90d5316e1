//! The text of answers: common words in a fixed order, each exactly one token.
//!
//! Every word is one token of OpenAI's encoding `o200k_base` with the space before it, and stays one when they are
//! joined, so that tokens delivered are deltas delivered.

/// With the space before them, none with a character that JSON escapes.
pub const WORDS: [&str; 64] = [
    " the", " of", " and", " to", " in", " is", " you", " that", " it", " he", " was", " for", " on", " are", " as",
    " with", " his", " they", " at", " be", " this", " have", " from", " or", " one", " had", " by", " word", " but",
    " not", " what", " all", " were", " we", " when", " your", " can", " said", " there", " use", " an", " each",
    " which", " she", " do", " how", " their", " if", " will", " up", " other", " about", " out", " many", " then",
    " them", " these", " so", " some", " her", " would", " make", " like", " him",
];

/// The word at a place of an answer. Each choice of an answer begins one word further on.
pub fn word(choice: usize, place: usize) -> &'static str {
    WORDS[choice.wrapping_add(place) % WORDS.len()]
}

/// So many tokens of text, as all deltas of a stream would give them.
pub fn text(choice: usize, tokens: usize) -> String {
    let mut text = String::with_capacity(tokens * 6);
    (0..tokens).for_each(|place| text.push_str(word(choice, place)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_token_alone_and_joined() {
        let encoding = tiktoken_rs::o200k_base().unwrap();
        for word in WORDS {
            assert_eq!(encoding.encode_ordinary(word).len(), 1, "{word}");
        }
        for tokens in [0, 1, 16, 64, 65, 1_000] {
            assert_eq!(encoding.encode_ordinary(&text(3, tokens)).len(), tokens);
        }
    }

    #[test]
    fn no_word_needs_to_be_escaped() {
        for word in WORDS {
            assert_eq!(serde_json::to_string(word).unwrap(), format!("\"{word}\""));
        }
    }
}
