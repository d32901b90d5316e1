//! The calls that are made through everything that is compared, and the rows of the table.

use std::time::Duration;

use super::super::connection::{Connection, Target};
use super::super::load::{self, Measured, Stretch};
use super::super::process::Process;
use super::super::profile::Profile;
use super::MODEL;

const CONNECTIONS: u64 = 64;
const WARM_UP: Duration = Duration::from_millis(500);
/// A turn is long enough for so many answers on each connection, however slow they are: its ragged end is small then.
const ANSWERS_A_TURN: u32 = 8;
/// Of each turn under load; with one caller half of it.
const SLICE: Duration = Duration::from_millis(500);
/// Every answer of the stand-in has so many tokens.
const TOKENS: usize = 16;
const PLAIN: &str = "plain answers";
const STREAMS: &str = "streams of 16 tokens";

/// All prompts have the same number of words, so that every call has the same number of tokens.
fn body(last_word: &str, stream: bool) -> String {
    format!(
        "{{\"model\":\"{MODEL}\",\"messages\":[{{\"role\":\"system\",\"content\":\"You answer questions about the \
         product, briefly and in the language of whoever asks.\"}},{{\"role\":\"user\",\"content\":\"How do I change \
         the address that my invoices are sent to? {last_word}\"}}],\"temperature\":0.2,\"stream\":{stream}}}"
    )
}

pub fn plain() -> String {
    body("Thanks.", false)
}

/// Each token comes by itself, as from a provider, and as soon as it can.
fn stream() -> String {
    body("[[frames=token]]", true)
}

/// A millisecond between tokens: whoever waits for the end before passing on the first is seen.
fn paced_stream() -> String {
    body("[[delay_ms=1]]", true)
}

pub fn stalled() -> String {
    body("[[fault=stall after=1]]", true)
}

/// What is compared.
pub struct Subject<'a> {
    pub name: &'a str,
    pub target: &'a Target,
    /// Whose memory is told.
    pub process: Option<&'a Process>,
}

/// What was found about one of them.
#[derive(Default)]
pub struct Figures {
    /// Answers a second as shares of the floor's.
    pub plain: f64,
    pub streams: f64,
    /// Beside direct calls, one caller.
    pub added_p50_ms: f64,
    pub first_token_ms: f64,
    pub memory_mb: f64,
    /// Made in all, and the tokens that they used.
    pub calls: u64,
    pub tokens: u64,
    /// Requests and tokens that the gateway says it has counted.
    pub counted: Option<(u64, u64)>,
}

/// What all are compared with.
pub struct Comparison {
    pub direct: Target,
    pub floor: Target,
    /// How often each is measured.
    pub turns: u32,
}

impl Comparison {
    /// Every figure of one subject, each printed as soon as it is there.
    pub async fn measure(&self, subject: &Subject<'_>) -> Result<Figures, String> {
        let tokens_a_call = self.answers_the_same(subject).await?;
        let mut figures = Figures { calls: 2, ..Figures::default() };
        for (what, body, share) in [(PLAIN, plain(), &mut figures.plain), (STREAMS, stream(), &mut figures.streams)] {
            let turns = Turns::take(&self.floor, subject.target, &body, CONNECTIONS, SLICE, self.turns).await?;
            *share = turns.beside(Measured::rate, |rate, floor| rate / floor);
            figures.calls += turns.calls;
            turns.print_share(subject.name, what, *share);
        }
        let first_byte = Measured::first_byte_ms;
        for (what, body, at, added) in [
            ("plain answers", plain(), Measured::percentile_ms as Latency, &mut figures.added_p50_ms),
            ("first token", paced_stream(), first_byte, &mut figures.first_token_ms),
        ] {
            let turns = Turns::take(&self.direct, subject.target, &body, 1, SLICE / 2, self.turns).await?;
            *added = turns.beside(|measured| at(measured, 0.5), |with, without| with - without);
            figures.calls += turns.calls;
            turns.print_added(subject.name, what, at, *added);
        }
        figures.tokens = figures.calls * tokens_a_call;
        if let Some(process) = subject.process {
            figures.memory_mb = process.memory_mb();
            print_memory(subject.name, "memory after the run", figures.memory_mb);
        }
        Ok(figures)
    }

    /// Asks once in both ways and compares with what the provider says. Returns the tokens of one call.
    async fn answers_the_same(&self, subject: &Subject<'_>) -> Result<u64, String> {
        let mut tokens = 0;
        for body in [plain(), stream()] {
            let (expected, got) = (ask(&self.direct, &body).await?, ask(subject.target, &body).await?);
            let text = text_of(&expected);
            if text.split_whitespace().count() != TOKENS || text != text_of(&got) {
                return Err(format!("{} answers otherwise than the provider: {got}", subject.name));
            }
            let usage = serde_json::from_str::<serde_json::Value>(&expected).unwrap_or_default();
            tokens = tokens.max(usage["usage"]["total_tokens"].as_u64().unwrap_or(0));
        }
        Ok(tokens)
    }

    /// What a subject's time goes into, under each load.
    pub async fn profile(&self, subject: &Subject<'_>) -> Result<(), String> {
        let Some(process) = subject.process else { return Ok(()) };
        for (what, body) in [(PLAIN, plain()), (STREAMS, stream())] {
            let Some(profile) = Profile::start(process.id()) else { return Ok(()) };
            post(subject.target, &body, CONNECTIONS, SLICE * self.turns).await?;
            println!("| {} | {what}, its time: {} | | | | | | |", subject.name, profile.end()?);
        }
        Ok(())
    }
}

/// Milliseconds at a share of the answers.
type Latency = fn(&Measured, f64) -> f64;

