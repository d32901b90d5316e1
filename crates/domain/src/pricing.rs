//! What a model call costs: exact pico-dollars a token, rounded once, half to even, to nano-dollars.
//!
//! Start at [`price_call`]. The base cost and the final cost are each rounded once from the exact sum, so the markup is
//! never taken of an amount that was already rounded. Which model has which price is the catalog's: [`lookup_model`].

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, UnknownModel};
use crate::money::{NanoUsd, PICO_PER_NANO, PicoUsd, divide_half_even};

/// Millionths of a percent in one hundred percent.
const WHOLE_MARKUP: i128 = 100_000_000;

/// What one token of each kind costs. Kinds without a price of their own cost what input or output costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TokenPrices {
    pub input: PicoUsd,
    pub output: PicoUsd,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<PicoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<PicoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<PicoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<PicoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<PicoUsd>,
}

/// The price of a model. Long prompts may cost more: then every token of the call has the tier's price.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ModelPrice {
    #[serde(flatten)]
    pub prices: TokenPrices,
    /// By `above_prompt_tokens`, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<PriceTier>,
}

/// The prices of a call whose prompt is longer than so many tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PriceTier {
    pub above_prompt_tokens: u64,
    #[serde(flatten)]
    pub prices: TokenPrices,
}

/// How audio becomes tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VoiceFormulas {
    /// Speech to text: one token for each so many bytes of audio, rounded down.
    pub audio_bytes_per_token: u32,
    /// Text to speech: tokens for each character.
    pub tokens_per_character: u32,
}

/// The tokens of one call, as providers report them: the parts are counted in their whole as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CallTokens {
    /// All input, with what was cached, written to the cache or audio.
    pub prompt: u64,
    pub cached: u64,
    pub cache_write: u64,
    pub audio_input: u64,
    /// All output, with reasoning and audio.
    pub completion: u64,
    pub reasoning: u64,
    pub audio_output: u64,
}

/// What a call costs. `base + markup` is `final_cost`, always.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallCost {
    pub base: NanoUsd,
    pub markup: NanoUsd,
    pub final_cost: NanoUsd,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PricingError {
    #[error("the parts of the {whole} tokens add up to more than the {total} that were reported as the whole")]
    PartsExceedWhole { whole: &'static str, total: u64 },
    #[error("the call's cost is too large to be kept")]
    TooLarge,
    #[error("the catalog has no price for the model `{0}`; add it under [models], or set unknown_model to a price")]
    UnknownModel(String),
}

impl ModelPrice {
    /// One price for input and one for output, whatever the prompt's length.
    pub fn flat(input: PicoUsd, output: PicoUsd) -> Self {
        let prices = TokenPrices {
            input,
            output,
            cached_input: None,
            cache_write: None,
            reasoning: None,
            audio_input: None,
            audio_output: None,
        };
        Self { prices, tiers: Vec::new() }
    }

    /// The prices that a prompt of this length is charged at.
    pub fn prices_for_prompt(&self, prompt_tokens: u64) -> &TokenPrices {
        let tier = self.tiers.iter().rev().find(|tier| prompt_tokens > tier.above_prompt_tokens);
        tier.map_or(&self.prices, |tier| &tier.prices)
    }
}

impl CallTokens {
    pub fn new(prompt: u64, completion: u64) -> Self {
        Self { prompt, completion, ..Self::default() }
    }

    /// Prompt and completion. `None` when the sum does not fit.
    pub fn total(&self) -> Option<u64> {
        self.prompt.checked_add(self.completion)
    }
}

impl VoiceFormulas {
    /// Speech to text: the bytes of audio divided by the formula's, rounded down.
    pub fn tokens_of_audio(&self, bytes: u64) -> u64 {
        bytes / u64::from(self.audio_bytes_per_token.max(1))
    }

    /// Text to speech: the characters times the formula's. `None` when the product does not fit.
    pub fn tokens_of_text(&self, characters: u64) -> Option<u64> {
        characters.checked_mul(u64::from(self.tokens_per_character))
    }
}

impl Default for VoiceFormulas {
    fn default() -> Self {
        Self { audio_bytes_per_token: 16_000, tokens_per_character: 2 }
    }
}

/// Prices one call. `markup_millionths_percent` is the catalog's: 5 % is 5,000,000.
pub fn price_call(
    price: &ModelPrice,
    tokens: &CallTokens,
    markup_millionths_percent: i64,
) -> Result<CallCost, PricingError> {
    let exact_pico = exact_cost(price.prices_for_prompt(tokens.prompt), tokens)?;
    let factor = WHOLE_MARKUP.checked_add(i128::from(markup_millionths_percent)).ok_or(PricingError::TooLarge)?;
    let marked_up = exact_pico.checked_mul(factor).ok_or(PricingError::TooLarge)?;
    let base = to_nano(divide_half_even(exact_pico, PICO_PER_NANO))?;
    let final_cost = to_nano(divide_half_even(marked_up, PICO_PER_NANO * WHOLE_MARKUP))?;
    let markup = final_cost.checked_sub(base).ok_or(PricingError::TooLarge)?;
    Ok(CallCost { base, markup, final_cost })
}

/// The price of a model: as `provider/model`, then as `model`, then what the catalog says of unknown models.
pub fn lookup_model<'catalog>(
    catalog: &'catalog Catalog,
    model: &str,
    provider: Option<&str>,
) -> Result<&'catalog ModelPrice, PricingError> {
    let of_provider = provider.and_then(|provider| catalog.models.get([provider, "/", model].concat().as_str()));
    match (of_provider.or_else(|| catalog.models.get(model)), &catalog.unknown_model) {
        (Some(price), _) => Ok(price),
        (None, UnknownModel::Price(price)) => Ok(price),
        (None, UnknownModel::Refuse) => Err(PricingError::UnknownModel(model.to_owned())),
    }
}

