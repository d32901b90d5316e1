//! What embeddings and text completions are made of: a text, a list of texts, a list of tokens, or a list of those.
//!
//! Start with [`TokenInput`]. Prompt tokens are the words of texts, and the tokens where there are tokens.

use std::borrow::Cow;

use serde::Deserialize;

use super::prompt::words;

#[derive(Deserialize)]
#[serde(untagged)]
pub enum TokenInput<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Texts(#[serde(borrow)] Vec<Cow<'a, str>>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

impl TokenInput<'_> {
    /// How many answers it has.
    pub fn count(&self) -> u64 {
        match self {
            TokenInput::Text(_) | TokenInput::Tokens(_) => 1,
            TokenInput::Texts(texts) => texts.len() as u64,
            TokenInput::TokenLists(lists) => lists.len() as u64,
        }
    }

    pub fn tokens(&self) -> u64 {
        match self {
            TokenInput::Text(text) => words(text),
            TokenInput::Texts(texts) => texts.iter().map(|text| words(text)).sum(),
            TokenInput::Tokens(tokens) => tokens.len() as u64,
            TokenInput::TokenLists(lists) => lists.iter().map(|list| list.len() as u64).sum(),
        }
    }

    /// What a vector is made of, one for each answer.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        let of_tokens = |tokens: &Vec<u32>| tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
        match self {
            TokenInput::Text(text) => vec![text.as_bytes().to_vec()],
            TokenInput::Texts(texts) => texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
            TokenInput::Tokens(tokens) => vec![of_tokens(tokens)],
            TokenInput::TokenLists(lists) => lists.iter().map(of_tokens).collect(),
        }
    }

    /// Where directives may stand.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            TokenInput::Text(text) => std::slice::from_ref(text),
            TokenInput::Texts(texts) => texts.as_slice(),
            TokenInput::Tokens(_) | TokenInput::TokenLists(_) => &[],
        };
        texts.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_counted() {
        for (json, count, tokens) in
            [(r#""a b c""#, 1, 3), (r#"["a b", "c"]"#, 2, 3), ("[1, 2, 3, 4]", 1, 4), ("[[1, 2], [3]]", 2, 3)]
        {
            let input: TokenInput<'_> = serde_json::from_str(json).unwrap();
            assert_eq!((input.count(), input.tokens(), input.parts().len() as u64), (count, tokens, count), "{json}");
        }
    }
}
