//! What a plan costs by interval and currency, and under which names Stripe knows it.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::section::{Entry, Section};
use super::{settings, values};
use crate::catalog::mistakes::{Mistakes, did_you_mean};
use crate::catalog::plan::{Interval, PlanPrice};
use crate::money::Currency;

const INTERVALS: [(&str, Interval); 2] = [("monthly", Interval::Monthly), ("annual", Interval::Annual)];
const PRICE_EXAMPLE: &str = "{ monthly = \"15.00\", annual = \"150.00\" }, \"free\" or \"custom\"";

/// A plan's Stripe names. A price has a lookup key, `pro_monthly`, unless the file says another.
pub(super) struct StripeNames {
    pub(super) product: Option<String>,
    pub(super) lookup_keys: BTreeMap<Interval, String>,
}

pub(super) fn read_price(plan: &mut Section, currency: Currency, mistakes: &mut Mistakes) -> PlanPrice {
    let Some(entry) = plan.get("price") else { return PlanPrice::Free };
    match entry.value.get_ref() {
        DeValue::String(text) if text == "free" => PlanPrice::Free,
        DeValue::String(text) if text == "custom" => PlanPrice::Custom,
        DeValue::String(text) if text.starts_with(|letter: char| letter.is_ascii_alphabetic()) => {
            let what = format!("{} cannot be `{text}`.", entry.label);
            mistakes.add(entry.span(), what, format!("Write {PRICE_EXAMPLE}."));
            PlanPrice::Free
        }
        DeValue::Table(table) => {
            let name = format!("the price of {}", plan.name());
            read_price_table(Section::new(name, entry.key_span.clone(), table), currency, mistakes)
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) => {
            match values::money(&entry, currency, mistakes) {
                None | Some(0) => PlanPrice::Free,
                Some(monthly) => PlanPrice::Paid {
                    by_interval: BTreeMap::from([(Interval::Monthly, monthly)]),
                    other_currencies: BTreeMap::new(),
                },
            }
        }
        other => {
            let what = format!("{} is {}.", entry.label, values::kind_of(other));
            mistakes.add(entry.span(), what, format!("Write {PRICE_EXAMPLE}."));
            PlanPrice::Free
        }
    }
}

fn read_price_table(mut section: Section, currency: Currency, mistakes: &mut Mistakes) -> PlanPrice {
    let by_interval = read_intervals(&mut section, currency, mistakes);
    let mut other_currencies = BTreeMap::new();
    let unread = section.unread();
    for entry in &unread {
        if let Some((code, amounts)) = read_other_currency(&section, entry, currency, &by_interval, mistakes) {
            other_currencies.insert(code, amounts);
        }
    }
    if by_interval.is_empty() {
        let said_already = unread.len() > other_currencies.len();
        if !said_already && section.get("monthly").is_none() && section.get("annual").is_none() {
            let what = format!("{} names neither `monthly` nor `annual`.", capitalised(section.name()));
            mistakes.add(section.span.clone(), what, format!("Write {PRICE_EXAMPLE}."));
        }
        return PlanPrice::Free;
    }
    if by_interval.values().all(|amount| *amount == 0) {
        return PlanPrice::Free;
    }
    if by_interval.values().any(|amount| *amount == 0) {
        let what = format!("{} is nothing for one interval and something for the other.", capitalised(section.name()));
        mistakes.add(section.span.clone(), what, "Leave out the interval that is not sold.");
    }
    PlanPrice::Paid { by_interval, other_currencies }
}

fn read_intervals(section: &mut Section, currency: Currency, mistakes: &mut Mistakes) -> BTreeMap<Interval, i64> {
    let amount = |(key, interval)| Some((interval, section.money(key, currency, mistakes)?));
    INTERVALS.into_iter().filter_map(amount).collect()
}

fn read_other_currency(
    section: &Section,
    entry: &Entry,
    own: Currency,
    by_interval: &BTreeMap<Interval, i64>,
    mistakes: &mut Mistakes,
) -> Option<(String, BTreeMap<Interval, i64>)> {
    if entry.key.len() != 3 {
        let what = format!("`{}` is not a setting of {}.", entry.key, section.name());
        let known = INTERVALS.into_iter().map(|(key, _)| key);
        mistakes.add(entry.key_span.clone(), what, did_you_mean(entry.key, known));
        return None;
    }
    let Ok(currency) = Currency::parse(entry.key) else {
        let what = format!("`{}` is not a currency.", entry.key);
        mistakes.add(entry.key_span.clone(), what, settings::currency_fix(entry.key));
        return None;
    };
    if currency == own {
        let what = format!("{currency} is the catalog's own currency.");
        mistakes.add(entry.key_span.clone(), what, "Write its prices as `monthly` and `annual`, without its name.");
        return None;
    }
    let name = format!("{} in {currency}", section.name());
    let mut amounts = Section::of_entry(name, entry, "{ monthly = \"14.00\", annual = \"140.00\" }", mistakes)?;
    let read = read_intervals(&mut amounts, currency, mistakes);
    if !read.keys().eq(by_interval.keys()) {
        let what =
            format!("{} has other intervals than in {own}.", capitalised(&format!("{} in {currency}", section.name())));
        mistakes.add(entry.key_span.clone(), what, "Name the same intervals in every currency.");
    }
    amounts.finish(mistakes);
    Some((currency.code().to_owned(), read))
}

pub(super) fn read_stripe(plan: &mut Section, key: &str, price: &PlanPrice, mistakes: &mut Mistakes) -> StripeNames {
    let sold: Vec<Interval> = match price {
        PlanPrice::Paid { by_interval, .. } => by_interval.keys().copied().collect(),
        PlanPrice::Free | PlanPrice::Custom => Vec::new(),
    };
    let words = INTERVALS.into_iter().filter(|(_, interval)| sold.contains(interval));
    let mut names = StripeNames {
        product: None,
        lookup_keys: words.map(|(word, interval)| (interval, format!("{key}_{word}"))).collect(),
    };
    let Some(entry) = plan.get("stripe") else { return names };
    let name = format!("the Stripe names of {}", plan.name());
    let example = "{ product = \"Pro\", monthly = \"pro_monthly\" }";
    let Some(mut section) = Section::of_entry(name, &entry, example, mistakes) else { return names };
    names.product = section.text("product", mistakes);
    for (word, interval) in INTERVALS {
        let Some(lookup_entry) = section.get(word) else { continue };
        let Some(lookup_key) = values::text(&lookup_entry, mistakes) else { continue };
        if !sold.contains(&interval) {
            let what = format!("{} has a Stripe price but no price here.", capitalised(&lookup_entry.label));
            mistakes.add(lookup_entry.span(), what, format!("Add `{word}` to `price`, or leave it out here."));
        }
        names.lookup_keys.insert(interval, lookup_key.to_owned());
    }
    section.finish(mistakes);
    names
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
