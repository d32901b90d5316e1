//! What is kept with an event beside its amounts, as JSON. The price stays with it, whatever the table says later.
//!
//! Every call of a model is kept, so its JSON is written here field by field. Tokens of a kind that the call had none of are
//! left out.

use domain::json::Json;
use domain::name::Name;
use domain::pricing::{CallCost, CallTokens, ModelPrice, TokenPrices};
use serde::Deserialize;

use super::pricing::Priced;
use super::{Context, Counts, Work};
use crate::Caller;

/// As long as those of most calls.
const USUAL_BYTES: usize = 384;

/// The cost in kept details, for answers that repeat an event.
#[derive(Deserialize)]
pub(super) struct KeptCost {
    pub cost: Option<CallCost>,
}

/// The JSON kept with the event of this work. `markup`: in millionths of a percent.
pub(super) fn details(
    caller: Option<&Caller>,
    work: &Work,
    priced: Option<&Priced<'_>>,
    (markup, reason): (i64, Option<&str>),
) -> String {
    let member = caller.and_then(Caller::member);
    let mut json = Json::without_nulls(USUAL_BYTES);
    json.object(|details| {
        details.plain("key", caller.and_then(Caller::key));
        details.text("user", member.as_ref().or(work.user.as_ref()).map(Name::as_str));
        details.text("end_user", work.end_user.as_ref().map(Name::as_str));
        details.text("provider", work.provider.as_deref());
        details.inner("tokens", priced, |tokens, priced| put_tokens(tokens, &priced.tokens));
        details.text("counts", work.counts.map(counts));
        details.number("audio_bytes", work.audio_bytes);
        details.number("characters", work.characters);
        details.inner("cost", priced, |cost, priced| put_cost(cost, &priced.cost));
        details.inner("price", priced, |price, priced| put_price(price, priced.price));
        details.number("markup_millionths_percent", priced.map(|_| markup));
        details.text("reason", reason);
        let context = Some(&work.context).filter(|context| **context != Context::default());
        details.inner("context", context, put_context);
    });
    json.into_text()
}

fn counts(counts: Counts) -> &'static str {
    match counts {
        Counts::Reported => "reported",
        Counts::Estimated => "estimated",
    }
}

fn put_tokens(json: &mut Json, tokens: &CallTokens) {
    let some = |count: u64| (count > 0).then_some(count);
    json.number("prompt", Some(tokens.prompt));
    json.number("cached", some(tokens.cached));
    json.number("cache_write", some(tokens.cache_write));
    json.number("audio_input", some(tokens.audio_input));
    json.number("completion", Some(tokens.completion));
    json.number("reasoning", some(tokens.reasoning));
    json.number("audio_output", some(tokens.audio_output));
}

fn put_cost(json: &mut Json, cost: &CallCost) {
    json.number("base", Some(cost.base.nano()));
    json.number("markup", Some(cost.markup.nano()));
    json.number("final_cost", Some(cost.final_cost.nano()));
}

fn put_price(json: &mut Json, price: &ModelPrice) {
    let TokenPrices { input, output, cached_input, cache_write, reasoning, audio_input, audio_output } = price.prices;
    let kinds = [
        ("input", Some(input)),
        ("output", Some(output)),
        ("cached_input", cached_input),
        ("cache_write", cache_write),
        ("reasoning", reasoning),
        ("audio_input", audio_input),
        ("audio_output", audio_output),
    ];
    kinds.into_iter().for_each(|(kind, price)| json.number(kind, price.map(|price| price.pico())));
    json.value("tiers", Some(&price.tiers).filter(|tiers| !tiers.is_empty()));
}

fn put_context(json: &mut Json, context: &Context) {
    json.text("resource_type", context.resource_type.as_deref());
    json.text("resource_id", context.resource_id.as_deref());
    json.text("request_type", context.request_type.as_deref());
    json.text("conversation", context.conversation.as_deref());
    json.text("agent", context.agent.as_deref());
    json.value("metadata", context.metadata.as_ref());
}

#[cfg(test)]
mod tests {
    use domain::money::{NanoUsd, PicoUsd};
    use domain::pricing::PriceTier;
    use serde_json::{Value, json};

    use super::*;

    fn kept(work: &Work, priced: Option<&Priced<'_>>, reason: Option<&str>) -> Value {
        let text = details(None, work, priced, (5_000_000, reason));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn nothing_is_kept_of_nothing() {
        assert_eq!(kept(&Work::default(), None, None), json!({}));
    }

    #[test]
    fn everything_is_kept_as_it_was_and_reads_as_what_it_is() {
        let hostile = "Zoë \"{\\\n\u{7f}";
        let work = Work {
            user: Some(Name::new(hostile)),
            end_user: Some(Name::new("{")),
            provider: Some("openai".into()),
            counts: Some(Counts::Estimated),
            audio_bytes: Some(u64::MAX),
            characters: Some(0),
            context: Context {
                agent: Some(hostile.into()),
                request_type: Some("chat".into()),
                metadata: json!({ hostile: [1, null] }).as_object().cloned(),
                ..Context::default()
            },
            ..Work::default()
        };
        let mut price = ModelPrice::flat(PicoUsd::from_pico(7), PicoUsd::from_pico(0));
        price.prices.reasoning = Some(PicoUsd::from_pico(9));
        price.tiers.push(PriceTier { above_prompt_tokens: 5, prices: price.prices });
        let tokens = CallTokens { prompt: 9, cached: 1, ..CallTokens::default() };
        let [base, markup, final_cost] = [-3, 1, -2].map(NanoUsd::from_nano);
        let cost = CallCost { base, markup, final_cost };
        let kept = kept(&work, Some(&Priced { tokens, cost, price: &price }), Some("why"));
        assert_eq!(
            kept,
            json!({
                "user": hostile,
                "end_user": "{",
                "provider": "openai",
                "tokens": { "prompt": 9, "cached": 1, "completion": 0 },
                "counts": "estimated",
                "audio_bytes": u64::MAX,
                "characters": 0,
                "cost": { "base": -3, "markup": 1, "final_cost": -2 },
                "price": {
                    "input": 7,
                    "output": 0,
                    "reasoning": 9,
                    "tiers": [{ "above_prompt_tokens": 5, "input": 7, "output": 0, "reasoning": 9 }],
                },
                "markup_millionths_percent": 5_000_000,
                "reason": "why",
                "context": { "agent": hostile, "request_type": "chat", "metadata": { hostile: [1, null] } },
            })
        );
        assert_eq!(serde_json::from_value::<CallTokens>(kept["tokens"].clone()).unwrap(), tokens);
        assert_eq!(serde_json::from_value::<CallCost>(kept["cost"].clone()).unwrap(), cost);
        assert_eq!(serde_json::from_value::<ModelPrice>(kept["price"].clone()).unwrap(), price);
    }
}
