//! Load on a server: connections that are kept open, each with one request under way, on one thread.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use super::connection::{Connection, Target, now};

/// What was answered in one stretch.
#[derive(Default)]
pub struct Measured {
    /// Latencies of all answers, in microseconds, sorted.
    latencies: Vec<u32>,
    /// Until the first byte of the body, in microseconds, sorted.
    first_bytes: Vec<u32>,
    pub seconds: f64,
    /// Answers by status: 2xx, 429, others; among these also 2xx that broke off.
    pub accepted: u64,
    pub denied: u64,
    pub failed: u64,
    /// One of those that were not accepted.
    pub refusal: Option<String>,
}

impl Measured {
    /// Several stretches as if they had been one.
    pub fn join(stretches: Vec<Measured>) -> Measured {
        let mut whole = Measured::default();
        for mut stretch in stretches {
            whole.latencies.append(&mut stretch.latencies);
            whole.first_bytes.append(&mut stretch.first_bytes);
            whole.seconds += stretch.seconds;
            whole.accepted += stretch.accepted;
            whole.denied += stretch.denied;
            whole.failed += stretch.failed;
            whole.refusal = whole.refusal.or(stretch.refusal);
        }
        whole.latencies.sort_unstable();
        whole.first_bytes.sort_unstable();
        whole
    }

    pub fn answers(&self) -> usize {
        self.latencies.len()
    }

    pub fn rate(&self) -> f64 {
        self.answers() as f64 / self.seconds
    }

    /// Milliseconds that this share of answers took at most.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        percentile_ms(&self.latencies, share)
    }

    /// Milliseconds after which this share of answers had begun.
    pub fn first_byte_ms(&self, share: f64) -> f64 {
        percentile_ms(&self.first_bytes, share)
    }
}

/// Of sorted microseconds, the milliseconds that this share took at most.
pub fn percentile_ms(sorted: &[u32], share: f64) -> f64 {
    let place = ((sorted.len() as f64) * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
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
pub async fn post(target: &Target, body: Body<'_>, stretch: Stretch) -> Result<Measured, String> {
    let begun = now();
    let end = begun + stretch.duration;
    let (sent, refusal) = (Cell::new(0u64), OnceCell::new());
    let callers = (0..stretch.connections).map(|caller| {
        let (sent, refusal) = (&sent, &refusal);
        async move {
            let mut connection = Connection::open(target).await?;
            let mut found = Vec::new();
            while now() < end && sent.get() < stretch.requests {
                let number = sent.get();
                sent.set(number + 1);
                let answer = connection.post(&body(caller, number)).await?;
                if !answer.is_accepted() {
                    refusal.get_or_init(|| format!("{} {}", answer.status, connection.body()));
                }
                found.push(answer);
            }
            Ok::<_, String>(found)
        }
    });
    let answers = futures_util::future::try_join_all(callers).await?;
    let mut measured = Measured { seconds: begun.elapsed().as_secs_f64(), ..Measured::default() };
    for answer in answers.into_iter().flatten() {
        measured.latencies.push(answer.whole.as_micros() as u32);
        measured.first_bytes.push(answer.first.as_micros() as u32);
        match answer.status {
            _ if answer.is_accepted() => measured.accepted += 1,
            429 => measured.denied += 1,
            _ => measured.failed += 1,
        }
    }
    measured.refusal = refusal.into_inner();
    measured.latencies.sort_unstable();
    measured.first_bytes.sort_unstable();
    Ok(measured)
}