fn exact_cost(prices: &TokenPrices, tokens: &CallTokens) -> Result<i128, PricingError> {
    let plain_input = remainder("prompt", tokens.prompt, &[tokens.cached, tokens.cache_write, tokens.audio_input])?;
    let plain_output = remainder("completion", tokens.completion, &[tokens.reasoning, tokens.audio_output])?;
    let lines = [
        (prices.input, plain_input),
        (prices.cached_input.unwrap_or(prices.input), tokens.cached),
        (prices.cache_write.unwrap_or(prices.input), tokens.cache_write),
        (prices.audio_input.unwrap_or(prices.input), tokens.audio_input),
        (prices.output, plain_output),
        (prices.reasoning.unwrap_or(prices.output), tokens.reasoning),
        (prices.audio_output.unwrap_or(prices.output), tokens.audio_output),
    ];
    lines
        .into_iter()
        .try_fold(0i128, |sum, (price, count)| sum.checked_add(price.checked_times(count)?))
        .ok_or(PricingError::TooLarge)
}

/// What is left of a whole when its separately priced parts are taken out.
fn remainder(whole: &'static str, total: u64, parts: &[u64]) -> Result<u64, PricingError> {
    parts
        .iter()
        .try_fold(total, |left, part| left.checked_sub(*part))
        .ok_or(PricingError::PartsExceedWhole { whole, total })
}

