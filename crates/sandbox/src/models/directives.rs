//! Directives: what a prompt asks the stand-in to do. They stand in the text itself, so that they pass through any
//! gateway, and calls made at the same time do not disturb each other.
//!
//! ```text
//! Tell me a story. [[tokens=200 delay_ms=5 cached=400 prompt_tokens=1000]]
//! Tell me a story. [[fault=cut after=10]]
//! ```
//!
//! A block is `[[name=value name=value …]]`; what else stands in double brackets is plain text. There may be several
//! blocks, and the later value counts. They are read in the last user message of a chat, in `input` or `prompt`
//! elsewhere. [`KNOWN`] has every name; another one is refused with 400 and that list.

use std::time::Duration;

/// Every directive, with what it does.
pub const KNOWN: [(&str, &str); 19] = [
    ("tokens", "length of the answer, each choice; pieces of audio for speech; tokens of an image"),
    ("delay_ms", "pause before each further token; a plain answer comes after all of them"),
    (
        "frames",
        "token: each token of a stream is sent by itself, as providers do; together: what is ready goes out at once",
    ),
    ("ttft_ms", "pause before the first byte of the answer"),
    ("prompt_tokens", "prompt tokens in all, cached ones among them"),
    ("cached", "prompt tokens read from a cache"),
    ("cache_write", "prompt tokens written to a cache"),
    ("audio", "prompt tokens that are audio"),
    ("reasoning", "hidden tokens of each choice, before the visible ones"),
    ("audio_out", "tokens of each choice that are audio, counted and not sent"),
    ("seconds", "length of a recording"),
    ("usage", "none: left out; zero: all zero; twice: a stream says it two times"),
    ("status", "answers this error status, 400 to 599"),
    ("retry_after", "seconds, in the header Retry-After of an error status"),
    ("fault", "refuse, cut, error, stall or garbage"),
    ("after", "tokens of a stream before the fault; half of them unless told"),
    ("times", "status and fault hold for so many calls with this prompt, then the answer is whole"),
    ("finish", "stop, length or content_filter: the reason why the answer ended"),
    ("model", "the model that the answer names instead of the one asked for"),
];

const MOST_TOKENS: u64 = 1_000_000;
const MOST_COUNTED: u64 = 1_000_000_000;
const LONGEST_PAUSE_MS: u64 = 600_000;

/// What goes wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends before any byte.
    Refuse,
    /// The connection ends after `after` tokens; that of a plain answer in the middle of the body.
    Cut,
    /// An error event after `after` tokens; 500 in place of an answer without events.
    Error,
    /// Nothing more comes after `after` tokens, or after half of a plain answer, and the connection stays open.
    Stall,
    /// Half an event comes after `after` tokens, and the stream ends; a plain answer is half of its JSON.
    Garbage,
}

/// What of a stream is sent at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frames {
    /// Everything that is ready.
    #[default]
    Together,
    /// One token.
    Token,
}

/// How usage is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageReport {
    #[default]
    Whole,
    None,
    Zero,
    /// A stream has the event with the usage two times, equal.
    Twice,
}

/// Why an answer says that it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    Stop,
    Length,
    ContentFilter,
}

/// What one prompt asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    pub tokens: Option<u64>,
    pub delay: Duration,
    pub frames: Frames,
    pub ttft: Duration,
    pub prompt_tokens: Option<u64>,
    pub cached: u64,
    pub cache_write: u64,
    pub audio: u64,
    pub reasoning: u64,
    pub audio_out: u64,
    pub seconds: Option<u64>,
    pub usage: UsageReport,
    pub status: Option<u16>,
    pub retry_after: Option<u64>,
    pub fault: Option<Fault>,
    pub after: Option<u64>,
    pub times: Option<u64>,
    pub finish: Option<Finish>,
    pub model: Option<String>,
}

