//! What usage past a limit costs: `past = { charge = "0.50", each = 100_000, up_to = "20.00" }`, in every currency that the
//! plan is sold in, and the meter at Stripe that it is reported to.

use std::collections::BTreeMap;

use super::limits::Metered;
use super::section::{Entry, Section};
use super::{settings, values};
use crate::billing::price_of_one;
use crate::catalog::mistakes::{Mistakes, did_you_mean};
use crate::catalog::plan::{Charge, Interval, Limit, LimitScope, Past, PlanPrice};
use crate::money::{Currency, NANO_PER_UNIT};
use crate::name::Name;
use crate::quantity::Quantity;
use crate::windows::WindowKind;

const NANO_PLACES: usize = 9;
/// So that the name of an event of its, which Stripe takes at most 100 letters of, has room for all that names it.
const LONGEST_EVENT_NAME: usize = 48;

/// What a call costs is what it is charged at: each unit of money costs a unit of money.
pub(super) fn at_cost(entry: &Entry, metered: &Metered, mistakes: &mut Mistakes) -> Option<Past> {
    if !metered.is_cost() {
        let what = format!("{} does not say at what price.", entry.label);
        mistakes.add(entry.span(), what, "Write past = { charge = \"0.50\", each = 1_000 }; `up_to` caps the bill.");
        return None;
    }
    if let Some(code) = other_currencies(metered.price).next() {
        let what = format!("The plan is sold in {code}, and {} does not say what is charged in it.", entry.label);
        mistakes.add(entry.span(), what, format!("Write past = {{ {code} = {{ charge = \"0.90\" }} }}."));
    }
    Some(Past::charge(NANO_PER_UNIT, NANO_PER_UNIT, None))
}

pub(super) fn read(mut section: Section, metered: &Metered, mistakes: &mut Mistakes) -> Option<Past> {
    let each_entry = section.get("each");
    let charge = read_charge(&mut section, metered, metered.context.currency, mistakes);
    let each = match &each_entry {
        Some(entry) => metered.amount(entry, mistakes),
        None if metered.is_cost() => Some(NANO_PER_UNIT),
        None => Some(Quantity::ONE.millionths()),
    };
    refuse_zero(each_entry.as_ref(), each, mistakes);
    let stripe_meter = section.get("stripe_meter").and_then(|entry| read_stripe_meter(&entry, metered, mistakes));
    let other_currencies = read_other_currencies(&section, charge, metered, mistakes);
    let (charge, each) = (charge?, each?);
    if let Some(meter) = &stripe_meter {
        let all = other_currencies.iter().filter_map(|(code, other)| Some((Currency::parse(code).ok()?, *other)));
        for (currency, charge) in [(metered.context.currency, charge)].into_iter().chain(all) {
            must_come_out_even(&section, (meter, currency), charge, each, mistakes);
        }
    }
    let Charge { charge_nano, up_to_minor } = charge;
    Some(Past::Charge { charge_nano, each, up_to_minor, other_currencies, stripe_meter })
}

/// `charge` and `up_to` in one currency.
fn read_charge(
    section: &mut Section,
    metered: &Metered,
    currency: Currency,
    mistakes: &mut Mistakes,
) -> Option<Charge> {
    let entry = section.get("charge");
    let charge = match &entry {
        Some(entry) => values::decimal(entry, NANO_PLACES, "\"0.50\"", mistakes),
        None if metered.is_cost() && currency == metered.context.currency => Some(NANO_PER_UNIT),
        None => {
            let what = format!("{} is missing.", section.label("charge"));
            mistakes.add(section.span.clone(), what, "Write what is charged, such as charge = \"0.50\".");
            None
        }
    };
    refuse_zero(entry.as_ref(), charge, mistakes);
    let up_to_minor = section.money("up_to", currency, mistakes);
    Some(Charge { charge_nano: charge?, up_to_minor })
}

fn refuse_zero(entry: Option<&Entry>, value: Option<i64>, mistakes: &mut Mistakes) {
    if let (Some(entry), Some(0)) = (entry, value) {
        let what = format!("{} is zero.", entry.label);
        mistakes.add(entry.span(), what, "Write more than zero, or past = \"warn\".");
    }
}

/// The currencies that a plan is sold in beside the catalog's.
fn other_currencies(price: &PlanPrice) -> impl Iterator<Item = &String> {
    let others = match price {
        PlanPrice::Paid { other_currencies, .. } => Some(other_currencies.keys()),
        PlanPrice::Free | PlanPrice::Custom => None,
    };
    others.into_iter().flatten()
}