fn to_nano(nano: i128) -> Result<NanoUsd, PricingError> {
    i64::try_from(nano).map(NanoUsd::from_nano).map_err(|_| PricingError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIVE_PERCENT: i64 = 5_000_000;

    fn price(input: &str, output: &str) -> ModelPrice {
        let read = |text| PicoUsd::parse_per_million_tokens(text).expect("a price");
        ModelPrice::flat(read(input), read(output))
    }

    fn cost(price: &ModelPrice, tokens: CallTokens, markup: i64) -> (i64, i64, i64) {
        let cost = price_call(price, &tokens, markup).expect("a cost that fits");
        (cost.base.nano(), cost.markup.nano(), cost.final_cost.nano())
    }

    #[test]
    fn a_call_costs_its_tokens_and_the_markup() {
        // 1,000 × 0.03 / 1,000 + 500 × 0.06 / 1,000 = 0.06 dollars; 5 % of it is 0.003.
        let tokens = CallTokens::new(1_000, 500);
        assert_eq!(cost(&price("30", "60"), tokens, FIVE_PERCENT), (60_000_000, 3_000_000, 63_000_000));
    }

    #[test]
    fn the_markup_is_taken_of_the_exact_cost_not_of_the_rounded_one() {
        // 7 tokens at 75 pico are 525 pico: base rounds up to 1 nano, twice that is 1,050 pico and rounds to 1.
        let tokens = CallTokens::new(7, 0);
        assert_eq!(cost(&price("0.000075", "0"), tokens, 100_000_000), (1, 0, 1));
        // 500 pico are half a nano-dollar and round to the even 0; with 5 % they are 525 and round to 1.
        assert_eq!(cost(&price("0.0005", "0"), CallTokens::new(1, 0), FIVE_PERCENT), (0, 1, 1));
    }

    #[test]
    fn kinds_without_a_price_cost_what_input_or_output_costs() {
        let mut model = price("2", "8");
        let tokens = CallTokens {
            prompt: 100,
            cached: 40,
            cache_write: 10,
            audio_input: 5,
            completion: 50,
            reasoning: 20,
            audio_output: 10,
        };
        assert_eq!(cost(&model, tokens, 0).0, 100 * 2_000 + 50 * 8_000);
        model.prices.cached_input = Some(PicoUsd::from_pico(500_000));
        model.prices.cache_write = Some(PicoUsd::from_pico(2_500_000));
        model.prices.audio_input = Some(PicoUsd::from_pico(32_000_000));
        model.prices.reasoning = Some(PicoUsd::from_pico(9_000_000));
        model.prices.audio_output = Some(PicoUsd::from_pico(64_000_000));
        let expected = 45 * 2_000 + 40 * 500 + 10 * 2_500 + 5 * 32_000 + 20 * 8_000 + 20 * 9_000 + 10 * 64_000;
        assert_eq!(cost(&model, tokens, 0).0, expected);
    }

    #[test]
    fn a_long_prompt_puts_the_whole_call_into_its_tier() {
        let mut model = price("3", "15");
        let long = price("6", "22.5").prices;
        model.tiers.push(PriceTier { above_prompt_tokens: 200_000, prices: long });
        assert_eq!(cost(&model, CallTokens::new(200_000, 1), 0).0, 200_000 * 3_000 + 15_000);
        assert_eq!(cost(&model, CallTokens::new(200_001, 1), 0).0, 200_001 * 6_000 + 22_500);
    }

    #[test]
    fn parts_that_exceed_their_whole_are_refused() {
        let tokens = CallTokens { prompt: 10, cached: 6, cache_write: 5, ..CallTokens::default() };
        assert_eq!(
            price_call(&price("1", "1"), &tokens, 0),
            Err(PricingError::PartsExceedWhole { whole: "prompt", total: 10 })
        );
    }

    #[test]
    fn more_tokens_than_money_are_an_error() {
        let dear = ModelPrice::flat(PicoUsd::from_pico(i64::MAX), PicoUsd::from_pico(i64::MAX));
        for tokens in [CallTokens::new(u64::MAX, u64::MAX), CallTokens::new(u64::MAX, 0), CallTokens::new(1 << 40, 0)] {
            assert_eq!(price_call(&dear, &tokens, FIVE_PERCENT), Err(PricingError::TooLarge));
        }
    }

    #[test]
    fn voice_is_counted_by_the_formulas() {
        let voice = VoiceFormulas::default();
        assert_eq!(voice.tokens_of_audio(15_999), 0);
        assert_eq!(voice.tokens_of_audio(16_000), 1);
        assert_eq!(voice.tokens_of_audio(47_999), 2);
        assert_eq!(voice.tokens_of_text(21), Some(42));
        assert_eq!(voice.tokens_of_text(u64::MAX), None);
    }

    proptest! {
        #[test]
        fn base_and_markup_are_the_final_cost_and_each_is_off_by_half_a_nano_at_most(
            input in 0i64..1_000_000_000, output in 0i64..1_000_000_000,
            prompt in 0u64..10_000_000, completion in 0u64..10_000_000, markup in 0i64..1_000_000_000,
        ) {
            let model = ModelPrice::flat(PicoUsd::from_pico(input), PicoUsd::from_pico(output));
            let (base, added, total) = cost(&model, CallTokens::new(prompt, completion), markup);
            prop_assert_eq!(base + added, total);
            let exact = i128::from(input) * i128::from(prompt) + i128::from(output) * i128::from(completion);
            prop_assert!((exact - i128::from(base) * 1_000).abs() <= 500);
            let whole = exact * (WHOLE_MARKUP + i128::from(markup));
            prop_assert!((whole - i128::from(total) * 1_000 * WHOLE_MARKUP).abs() <= 500 * WHOLE_MARKUP);
        }

        #[test]
        fn pricing_never_panics(input in any::<i64>(), output in any::<i64>(), prompt in any::<u64>(),
            completion in any::<u64>(), cached in any::<u64>(), reasoning in any::<u64>(), markup in any::<i64>()) {
            let model = ModelPrice::flat(PicoUsd::from_pico(input), PicoUsd::from_pico(output));
            let tokens = CallTokens { prompt, cached, completion, reasoning, ..CallTokens::default() };
            let _ = price_call(&model, &tokens, markup);
        }
    }
}
