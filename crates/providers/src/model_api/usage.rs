//! What an answer says it used. Start at [`usage_of_answer`].
//!
//! Providers count differently, and here their counts become one: `prompt` and `completion` are wholes with all their
//! parts.
//!
//! - OpenAI's prompt holds what was cached; Anthropic's `input_tokens` do not, so there the three kinds are added up.
//! - Some providers leave reasoning out of `completion_tokens` but not out of `total_tokens` (xAI and Gemini in
//!   OpenAI's form do): what the total has beyond prompt and completion is counted as completion.
//! - A count that is negative, a fraction or past [`MOST_TOKENS`] is nonsense: for a whole, nothing was reported; for a
//!   part, it is 0. Parts that exceed their whole are cut to what is left of it, in the order of `CallTokens`.
//! - An explicit zero is a report; nothing at all is `None`, and so are minutes of audio instead of tokens.

use domain::pricing::CallTokens;
use serde::Deserialize;

use super::loose::{Count, Object, from_bytes};
use super::{ApiKind, Endpoint};

/// No call has this many tokens; a count past it is not believed.
const MOST_TOKENS: u64 = 1 << 40;

/// A `usage` object of any of the forms.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
pub(super) struct Usage {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    prompt_cache_hit_tokens: Count,
    prompt_tokens_details: Object<Parts>,
    input_tokens_details: Object<Parts>,
    input_token_details: Object<Parts>,
    completion_tokens_details: Object<Parts>,
    output_tokens_details: Object<Parts>,
}

/// The parts of a whole, by the names that OpenAI gives them.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
struct Parts {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
    reasoning_tokens: Count,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    usage: Object<Usage>,
}

/// The usage that a whole answer reports; `None` where it reports no tokens.
pub fn usage_of_answer(endpoint: Endpoint, body: &[u8]) -> Option<CallTokens> {
    let answer: Object<Answer> = from_bytes(body).ok()?;
    answer.0?.usage.0?.tokens(endpoint)
}

impl Usage {
    pub fn tokens(&self, endpoint: Endpoint) -> Option<CallTokens> {
        match endpoint.kind() {
            ApiKind::OpenAi => self.in_openai_form(endpoint),
            ApiKind::Anthropic => self.in_anthropic_form(),
        }
    }

    /// This with what a later report of the same stream says. Anthropic's are cumulative, so none is less than before;
    /// a smaller one comes from servers in its form that fill in zeros.
    pub fn updated_by(self, later: &Self) -> Self {
        let latest = |ours: Count, theirs: Count| Count(theirs.0.max(ours.0));
        Self {
            input_tokens: latest(self.input_tokens, later.input_tokens),
            output_tokens: latest(self.output_tokens, later.output_tokens),
            cache_read_input_tokens: latest(self.cache_read_input_tokens, later.cache_read_input_tokens),
            cache_creation_input_tokens: latest(self.cache_creation_input_tokens, later.cache_creation_input_tokens),
            ..self
        }
    }

    fn in_openai_form(&self, endpoint: Endpoint) -> Option<CallTokens> {
        let prompt = whole(self.prompt_tokens).or(whole(self.input_tokens))?;
        let beyond_prompt = whole(self.total_tokens).and_then(|total| total.checked_sub(prompt));
        let reported = whole(self.completion_tokens).or(whole(self.output_tokens));
        let completion = match endpoint {
            // There is no output to count.
            Endpoint::Embeddings => reported.unwrap_or(0),
            _ => reported.max(beyond_prompt)?,
        };
        let parts = |objects: &[Object<Parts>]| objects.iter().find_map(|object| object.0).unwrap_or_default();
        let of_prompt = parts(&[self.prompt_tokens_details, self.input_tokens_details, self.input_token_details]);
        let of_completion = parts(&[self.completion_tokens_details, self.output_tokens_details]);
        let cached = of_prompt.cached_tokens.0.or(self.prompt_cache_hit_tokens.0);
        let mut left = prompt;
        let cached = take(&mut left, cached);
        let cache_write = take(&mut left, of_prompt.cache_write_tokens.0);
        let audio_input = take(&mut left, of_prompt.audio_tokens.0);
        let mut left = completion;
        let reasoning = take(&mut left, of_completion.reasoning_tokens.0);
        let audio_output = take(&mut left, of_completion.audio_tokens.0);
        Some(CallTokens { prompt, cached, cache_write, audio_input, completion, reasoning, audio_output })
    }