/// A subject and what it is compared with, measured in turns: `reference[0]`, `measured[0]`, `reference[1]`, ….
struct Turns {
    reference: Vec<Measured>,
    measured: Vec<Measured>,
    /// That the subject answered, while it warmed up too.
    calls: u64,
}

impl Turns {
    async fn take(
        reference: &Target,
        target: &Target,
        body: &str,
        connections: u64,
        slice: Duration,
        count: u32,
    ) -> Result<Self, String> {
        let warm_up = post(target, body, connections, WARM_UP).await?;
        let first = post(reference, body, connections, slice).await?;
        let (slow, total) = (Duration::from_secs_f64(warm_up.percentile_ms(0.5) / 1000.0), slice * count);
        let slice_of_target = slice.max(slow * ANSWERS_A_TURN).min(total);
        let count = total.div_duration_f64(slice_of_target).ceil().max(1.0) as u32;
        let mut turns = Self { reference: vec![first], measured: Vec::new(), calls: warm_up.accepted };
        for _ in 0..count {
            let measured = post(target, body, connections, slice_of_target).await?;
            turns.calls += measured.accepted;
            turns.measured.push(measured);
            turns.reference.push(post(reference, body, connections, slice).await?);
        }
        Ok(turns)
    }

    /// Each turn compared with the mean of the two around it; of these, the one in the middle.
    fn beside(&self, figure: impl Fn(&Measured) -> f64, compare: impl Fn(f64, f64) -> f64) -> f64 {
        let around = self.reference.windows(2).map(|pair| pair.iter().map(&figure).sum::<f64>() / 2.0);
        let compared = self.measured.iter().zip(around).map(|(measured, around)| compare(figure(measured), around));
        let mut compared: Vec<f64> = compared.collect();
        compared.sort_by(f64::total_cmp);
        let half = compared.len() / 2;
        if compared.len() % 2 == 1 { compared[half] } else { (compared[half - 1] + compared[half]) / 2.0 }
    }

    fn print_share(self, name: &str, what: &str, share: f64) {
        let measured = Measured::join(self.measured);
        println!(
            "| {name} | {what}, {CONNECTIONS} connections | {:.0} | {} | {:.2} | {:.2} | | |",
            measured.rate(),
            percent(share),
            measured.percentile_ms(0.5),
            measured.percentile_ms(0.99)
        );
    }

    fn print_added(self, name: &str, what: &str, at: Latency, added: f64) {
        let added_p99 = self.beside(|measured| at(measured, 0.99), |with, without| with - without);
        let measured = Measured::join(self.measured);
        println!(
            "| {name} | {what}, one caller | {:.0} | | {:.3} | {:.3} | {added:.3} | {added_p99:.3} |",
            measured.rate(),
            at(&measured, 0.5),
            at(&measured, 0.99)
        );
    }
}

/// Load in which every call is answered, whole.
async fn post(target: &Target, body: &str, connections: u64, duration: Duration) -> Result<Measured, String> {
    let last_words = if body.contains("\"stream\":true") { "[DONE]" } else { "" };
    let target = Target { last_words, ..target.clone() };
    let stretch = Stretch { connections, duration, requests: u64::MAX };
    let measured = load::post(&target, &|_, _| body.to_owned(), stretch).await?;
    match measured.denied + measured.failed {
        0 => Ok(measured),
        wrong => Err(format!(
            "{wrong} of {} answers were denied, failed or broken, such as this one: {}",
            wrong + measured.accepted,
            measured.refusal.unwrap_or_default()
        )),
    }
}

async fn ask(target: &Target, body: &str) -> Result<String, String> {
    let mut connection = Connection::open(target).await?;
    let answer = connection.post(body).await?;
    match answer.status {
        200 => Ok(connection.body()),
        status => Err(format!("{} answered {status}: {}", target.address, connection.body())),
    }
}

/// The text of a plain answer, or of all deltas of a stream.
fn text_of(answer: &str) -> String {
    let events = answer.lines().filter_map(|line| line.strip_prefix("data: "));
    let pieces = events.chain(std::iter::once(answer)).filter_map(|json| {
        let json: serde_json::Value = serde_json::from_str(json).ok()?;
        let choice = &json["choices"][0];
        let text = choice["message"]["content"].as_str().or_else(|| choice["delta"]["content"].as_str());
        text.map(str::to_owned)
    });
    pieces.collect()
}

pub fn print_head() {
    println!("| through | what | per second | of the floor | p50 ms | p99 ms | added p50 ms | added p99 ms |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
}

pub fn print_memory(name: &str, what: &str, memory_mb: f64) {
    println!("| {name} | {what} | {memory_mb:.0} MB | | | | | |");
}

/// With a decimal where a whole number would say nothing.
pub fn percent(share: f64) -> String {
    if share < 0.1 { format!("{:.2} %", share * 100.0) } else { format!("{:.0} %", share * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_both_kinds_of_answers_is_read() {
        assert_eq!(text_of("{\"choices\":[{\"message\":{\"content\":\"one two\"}}]}"), "one two");
        let delta = |word: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n");
        let usage = "data: {\"choices\":[],\"usage\":{}}\n\n";
        assert_eq!(text_of(&format!("{}{}{usage}data: [DONE]\n\n", delta("one"), delta(" two"))), "one two");
    }

    #[test]
    fn every_body_is_json_and_has_as_many_words() {
        let words = |body: String| {
            serde_json::from_str::<serde_json::Value>(&body).unwrap()["messages"][1]["content"]
                .as_str()
                .unwrap()
                .split_whitespace()
                .count()
        };
        assert_eq!(words(plain()), words(stream()));
        assert_eq!(words(plain()), words(paced_stream()));
    }
}
