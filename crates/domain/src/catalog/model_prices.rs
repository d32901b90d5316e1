//! The table of published model prices that comes with Tollway, from the MIT-licensed data of `genai-prices`.
//!
//! The table is a checked-in text, `data/model-prices.tsv`, written by a test from the crate's data and compared with it
//! on every run: prices are exact decimals there, change in a visible diff, and cost nothing at start. Only the lines
//! that a catalog names are ever converted. Prices are dollars for a million tokens.

use crate::money::PicoUsd;
use crate::pricing::{ModelPrice, PriceTier, TokenPrices};

const TABLE: &str = include_str!("../../data/model-prices.tsv");
const AS_OF: &str = "# as of ";

/// The day whose prices the table holds, `2026-11-01`.
pub fn as_of() -> &'static str {
    TABLE.lines().find_map(|line| line.strip_prefix(AS_OF)).unwrap_or_default()
}

/// The price of a provider's model: `find("openai", "gpt-4o-mini")`.
pub fn find(provider: &str, model: &str) -> Option<ModelPrice> {
    let (_, _, prices) = rows().find(|(of, id, _)| *of == provider && *id == model)?;
    parse_row(prices)
}

/// The providers of the table, each once.
pub fn providers() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    rows().map(|(provider, _, _)| provider).filter(move |provider| std::mem::replace(&mut last, provider) != *provider)
}

/// The models that the table prices for a provider.
pub fn models_of(provider: &str) -> impl Iterator<Item = &'static str> {
    rows().filter(move |(of, _, _)| *of == provider).map(|(_, model, _)| model)
}

/// Provider, model and prices of each line; the lines are sorted.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (provider, rest) = line.split_once('\t')?;
        let (model, prices) = rest.split_once('\t')?;
        Some((provider, model, prices))
    })
}

/// `input=2.5 output=10 cached=1.25`, and for each tier `above=200000 input=5 output=15`.
fn parse_row(row: &str) -> Option<ModelPrice> {
    let mut sections = row.split(" above=");
    let prices = parse_prices(sections.next()?)?;
    let tiers = sections.map(|section| {
        let (above, prices) = section.split_once(' ')?;
        Some(PriceTier { above_prompt_tokens: above.parse().ok()?, prices: parse_prices(prices)? })
    });
    Some(ModelPrice { prices, tiers: tiers.collect::<Option<Vec<_>>>()? })
}

fn parse_prices(text: &str) -> Option<TokenPrices> {
    let price = |key: &str| {
        let written = text.split(' ').find_map(|part| part.strip_prefix(key)?.strip_prefix('='))?;
        PicoUsd::parse_per_million_tokens(written).ok()
    };
    Some(TokenPrices {
        input: price("input")?,
        output: price("output")?,
        cached_input: price("cached"),
        cache_write: price("cache_write"),
        reasoning: price("reasoning"),
        audio_input: price("audio_input"),
        audio_output: price("audio_output"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_can_be_read() {
        let mut lines = 0;
        for (provider, model, prices) in rows() {
            assert!(parse_row(prices).is_some(), "{provider} {model}: {prices}");
            lines += 1;
        }
        assert!(lines > 500, "the table has {lines} lines");
        assert_eq!(as_of().len(), "2026-11-01".len());
    }

    #[test]
    fn finds_a_price_by_provider_and_model() {
        let price = find("openai", "gpt-4o-mini").expect("a well-known model");
        assert_eq!(price.prices.input.per_million_tokens(), "0.15");
        assert_eq!(price.prices.output.per_million_tokens(), "0.6");
        assert_eq!(price.prices.cached_input.map(PicoUsd::per_million_tokens).as_deref(), Some("0.075"));
        assert_eq!(find("openai", "no-such-model"), None);
        assert_eq!(find("no-such-provider", "gpt-4o-mini"), None);
        assert_eq!(providers().filter(|provider| *provider == "openai").count(), 1);
    }
}