impl Directives {
    /// Reads every block in a text into these. The error is a sentence for whoever wrote the prompt.
    pub fn read(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text;
        while let Some(start) = rest.find("[[") {
            let inside = &rest[start + 2..];
            let Some(end) = inside.find("]]") else { return Ok(()) };
            let block = &inside[..end];
            if !begins_with_directive(block) {
                rest = inside;
                continue;
            }
            for word in block.split_whitespace() {
                let (name, value) = word.split_once('=').ok_or_else(|| no_such(word))?;
                self.set(name, value)?;
            }
            rest = &inside[end + 2..];
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = |least: u64, most: u64| number(name, value, least, most);
        match name {
            "tokens" => self.tokens = Some(number(0, MOST_TOKENS)?),
            "delay_ms" => self.delay = Duration::from_millis(number(0, LONGEST_PAUSE_MS)?),
            "ttft_ms" => self.ttft = Duration::from_millis(number(0, LONGEST_PAUSE_MS)?),
            "prompt_tokens" => self.prompt_tokens = Some(number(0, MOST_COUNTED)?),
            "cached" => self.cached = number(0, MOST_COUNTED)?,
            "cache_write" => self.cache_write = number(0, MOST_COUNTED)?,
            "audio" => self.audio = number(0, MOST_COUNTED)?,
            "reasoning" => self.reasoning = number(0, MOST_COUNTED)?,
            "audio_out" => self.audio_out = number(0, MOST_COUNTED)?,
            "seconds" => self.seconds = Some(number(0, MOST_COUNTED)?),
            "status" => self.status = Some(u16::try_from(number(400, 599)?).expect("599 is below 65536")),
            "retry_after" => self.retry_after = Some(number(0, MOST_COUNTED)?),
            "after" => self.after = Some(number(0, MOST_COUNTED)?),
            "times" => self.times = Some(number(0, MOST_COUNTED)?),
            "model" => self.model = Some(value.to_owned()),
            "usage" => {
                let known = [("none", UsageReport::None), ("zero", UsageReport::Zero), ("twice", UsageReport::Twice)];
                self.usage = one_of(name, value, &known)?;
            }
            "frames" => {
                self.frames = one_of(name, value, &[("together", Frames::Together), ("token", Frames::Token)])?;
            }
            "fault" => {
                let known = [
                    ("refuse", Fault::Refuse),
                    ("cut", Fault::Cut),
                    ("error", Fault::Error),
                    ("stall", Fault::Stall),
                    ("garbage", Fault::Garbage),
                ];
                self.fault = Some(one_of(name, value, &known)?);
            }
            "finish" => {
                let known =
                    [("stop", Finish::Stop), ("length", Finish::Length), ("content_filter", Finish::ContentFilter)];
                self.finish = Some(one_of(name, value, &known)?);
            }
            _ => return Err(no_such(name)),
        }
        Ok(())
    }
}

fn begins_with_directive(block: &str) -> bool {
    block.split_whitespace().next().and_then(|word| word.split_once('=')).is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_')
    })
}

fn number(name: &str, value: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("The directive {name} takes a whole number from {least} to {most}, not {value}."))
}

fn one_of<T: Copy>(name: &str, value: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(known, _)| *known == value).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        format!("The directive {name} takes one of {}, not {value}.", names.join(", "))
    })
}

fn no_such(name: &str) -> String {
    let mut text = format!("There is no directive {name}. Those that exist:");
    for (index, (known, meaning)) in KNOWN.iter().enumerate() {
        text += &format!("{}{known} ({meaning})", if index == 0 { " " } else { "; " });
    }
    text + "."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Directives, String> {
        let mut directives = Directives::default();
        directives.read(text).map(|()| directives)
    }

    #[test]
    fn a_prompt_without_directives_asks_for_nothing() {
        for text in
            ["", "hello", "a[[0]]", "[[wiki link]]", "[[", "]] [[ ]]", "df[[\"a\", \"b\"]]", "[[x==1]", "[[A=1]]"]
        {
            assert_eq!(read(text), Ok(Directives::default()), "{text}");
        }
    }

    #[test]
    fn every_block_is_read_and_the_later_value_counts() {
        let directives = read("Hi [[tokens=2 delay_ms=5]] and [[not one]] [[ tokens=3 fault=cut  after=1 ]]").unwrap();
        assert_eq!(directives.tokens, Some(3));
        assert_eq!(directives.delay, Duration::from_millis(5));
        assert_eq!((directives.fault, directives.after), (Some(Fault::Cut), Some(1)));
    }

    #[test]
    fn every_directive_in_the_list_is_understood() {
        for (name, _) in KNOWN {
            let value = match name {
                "usage" => "twice",
                "fault" => "stall",
                "status" => "429",
                "finish" => "length",
                "frames" => "token",
                _ => "7",
            };
            let directives = read(&format!("[[{name}={value}]]")).unwrap();
            assert_ne!(directives, Directives::default(), "{name}");
        }
    }

    #[test]
    fn an_unknown_directive_is_refused_with_those_that_exist() {
        for text in ["[[token=1]]", "[[tokens=1 slow]]"] {
            let said = read(text).unwrap_err();
            assert!(said.starts_with("There is no directive "), "{said}");
            assert!(KNOWN.iter().all(|(name, _)| said.contains(name)), "{said}");
        }
    }

    #[test]
    fn a_value_out_of_bounds_is_refused() {
        for text in ["[[tokens=-1]]", "[[tokens=many]]", "[[status=200]]", "[[status=600]]", "[[tokens=1000001]]"] {
            assert!(read(text).unwrap_err().contains("takes a whole number from"), "{text}");
        }
        assert!(read("[[usage=half]]").unwrap_err().contains("none, zero, twice"));
        assert!(read("[[fault=fire]]").unwrap_err().contains("refuse, cut, error, stall, garbage"));
    }
}
