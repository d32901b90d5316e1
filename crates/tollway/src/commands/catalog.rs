//! `tollway catalog check|diff|apply|push-to-stripe`: what a catalog file says, what it would change, putting it in force,
//! and making at Stripe what it sells.

use std::path::PathBuf;
use std::process::ExitCode;

use app::catalog::push_to_stripe::{Step, StepKind, carry_out, plan_push};
use app::catalog::{AppliedChanges, CatalogError, apply_catalog, preview_catalog};
use domain::catalog::Catalog;
use domain::name::Name;
use serde_json::{Value, json};

use crate::config::Config;
use crate::{Common, wiring};

#[derive(clap::Subcommand)]
pub enum CatalogCommand {
    /// Read a catalog and explain every mistake with its place and its mend. Needs no database.
    Check { file: Option<PathBuf> },
    /// Show what applying the file would change for customers.
    Diff { file: Option<PathBuf> },
    /// Put the file in force. Changed plans become new versions; subscribers stay on the one they have.
    Apply { file: Option<PathBuf> },
    /// Make the products and prices at Stripe that the file sells and Stripe does not have. Changes no price.
    PushToStripe(PushArguments),
}

#[derive(clap::Args)]
pub struct PushArguments {
    file: Option<PathBuf>,
    /// Do it, not only show it.
    #[arg(long)]
    yes: bool,
    /// Where a price differs, make another that takes its lookup key. Whoever pays the old price keeps it.
    #[arg(long)]
    transfer: bool,
    /// Print one line of JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub async fn run(common: &Common, command: CatalogCommand) -> Result<ExitCode, String> {
    let file = match &command {
        CatalogCommand::Check { file } | CatalogCommand::Diff { file } | CatalogCommand::Apply { file } => file,
        CatalogCommand::PushToStripe(arguments) => &arguments.file,
    };
    let mut config = wiring::configuration(common, Vec::new())?;
    if let Some(file) = file {
        config.catalog = Some(file.clone());
    }
    let source = wiring::catalog_source(&config)?;
    let name = wiring::catalog_name(&config);
    let catalog = match domain::catalog::parse(&source) {
        Ok(catalog) => catalog,
        Err(mistakes) => return Err(explain(&name, &mistakes)),
    };
    if let CatalogCommand::PushToStripe(arguments) = &command {
        return push(&config, &catalog, arguments).await;
    }
    if matches!(command, CatalogCommand::Check { .. }) {
        let (plans, meters, models) = (catalog.plans.len(), catalog.meters.len(), catalog.models.len());
        println!("{name} is right: {plans} plans, {meters} meters, {models} models.");
        return Ok(ExitCode::SUCCESS);
    }
    change(&config, &name, &source, matches!(command, CatalogCommand::Apply { .. })).await
}

async fn change(config: &Config, name: &str, source: &str, apply: bool) -> Result<ExitCode, String> {
    let app = wiring::open(config, false).await?;
    let said = |error: CatalogError| format!("{name}: {error}");
    let preview = preview_catalog(&app, source, &config.limit_settings).await.map_err(said)?;
    show(&preview);
    if apply {
        let applied = apply_catalog(&app, source, &config.limit_settings).await.map_err(said)?;
        println!("{name} is in force; {} got a new version.", plans(&applied));
    }
    app.database.close().await;
    Ok(ExitCode::SUCCESS)
}

fn show(preview: &AppliedChanges) {
    if preview.changes.is_empty() {
        println!("Customers will notice nothing.");
    }
    for change in &preview.changes {
        println!("{change}");
    }
}

fn plans(applied: &AppliedChanges) -> String {
    match applied.plans.len() {
        0 => "no plan".into(),
        1 => format!("the plan {}", applied.plans[0]),
        count => format!("{count} plans"),
    }
}

async fn push(config: &Config, catalog: &Catalog, arguments: &PushArguments) -> Result<ExitCode, String> {
    let stripe = wiring::stripe(config)?.ok_or(wiring::NO_STRIPE)?;
    let said = |error| wiring::capitalized(&format!("{error}."));
    let steps = plan_push(&stripe, catalog, arguments.transfer).await.map_err(said)?;
    let has_mistakes = steps.iter().any(|step| step.what.is_mistake());
    let is_to_do = steps.iter().any(|step| step.what.is_to_do());
    if !arguments.json {
        steps.iter().for_each(|step| println!("{}", line(step)));
    }
    let does_it = arguments.yes && is_to_do && !has_mistakes;
    if does_it {
        carry_out(&stripe, &steps, &wiring::run_id()).await.map_err(said)?;
    }
    if arguments.json {
        let steps: Vec<Value> = steps.iter().map(json_of).collect();
        println!("{}", json!({ "live": stripe.is_live(), "steps": steps, "done": does_it }));
    }
    match (has_mistakes, is_to_do, does_it) {
        (true, _, _) => return Err(mend(&steps)),
        _ if arguments.json => {}
        (_, false, _) => println!("Stripe has everything that the catalog sells."),
        (_, _, true) => println!("Done."),
        _ if stripe.is_live() => println!("Nothing is done yet, and the key is live. Run it again with --yes."),
        _ => println!("Nothing is done yet. Run it again with --yes."),
    }
    Ok(ExitCode::SUCCESS)
}

