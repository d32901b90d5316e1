//! `tollway ledger verify`: folds every event and compares with the balances.

use std::process::ExitCode;

use crate::{Common, wiring};

#[derive(clap::Subcommand)]
pub enum LedgerCommand {
    /// Recompute every balance from the events and report each difference. Safe on a live PostgreSQL database.
    Verify,
}

pub async fn run(common: &Common, command: LedgerCommand) -> Result<ExitCode, String> {
    let LedgerCommand::Verify = command;
    let config = wiring::configuration(common, Vec::new())?;
    let app = wiring::open(&config, false).await?;
    let verified =
        storage::ledger::verify::verify(&app.database, app.now()).await.map_err(|error| error.to_string())?;
    app.database.close().await;
    for difference in &verified.differences {
        println!("{difference}");
    }
    println!("{} accounts, {} events, {} differences", verified.accounts, verified.events, verified.differences.len());
    Ok(if verified.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
