//! One kept-open HTTP/1.1 connection of a caller: sends a body, reads the answer, and says when its first byte came.
//!
//! Made to cost little beside what it measures. It understands the two ways in which servers tell where a body ends,
//! `content-length` and chunks, and takes a chunked body apart only when somebody asks for it.

use std::time::{Duration, Instant};

use memchr::{memchr, memchr_iter, memmem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Last words are looked for in so many bytes, those of the framing among them.
const LAST_BYTES: usize = 64;

/// Whom to call, and as whom.
#[derive(Clone)]
pub struct Target {
    /// `127.0.0.1:8080`.
    pub address: String,
    pub path: String,
    pub key: String,
    /// Further lines of the head, each ended by CR and LF.
    pub headers: String,
    /// Stands in the last bytes of every whole answer.
    pub last_words: &'static str,
}

impl Target {
    pub fn new(address: &str, key: &str, path: &str) -> Self {
        Self { address: address.into(), path: path.into(), key: key.into(), headers: String::new(), last_words: "" }
    }
}

/// What a whole answer took.
pub struct Answer {
    pub status: u16,
    /// It has its last words.
    pub is_complete: bool,
    /// Until the first byte of the body.
    pub first: Duration,
    /// Until the last.
    pub whole: Duration,
}

impl Answer {
    pub fn is_accepted(&self) -> bool {
        (200..300).contains(&self.status) && self.is_complete
    }
}

pub struct Connection {
    stream: TcpStream,
    target: Target,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Known once the head of the answer is there.
    framing: Option<Framing>,
}

impl Connection {
    pub async fn open(target: &Target) -> Result<Self, String> {
        let address = &target.address;
        let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream, target: target.clone(), request: Vec::new(), answer: Vec::new(), framing: None })
    }

    /// Sends a body and waits for the whole answer.
    pub async fn post(&mut self, body: &str) -> Result<Answer, String> {
        let started = now();
        self.send("POST", body).await?;
        self.read_until(|framing, answer| framing.has_body(answer) || framing.is_over(answer)).await?;
        let first = started.elapsed();
        self.read_until(Framing::is_over).await?;
        let whole = started.elapsed();
        let last = &self.answer[self.answer.len().saturating_sub(LAST_BYTES)..];
        let words = self.target.last_words.as_bytes();
        let is_complete = words.is_empty() || memmem::find(last, words).is_some();
        Ok(Answer { status: self.status()?, is_complete, first, whole })
    }

    /// Sends a body and waits for the first byte of the answer's body. What follows is left unread.
    pub async fn begin(&mut self, body: &str) -> Result<u16, String> {
        self.send("POST", body).await?;
        self.read_until(|framing, answer| framing.has_body(answer) || framing.is_over(answer)).await?;
        self.status()
    }

    pub async fn get(&mut self) -> Result<u16, String> {
        self.send("GET", "").await?;
        self.read_until(Framing::is_over).await?;
        self.status()
    }

    async fn send(&mut self, method: &str, body: &str) -> Result<(), String> {
        use std::io::Write;
        let Target { address, path, key, headers, .. } = &self.target;
        self.request.clear();
        write!(
            self.request,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n{headers}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .map_err(|error| error.to_string())?;
        self.answer.clear();
        self.framing = None;
        self.stream.write_all(&self.request).await.map_err(|error| error.to_string())
    }

    async fn read_until(&mut self, enough: impl Fn(&mut Framing, &[u8]) -> bool) -> Result<(), String> {
        loop {
            if self.framing.is_none() {
                self.framing = Framing::read(&self.answer);
            }
            if self.framing.as_mut().is_some_and(|framing| enough(framing, &self.answer)) {
                return Ok(());
            }
            let count = self.stream.read_buf(&mut self.answer).await.map_err(|error| error.to_string())?;
            if count == 0 {
                return Err(format!("{} closed the connection", self.target.address));
            }
        }
    }

    fn status(&self) -> Result<u16, String> {
        let status = std::str::from_utf8(self.answer.get(9..12).unwrap_or_default()).ok();
        status.and_then(|status| status.parse().ok()).ok_or_else(|| "the answer is no HTTP".to_owned())
    }

    /// The last answer's body.
    pub fn body(&self) -> String {
        let bytes = self.framing.as_ref().map(|framing| framing.body(&self.answer)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Where the body of an answer begins and ends.
struct Framing {
    body: usize,
    end: End,
}

enum End {
    At(usize),
    /// The place of the next chunk's length, as far as chunks have come.
    Chunks(usize),
}

impl Framing {
    /// `None`: the head is not whole yet.
    fn read(answer: &[u8]) -> Option<Self> {
        let head = memmem::find(answer, b"\r\n\r\n")?;
        let body = head + 4;
        let mut end = End::At(body);
        for line in lines(&answer[..head]) {
            let Some(colon) = memchr(b':', line) else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                let length = std::str::from_utf8(value).ok().and_then(|value| value.parse::<usize>().ok());
                end = End::At(body + length.unwrap_or(0));
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
                end = End::Chunks(body);
            }
        }
        Some(Self { body, end })
    }

    fn has_body(&mut self, answer: &[u8]) -> bool {
        answer.len() > self.body
    }

    fn is_over(&mut self, answer: &[u8]) -> bool {
        match &mut self.end {
            End::At(end) => answer.len() >= *end,
            End::Chunks(next) => loop {
                match chunk(answer, *next) {
                    // The last chunk is empty; after it stands an empty line.
                    Some((begin, 0)) => return answer.len() >= begin + 2,
                    Some((begin, length)) => *next = begin + length + 2,
                    None => return false,
                }
            },
        }
    }

    fn body(&self, answer: &[u8]) -> Vec<u8> {
        let End::Chunks(_) = self.end else { return answer[self.body..].to_vec() };
        let (mut body, mut place) = (Vec::new(), self.body);
        while let Some((begin, length)) = chunk(answer, place).filter(|(_, length)| *length > 0) {
            body.extend_from_slice(answer.get(begin..begin + length).unwrap_or_default());
            place = begin + length + 2;
        }
        body
    }
}

/// Where the chunk that is announced at a place begins, and how long it is.
fn chunk(answer: &[u8], place: usize) -> Option<(usize, usize)> {
    let rest = answer.get(place..)?;
    let line = memchr(b'\n', rest)?;
    let digits = rest[..line].split(|byte| *byte == b';').next()?;
    let length = usize::from_str_radix(std::str::from_utf8(digits).ok()?.trim(), 16).ok()?;
    Some((place + line + 1, length))
}

/// The lines of a head. Each may end with CR.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr_iter(b'\n', head).chain([head.len()]);
    ends.scan(0, |begin, end| {
        let line = &head[*begin..end];
        *begin = end + 1;
        Some(line)
    })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures durations")]
pub fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds an answer byte by byte. Returns after how many bytes its body had begun and it was over, and the body.
    fn read(text: &str) -> (usize, usize, String) {
        let (mut framing, mut begun) = (None::<Framing>, None);
        for count in 0..=text.len() {
            let answer = &text.as_bytes()[..count];
            if framing.is_none() {
                framing = Framing::read(answer);
            }
            let Some(framing) = &mut framing else { continue };
            if begun.is_none() && framing.has_body(answer) {
                begun = Some(count);
            }
            if framing.is_over(answer) {
                let body = String::from_utf8(framing.body(answer)).unwrap();
                return (begun.unwrap_or(count), count, body);
            }
        }
        panic!("{text:?} has no end");
    }

    #[test]
    fn a_body_ends_where_its_length_says() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(read(text), (text.len() - 4, text.len(), "hello".into()));
        let empty = "HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(read(empty), (empty.len(), empty.len(), String::new()));
    }

    #[test]
    fn a_chunked_body_ends_with_its_last_chunk() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let text = format!("{head}5\r\nhello\r\n6;odd=1\r\n you\r\n\r\n0\r\n\r\n");
        assert_eq!(read(&text), (head.len() + 1, text.len(), "hello you\r\n".into()));
    }
}
