//! Credit packs: extra quantity that customers buy once.

use std::collections::BTreeMap;

use super::section::{Entry, Section};
use super::{Context, limits, values};
use crate::catalog::mistakes::{Mistakes, did_you_mean};
use crate::catalog::{COST_METER, CreditPack, MeterKind};
use crate::money::Currency;
use crate::name::Name;

const LONGEST_DAYS: u32 = 3_650;
const EXAMPLE: &str = "{ meter = \"requests\", amount = 1_000, price = \"5.00\" }";

pub(super) fn read(top: &mut Section, context: &Context, mistakes: &mut Mistakes) -> BTreeMap<Name, CreditPack> {
    let Some(entry) = top.get("credit_packs") else { return BTreeMap::new() };
    let Some(packs) = Section::of_entry("the credit packs", &entry, "tables, such as [credit_packs.small]", mistakes)
    else {
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for entry in packs.entries() {
        if values::plain_name(&entry, "credit pack", mistakes)
            && let Some(pack) = read_pack(&entry, context, mistakes)
        {
            read.insert(Name::from(entry.key), pack);
        }
    }
    read
}

fn read_pack(entry: &Entry, context: &Context, mistakes: &mut Mistakes) -> Option<CreditPack> {
    let mut section = Section::of_entry(format!("credit pack {}", entry.key), entry, EXAMPLE, mistakes)?;
    let name = section.text("name", mistakes).unwrap_or_else(|| entry.key.to_owned());
    let meter = read_meter(&mut section, context, mistakes);
    let amount_entry = section.get("amount");
    let amount = match (&meter, &amount_entry) {
        (Some(meter), Some(entry)) => limits::amount_of(meter, entry, context, mistakes),
        _ => None,
    };
    let price = section.money("price", context.currency, mistakes);
    for (key, value) in [("amount", amount), ("price", price)] {
        if value.is_some_and(|value| value <= 0) || (value.is_none() && section.get(key).is_none()) {
            let what = format!("Credit pack {} has no `{key}` above zero.", entry.key);
            mistakes.add(section.span.clone(), what, format!("Write {EXAMPLE}."));
        }
    }
    let expires_after_days = section.whole_number("expires_after_days", 1..=LONGEST_DAYS, mistakes);
    let other_currencies = read_other_currencies(&mut section, context.currency, mistakes);
    Some(CreditPack {
        name,
        meter: Name::from(meter?.as_str()),
        amount: amount?,
        price: price?,
        other_currencies,
        expires_after_days,
    })
}

fn read_meter(section: &mut Section, context: &Context, mistakes: &mut Mistakes) -> Option<String> {
    let Some(entry) = section.get("meter") else {
        let what = format!("{} names no meter.", section.name());
        mistakes.add(section.span.clone(), what, format!("Write {EXAMPLE}."));
        return None;
    };
    let meter = values::text(&entry, mistakes)?;
    match context.meters.get(meter) {
        Some(found) if found.kind == MeterKind::Level => {
            let what = format!("The meter `{meter}` is a level; what is had of it is not used up.");
            mistakes.add(entry.span(), what, "Name a meter that adds up.");
            None
        }
        Some(_) => Some(meter.to_owned()),
        None if meter == COST_METER => Some(meter.to_owned()),
        None => {
            let what = format!("No meter is called `{meter}`.");
            mistakes.add(entry.span(), what, did_you_mean(meter, context.meters.keys().map(Name::as_str)));
            None
        }
    }
}

fn read_other_currencies(section: &mut Section, own: Currency, mistakes: &mut Mistakes) -> BTreeMap<String, i64> {
    let mut read = BTreeMap::new();
    for entry in section.unread() {
        match Currency::parse(entry.key) {
            Ok(currency) if currency != own => {
                if let Some(amount) = values::money(&entry, currency, mistakes) {
                    read.insert(currency.code().to_owned(), amount);
                }
            }
            _ => {
                let what = format!("`{}` is not a setting of {}.", entry.key, section.name());
                let known = ["name", "meter", "amount", "price", "expires_after_days"];
                mistakes.add(entry.key_span.clone(), what, did_you_mean(entry.key, known));
            }
        }
    }
    read
}
