//! Load on a server: connections that are kept open, each with one request under way, on one thread.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What was answered in one stretch.
#[derive(Default)]
pub struct Measured {
    /// Latencies of all answers, in microseconds, sorted.
    latencies: Vec<u32>,
    pub seconds: f64,
    /// Answers by status: 2xx, 429, others.
    pub accepted: u64,
    pub denied: u64,
    pub failed: u64,
}

impl Measured {
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    /// Milliseconds that this share of answers took at most.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let place = ((self.latencies.len() as f64) * share) as usize;
        self.latencies
            .get(place.min(self.latencies.len().saturating_sub(1)))
            .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

/// A request of every connection: path and body by the number of the connection and of the request.
pub type Body<'b> = &'b (dyn Fn(u64, u64) -> String + Sync);

/// How long, by how many.
#[derive(Clone, Copy)]
pub struct Stretch {
    pub connections: u64,
    pub duration: Duration,
    /// Stop after so many requests in all, whatever the time.
    pub requests: u64,
}

/// Sends POST requests until the time is over and says what came back.
pub async fn post(address: &str, key: &str, path: &str, body: Body<'_>, stretch: Stretch) -> Result<Measured, String> {
    let begun = now();
    let end = begun + stretch.duration;
    let sent = std::cell::Cell::new(0u64);
    let callers = (0..stretch.connections).map(|caller| {
        let sent = &sent;
        async move {
            let mut connection = Connection::open(address, key, path).await?;
            let mut found = Vec::new();
            while now() < end && sent.get() < stretch.requests {
                let number = sent.get();
                sent.set(number + 1);
                let started = now();
                let status = connection.post(&body(caller, number)).await?;
                found.push((status, started.elapsed().as_micros() as u32));
            }
            Ok::<_, String>(found)
        }
    });
    let answers = futures_util::future::try_join_all(callers).await?;
    let mut measured = Measured { seconds: begun.elapsed().as_secs_f64(), ..Measured::default() };
    for (status, latency) in answers.into_iter().flatten() {
        measured.latencies.push(latency);
        match status {
            200..=299 => measured.accepted += 1,
            429 => measured.denied += 1,
            _ => measured.failed += 1,
        }
    }
    measured.latencies.sort_unstable();
    Ok(measured)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures durations")]
fn now() -> Instant {
    Instant::now()
}

/// One kept-open HTTP/1.1 connection.
pub struct Connection {
    stream: TcpStream,
    head: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str, key: &str, path: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: "
        );
        Ok(Self { stream, head, request: Vec::new(), answer: Vec::new() })
    }

    /// Sends a body and waits for the whole answer. Returns its status.
    pub async fn post(&mut self, body: &str) -> Result<u16, String> {
        self.request.clear();
        self.request.extend_from_slice(self.head.as_bytes());
        self.request.extend_from_slice(format!("{}\r\n\r\n{body}", body.len()).as_bytes());
        self.stream.write_all(&self.request).await.map_err(|error| error.to_string())?;
        self.answer.clear();
        let mut length = None;
        loop {
            let count = self.stream.read_buf(&mut self.answer).await.map_err(|error| error.to_string())?;
            if count == 0 {
                return Err("the server closed the connection".into());
            }
            if length.is_none() {
                length = whole_length(&self.answer);
            }
            if length.is_some_and(|length| self.answer.len() >= length) {
                break;
            }
        }
        std::str::from_utf8(self.answer.get(9..12).unwrap_or_default())
            .ok()
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| "the answer is no HTTP".to_owned())
    }

    /// The last answer's body.
    pub fn body(&self) -> String {
        let text = String::from_utf8_lossy(&self.answer);
        text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }
}

/// How long head and body are together, once the head is there.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    Some(head + 4 + length)
}