/// A step in one line: what is done, then to what.
fn line(step: &Step) -> String {
    match &step.what {
        StepKind::FoundProduct { id, name } => format!("found product    {id}  {name}"),
        StepKind::CreateProduct { id, name } => format!("create product   {id}  {name}"),
        StepKind::ArchivedProduct { id } => format!("ARCHIVED product {id}"),
        StepKind::NoProduct { id } => format!("MISSING product  {id}"),
        StepKind::FoundPrice { price, id } => {
            format!("found price      {}  {}  ({id})", price.lookup_key, price.describe())
        }
        StepKind::CreatePrice { price, .. } => format!("create price     {}  {}", price.lookup_key, price.describe()),
        StepKind::ReplacePrice { price, id, .. } => {
            format!("replace price    {}  {}  (instead of {id})", price.lookup_key, price.describe())
        }
        StepKind::DifferentPrice { price, id, differences } => {
            format!("DIFFERS: price   {}  {}  ({id})", price.lookup_key, differences.join("; "))
        }
        StepKind::FoundMeter { event, id } => format!("found meter      {event}  ({id})"),
        StepKind::CreateMeter { event } => format!("create meter     {event}"),
        StepKind::FoundMeteredPrice { price, id } => {
            format!("found price      {}  {}  ({id})", price.lookup_key, price.describe())
        }
        StepKind::CreateMeteredPrice { price, replaces: None, .. } => {
            format!("create price     {}  {}", price.lookup_key, price.describe())
        }
        StepKind::CreateMeteredPrice { price, replaces: Some(id), .. } => {
            format!("replace price    {}  {}  (instead of {id})", price.lookup_key, price.describe())
        }
        StepKind::DifferentMeteredPrice { price, id, differences } => {
            format!("DIFFERS: price   {}  {}  ({id})", price.lookup_key, differences.join("; "))
        }
    }
}

fn json_of(step: &Step) -> Value {
    let (action, about) = match &step.what {
        StepKind::FoundProduct { id, .. } => ("found_product", json!({ "product": id })),
        StepKind::CreateProduct { id, name } => ("create_product", json!({ "product": id, "name": name })),
        StepKind::ArchivedProduct { id } => ("archived_product", json!({ "product": id })),
        StepKind::NoProduct { id } => ("missing_product", json!({ "product": id })),
        StepKind::FoundPrice { price, id } => ("found_price", json!({ "lookup_key": price.lookup_key, "price": id })),
        StepKind::CreatePrice { price, product } => {
            ("create_price", json!({ "lookup_key": price.lookup_key, "product": product }))
        }
        StepKind::ReplacePrice { price, id, differences, .. } => {
            ("replace_price", json!({ "lookup_key": price.lookup_key, "price": id, "differences": differences }))
        }
        StepKind::DifferentPrice { price, id, differences } => {
            ("different_price", json!({ "lookup_key": price.lookup_key, "price": id, "differences": differences }))
        }
        StepKind::FoundMeter { event, id } => ("found_meter", json!({ "event_name": event, "meter": id })),
        StepKind::CreateMeter { event } => ("create_meter", json!({ "event_name": event })),
        StepKind::FoundMeteredPrice { price, id } => {
            ("found_price", json!({ "lookup_key": price.lookup_key, "price": id }))
        }
        StepKind::CreateMeteredPrice { price, product, replaces: None } => {
            ("create_price", json!({ "lookup_key": price.lookup_key, "product": product }))
        }
        StepKind::CreateMeteredPrice { price, replaces: Some(id), .. } => {
            ("replace_price", json!({ "lookup_key": price.lookup_key, "price": id }))
        }
        StepKind::DifferentMeteredPrice { price, id, differences } => {
            ("different_price", json!({ "lookup_key": price.lookup_key, "price": id, "differences": differences }))
        }
    };
    let mut step = json!({ "action": action, "plan": step.plan });
    if let (Some(step), Value::Object(about)) = (step.as_object_mut(), about) {
        step.extend(about);
    }
    step
}

/// What a person can do about each mistake.
fn mend(steps: &[Step]) -> String {
    let different = |plan: &Name, lookup_key: &str| {
        format!(
            "A price at Stripe keeps its amount. Give the plan {plan} a new lookup key instead of {lookup_key} (`stripe` in \
             the catalog), or run it again with --transfer: a new price takes the lookup key, and whoever pays the old one \
             keeps it."
        )
    };
    let mends = steps.iter().filter_map(|Step { plan, what }| match what {
        StepKind::DifferentPrice { price, .. } => Some(different(plan, &price.lookup_key)),
        StepKind::DifferentMeteredPrice { price, .. } => Some(different(plan, &price.lookup_key)),
        StepKind::ArchivedProduct { id } => {
            Some(format!("The product {id} of the plan {plan} is archived: bring it back at Stripe."))
        }
        StepKind::NoProduct { id } => {
            Some(format!("The plan {plan} names the product {id}, which Stripe does not have: leave it out."))
        }
        _ => None,
    });
    mends.chain(["Nothing was done.".to_owned()]).collect::<Vec<_>>().join("\n")
}

/// Every mistake as `file:line:column: what is wrong. How to mend it.`
fn explain(name: &str, mistakes: &[domain::catalog::Mistake]) -> String {
    let told = |mistake: &domain::catalog::Mistake| {
        format!("{name}:{}:{}: {} {}", mistake.line, mistake.column, mistake.what, mistake.fix)
    };
    let lines = mistakes.iter().map(told);
    let count = match mistakes.len() {
        1 => "One mistake.".into(),
        count => format!("{count} mistakes."),
    };
    lines.chain([count]).collect::<Vec<_>>().join("\n")
}
