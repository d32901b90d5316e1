//! What streams of the providers make a reader say and pass on.

use proptest::prelude::*;

use super::*;

const CHAT: &str = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aK3"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Grüße"},"finish_reason":null}],"usage":null}

: keep-alive

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"\n!"},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":5,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":4}}}

data: [DONE]

"#;

const MESSAGE: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude-sonnet-4-5","stop_reason":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":10,"cache_read_input_tokens":100,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}}

event: message_stop
data: {"type":"message_stop"}

"#;

const RESPONSE: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","instructions":"Be short.","output":[],"usage":null}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hi","logprobs":[]}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","sequence_number":5,"item_id":"fc_1","delta":"{}"}

event: response.output_text.done
data: {"type":"response.output_text.done","text":"Hi"}

event: response.completed
data: {"type":"response.completed","response":{"id":"resp_1","output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],"usage":{"input_tokens":37,"input_tokens_details":{"cached_tokens":7},"output_tokens":11,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":48}}}

"#;

/// Everything that was passed, what was held back, and the reader.
fn run(endpoint: Endpoint, hide_usage: bool, chunks: &[&[u8]]) -> (Vec<u8>, Vec<u8>, StreamReader) {
    let mut reader = StreamReader::new(endpoint, hide_usage);
    let (mut passed, mut last) = (Vec::new(), Vec::new());
    let mut take = |fed: Fed| {
        let into = if last.is_empty() { &mut passed } else { &mut last };
        fed.pass.iter().for_each(|piece| into.extend_from_slice(piece));
        fed.last.iter().for_each(|piece| last.extend_from_slice(piece));
    };
    for chunk in chunks {
        take(reader.feed(Bytes::copy_from_slice(chunk)).expect("small events"));
    }
    take(reader.finish());
    (passed, last, reader)
}

fn read(endpoint: Endpoint, stream: &str) -> Seen {
    run(endpoint, true, &[stream.as_bytes()]).2.seen
}

fn split(stream: &str, at: &str) -> (String, String) {
    let (before, after) = stream.split_at(stream.find(at).expect("it is there"));
    (before.to_owned(), after.to_owned())
}

#[test]
fn a_chat_passes_but_for_the_usage_that_nobody_asked_for() {
    let (passed, last, reader) = run(Endpoint::ChatCompletions, true, &[CHAT.as_bytes()]);
    let (before, usage) =
        split(CHAT, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"choices\":[],");
    assert_eq!(String::from_utf8(passed).as_ref(), Ok(&before));
    assert_eq!(last, b"data: [DONE]\n\n");
    let seen = reader.seen();
    let expected = CallTokens { cached: 5, reasoning: 4, ..CallTokens::new(19, 10) };
    assert_eq!(seen.usage, Some(expected));
    assert!(seen.complete && seen.content_delivered && seen.error.is_none());
    assert_eq!(seen.delivered.text, "Grüße\n!");
    assert_eq!(seen.used("gpt-4o", 999), Used { tokens: expected, is_estimated: false });

    let (passed, last, reader) = run(Endpoint::ChatCompletions, false, &[CHAT.as_bytes()]);
    assert_eq!([passed, last].concat(), CHAT.as_bytes());
    assert!(usage.starts_with("data") && reader.seen().usage == Some(expected));
}

#[test]
fn a_chunk_of_whole_events_passes_as_the_very_chunk() {
    let (before, _) = split(CHAT, "data: [DONE]");
    let chunk = Bytes::from(before);
    let fed = StreamReader::new(Endpoint::ChatCompletions, false).feed(chunk.clone()).expect("small events");
    assert_eq!((fed.pass.len(), fed.pass[0].as_ptr(), fed.pass[0].len()), (1, chunk.as_ptr(), chunk.len()));
    assert!(fed.last.is_none());
}

#[test]
fn a_message_merges_what_its_events_report() {
    let (passed, last, reader) = run(Endpoint::Messages, false, &[MESSAGE.as_bytes()]);
    let (before, end) = split(MESSAGE, "event: message_stop");
    assert_eq!((String::from_utf8(passed), String::from_utf8(last)), (Ok(before), Ok(end)));
    let seen = reader.seen();
    assert_eq!(seen.usage, Some(CallTokens { cached: 100, cache_write: 10, ..CallTokens::new(135, 89) }));
    assert_eq!((seen.delivered.text.as_str(), seen.complete), ("Helloweather{\"city\":", true));
}

