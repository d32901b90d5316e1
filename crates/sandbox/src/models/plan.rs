//! What an answer will consist of, decided before its first byte: how many tokens, why it ends, what it says of usage.
//!
//! Pure: numbers in, numbers out. Start with [`Plan::new`].

use super::directives::{Directives, Fault, Finish, UsageReport};

/// How long an answer is when nobody says.
pub const DEFAULT_TOKENS: u64 = 16;

/// Tokens of one call, counted as OpenAI does: cached, written and audio tokens are among the prompt's, reasoning and
/// audio tokens among the completion's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt: u64,
    pub cached: u64,
    pub cache_write: u64,
    pub audio: u64,
    pub completion: u64,
    pub reasoning: u64,
    pub audio_out: u64,
}

impl Usage {
    pub fn total(&self) -> u64 {
        self.prompt + self.completion
    }

    /// What Anthropic calls input tokens: those that are neither read from a cache nor written to one.
    pub fn uncached(&self) -> u64 {
        self.prompt - self.cached - self.cache_write
    }
}

/// The answer to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Visible tokens of each choice.
    pub tokens: u64,
    pub choices: u64,
    pub finish: Finish,
    /// What the call used, whatever it says.
    pub usage: Usage,
    /// How it is told.
    pub report: UsageReport,
}

impl Plan {
    /// `prompt` tokens by the stand-in's rule; `limit` completion tokens at most, hidden ones among them, each choice.
    pub fn new(directives: &Directives, prompt: u64, limit: Option<u64>, choices: u64) -> Plan {
        let limit = limit.unwrap_or(u64::MAX);
        let reasoning = directives.reasoning.min(limit);
        let audio_out = directives.audio_out.min(limit - reasoning);
        let wanted = directives.tokens.unwrap_or(DEFAULT_TOKENS);
        let tokens = wanted.min(limit - reasoning - audio_out);
        let is_short = tokens < wanted || reasoning < directives.reasoning || audio_out < directives.audio_out;
        let parts = directives.cached + directives.cache_write + directives.audio;
        let usage = Usage {
            prompt: directives.prompt_tokens.unwrap_or(prompt).max(parts),
            cached: directives.cached,
            cache_write: directives.cache_write,
            audio: directives.audio,
            completion: (tokens + reasoning + audio_out) * choices,
            reasoning: reasoning * choices,
            audio_out: audio_out * choices,
        };
        let finish = directives.finish.unwrap_or(if is_short { Finish::Length } else { Finish::Stop });
        Plan { tokens, choices, finish, usage, report: directives.usage }
    }

    /// The deltas of a whole stream.
    pub fn deltas(&self) -> u64 {
        self.tokens * self.choices
    }

    /// The deltas of the stream, before its fault if it has one.
    pub fn deltas_before(&self, directives: &Directives) -> u64 {
        match directives.fault {
            None | Some(Fault::Refuse) => self.deltas(),
            Some(_) => directives.after.unwrap_or(self.deltas() / 2).min(self.deltas()),
        }
    }

    /// What the answer says of usage.
    pub fn reported(&self) -> Option<Usage> {
        match self.report {
            UsageReport::Whole | UsageReport::Twice => Some(self.usage),
            UsageReport::Zero => Some(Usage::default()),
            UsageReport::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, limit: Option<u64>, choices: u64) -> Plan {
        let mut directives = Directives::default();
        directives.read(text).unwrap();
        Plan::new(&directives, 5, limit, choices)
    }

    #[test]
    fn an_answer_has_sixteen_tokens_unless_told() {
        let plan = plan("", None, 1);
        assert_eq!((plan.tokens, plan.finish, plan.usage.prompt, plan.usage.completion), (16, Finish::Stop, 5, 16));
    }

    #[test]
    fn the_limit_holds_for_hidden_tokens_too() {
        let plan = plan("[[tokens=20 reasoning=7]]", Some(10), 2);
        assert_eq!((plan.tokens, plan.finish, plan.deltas()), (3, Finish::Length, 6));
        assert_eq!((plan.usage.completion, plan.usage.reasoning), (20, 14));
        let all_hidden = super::Plan::new(&Directives { reasoning: 50, ..Directives::default() }, 0, Some(8), 1);
        assert_eq!((all_hidden.tokens, all_hidden.usage.completion, all_hidden.finish), (0, 8, Finish::Length));
    }

    #[test]
    fn an_answer_as_long_as_its_limit_is_whole() {
        assert_eq!(plan("[[tokens=10]]", Some(10), 1).finish, Finish::Stop);
    }

    #[test]
    fn a_prompt_is_no_smaller_than_its_parts() {
        let plan = plan("[[cached=400 cache_write=10]]", None, 1);
        assert_eq!((plan.usage.prompt, plan.usage.uncached()), (410, 0));
    }

    #[test]
    fn a_fault_comes_half_way_unless_told() {
        let before = |text: &str| {
            let mut directives = Directives::default();
            directives.read(text).unwrap();
            Plan::new(&directives, 1, None, 1).deltas_before(&directives)
        };
        assert_eq!(before("[[fault=cut]]"), 8);
        assert_eq!(before("[[fault=cut after=0]]"), 0);
        assert_eq!(before("[[fault=cut after=99]]"), 16);
        assert_eq!(before(""), 16);
    }
}
