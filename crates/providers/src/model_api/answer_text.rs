//! The text of a whole answer, for where no usage is reported. Start at [`answer_text_of`].

use serde::Deserialize;

use super::Endpoint;
use super::loose::{Object, from_bytes};
use super::spoken::Spoken;

/// Where whole answers of all forms say what they say.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer<'json> {
    #[serde(borrow)]
    choices: Spoken<'json>,
    #[serde(borrow)]
    output: Spoken<'json>,
    #[serde(borrow)]
    content: Spoken<'json>,
    #[serde(borrow)]
    text: Spoken<'json>,
}

/// The text that a whole answer delivers, to estimate tokens from: content, reasoning, calls of tools. A transcript
/// that was asked for as plain text or as subtitles is its own text. Empty where there is none.
pub fn answer_text_of(endpoint: Endpoint, body: &[u8]) -> String {
    let answer = from_bytes::<Object<Answer<'_>>>(body);
    let Ok(Object(Some(answer))) = answer else {
        return if endpoint.is_multipart() { String::from_utf8_lossy(body).into_owned() } else { String::new() };
    };
    let Answer { choices, output, content, text } = answer;
    [choices, output, content, text].iter().flat_map(|spoken| &spoken.texts).map(AsRef::as_ref).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_every_form_give_their_text() {
        for (endpoint, body, text) in [
            (
                Endpoint::ChatCompletions,
                r#"{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o","choices":[{"index":0,"message":
                {"role":"assistant","content":"Hello","refusal":null,"annotations":[]},"logprobs":null}],"usage":null}"#,
                "Hello",
            ),
            (Endpoint::Completions, r#"{"choices":[{"text":"one"},{"text":"two"}]}"#, "onetwo"),
            (
                Endpoint::Responses,
                r#"{"instructions":"Be short.","tools":[{"name":"f"}],"text":{"format":{"type":"text"}},"output":[
                {"type":"reasoning","summary":[{"type":"summary_text","text":"Hm. "}]},
                {"type":"message","content":[{"type":"output_text","text":"Hi","annotations":[{"text":"x"}]}]},
                {"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}"#,
                "Hm. Hif{}",
            ),
            (
                Endpoint::Messages,
                r#"{"type":"message","content":[{"type":"thinking","thinking":"Hm","signature":"s"},
                {"type":"text","text":"Hi"},{"type":"tool_use","id":"t","name":"f","input":{"a":"b"}}]}"#,
                "HmHifab",
            ),
            (Endpoint::Transcriptions, r#"{"text":"Good morning."}"#, "Good morning."),
            (Endpoint::Transcriptions, "Good morning.\n", "Good morning.\n"),
            (Endpoint::ChatCompletions, "<html>", ""),
            (Endpoint::ChatCompletions, r#"{"choices":{"message":7},"output":null}"#, ""),
        ] {
            assert_eq!(answer_text_of(endpoint, body.as_bytes()), text, "{body}");
        }
    }
}