#[test]
fn zeros_filled_in_later_hide_no_earlier_report() {
    let filled =
        MESSAGE.replace("\"usage\":{\"output_tokens\":89}", "\"usage\":{\"input_tokens\":0,\"output_tokens\":89}");
    assert_eq!(read(Endpoint::Messages, &filled).usage, read(Endpoint::Messages, MESSAGE).usage);
    let grown =
        MESSAGE.replace("\"usage\":{\"output_tokens\":89}", "\"usage\":{\"input_tokens\":30,\"output_tokens\":89}");
    assert_eq!(read(Endpoint::Messages, &grown).usage.map(|tokens| tokens.prompt), Some(140));
}

#[test]
fn an_event_of_many_lines_takes_time_by_its_length_alone() {
    let seen = read(Endpoint::ChatCompletions, &format!("{}\n", "data\n".repeat(200_000)));
    assert_eq!(seen.delivered.further_bytes, 199_999);
}

#[test]
fn a_message_that_breaks_off_is_estimated_where_its_report_is_too_early() {
    let (before, _) = split(MESSAGE, "event: content_block_stop");
    let broken = before.replace("\"Hello\"", &format!("\"{}\"", "word ".repeat(100)));
    let seen = read(Endpoint::Messages, &broken);
    assert_eq!((seen.complete, seen.usage.map(|tokens| tokens.completion)), (false, Some(1)));
    let used = seen.used("claude-sonnet-4-5", 7);
    assert!(used.is_estimated && used.tokens.prompt == 135 && used.tokens.completion >= 100, "{used:?}");
    let silent = read(Endpoint::Messages, &split(MESSAGE, "event: content_block_start").0);
    assert!(!silent.content_delivered);
    let tokens = CallTokens { cached: 100, cache_write: 10, ..CallTokens::new(135, 1) };
    assert_eq!(silent.used("claude-sonnet-4-5", 7), Used { tokens, is_estimated: false });
}

#[test]
fn a_response_reports_at_its_end_which_is_held_back() {
    let (passed, last, reader) = run(Endpoint::Responses, true, &[RESPONSE.as_bytes()]);
    let (before, end) = split(RESPONSE, "event: response.completed");
    assert_eq!((String::from_utf8(passed), String::from_utf8(last)), (Ok(before), Ok(end)));
    let seen = reader.seen();
    assert_eq!(seen.usage, Some(CallTokens { cached: 7, reasoning: 3, ..CallTokens::new(37, 11) }));
    assert_eq!((seen.delivered.text.as_str(), seen.complete), ("Hi{}", true));
    let (begun, _) = split(RESPONSE, "event: response.output_text.delta");
    assert_eq!(read(Endpoint::Responses, &begun).next_sequence_number, 1);
    let (begun, _) = split(RESPONSE, "event: response.completed");
    assert_eq!(read(Endpoint::Responses, &begun).next_sequence_number, 7);
    for kind in ["response.incomplete", "response.failed"] {
        let seen = read(Endpoint::Responses, &RESPONSE.replace("response.completed", kind));
        assert_eq!((seen.complete, seen.usage.is_some()), (true, true));
        assert_eq!(seen.error.is_some(), kind == "response.failed");
    }
}

