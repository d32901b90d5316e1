//! The limits of a plan. `requests = 1_000` is the short form; a table says more, a list of tables several windows.

use toml::de::DeValue;

use super::section::{Entry, Section};
use super::{Context, charges, settings, values};
use crate::catalog::mistakes::{Mistakes, did_you_mean};
use crate::catalog::plan::{Enforce, Limit, LimitScope, Past, PlanPrice};
use crate::catalog::{COST_METER, MeterKind};
use crate::name::Name;
use crate::quantity::Quantity;
use crate::windows::WindowKind;

const NANO_PLACES: usize = 9;
const QUANTITY_PLACES: usize = 6;
const TOO_MANY_REQUESTS: u16 = 429;
const DENIED_STATUSES: [u16; 3] = [402, 403, TOO_MANY_REQUESTS];
const UNLIMITED: &str = "unlimited";

/// What the limits of one meter need to know of it.
pub(super) struct Metered<'c> {
    name: Name,
    kind: MeterKind,
    pub(super) context: &'c Context,
    /// What the plan costs.
    pub(super) price: &'c PlanPrice,
}

impl Metered<'_> {
    pub(super) fn is_cost(&self) -> bool {
        self.name.as_str() == COST_METER
    }

    /// Millionths of a unit, or nano-dollars for costs.
    pub(super) fn amount(&self, entry: &Entry, mistakes: &mut Mistakes) -> Option<i64> {
        read_metered_amount(entry, self, mistakes)
    }

    fn usual_window(&self) -> WindowKind {
        match self.kind {
            MeterKind::Sum => WindowKind::Period,
            MeterKind::Level => WindowKind::Lifetime,
        }
    }
}

pub(super) fn read(plan: &mut Section, price: &PlanPrice, context: &Context, mistakes: &mut Mistakes) -> Vec<Limit> {
    let Some(entry) = plan.get("limits") else { return Vec::new() };
    let name = format!("the limits of {}", plan.name());
    let Some(section) = Section::of_entry(name, &entry, "a table, with lines such as requests = 1_000", mistakes)
    else {
        return Vec::new();
    };
    let mut limits = Vec::new();
    for entry in section.entries() {
        let Some(metered) = find_meter(&entry, price, context, mistakes) else { continue };
        read_meter_limits(plan.name(), &entry, &metered, &mut limits, mistakes);
    }
    limits
}

/// An amount of a meter, as a limit on it would be written. `None`: said to be wrong.
pub(super) fn amount_of(meter: &str, entry: &Entry, context: &Context, mistakes: &mut Mistakes) -> Option<i64> {
    let kind = context.meters.get(meter).map_or(MeterKind::Sum, |meter| meter.kind);
    read_metered_amount(entry, &Metered { name: Name::from(meter), kind, context, price: &PlanPrice::Free }, mistakes)
}

fn find_meter<'c>(
    entry: &Entry,
    price: &'c PlanPrice,
    context: &'c Context,
    mistakes: &mut Mistakes,
) -> Option<Metered<'c>> {
    let kind = match context.meters.get(entry.key) {
        Some(meter) => meter.kind,
        None if entry.key == COST_METER => MeterKind::Sum,
        None => {
            let what = format!("{} limits a meter that the catalog does not declare.", entry.label);
            let known = context.meters.keys().map(Name::as_str).chain([COST_METER]);
            let fix = format!("{} Or declare it: [meters.{}].", did_you_mean(entry.key, known), entry.key);
            mistakes.add(entry.key_span.clone(), what, fix);
            return None;
        }
    };
    Some(Metered { name: Name::from(entry.key), kind, context, price })
}

fn read_meter_limits(plan: &str, entry: &Entry, metered: &Metered, limits: &mut Vec<Limit>, mistakes: &mut Mistakes) {
    let written: Vec<Entry> = match entry.value.get_ref() {
        DeValue::Array(items) => items.iter().map(|item| values::item_of(entry, item)).collect(),
        _ => vec![Entry {
            label: entry.label.clone(),
            key: entry.key,
            key_span: entry.key_span.clone(),
            value: entry.value,
        }],
    };
    for entry in written {
        let Some(limit) = read_limit(plan, &entry, metered, mistakes) else { continue };
        let same = |other: &Limit| (&other.meter, other.per, other.each) == (&limit.meter, limit.per, limit.each);
        if limits.iter().any(same) {
            let what = format!(
                "{} limits `{}` twice for each {} {}.",
                sentence_start(plan),
                limit.meter,
                limit.each.as_str(),
                limit.per.as_str()
            );
            mistakes.add(entry.span(), what, "Keep one, or give it another `per` or `each`.");
            continue;
        }
        limits.push(limit);
    }
}

fn read_limit(plan: &str, entry: &Entry, metered: &Metered, mistakes: &mut Mistakes) -> Option<Limit> {
    if let DeValue::Table(table) = entry.value.get_ref() {
        let name = format!("the limit on {} in {plan}", metered.name);
        return read_limit_table(Section::new(name, entry.key_span.clone(), table), metered, mistakes);
    }
    Some(Limit {
        meter: metered.name.clone(),
        amount: read_amount(entry, metered, mistakes)?,
        per: metered.usual_window(),
        each: LimitScope::Account,
        past: Past::Block,
        enforce: Enforce::Enforce,
        denied_status: TOO_MANY_REQUESTS,
    })
}

