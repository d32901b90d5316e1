//! What is sent on instead of what came: a few replaced places, every other byte as it was. Start at [`Edits`].

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::fields::{Fields, StreamOptions};

/// Places of a body and what stands there instead.
#[derive(Default)]
pub struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub fn replace(&mut self, place: Range<usize>, text: String) {
        self.0.push((place, text));
    }

    /// Asks for the usage of a stream, whatever else the client's `stream_options` say.
    pub fn ask_for_usage(&mut self, fields: &Fields) {
        const ASKED: &str = "\"include_usage\":true";
        match &fields.stream_options {
            None => self.replace(fields.start..fields.start, format!("\"stream_options\":{{{ASKED}}},")),
            Some(StreamOptions::Null(place)) => self.replace(place.clone(), format!("{{{ASKED}}}")),
            Some(StreamOptions::Object { include_usage: Some((true, _)), .. }) => {}
            Some(StreamOptions::Object { include_usage: Some((false, place)), .. }) => {
                self.replace(place.clone(), "true".to_owned());
            }
            Some(StreamOptions::Object { end, is_empty, include_usage: None }) => {
                let comma = if *is_empty { "" } else { "," };
                self.replace(*end..*end, format!("{comma}{ASKED}"));
            }
        }
    }

    /// Bounds the answer's length by a field that is not given.
    pub fn bound_output(&mut self, fields: &Fields, field: &str, tokens: u64) {
        match &fields.empty_max_output {
            Some(place) => self.replace(place.clone(), tokens.to_string()),
            None => self.replace(fields.start..fields.start, format!("\"{field}\":{tokens},")),
        }
    }

    /// The body with the edits made: the same bytes where there are none.
    pub fn applied(mut self, body: &Bytes) -> Bytes {
        if self.0.is_empty() {
            return body.clone();
        }
        self.0.sort_by_key(|(place, _)| place.start);
        let added: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        let mut written = BytesMut::with_capacity(body.len() + added);
        let mut at = 0;
        for (place, text) in &self.0 {
            written.extend_from_slice(&body[at..place.start]);
            written.extend_from_slice(text.as_bytes());
            at = place.end;
        }
        written.extend_from_slice(&body[at..]);
        written.freeze()
    }
}
