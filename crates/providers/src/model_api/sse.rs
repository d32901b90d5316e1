//! Server-sent events, read while they pass: the bytes stay as they came. Start at [`SseParser::feed`].
//!
//! An event within one chunk is a slice of it; only an event that is spread over chunks is copied together. Lines end
//! with LF, CRLF or CR, as the standard has it. An event larger than the limit is an error, so that no stream holds
//! more memory than that.

use std::borrow::Cow;
use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Splits a stream of bytes into events, in whatever pieces it comes.
pub struct SseParser {
    limit: usize,
    /// The beginning of an event whose end has not come.
    held: BytesMut,
    chunk: Bytes,
    /// How much of the chunk was given out.
    at: usize,
    line: Line,
    /// The blank line has come, and only an LF that belongs to its CR may follow.
    is_whole: bool,
    is_first: bool,
}

/// Where in a line the parser stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Start,
    /// At the start, behind a CR to which an LF may belong.
    AfterReturn,
    Inside,
}

/// One event with the bytes it came as.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Everything up to and with the blank line, as it came.
    pub bytes: Bytes,
    /// Where in the chunk that was fed last it begins, when it is whole there.
    pub in_chunk: Option<usize>,
    /// Only the first event of a stream may begin with a byte order mark.
    is_first: bool,
}

/// What an event says.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Said<'event> {
    pub name: Option<&'event [u8]>,
    /// The lines of data, joined by line feeds; `None` where there were none.
    pub data: Option<Cow<'event, [u8]>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SseError {
    #[error("an event of the stream is larger than {limit} bytes")]
    TooLarge { limit: usize },
}

impl SseParser {
    pub fn new(largest_event: usize) -> Self {
        Self {
            limit: largest_event,
            held: BytesMut::new(),
            chunk: Bytes::new(),
            at: 0,
            line: Line::Start,
            is_whole: false,
            is_first: true,
        }
    }

    /// Takes the next chunk; [`Self::next_event`] gives what is in it. All of the chunk before has to be read by then.
    pub fn feed(&mut self, chunk: Bytes) {
        self.chunk = chunk;
        self.at = 0;
    }

    /// The next event that is whole; `None` when the rest of the chunk is the beginning of one, which is kept.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        let end = self.find_end();
        let found = end.unwrap_or(self.chunk.len());
        if self.held.len() + (found - self.at) > self.limit {
            return Err(SseError::TooLarge { limit: self.limit });
        }
        let from = std::mem::replace(&mut self.at, found);
        if end.is_none() || !self.held.is_empty() {
            self.held.extend_from_slice(&self.chunk[from..found]);
        }
        if end.is_none() {
            return Ok(None);
        }
        let in_chunk = self.held.is_empty().then_some(from);
        let bytes = if in_chunk.is_some() { self.chunk.slice(from..found) } else { self.held.split().freeze() };
        Ok(Some(self.event(bytes, in_chunk)))
    }

    /// What of the last chunk was not given out.
    pub fn unread(&self) -> &[u8] {
        &self.chunk[self.at..]
    }

    /// What was left when the stream ended, as if a blank line followed.
    pub fn finish(&mut self) -> Option<Event> {
        let left = self.held.split().freeze();
        (!left.is_empty()).then(|| self.event(left, None))
    }

    fn event(&mut self, bytes: Bytes, in_chunk: Option<usize>) -> Event {
        (self.line, self.is_whole) = (Line::Start, false);
        Event { bytes, in_chunk, is_first: std::mem::take(&mut self.is_first) }
    }

    /// Where in the chunk the event ends that begins or goes on at `self.at`.
    fn find_end(&mut self) -> Option<usize> {
        let chunk = &self.chunk[..];
        let mut at = self.at;
        loop {
            let next = *chunk.get(at)?;
            if self.is_whole {
                return Some(at + usize::from(next == b'\n'));
            }
            if self.line == Line::AfterReturn {
                self.line = Line::Start;
                at += usize::from(next == b'\n');
                continue;
            }
            let Some(length) = memchr2(b'\n', b'\r', &chunk[at..]) else {
                self.line = Line::Inside;
                return None;
            };
            let is_blank = length == 0 && self.line == Line::Start;
            at += length + 1;
            let is_return = chunk[at - 1] == b'\r';
            self.line = if is_return { Line::AfterReturn } else { Line::Start };
            self.is_whole = is_blank;
            if is_blank && !is_return {
                return Some(at);
            }
        }
    }
}

impl Event {
    /// Reads the lines.
    pub fn said(&self) -> Said<'_> {
        let mut said = Said::default();
        let mut rest = &self.bytes[..];
        if self.is_first {
            rest = rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(rest);
        }
        while !rest.is_empty() {
            let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = &rest[..end];
            let ending = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
            rest = rest.get(end + ending..).unwrap_or_default();
            if let Some(value) = value_of(line, b"data") {
                match &mut said.data {
                    None => said.data = Some(Cow::Borrowed(value)),
                    Some(data) => {
                        let data = data.to_mut();
                        data.push(b'\n');
                        data.extend_from_slice(value);
                    }
                }
            } else if let Some(value) = value_of(line, b"event") {
                said.name = Some(value);
            }
        }
        said
    }
}

/// The value of a line when it is this field's: what follows the colon and one space.
fn value_of<'line>(line: &'line [u8], field: &[u8]) -> Option<&'line [u8]> {
    match line.strip_prefix(field)? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// Shows sizes alone: events carry answers.
impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Event").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SseParser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SseParser").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read = (Option<Vec<u8>>, Option<Vec<u8>>);

    /// The bytes that came out and what each event said.
    fn parse(chunks: &[&[u8]], limit: usize) -> Result<(Vec<u8>, Vec<Read>), SseError> {
        let (mut parser, mut bytes, mut said) = (SseParser::new(limit), Vec::new(), Vec::new());
        let mut take = |event: Event| {
            bytes.extend_from_slice(&event.bytes);
            let read = event.said();
            said.push((read.name.map(<[u8]>::to_vec), read.data.map(Cow::into_owned)));
        };
        for chunk in chunks {
            parser.feed(Bytes::copy_from_slice(chunk));
            while let Some(event) = parser.next_event()? {
                if let Some(at) = event.in_chunk {
                    assert_eq!(event.bytes, chunk[at..at + event.bytes.len()]);
                }
                take(event);
            }
            assert!(parser.held.len() <= limit);
        }
        parser.finish().into_iter().for_each(&mut take);
        Ok((bytes, said))
    }

    fn data(stream: &str) -> Vec<Option<String>> {
        let (_, said) = parse(&[stream.as_bytes()], 1_000).expect("a stream");
        said.into_iter().map(|(_, data)| data.map(|data| String::from_utf8(data).expect("text"))).collect()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn events_end_at_a_blank_line_however_lines_end() {
        for ending in ["\n", "\r\n", "\r"] {
            let stream = "data: one\n\ndata:two\ndata\ndata:  three\n\n".replace('\n', ending);
            assert_eq!(data(&stream), some(&["one", "two\n\n three"]), "{ending:?}");
        }
        assert_eq!(data("data: a\r\n\ndata: b\n\r\ndata: c\r\r"), some(&["a", "b", "c"]));
    }

    #[test]
    fn comments_names_and_other_fields_are_told_apart() {
        let stream = b": ping\n\nevent: delta\nid: 7\ndata: x\n\ndatax: y\nevent\n\n";
        let (_, said) = parse(&[stream], 1_000).expect("a stream");
        let expected = [(None, None), (Some(b"delta".to_vec()), Some(b"x".to_vec())), (Some(Vec::new()), None)];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_very_beginning_alone() {
        assert_eq!(data("\u{feff}data: a\n\ndata: b\n\n"), some(&["a", "b"]));
        assert_eq!(data("data: a\n\n\u{feff}data: b\n\n"), [Some("a".to_owned()), None]);
    }

    #[test]
    fn what_is_left_at_the_end_is_an_event() {
        assert_eq!(data("data: a\n\ndata: [DONE]"), some(&["a", "[DONE]"]));
        assert_eq!(data(""), []);
    }

    #[test]
    fn an_event_is_a_slice_of_its_chunk() {
        let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\ndata: ");
        let mut parser = SseParser::new(100);
        parser.feed(chunk.clone());
        for at in [0, 9] {
            let event = parser.next_event().expect("no error").expect("an event");
            assert_eq!((event.in_chunk, event.bytes.as_ptr()), (Some(at), chunk[at..].as_ptr()));
        }
        assert_eq!(parser.next_event(), Ok(None));
        parser.feed(Bytes::from_static(b"c\n\n"));
        let event = parser.next_event().expect("no error").expect("an event");
        assert_eq!((event.in_chunk, &event.bytes[..]), (None, &b"data: c\n\n"[..]));
    }

    #[test]
    fn an_event_past_the_limit_is_an_error_in_whatever_pieces_it_comes() {
        let (fits, over) = (b"data: 89\n\n", b"data: 890\n\n");
        for size in 1..=over.len() {
            let pieces = |stream: &'static [u8]| stream.chunks(size).collect::<Vec<_>>();
            assert!(parse(&pieces(fits), 10).is_ok());
            assert_eq!(parse(&pieces(over), 10), Err(SseError::TooLarge { limit: 10 }));
            assert_eq!(parse(&pieces(b"no line ends here"), 10), Err(SseError::TooLarge { limit: 10 }));
        }
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("data: "),
            Just("\n"),
            Just("\r"),
            Just("\r\n"),
            Just("\n\n"),
            Just("event: x"),
            Just(":"),
            Just("ü€🦀"),
            Just("{\"a\":1}"),
            Just("\u{feff}"),
            Just("id"),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
    }

    fn cut<'stream>(stream: &'stream [u8], lengths: &[usize]) -> Vec<&'stream [u8]> {
        let (mut chunks, mut rest) = (Vec::new(), stream);
        for length in lengths {
            let (chunk, after) = rest.split_at((*length).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        chunks.push(rest);
        chunks
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events_and_bytes(
            stream in stream(), lengths in proptest::collection::vec(0usize..9, 0..60), limit in 0usize..200,
        ) {
            let whole = parse(&[&stream], limit);
            prop_assert_eq!(&parse(&cut(&stream, &lengths), limit), &whole);
            let single: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(&parse(&single, limit), &whole);
            if let Ok((bytes, _)) = whole {
                prop_assert_eq!(bytes, stream);
            }
        }

        #[test]
        fn any_bytes_are_parsed(stream in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (bytes, _) = parse(&[&stream], 1_000).expect("small events");
            prop_assert_eq!(bytes, stream);
        }
    }
}