fn read_limit_table(mut section: Section, metered: &Metered, mistakes: &mut Mistakes) -> Option<Limit> {
    let amount = match section.get("amount") {
        Some(entry) => read_amount(&entry, metered, mistakes),
        None => {
            let what = format!("{} is missing.", section.label("amount"));
            mistakes.add(section.span.clone(), what, "Write `amount = 1_000`, or \"unlimited\".");
            None
        }
    };
    let per = read_window(&mut section, metered, mistakes);
    let each = section.get("each").and_then(|entry| {
        let words = LimitScope::ALL.map(|scope| (scope.as_str(), scope));
        values::word(&entry, &words, mistakes)
    });
    let past = read_past(&mut section, metered, amount == Some(None), mistakes);
    let enforce = settings::read_enforce(&mut section, mistakes);
    let denied_status = read_status(&mut section, mistakes);
    let limit = Limit {
        meter: metered.name.clone(),
        amount: amount.flatten(),
        per,
        each: each.unwrap_or(LimitScope::Account),
        past,
        enforce,
        denied_status,
    };
    charges::check_stripe_meter(&mut section, &limit, mistakes);
    section.finish(mistakes);
    amount.map(|_| limit)
}

/// `Some(None)` is unlimited; `None` is a mistake.
fn read_amount(entry: &Entry, metered: &Metered, mistakes: &mut Mistakes) -> Option<Option<i64>> {
    if let DeValue::String(text) = entry.value.get_ref() {
        if text == UNLIMITED {
            return Some(None);
        }
        if text.starts_with(|letter: char| letter.is_alphabetic()) {
            let what = format!("{} cannot be `{text}`.", entry.label);
            mistakes.add(entry.span(), what, "Write a number, or \"unlimited\".");
            return None;
        }
    }
    read_metered_amount(entry, metered, mistakes).map(Some)
}

/// Millionths of a unit, or nano-dollars for costs.
fn read_metered_amount(entry: &Entry, metered: &Metered, mistakes: &mut Mistakes) -> Option<i64> {
    if metered.is_cost() {
        return values::decimal(entry, NANO_PLACES, "\"5.00\"", mistakes);
    }
    let amount = values::decimal(entry, QUANTITY_PLACES, "1000", mistakes)?;
    if amount >= Quantity::MAX.millionths() {
        mistakes.add(
            entry.span(),
            format!("{} is too large.", entry.label),
            "Write less than 9200000000000, or \"unlimited\".",
        );
        return None;
    }
    Some(amount)
}

fn read_window(section: &mut Section, metered: &Metered, mistakes: &mut Mistakes) -> WindowKind {
    let usual = metered.usual_window();
    let Some(entry) = section.get("per") else { return usual };
    let words = WindowKind::ALL.map(|kind| (kind.as_str(), kind));
    let Some(per) = values::word(&entry, &words, mistakes) else { return usual };
    if metered.kind == MeterKind::Level && per != WindowKind::Lifetime {
        let what = format!(
            "The meter `{}` is a level and never starts again, so it has no limit per {}.",
            metered.name,
            per.as_str()
        );
        mistakes.add(entry.span(), what, "Leave `per` out, or declare the meter with kind = \"sum\".");
        return usual;
    }
    per
}

fn read_status(section: &mut Section, mistakes: &mut Mistakes) -> u16 {
    let Some(entry) = section.get("status") else { return TOO_MANY_REQUESTS };
    let status = match entry.value.get_ref() {
        DeValue::Integer(number) => values::integer(number).and_then(|number| u16::try_from(number).ok()),
        _ => None,
    };
    status.filter(|status| DENIED_STATUSES.contains(status)).unwrap_or_else(|| {
        mistakes.add(
            entry.span(),
            format!("{} is not an answer to a denied call.", entry.label),
            "Write 429, 402 or 403.",
        );
        TOO_MANY_REQUESTS
    })
}

fn read_past(section: &mut Section, metered: &Metered, is_unlimited: bool, mistakes: &mut Mistakes) -> Past {
    let Some(entry) = section.get("past") else { return Past::Block };
    if is_unlimited {
        let what = format!("{} says what happens past a limit that has no end.", entry.label);
        mistakes.add(entry.span(), what, "Leave `past` out, or write an amount.");
    }
    let past = match entry.value.get_ref() {
        DeValue::Table(table) => {
            let name = format!("the charge past {}", section.name());
            charges::read(Section::new(name, entry.key_span.clone(), table), metered, mistakes)
        }
        DeValue::String(text) if text == "charge" => charges::at_cost(&entry, metered, mistakes),
        DeValue::String(_) => values::word(&entry, &[("block", Past::Block), ("warn", Past::Warn)], mistakes),
        other => {
            let what = format!("{} is {}.", entry.label, values::kind_of(other));
            let fix = "Write \"block\", \"warn\" or { charge = \"0.50\", each = 1_000, up_to = \"20.00\" }.";
            mistakes.add(entry.span(), what, fix);
            None
        }
    };
    let past = past.unwrap_or(Past::Block);
    if metered.kind == MeterKind::Level && matches!(past, Past::Charge { .. }) {
        let what = format!("The meter `{}` is a level: what is above its limit is never billed.", metered.name);
        mistakes.add(entry.span(), what, "Write \"block\" or \"warn\".");
    }
    past
}

/// `plan pro` at the head of a sentence.
fn sentence_start(plan: &str) -> String {
    plan.replacen("plan ", "Plan ", 1)
}
