//! `tollway migrate`: brings the schema up to this build's. Opening the database does it; several may do it at once.

use std::process::ExitCode;

use crate::{Common, wiring};

pub async fn run(common: &Common) -> Result<ExitCode, String> {
    let config = wiring::configuration(common, Vec::new())?;
    let app = wiring::open(&config, false).await?;
    println!("The schema is up to date.");
    app.database.close().await;
    Ok(ExitCode::SUCCESS)
}
