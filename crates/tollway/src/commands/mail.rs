//! `tollway mail test`: whether the mail server that is configured takes a mail.

use std::process::ExitCode;

use app::mail::{TestMail, send_test_mail};
use domain::ids::Id;
use providers::mail::SendError;
use storage::{Clock, Entropy};

use crate::{Common, wiring};

#[derive(clap::Subcommand)]
pub enum MailCommand {
    /// Send one mail at once and say what the mail server answered.
    Test {
        /// Where to.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
}

pub async fn run(common: &Common, command: MailCommand) -> Result<ExitCode, String> {
    let MailCommand::Test { to } = command;
    let config = wiring::configuration(common, Vec::new())?;
    let Some(mail) = &config.mail else {
        return Err("No mail server is configured; set mail.smtp_host and mail.from.".into());
    };
    let server = wiring::mail_server(&config)?.ok_or("No mail server is configured.")?;
    let place = format!("{}:{}", mail.host, mail.port());
    let now = Clock::new().now();
    let test = TestMail {
        id: Id::new(now, Entropy::system().bits()),
        to: to.clone(),
        product: wiring::product_name(&config)?,
        public_url: wiring::public_url(&config),
        now,
    };
    match send_test_mail(&server, test).await {
        Ok(()) => {
            println!("{place} has taken a mail to {to}. Look whether it arrives, and not among the unwanted ones.");
            Ok(ExitCode::SUCCESS)
        }
        Err(SendError::Later(error)) => Err(format!("{place} did not take the mail: {error}.")),
        Err(SendError::Never(error)) => Err(format!("{place} refused the mail: {error}.")),
    }
}
