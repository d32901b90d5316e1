//! Single values of the file: text, whole numbers, exact decimals, money, windows of a rate, names.
//!
//! Decimals may be written as text (`"15.00"`), as a whole number or with a point; they are read from what was written and
//! never pass through a float.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use toml::de::{DeInteger, DeValue};

use super::section::Entry;
use crate::catalog::mistakes::{Mistakes, did_you_mean};
use crate::catalog::plan::RateLimit;
use crate::money::{Currency, Money, MoneyError};
use crate::quantity::{QuantityError, parse_decimal};

pub(super) fn kind_of(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Text that is neither empty nor holds control characters; U+0000 could not be stored.
pub(super) fn text<'s>(entry: &Entry<'s, '_>, mistakes: &mut Mistakes) -> Option<&'s str> {
    let DeValue::String(text) = entry.value.get_ref() else {
        let what = format!("{} is {}.", entry.label, kind_of(entry.value.get_ref()));
        mistakes.add(entry.span(), what, "Write text in quotes.");
        return None;
    };
    if text.trim().is_empty() || text.chars().any(|letter| letter.is_control() && letter != '\n') {
        let what = format!("{} is empty or holds characters that cannot be shown.", entry.label);
        mistakes.add(entry.span(), what, "Write readable text, or leave the line out.");
        return None;
    }
    Some(text)
}

pub(super) fn texts(entry: &Entry, mistakes: &mut Mistakes) -> Option<Vec<String>> {
    let DeValue::Array(items) = entry.value.get_ref() else {
        let what = format!("{} is {}, not a list of text.", entry.label, kind_of(entry.value.get_ref()));
        mistakes.add(entry.span(), what, "Write it in brackets, such as [\"one\", \"two\"].");
        return None;
    };
    let read = items.iter().filter_map(|item| text(&item_of(entry, item), mistakes).map(str::to_owned)).collect();
    Some(read)
}

/// An item of a list, under its list's label.
pub(super) fn item_of<'s, 'i>(entry: &Entry<'s, 'i>, item: &'s toml::Spanned<DeValue<'i>>) -> Entry<'s, 'i> {
    Entry { label: format!("An item in {}", entry.label), key: entry.key, key_span: item.span(), value: item }
}

pub(super) fn whole_number(entry: &Entry, allowed: RangeInclusive<u32>, mistakes: &mut Mistakes) -> Option<u32> {
    let read = match entry.value.get_ref() {
        DeValue::Integer(number) => integer(number).and_then(|number| u32::try_from(number).ok()),
        _ => None,
    };
    let found = read.filter(|number| allowed.contains(number));
    if found.is_none() {
        let what = format!("{} is not a whole number from {} to {}.", entry.label, allowed.start(), allowed.end());
        mistakes.add(entry.span(), what, "Write such a number, without quotes.");
    }
    found
}

pub(super) fn integer(number: &DeInteger) -> Option<i64> {
    let digits = number.as_str().trim_start_matches('+');
    i64::from_str_radix(digits, number.radix()).ok()
}

/// The decimal as it is written. `None` when the value is neither a number nor text.
pub(super) fn decimal_text<'s>(value: &'s DeValue) -> Option<Cow<'s, str>> {
    match value {
        DeValue::String(text) => Some(Cow::Borrowed(text.as_ref())),
        DeValue::Float(number) => Some(Cow::Borrowed(number.as_str().trim_start_matches('+'))),
        DeValue::Integer(number) if number.radix() == 10 => {
            Some(Cow::Borrowed(number.as_str().trim_start_matches('+')))
        }
        DeValue::Integer(number) => integer(number).map(|number| Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// An exact decimal of at most `places` places, from zero up.
pub(super) fn decimal(entry: &Entry, places: usize, example: &str, mistakes: &mut Mistakes) -> Option<i64> {
    let Some(text) = decimal_text(entry.value.get_ref()) else {
        let what = format!("{} is {}.", entry.label, kind_of(entry.value.get_ref()));
        mistakes.add(entry.span(), what, format!("Write a number such as {example}."));
        return None;
    };
    match parse_decimal(&text, places) {
        Ok(value) if value >= 0 => Some(value),
        Ok(_) => {
            let what = format!("{} is negative.", entry.label);
            mistakes.add(entry.span(), what, format!("Write a number from zero up, such as {example}."));
            None
        }
        Err(error) => {
            let (what, fix) = match error {
                QuantityError::NotANumber => {
                    (format!("{} is not a number.", entry.label), format!("Write one such as {example}."))
                }
                QuantityError::TooPrecise => (
                    format!("{} has more than {places} decimals.", entry.label),
                    format!("Write at most {places}, such as {example}."),
                ),
                QuantityError::TooLarge => {
                    (format!("{} is too large.", entry.label), format!("Write a smaller number, such as {example}."))
                }
            };
            mistakes.add(entry.span(), what, fix);
            None
        }
    }
}

/// An amount of the currency, in minor units, from zero up.
pub(super) fn money(entry: &Entry, currency: Currency, mistakes: &mut Mistakes) -> Option<i64> {
    let example = money_example(currency);
    let Some(text) = decimal_text(entry.value.get_ref()) else {
        let what = format!("{} is {}, not an amount of money.", entry.label, kind_of(entry.value.get_ref()));
        mistakes.add(entry.span(), what, format!("Write it such as {example}."));
        return None;
    };
    let (what, fix) = match Money::parse(&text, currency) {
        Ok(money) if money.minor_units >= 0 => return Some(money.minor_units),
        Ok(_) => (format!("{} is negative.", entry.label), format!("Write an amount from zero up, such as {example}.")),
        Err(MoneyError::TooPrecise(currency, decimals)) => (
            format!("{} has more decimals than {currency} has ({decimals}).", entry.label),
            format!("Write it such as {example}."),
        ),
        Err(MoneyError::TooLarge) => (format!("{} is too large.", entry.label), "Write a smaller amount.".to_owned()),
        Err(_) => (format!("{} is not an amount of money.", entry.label), format!("Write it such as {example}.")),
    };
    mistakes.add(entry.span(), what, fix);
    None
}

fn money_example(currency: Currency) -> String {
    let fifteen = 15 * 10i64.pow(currency.decimals() as u32);
    format!("\"{}\"", Money::new(fifteen, currency).amount_text())
}

/// One of a few words.
pub(super) fn word<T: Clone>(entry: &Entry, words: &[(&str, T)], mistakes: &mut Mistakes) -> Option<T> {
    let written = match entry.value.get_ref() {
        DeValue::String(text) => text.as_ref(),
        other => {
            let what = format!("{} is {}.", entry.label, kind_of(other));
            let choices: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let fix = format!("Write one of {}, in double quotes.", crate::catalog::mistakes::enumerate(&choices));
            mistakes.add(entry.span(), what, fix);
            return None;
        }
    };
    let found = words.iter().find(|(word, _)| *word == written).map(|(_, value)| value.clone());
    if found.is_none() {
        let what = format!("{} cannot be `{written}`.", entry.label);
        mistakes.add(entry.span(), what, did_you_mean(written, words.iter().map(|(word, _)| *word)));
    }
    found
}

/// `300 per 60s`, `5 per 1h`, `10 per minute`.
pub(super) fn rate_limit(entry: &Entry, mistakes: &mut Mistakes) -> Option<RateLimit> {
    let read = match entry.value.get_ref() {
        DeValue::String(text) => parse_rate_limit(text),
        _ => None,
    };
    if read.is_none() {
        let what = format!("{} is not a rate limit.", entry.label);
        let fix = "Write how many requests in what time, such as \"300 per 60s\"; the time is in s, m, h or d.";
        mistakes.add(entry.span(), what, fix);
    }
    read
}

fn parse_rate_limit(text: &str) -> Option<RateLimit> {
    let (requests, window) = text.split_once(" per ")?;
    let requests: u32 = whole(requests.trim())?;
    let window = window.trim();
    let unit_at = window.find(|letter: char| !letter.is_ascii_digit())?;
    let (count, unit) = window.split_at(unit_at);
    let count: u32 = if count.is_empty() { 1 } else { whole(count)? };
    let seconds: u32 = match unit.trim() {
        "s" | "second" | "seconds" => 1,
        "m" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    let window_seconds = count.checked_mul(seconds).filter(|seconds| (1..=366 * 86_400).contains(seconds))?;
    (requests > 0).then_some(RateLimit { requests, window_seconds })
}

/// Digits alone: `u32::from_str` would also take a plus sign.
fn whole(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A name that the file gives: a plan, a meter, a feature, a scope.
pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}

pub(super) fn plain_name(entry: &Entry, what_it_is: &str, mistakes: &mut Mistakes) -> bool {
    let plain = is_plain_name(entry.key);
    if !plain {
        let what = format!("`{}` cannot name a {what_it_is}.", entry.key);
        let fix = "Use at most 64 lower-case letters, digits, `_` and `-`.";
        mistakes.add(entry.key_span.clone(), what, fix);
    }
    plain
}
