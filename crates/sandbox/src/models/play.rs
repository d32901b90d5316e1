//! The body of a stream: its events, one after another, at the pace and with the fault that the prompt asked for.
//!
//! Everything is made before the first byte; what is left to do for each token is to copy it. Without a pause many
//! events go into one frame. Start with [`Score`], which an endpoint writes, then [`Play`], which plays it.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::Sleep;

use super::directives::{Fault, Frames};
use super::plan::Usage;
use super::served::{Count, Progress};
use super::words::word;

/// A frame without a pause is not much longer than this.
const FRAME_BYTES: usize = 8 * 1024;

/// Before a cut, hyper gets this long to write what it holds; it throws that away when the body fails. What is longer
/// than a socket takes at once waits for its reader.
const FLUSH_TIME: Duration = Duration::from_millis(2);
const LONG_FLUSH_TIME: Duration = Duration::from_millis(100);
const LONG_BYTES: usize = 64 * 1024;

/// Everything that a stream will say.
pub struct Score {
    /// Before the first delta.
    pub head: Vec<u8>,
    pub delta: Delta,
    /// After the last delta, with the usage.
    pub tail: Vec<u8>,
    /// In place of the rest, where the fault is an error.
    pub error: Vec<u8>,
}

/// The event of one delta, with a hole for the word.
pub struct Delta {
    /// One for each choice.
    before: Vec<Vec<u8>>,
    piece: Piece,
    after: Vec<u8>,
    /// The number of the first delta, where events are numbered.
    first_number: Option<u64>,
    end: &'static [u8],
}

/// What each delta carries.
pub enum Piece {
    Words,
    /// The same piece of audio.
    Same(Cow<'static, [u8]>),
}

impl Delta {
    /// An event whose field `hole` is an empty string, once for each choice. `name` is the event's own, if it has one.
    /// With a `first_number`, the last field of the event is `"sequence_number":0`.
    pub fn of_events(name: Option<&str>, events: &[String], hole: &str, first_number: Option<u64>) -> Delta {
        // The quotes of a string are escaped, so that this is found where it is a field alone.
        let mark = format!("\"{hole}\":\"");
        let mut before = Vec::with_capacity(events.len());
        let mut after = "";
        for event in events {
            let place = event.find(&mark).expect("the endpoint's own event has the field") + mark.len();
            let mut bytes = Vec::with_capacity(place + 64);
            begin_event(&mut bytes, name);
            bytes.extend_from_slice(&event.as_bytes()[..place]);
            before.push(bytes);
            after = &event[place..];
        }
        let (after, end) = match first_number {
            Some(_) => (after.strip_suffix("0}").expect("the number stands last"), &b"}\n\n"[..]),
            None => (after, &b"\n\n"[..]),
        };
        Delta { before, piece: Piece::Words, after: after.as_bytes().to_vec(), first_number, end }
    }

    /// Pieces of a body that has no events.
    pub fn raw(piece: &'static [u8]) -> Delta {
        Delta {
            before: vec![Vec::new()],
            piece: Piece::Same(piece.into()),
            after: Vec::new(),
            first_number: None,
            end: b"",
        }
    }

    /// With this in the hole instead of a word.
    pub fn carrying(self, piece: Vec<u8>) -> Delta {
        Delta { piece: Piece::Same(piece.into()), ..self }
    }

    fn write(&self, index: u64, into: &mut Vec<u8>) {
        let choices = self.before.len();
        let (choice, place) = (index as usize % choices, index as usize / choices);
        into.extend_from_slice(&self.before[choice]);
        match &self.piece {
            Piece::Words => into.extend_from_slice(word(choice, place).as_bytes()),
            Piece::Same(piece) => into.extend_from_slice(piece),
        }
        into.extend_from_slice(&self.after);
        if let Some(first) = self.first_number {
            into.extend_from_slice((first + index).to_string().as_bytes());
        }
        into.extend_from_slice(self.end);
    }
}

fn begin_event(into: &mut Vec<u8>, name: Option<&str>) {
    if let Some(name) = name {
        into.extend_from_slice(b"event: ");
        into.extend_from_slice(name.as_bytes());
        into.push(b'\n');
    }
    into.extend_from_slice(b"data: ");
}

/// Writes one event.
pub fn write_event(into: &mut Vec<u8>, name: Option<&str>, data: &str) {
    begin_event(into, name);
    into.extend_from_slice(data.as_bytes());
    into.extend_from_slice(b"\n\n");
}

/// The end that the prompt asked for: hyper ends the connection without another byte.
#[derive(Debug)]
pub struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the prompt asked for a cut")
    }
}

impl std::error::Error for CutOff {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Deltas,
    /// All that comes before the cut was handed over.
    Flush,
    Cut,
    Stalled,
    Over,
}

/// A body on its way. Dropped before its end, the client has hung up.
pub struct Play {
    score: Score,
    stage: Stage,
    sent: u64,
    sent_bytes: usize,
    /// The deltas before the tail or the fault.
    until: u64,
    fault: Option<Fault>,
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
    frames: Frames,
    /// The frame before was left to be sent by itself.
    has_yielded: bool,
    /// Completion tokens that no delta carries.
    hidden: u64,
    reported: Option<Usage>,
    progress: Option<Progress>,
}

/// How a score is to be played.
pub struct Performance {
    pub until: u64,
    pub fault: Option<Fault>,
    pub pause: Duration,
    pub frames: Frames,
    /// Completion tokens that no delta carries; they went before the first.
    pub hidden: u64,
    /// The usage that stands in the tail.
    pub reported: Option<Usage>,
}