/// `EUR = { charge = "0.45", up_to = "18.00" }`, for each currency that the plan is sold in and no other.
fn read_other_currencies(
    section: &Section,
    own: Option<Charge>,
    metered: &Metered,
    mistakes: &mut Mistakes,
) -> BTreeMap<String, Charge> {
    let mut read = BTreeMap::new();
    let mut named = Vec::new();
    for entry in section.unread() {
        named.push(entry.key);
        if let Some((code, charge)) = read_other_currency(section, &entry, own, metered, mistakes) {
            read.insert(code, charge);
        }
    }
    for code in other_currencies(metered.price).filter(|code| !named.contains(&code.as_str())) {
        let what = format!("The plan is sold in {code}, and {} does not say what is charged in it.", section.name());
        mistakes.add(section.span.clone(), what, format!("Write {code} = {{ charge = \"0.45\" }} beside `charge`."));
    }
    read
}

fn read_other_currency(
    section: &Section,
    entry: &Entry,
    own: Option<Charge>,
    metered: &Metered,
    mistakes: &mut Mistakes,
) -> Option<(String, Charge)> {
    if entry.key.len() != 3 {
        let what = format!("`{}` is not a setting of {}.", entry.key, section.name());
        let known = ["charge", "each", "up_to", "stripe_meter"];
        mistakes.add(entry.key_span.clone(), what, did_you_mean(entry.key, known));
        return None;
    }
    let Ok(currency) = Currency::parse(entry.key) else {
        let what = format!("`{}` is not a currency.", entry.key);
        mistakes.add(entry.key_span.clone(), what, settings::currency_fix(entry.key));
        return None;
    };
    if currency == metered.context.currency {
        let what = format!("{currency} is the catalog's own currency.");
        mistakes.add(entry.key_span.clone(), what, "Write its price as `charge`, without its name.");
        return None;
    }
    if !other_currencies(metered.price).any(|code| code == currency.code()) {
        let what = format!("{} is priced in {currency}, in which the plan is not sold.", entry.label);
        mistakes.add(entry.key_span.clone(), what, "Give the plan a price in that currency, or leave the charge out.");
        return None;
    }
    let example = "{ charge = \"0.45\", up_to = \"18.00\" }";
    let mut amounts = Section::of_entry(format!("{} in {currency}", section.name()), entry, example, mistakes)?;
    let charge = read_charge(&mut amounts, metered, currency, mistakes);
    if let (Some(own), Some(charge)) = (own, charge)
        && own.up_to_minor.is_some() != charge.up_to_minor.is_some()
    {
        let what = format!("`up_to` caps {} in one currency and not in the other.", section.name());
        mistakes.add(entry.key_span.clone(), what, "Name `up_to` in every currency, or in none.");
    }
    amounts.finish(mistakes);
    Some((currency.code().to_owned(), charge?))
}

fn read_stripe_meter(entry: &Entry, metered: &Metered, mistakes: &mut Mistakes) -> Option<Name> {
    let name = values::text(entry, mistakes)?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    if name.len() > LONGEST_EVENT_NAME || !name.chars().all(plain) {
        let what = format!("{} cannot name the events of a meter.", entry.label);
        let fix = format!("Use at most {LONGEST_EVENT_NAME} letters, digits, `_`, `-` and `.`.");
        mistakes.add(entry.span(), what, fix);
        return None;
    }
    if metered.is_cost() {
        let what = format!("{} is given for costs, which are money and no units that Stripe could price.", entry.label);
        mistakes.add(entry.span(), what, "Leave it out: what calls cost is put on the invoice from here.");
        return None;
    }
    let is_monthly =
        matches!(metered.price, PlanPrice::Paid { by_interval, .. } if by_interval.contains_key(&Interval::Monthly));
    if !is_monthly {
        let what =
            format!("{} is given, but the plan has no monthly price that Stripe could bill it with.", entry.label);
        mistakes.add(entry.span(), what, "Give the plan a monthly price, or leave `stripe_meter` out.");
        return None;
    }
    Some(Name::from(name))
}

/// A price at Stripe is for one unit, with at most twelve decimals of a minor unit.
fn must_come_out_even(
    section: &Section,
    (meter, currency): (&Name, Currency),
    charge: Charge,
    each: i64,
    mistakes: &mut Mistakes,
) {
    if each > 0 && price_of_one((charge.charge_nano, each), currency.decimals()).is_none() {
        let what = format!(
            "The price of one unit in {currency} does not come out even, so the meter `{meter}` at Stripe cannot have it."
        );
        mistakes.add(
            section.span.clone(),
            what,
            "Choose `charge` and `each` so that one unit has at most 12 decimals.",
        );
    }
}

/// Stripe bills what was reported of a billing period with its end, for the whole account.
pub(super) fn check_stripe_meter(section: &mut Section, limit: &Limit, mistakes: &mut Mistakes) {
    let Past::Charge { stripe_meter: Some(meter), .. } = &limit.past else { return };
    if limit.per == WindowKind::Period && limit.each == LimitScope::Account {
        return;
    }
    let Some(entry) = section.get("past") else { return };
    let what =
        format!("The meter `{meter}` at Stripe is billed by the period and for the whole account; this limit is not.");
    mistakes.add(entry.key_span, what, "Leave `per` and `each` of the limit out, or leave `stripe_meter` out.");
}
