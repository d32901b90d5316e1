//! `tollway catalog check|diff|apply`: what a catalog file says, what it would change, and putting it in force.

use std::path::PathBuf;
use std::process::ExitCode;

use app::catalog::{AppliedChanges, CatalogError, apply_catalog, preview_catalog};

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
}

pub async fn run(common: &Common, command: CatalogCommand) -> Result<ExitCode, String> {
    let (CatalogCommand::Check { file } | CatalogCommand::Diff { file } | CatalogCommand::Apply { file }) = &command;
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