#[test]
fn speech_and_pictures_are_read() {
    let transcript = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Good\"}\n\ndata: {\"type\":\"transcript.text.done\",\
        \"text\":\"Good\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"output_tokens\":5,\"total_tokens\":19}}\n\n\
        data: [DONE]\n\n";
    let (passed, last, reader) = run(Endpoint::Transcriptions, true, &[transcript.as_bytes()]);
    assert!(passed.starts_with(b"data") && last.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(reader.seen().usage, Some(CallTokens::new(14, 5)));
    assert_eq!(reader.seen().delivered.text, "Good");

    let speech = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"UklGR\"}\n\ndata: {\"type\":\"speech.audio.done\",\
        \"usage\":{\"input_tokens\":8,\"output_tokens\":50,\"total_tokens\":58}}\n\n";
    let seen = read(Endpoint::Speech, speech);
    assert_eq!((seen.usage, seen.content_delivered), (Some(CallTokens::new(8, 50)), true));

    let picture = "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"iVBO\",\
        \"usage\":{\"input_tokens\":5,\"output_tokens\":100,\"total_tokens\":105}}\n\n";
    let (passed, last, reader) = run(Endpoint::Images, true, &[picture.repeat(2).as_bytes()]);
    assert_eq!((passed, last), (picture.repeat(2).into_bytes(), Vec::new()));
    assert_eq!(reader.seen().usage, Some(CallTokens::new(10, 200)));
    assert!(reader.seen().complete && reader.seen().delivered.text.is_empty());
}

#[test]
fn what_is_delivered_is_noticed_in_every_form() {
    let chat =
        |delta: &str| read(Endpoint::ChatCompletions, &format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n"));
    for delta in [
        r#"{"content":"x"}"#,
        r#"{"refusal":"x"}"#,
        r#"{"reasoning_content":"x"}"#,
        r#"{"reasoning":"x"}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"x"}}]}"#,
        r#"{"function_call":{"name":"x"}}"#,
        r#"{"audio":{"id":"a","data":"UklGR"}}"#,
        r#"{"audio":{"transcript":"x"}}"#,
    ] {
        assert!(chat(delta).content_delivered, "{delta}");
    }
    for delta in ["{}", "null", r#"{"role":"assistant","content":""}"#, r#"{"content":null,"tool_calls":[]}"#] {
        assert!(!chat(delta).content_delivered, "{delta}");
    }
    assert!(read(Endpoint::Completions, "data: {\"choices\":[{\"text\":\"x\"}]}\n\n").content_delivered);
    let odd = read(Endpoint::ChatCompletions, "data: <html>\n\n");
    assert_eq!((odd.content_delivered, odd.delivered.further_bytes), (true, 6));
}

#[test]
fn errors_are_known_by_their_code_and_never_by_their_message() {
    for (endpoint, data, name) in [
        (
            Endpoint::ChatCompletions,
            r#"{"error":{"message":"secret","type":"server_error","code":null}}"#,
            "server_error",
        ),
        (Endpoint::ChatCompletions, r#"{"error":{"message":"secret","code":502},"choices":[]}"#, "502"),
        (Endpoint::ChatCompletions, r#"{"error":{"message":"secret","type":"a secret sentence"}}"#, "error"),
        (
            Endpoint::Messages,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"secret"}}"#,
            "overloaded_error",
        ),
        (Endpoint::Messages, r#"{"type":"error","error":"secret"}"#, "error"),
        (Endpoint::Responses, r#"{"type":"error","code":"rate_limit","message":"secret"}"#, "rate_limit"),
        (
            Endpoint::Responses,
            r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"secret"},"usage":null}}"#,
            "server_error",
        ),
    ] {
        let seen = read(endpoint, &format!("data: {data}\n\n"));
        assert_eq!(seen.error.as_deref(), Some(name), "{data}");
        assert!(!format!("{seen:?}").contains("secret") && !seen.content_delivered);
    }
}

#[test]
fn usage_in_other_places_is_found_and_the_last_report_counts() {
    let groq =
        "data: {\"choices\":[{\"delta\":{}}],\"x_groq\":{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}}\n\n";
    assert_eq!(read(Endpoint::ChatCompletions, groq).usage, Some(CallTokens::new(3, 4)));
    let each = |count: u64| {
        format!("data: {{\"choices\":[{{}}],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{count}}}}}\n\n")
    };
    let stream = [each(1), each(2), each(3), "data: {\"choices\":[],\"usage\":{}}\n\n".to_owned()].concat();
    let (passed, _, reader) = run(Endpoint::ChatCompletions, true, &[stream.as_bytes()]);
    assert_eq!(reader.seen().usage, Some(CallTokens::new(3, 3)));
    assert_eq!(passed.len(), 3 * each(1).len());
    let azure = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n";
    assert_eq!(run(Endpoint::ChatCompletions, true, &[azure.as_bytes()]).0, azure.as_bytes());
}

#[test]
fn kept_text_is_bounded_and_the_rest_is_counted() {
    let piece = "word ".repeat(20_000);
    let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{piece}\"}}}}]}}\n\n");
    let seen = read(Endpoint::ChatCompletions, &event.repeat(5));
    assert_eq!((seen.delivered.text.len(), seen.delivered.further_bytes), (200_000, 300_000));
    let used = seen.used("gpt-4o", 50);
    assert!(used.is_estimated && used.tokens.prompt == 50);
    assert!((100_000..=130_000).contains(&used.tokens.completion), "{used:?}");
}