    fn in_anthropic_form(&self) -> Option<CallTokens> {
        let (input, completion) = (whole(self.input_tokens)?, whole(self.output_tokens)?);
        let cached = whole(self.cache_read_input_tokens).unwrap_or(0);
        let cache_write = whole(self.cache_creation_input_tokens).unwrap_or(0);
        // Each is far from overflowing.
        let prompt = input + cached + cache_write;
        Some(CallTokens { prompt, cached, cache_write, completion, ..CallTokens::default() })
    }
}

fn whole(count: Count) -> Option<u64> {
    count.0.filter(|count| *count <= MOST_TOKENS)
}

/// Takes a part out of what is left of its whole.
fn take(left: &mut u64, part: Option<u64>) -> u64 {
    let taken = part.unwrap_or(0).min(*left);
    *left -= taken;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::money::PicoUsd;
    use domain::pricing::{ModelPrice, price_call};
    use proptest::prelude::*;
    use serde_json::json;

    fn usage(endpoint: Endpoint, usage: &str) -> Option<CallTokens> {
        usage_of_answer(endpoint, format!(r#"{{"id":"x","choices":[{{}}],"usage":{usage}}}"#).as_bytes())
    }

    fn chat(text: &str) -> Option<CallTokens> {
        usage(Endpoint::ChatCompletions, text)
    }

    #[test]
    fn openais_forms_are_read() {
        let chat = chat(
            r#"{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,
            "prompt_tokens_details":{"cached_tokens":1920,"audio_tokens":6},"completion_tokens_details":
            {"reasoning_tokens":192,"audio_tokens":8,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#,
        );
        let whole = CallTokens {
            cached: 1_920,
            audio_input: 6,
            reasoning: 192,
            audio_output: 8,
            ..CallTokens::new(2_006, 300)
        };
        assert_eq!(chat, Some(whole));

        let response = r#"{"input_tokens":328,"input_tokens_details":{"cached_tokens":100},"output_tokens":52,
            "output_tokens_details":{"reasoning_tokens":20},"total_tokens":380}"#;
        let expected = CallTokens { cached: 100, reasoning: 20, ..CallTokens::new(328, 52) };
        assert_eq!(usage(Endpoint::Responses, response), Some(expected));

        let speech = r#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},
            "output_tokens":45,"total_tokens":59}"#;
        let expected = CallTokens { audio_input: 14, ..CallTokens::new(14, 45) };
        assert_eq!(usage(Endpoint::Transcriptions, speech), Some(expected));
        assert_eq!(usage(Endpoint::Transcriptions, r#"{"type":"duration","seconds":27}"#), None);

        let embedding = r#"{"prompt_tokens":8,"total_tokens":8}"#;
        assert_eq!(usage(Endpoint::Embeddings, embedding), Some(CallTokens::new(8, 0)));
        let image = r#"{"input_tokens":50,"output_tokens":4160,"total_tokens":4210,
            "input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#;
        assert_eq!(usage(Endpoint::Images, image), Some(CallTokens::new(50, 4_160)));
    }

    #[test]
    fn anthropics_prompt_is_the_sum_of_what_was_read_and_written_and_neither() {
        let message = r#"{"input_tokens":21,"cache_creation_input_tokens":188,"cache_read_input_tokens":1800,
            "cache_creation":{"ephemeral_5m_input_tokens":188},"output_tokens":393,"service_tier":"standard"}"#;
        let expected = CallTokens { cached: 1_800, cache_write: 188, ..CallTokens::new(2_009, 393) };
        assert_eq!(usage(Endpoint::Messages, message), Some(expected));
        let plain = r#"{"input_tokens":5,"output_tokens":0,"cache_read_input_tokens":null}"#;
        assert_eq!(usage(Endpoint::Messages, plain), Some(CallTokens::new(5, 0)));
        assert_eq!(usage(Endpoint::Messages, r#"{"output_tokens":7}"#), None);
    }

    #[test]
    fn reasoning_that_is_left_out_of_the_completion_is_counted() {
        let xai = r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,
            "completion_tokens_details":{"reasoning_tokens":94}}"#;
        assert_eq!(chat(xai), Some(CallTokens { reasoning: 94, ..CallTokens::new(32, 103) }));
        let total_alone = r#"{"prompt_tokens":3,"total_tokens":10}"#;
        assert_eq!(chat(total_alone), Some(CallTokens::new(3, 7)));
        let caching = r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":4}"#;
        assert_eq!(chat(caching).map(|tokens| tokens.cached), Some(4));
    }

    #[test]
    fn nothing_and_nonsense_are_nothing_and_zero_is_zero() {
        assert_eq!(chat(r#"{"prompt_tokens":0,"completion_tokens":0}"#), Some(CallTokens::default()));
        for text in [
            "null",
            "{}",
            "[]",
            "7",
            "\"x\"",
            "true",
            r#"{"completion_tokens":5}"#,
            r#"{"prompt_tokens":5}"#,
            r#"{"prompt_tokens":-1,"completion_tokens":5}"#,
            r#"{"prompt_tokens":1.5,"completion_tokens":5}"#,
            r#"{"prompt_tokens":"9","completion_tokens":5}"#,
            r#"{"prompt_tokens":9,"completion_tokens":[5]}"#,
            r#"{"prompt_tokens":18446744073709551615,"completion_tokens":5}"#,
            r#"{"prompt_tokens":1e300,"completion_tokens":5}"#,
        ] {
            assert_eq!(chat(text), None, "{text}");
        }
        for body in ["", "{", "[]", "null", "{}", "{\"usage\"", "\u{0}", "{\"usage\":{}} x"] {
            assert_eq!(usage_of_answer(Endpoint::ChatCompletions, body.as_bytes()), None, "{body}");
        }
        assert_eq!(usage_of_answer(Endpoint::ChatCompletions, b"\xff{}"), None);
        let said = |body: &[u8]| usage_of_answer(Endpoint::Messages, body).map(|tokens| tokens.prompt);
        assert_eq!(said(b"{\"content\":\"\xff\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}"), Some(3));
        assert_eq!(said(b"{\"\xff\":1,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}"), None);
        let nested = br#"{"content":[{"usage":{"input_tokens":9}}],"text":"\"usage\":{","usage":{"input_tokens":3,"output_tokens":1}}"#;
        assert_eq!(said(nested), Some(3));
        let twice = r#"{"usage":null,"content":[],"usage":{"input_tokens":3,"output_tokens":1}}"#;
        assert_eq!(said(twice.as_bytes()), None);
        let deep = "[".repeat(100_000);
        for field in ["usage", "choices", "output"] {
            let body = format!("{{\"{field}\":{deep}");
            assert_eq!(usage_of_answer(Endpoint::Responses, body.as_bytes()), None);
            assert_eq!(super::super::answer_text_of(Endpoint::Responses, body.as_bytes()), "");
        }
    }

    #[test]
    fn parts_never_exceed_their_whole() {
        let text = r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8,
            "cache_write_tokens":-1,"audio_tokens":99},"completion_tokens_details":{"reasoning_tokens":6,"audio_tokens":1}}"#;
        let expected = CallTokens { cached: 8, audio_input: 2, reasoning: 5, ..CallTokens::new(10, 5) };
        assert_eq!(chat(text), Some(expected));
        let odd =
            r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":[1],"completion_tokens_details":"x"}"#;
        assert_eq!(chat(odd), Some(CallTokens::new(10, 5)));
    }

    proptest! {
        #[test]
        fn what_is_reported_can_be_priced(numbers in proptest::array::uniform9(prop_oneof![0u64..50, any::<u64>()]), messages: bool) {
            let [prompt, completion, total, cached, write, audio, reasoning, spoken, read] = numbers;
            let usage = json!({"usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
                "input_tokens": prompt, "output_tokens": completion, "cache_read_input_tokens": read,
                "cache_creation_input_tokens": write, "prompt_tokens_details": {"cached_tokens": cached,
                "cache_write_tokens": write, "audio_tokens": audio},
                "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": spoken}}});
            let endpoint = if messages { Endpoint::Messages } else { Endpoint::ChatCompletions };
            if let Some(tokens) = usage_of_answer(endpoint, usage.to_string().as_bytes()) {
                let price = ModelPrice::flat(PicoUsd::from_pico(1), PicoUsd::from_pico(1));
                prop_assert!(price_call(&price, &tokens, 0).is_ok());
            }
        }

        #[test]
        fn any_bytes_are_read(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            for endpoint in Endpoint::ALL {
                usage_of_answer(endpoint, &body);
                super::super::answer_text_of(endpoint, &body);
            }
        }
    }
}