impl Play {
    pub fn new(score: Score, performance: Performance, progress: Progress) -> Play {
        let Performance { until, fault, pause, frames, hidden, reported } = performance;
        let pause = (!pause.is_zero()).then(|| (pause, Box::pin(tokio::time::sleep(pause))));
        Play {
            score,
            stage: Stage::Head,
            sent: 0,
            sent_bytes: 0,
            until,
            fault,
            pause,
            frames,
            has_yielded: false,
            hidden,
            reported,
            progress: Some(progress),
        }
    }

    /// A connection that ends before any byte: not even the head is flushed.
    pub fn nothing() -> Play {
        Play { stage: Stage::Cut, ..Play::of_bytes(Vec::new(), Fault::Cut, None) }
    }

    /// Some bytes, then a cut or silence.
    pub fn broken(bytes: Vec<u8>, fault: Fault, progress: Progress) -> Play {
        Play::of_bytes(bytes, fault, Some(progress))
    }

    fn of_bytes(head: Vec<u8>, fault: Fault, progress: Option<Progress>) -> Play {
        let score = Score { head, delta: Delta::raw(b""), tail: Vec::new(), error: Vec::new() };
        let (hidden, reported) = (0, None);
        Play {
            score,
            stage: Stage::Head,
            sent: 0,
            sent_bytes: 0,
            until: 0,
            fault: Some(fault),
            pause: None,
            frames: Frames::Together,
            has_yielded: false,
            hidden,
            reported,
            progress,
        }
    }

    fn count(&self, count: Count, amount: u64) {
        if let Some(progress) = &self.progress {
            progress.tally.add(count, amount);
        }
    }

    /// As much as goes into one frame; where deltas are sent apart, one of them.
    fn next_frame(&mut self) -> Vec<u8> {
        let mut frame = Vec::new();
        let before = self.sent;
        if self.stage == Stage::Head {
            frame = std::mem::take(&mut self.score.head);
            self.count(Count::CompletionTokensSent, self.hidden);
            self.stage = Stage::Deltas;
        }
        let is_apart = self.pause.is_some() || self.frames == Frames::Token;
        let most = if is_apart { before + 1 } else { u64::MAX };
        while self.sent < self.until.min(most) && frame.len() < FRAME_BYTES {
            self.score.delta.write(self.sent, &mut frame);
            self.sent += 1;
        }
        self.count(Count::DeltasSent, self.sent - before);
        self.count(Count::CompletionTokensSent, self.sent - before);
        if self.sent == self.until {
            self.end(&mut frame);
        }
        frame
    }

    /// What comes after the last delta.
    fn end(&mut self, frame: &mut Vec<u8>) {
        self.stage = match self.fault {
            None | Some(Fault::Refuse) => {
                frame.append(&mut self.score.tail);
                if let Some(usage) = self.reported {
                    self.count(Count::UsagesSent, 1);
                    self.count(Count::PromptTokensReported, usage.prompt);
                    self.count(Count::CompletionTokensReported, usage.completion);
                }
                Stage::Over
            }
            Some(Fault::Error) => {
                frame.append(&mut self.score.error);
                Stage::Over
            }
            Some(Fault::Garbage) => {
                self.write_half_an_event(frame);
                Stage::Over
            }
            Some(Fault::Cut) => Stage::Flush,
            Some(Fault::Stall) => Stage::Stalled,
        };
        if let (Some(progress), Stage::Over) = (&mut self.progress, self.stage) {
            if self.fault.is_some() { progress.is_broken_off() } else { progress.is_over() }
        }
    }

    fn write_half_an_event(&mut self, frame: &mut Vec<u8>) {
        let mut event = Vec::new();
        self.score.delta.write(self.sent, &mut event);
        if event.is_empty() {
            event.append(&mut self.score.tail);
        }
        frame.extend_from_slice(&event[..event.len() / 2]);
        frame.extend_from_slice(b"\n\n");
    }
}

impl Body for Play {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if self.stage == Stage::Flush {
            let time = if self.sent_bytes > LONG_BYTES { LONG_FLUSH_TIME } else { FLUSH_TIME };
            self.pause = Some((time, Box::pin(tokio::time::sleep(time))));
            self.stage = Stage::Cut;
        }
        match self.stage {
            Stage::Head => {}
            Stage::Deltas => {
                if let Some((length, pause)) = &mut self.pause {
                    ready!(pause.as_mut().poll(context));
                    let next = pause.deadline() + *length;
                    pause.as_mut().reset(next);
                } else if self.frames == Frames::Token && !std::mem::replace(&mut self.has_yielded, true) {
                    // Whoever writes this to the network sends what it has when there is nothing more for now.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.has_yielded = false;
            }
            Stage::Flush | Stage::Cut => {
                if let Some((_, pause)) = &mut self.pause {
                    ready!(pause.as_mut().poll(context));
                }
                self.stage = Stage::Over;
                if let Some(progress) = &mut self.progress {
                    progress.is_broken_off();
                }
                return Poll::Ready(Some(Err(CutOff)));
            }
            Stage::Stalled => return Poll::Pending,
            Stage::Over => return Poll::Ready(None),
        }
        let frame = self.next_frame();
        self.sent_bytes += frame.len();
        if frame.is_empty() {
            // A raw body may have nothing to say at once; whoever polls again finds the next stage.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(frame.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.stage == Stage::Over
    }
}
