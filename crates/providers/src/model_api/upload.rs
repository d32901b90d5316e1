//! What an upload of speech asks for. Start at [`read`].

use std::ops::Range;

use super::RequestError;
use super::fields::{WANTED_MODEL, is_model, same_without_case};
use super::multipart::{self, Part};

/// The fields of an upload that Tollway knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upload {
    pub model: String,
    /// Where the model's name stands in the body.
    pub model_place: Range<usize>,
    pub stream: bool,
    pub file_bytes: u64,
    pub prompt_bytes: u64,
}

/// The fields that are read, each of which may be given once.
const KNOWN: [&str; 4] = ["model", "stream", "file", "prompt"];

/// Reads a multipart body. Nothing of its text gets into an error.
pub fn read(content_type: Option<&str>, body: &[u8]) -> Result<Upload, RequestError> {
    let boundary = content_type.and_then(multipart::boundary).ok_or(RequestError::NotMultipart)?;
    let parts = multipart::parts(body, boundary).map_err(|reason| RequestError::BrokenMultipart { reason })?;
    let mut found: [Option<&Part<'_>>; KNOWN.len()] = [None; KNOWN.len()];
    for part in &parts {
        let Some(index) = KNOWN.iter().position(|known| same_without_case(known, part.name)) else { continue };
        if part.name != KNOWN[index] {
            return Err(RequestError::Misspelled { field: KNOWN[index] });
        }
        if found[index].replace(part).is_some() {
            return Err(RequestError::Repeated { field: KNOWN[index] });
        }
    }
    let [model, stream, file, prompt] = found;
    let model = model.ok_or(RequestError::Missing { field: "model" })?;
    let text = text_of(model, body).filter(|text| is_model(text));
    let text = text.ok_or(RequestError::Wrong { field: "model", wanted: WANTED_MODEL })?;
    let stream = match stream.map(|part| text_of(part, body)) {
        None => false,
        Some(text) => text.and_then(flag).ok_or(RequestError::Wrong { field: "stream", wanted: "true or false" })?,
    };
    let file = file.ok_or(RequestError::Missing { field: "file" })?;
    Ok(Upload {
        model: text.to_owned(),
        model_place: model.content.clone(),
        stream,
        file_bytes: file.content.len() as u64,
        prompt_bytes: prompt.map_or(0, |part| part.content.len() as u64),
    })
}

/// The text of a part; none where it is sent as a file, which servers do not take for a field.
fn text_of<'body>(part: &Part<'_>, body: &'body [u8]) -> Option<&'body str> {
    std::str::from_utf8(&body[part.content.clone()]).ok().filter(|_| !part.is_file)
}

/// What the servers' form readers take for true and false.
fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" | "t" | "y" => Some(true),
        "" | "false" | "0" | "off" | "no" | "f" | "n" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Endpoint, ModelRequest};
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=xYz";

    /// Fields as header parameters and contents.
    fn body(fields: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, content) in fields {
            body.extend_from_slice(format!("--xYz\r\nContent-Disposition: form-data; {name}\r\n\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--xYz--\r\n");
        body
    }

    fn speech() -> Vec<u8> {
        body(&[
            (r#"name="file"; filename="a;b.mp3""#, b"ID3\x00\xff\r\n--xYnot"),
            (r#"name="model""#, b"whisper-1"),
            (r#"name="prompt""#, b"Names: Ana"),
            ("name=stream", b"true"),
        ])
    }

    fn refusal(fields: &[(&str, &[u8])]) -> RequestError {
        read(Some(TYPE), &body(fields)).expect_err("a refusal")
    }

    #[test]
    fn an_upload_is_read_and_only_its_model_replaced() {
        let sent = speech();
        let request = ModelRequest::read(Endpoint::Transcriptions, Some(TYPE), sent.clone().into()).expect("a request");
        assert_eq!((request.model.as_str(), request.stream, request.audio_bytes), ("whisper-1", true, Some(14)));
        assert_eq!((request.prompt_bytes, request.prompt_estimate()), (10, 4 + 3));
        assert_eq!(request.rewritten("whisper-1", true), sent);
        let replaced = request.rewritten("large", true);
        let find = |body: &[u8]| memchr::memmem::find(body, b"whisper-1");
        let at = find(&sent).expect("the model");
        assert_eq!(replaced[..], [&sent[..at], b"large", &sent[at + 9..]].concat());
        assert_eq!(read(Some(TYPE), &replaced).map(|upload| upload.model), Ok("large".to_owned()));
    }

    #[test]
    fn the_boundary_is_read_as_clients_write_it() {
        for (content_type, found) in [
            ("multipart/form-data; boundary=xYz", Some("xYz")),
            ("Multipart/Form-Data;charset=utf-8; Boundary=\"xYz\"", Some("xYz")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=a; boundary=b", None),
            ("multipart/mixed; boundary=xYz", None),
            ("multipart/form-data; boundary=a\u{e9}", None),
        ] {
            assert_eq!(multipart::boundary(content_type), found, "{content_type}");
        }
        assert_eq!(read(None, b""), Err(RequestError::NotMultipart));
        assert_eq!(read(Some("application/json"), b"{}"), Err(RequestError::NotMultipart));
    }

    #[test]
    fn what_is_missing_wrong_or_given_twice_is_named() {
        let (file, model) = ((r#"name="file"; filename="a""#, &b"x"[..]), (r#"name="model""#, &b"m"[..]));
        assert_eq!(refusal(&[file]), RequestError::Missing { field: "model" });
        assert_eq!(refusal(&[model]), RequestError::Missing { field: "file" });
        assert_eq!(refusal(&[file, model, model]), RequestError::Repeated { field: "model" });
        assert_eq!(refusal(&[file, model, file]), RequestError::Repeated { field: "file" });
        assert_eq!(refusal(&[file, model, (r#"name="Model""#, b"n")]), RequestError::Misspelled { field: "model" });
        for content in [&b""[..], b"a\r\nb", b"\xff", &[b'm'; 257]] {
            assert_eq!(refusal(&[file, (r#"name="model""#, content)]).field(), Some("model"));
        }
        assert_eq!(refusal(&[file, (r#"name="model"; filename="x""#, b"m")]).field(), Some("model"));
        assert_eq!(refusal(&[file, model, (r#"name="stream""#, b"perhaps")]).field(), Some("stream"));
    }

    #[test]
    fn an_upload_that_can_be_read_in_two_ways_is_refused() {
        for disposition in [
            r#"name="mod\"el""#,
            r#"name="model"; name="other""#,
            r#"name="mod%65l""#,
            "name*=utf-8''model",
            r#"name="model" x"#,
            r#"name="model"#,
            "filename=a",
            "name=model\r\nContent-Disposition: form-data; name=other",
            "name=model\r\nContent-Transfer-Encoding: base64",
            "name=other;\r\n name=model",
            "name=model\nX: y",
        ] {
            let error = refusal(&[(disposition, b"m")]);
            assert!(matches!(error, RequestError::BrokenMultipart { .. }), "{disposition}: {error:?}");
        }
        let sent = speech();
        for broken in [
            [b"preamble\r\n", &sent[..]].concat(),
            [&sent[..], b"--xYz\r\n"].concat(),
            sent[..sent.len() - 4].to_vec(),
            b"--xYz--".repeat(2),
            b"--xYz\r\nX".to_vec(),
            b"--xYz\n".to_vec(),
        ] {
            assert!(matches!(read(Some(TYPE), &broken), Err(RequestError::BrokenMultipart { .. })));
        }
        assert!(read(Some(TYPE), &body(&[("name=x", &b""[..]); 101])).is_err());
    }

    /// The parts as a widely used reader sees them: names and contents.
    fn by_multer(body: &[u8]) -> Option<Vec<(Option<String>, Bytes)>> {
        use futures_util::{FutureExt, stream};
        let whole = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(body))]);
        let mut reader = multer::Multipart::new(whole, "xYz");
        let mut parts = Vec::new();
        while let Some(field) = reader.next_field().now_or_never()?.ok()? {
            let name = field.name().map(str::to_owned);
            parts.push((name, field.bytes().now_or_never()?.ok()?));
        }
        Some(parts)
    }

    fn by_us(body: &[u8]) -> Option<Vec<(Option<String>, Bytes)>> {
        let parts = multipart::parts(body, "xYz").ok()?;
        let owned = |part: &Part<'_>| (Some(part.name.to_owned()), Bytes::copy_from_slice(&body[part.content.clone()]));
        Some(parts.iter().map(owned).collect())
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_another_reader_sees(
            pieces in proptest::collection::vec(prop_oneof![
                Just("--xYz"), Just("\r\n"), Just("\r\n--xYz\r\n"), Just("--"), Just("Content-Disposition: form-data; "),
                Just("name=\"model\""), Just("name=file"), Just("; filename=\"a\""), Just("\r\n\r\n"), Just("x"), Just("\n"),
                Just("--xYz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n"), Just("\r\n--xYz--"),
            ], 0..14),
        ) {
            let body = pieces.concat().into_bytes();
            if let Some(ours) = by_us(&body) {
                prop_assert_eq!(by_multer(&body), Some(ours));
            }
        }

        #[test]
        fn any_content_comes_through(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assume!(memchr::memmem::find(&content, b"--xYz").is_none());
            let body = body(&[("name=\"file\"; filename=\"a\"", &content), ("name=model", b"m")]);
            let upload = read(Some(TYPE), &body).expect("an upload");
            prop_assert_eq!(upload.file_bytes, content.len() as u64);
            prop_assert_eq!(by_us(&body), by_multer(&body));
        }
    }
}