#[test]
fn an_event_past_its_limit_is_an_error_and_stays_one() {
    let mut reader = StreamReader::new(Endpoint::ChatCompletions, true);
    let chunk = Bytes::from(vec![b'x'; 1 << 19]);
    assert!(reader.feed(chunk.clone()).is_ok() && reader.feed(chunk.clone()).is_ok());
    for _ in 0..3 {
        assert_eq!(reader.feed(chunk.clone()).err(), Some(StreamError::Events(SseError::TooLarge { limit: 1 << 20 })));
    }
    let mut reader = StreamReader::new(Endpoint::Responses, true);
    assert!((0..4).all(|_| reader.feed(chunk.clone()).is_ok()));
}

#[test]
fn an_end_that_is_cut_or_followed_by_more_is_still_held_back() {
    let (passed, last, reader) = run(Endpoint::ChatCompletions, true, &[b"data: {}\n\ndata: [DO", b"NE]"]);
    assert_eq!((&passed[..], &last[..]), (&b"data: {}\n\n"[..], &b"data: [DONE]"[..]));
    assert!(reader.seen().complete);
    let (passed, last, _) = run(Endpoint::ChatCompletions, true, &[b"data: [DO", b"NE]\n\n: more\n\n", b"and more"]);
    assert_eq!((&passed[..], &last[..]), (&b""[..], &b"data: [DONE]\n\n: more\n\nand more"[..]));
}

#[test]
fn half_an_event_at_the_end_is_left_out_and_not_counted() {
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}";
    for half in ["data: {\"choices\":[{\"delta\":{\"cont", "data: [DON", "data:"] {
        let (passed, last, reader) = run(Endpoint::ChatCompletions, true, &[format!("{event}\n\n{half}").as_bytes()]);
        assert_eq!((passed, last), (format!("{event}\n\n").into_bytes(), Vec::new()));
        assert_eq!((reader.seen().delivered.text.as_str(), reader.seen().delivered.further_bytes), ("x", 0));
    }
    let (passed, _, reader) = run(Endpoint::ChatCompletions, true, &[event.as_bytes()]);
    assert_eq!((passed, reader.seen().content_delivered), (event.as_bytes().to_vec(), true));
}

fn streams() -> impl Strategy<Value = (Endpoint, &'static str)> {
    prop_oneof![
        Just((Endpoint::ChatCompletions, CHAT)),
        Just((Endpoint::Messages, MESSAGE)),
        Just((Endpoint::Responses, RESPONSE)),
    ]
}

proptest! {
    #[test]
    fn any_split_passes_and_says_the_same(
        (endpoint, stream) in streams(), hide: bool, crlf: bool, lengths in proptest::collection::vec(1usize..200, 0..80),
    ) {
        let stream = if crlf { stream.replace('\n', "\r\n") } else { stream.to_owned() };
        let (mut chunks, mut rest) = (Vec::new(), stream.as_bytes());
        for length in lengths {
            let (chunk, after) = rest.split_at(length.min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        chunks.push(rest);
        let whole = run(endpoint, hide, &[stream.as_bytes()]);
        let pieces = run(endpoint, hide, &chunks);
        prop_assert_eq!((&pieces.0, &pieces.1), (&whole.0, &whole.1));
        prop_assert_eq!(format!("{:?}", pieces.2.seen()), format!("{:?}", whole.2.seen()));
        prop_assert_eq!(&pieces.2.seen().delivered.text, &whole.2.seen().delivered.text);
    }

    #[test]
    fn any_bytes_pass(endpoint in 0..Endpoint::ALL.len(), chunks in proptest::collection::vec(
        prop_oneof![Just("data: ".to_owned()), Just("\n\n".to_owned()), Just("{\"choices\":[".to_owned()), ".{0,9}"], 0..40)) {
        let bytes: Vec<&[u8]> = chunks.iter().map(String::as_bytes).collect();
        let (passed, last, _) = run(Endpoint::ALL[endpoint], false, &bytes);
        let (sent, came) = ([passed, last].concat(), bytes.concat());
        let left_out = came.strip_prefix(&sent[..]);
        // But half an event at the end.
        prop_assert!(left_out.is_some_and(|rest| rest.is_empty() || rest.windows(4).any(|word| word == b"data")));
    }
}
