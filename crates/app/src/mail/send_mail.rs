//! The job that hands one mail of the outbox to the mail server.
//!
//! A mail that was taken is noted as sent. When that note is lost with the process, the mail goes out again under the same
//! id, by which receivers recognise it.

use domain::ids::MailId;
use providers::mail::{OutgoingMail, SendError};
use serde::Deserialize;
use storage::records::jobs::Job;
use storage::records::mails::{self, MailRow, MailState};
use storage::{StorageError, Tx};

use super::letter::{Sender, WrittenOut, write_out};
use super::{Mail, product_name, stored};
use crate::jobs::kinds::{Done, JobFailure};
use crate::{App, AppError};

pub(crate) const SEND_MAIL: &str = "send_mail";

#[derive(Deserialize)]
struct Payload {
    mail: String,
}

pub(crate) async fn send_mail(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let id = mail_of(job).ok_or_else(|| JobFailure::GiveUp("the job names no mail".into()))?;
    let read = move |tx: &mut Tx<'_>| mails::by_id(tx, id);
    let found: Option<MailRow> = app.database.read::<_, StorageError, _>("read_mail_to_send", read).await?;
    let Some(row) = found.filter(|row| row.state != MailState::Sent) else { return Ok(Done) };
    let mail = stored::read(&row.content).map_err(|error| JobFailure::GiveUp(error.to_string()))?;
    if let Some(until) = mail.good_until().filter(|until| *until <= app.now()) {
        return Err(JobFailure::GiveUp(format!("its link was good until {until} only, so it was not sent")));
    }
    hand_over(app, &row.to, id, &mail).await?;
    note_sent(app, id, mail).await?;
    Ok(Done)
}

async fn hand_over(app: &App, to: &str, id: MailId, mail: &Mail) -> Result<(), JobFailure> {
    let server = app.mail_server.as_ref().ok_or_else(|| JobFailure::RetryLater("no mail server is set".into()))?;
    let outgoing = outgoing(app, to, id, mail).await?;
    let outcome = server.send(&outgoing).await;
    let told = match &outcome {
        Ok(()) => "sent",
        Err(SendError::Later(_)) => "refused_for_now",
        Err(SendError::Never(_)) => "refused",
    };
    metrics::counter!("tollway_mails_total", "kind" => mail.kind(), "outcome" => told).increment(1);
    outcome.map_err(|error| match error {
        SendError::Later(error) => JobFailure::RetryLater(error),
        SendError::Never(error) => JobFailure::GiveUp(error),
    })
}

/// A mail as it goes over the wire.
async fn outgoing(app: &App, to: &str, id: MailId, mail: &Mail) -> Result<OutgoingMail, AppError> {
    let WrittenOut { subject, text, html } = write_out(mail, &sender(app).await?)?;
    Ok(OutgoingMail { id: id.to_string(), to: to.to_owned(), subject, text, html, at: app.now() })
}

/// Whom letters come from.
pub(super) async fn sender(app: &App) -> Result<Sender, AppError> {
    Ok(Sender { product: product_name(app).await?, public_url: app.settings.public_url.clone() })
}

/// What its reader could do by it is not kept, but in development, where people and tests look for it.
async fn note_sent(app: &App, id: MailId, mail: Mail) -> Result<(), StorageError> {
    let kept = stored::store(&if app.settings.development { mail } else { mail.without_secrets() })?;
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| mails::note_sent(tx, id, &kept, now);
    app.database.write("note_mail_sent", write).await
}

/// Called in the transaction in which its job fails or is given up.
pub(crate) fn note_failure(tx: &mut Tx<'_>, job: &Job, error: &str, given_up: bool) -> Result<(), StorageError> {
    match mail_of(job) {
        Some(mail) => mails::note_failure(tx, mail, error, given_up),
        None => Ok(()),
    }
}

fn mail_of(job: &Job) -> Option<MailId> {
    MailId::parse(&serde_json::from_str::<Payload>(&job.payload).ok()?.mail)
}
