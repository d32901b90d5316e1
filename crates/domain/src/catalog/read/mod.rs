//! Reads a catalog file: TOML in, a checked [`Catalog`] or every mistake out.
//!
//! Start at [`parse`]. Each file here reads one part (`settings`, `meters`, `models`, `plans`, `limits`, …) and leaves in
//! place of what it cannot read something harmless, so that one mistake does not cause the next. What only shows when
//! all parts are read together is in `checks`.

mod charges;
mod checks;
mod credit_packs;
mod limits;
mod meters;
mod models;
mod plans;
mod prices;
mod section;
mod settings;
mod values;

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::mistakes::{Mistake, Mistakes};
use super::{COST_METER, Catalog, Meter, UnknownModel};
use crate::money::Currency;
use crate::name::Name;
use crate::pricing::ModelPrice;
use section::Section;

/// Reads the text of a catalog file. Every mistake is found, not just the first, in the order of the file.
pub fn parse(source: &str) -> Result<Catalog, Vec<Mistake>> {
    let mut mistakes = Mistakes::new(source);
    let (table, errors) = DeTable::parse_recoverable(source);
    let only_repeated = report_syntax(&errors, &mut mistakes);
    if !only_repeated {
        return Err(mistakes.into_sorted());
    }
    let catalog = read_catalog(Section::new("", 0..0, table.get_ref()), &mut mistakes);
    if mistakes.is_empty() { Ok(catalog) } else { Err(mistakes.into_sorted()) }
}

/// What a part of the file needs to know of the others.
struct Context {
    currency: Currency,
    meters: BTreeMap<Name, Meter>,
    models: BTreeMap<Name, ModelPrice>,
    model_groups: BTreeMap<Name, Vec<Name>>,
}

fn read_catalog(mut top: Section, mistakes: &mut Mistakes) -> Catalog {
    let settings = settings::read(&mut top, mistakes);
    let unknown_model = models::read_unknown(&mut top, mistakes);
    let models = models::read_all(&mut top, settings.currency, mistakes);
    let model_groups = models::read_groups(&mut top, &models, mistakes);
    let rates = settings::read_rates(&mut top, mistakes);
    let meters = meters::read(&mut top, settings.currency, mistakes);
    let mut context = Context { currency: settings.currency, meters, models, model_groups };
    let plans = plans::read(&mut top, &context, mistakes);
    let credit_packs = credit_packs::read(&mut top, &context, mistakes);
    checks::check(&settings, &plans, &rates, mistakes);
    top.finish(mistakes);

    let prices_calls = !context.models.is_empty() || unknown_model != UnknownModel::Refuse;
    let limits_cost = plans.iter().flat_map(|draft| &draft.plan.limits).any(|limit| limit.meter.as_str() == COST_METER);
    if prices_calls || limits_cost {
        let cost = meters::usual(COST_METER, settings.currency);
        context.meters.entry(Name::from(COST_METER)).or_insert(cost);
    }
    Catalog {
        product: settings.product,
        currency: settings.currency.code().to_owned(),
        default_plan: settings.default_plan.map(|(name, _)| name),
        markup_millionths_percent: settings.markup_millionths_percent,
        enforce: settings.enforce,
        warn_at_percent: settings.warn_at_percent,
        grace_days: settings.grace_days,
        unknown_model,
        voice: settings.voice,
        meters: context.meters,
        model_groups: context.model_groups,
        models: context.models,
        rates,
        plans: plans.into_iter().map(|draft| (draft.plan.key.clone(), draft.plan)).collect(),
        credit_packs,
    }
}

/// Reports what is no TOML. True when nothing but repeated keys was found, so that reading on makes sense.
fn report_syntax(errors: &[toml::de::Error], mistakes: &mut Mistakes) -> bool {
    let mut only_repeated = true;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        if error.message().starts_with("duplicate key") {
            mistakes.add(span, "This name is given twice.", "Keep one of the two.");
        } else {
            only_repeated = false;
            let what = format!("This is not valid TOML: {}.", error.message());
            mistakes.add(span, what, "Text stands in quotes, a table's name in brackets, one setting on a line.");
        }
    }
    only_repeated
}
