//! Sends one mail at once, past the outbox, for an operator who wants to know whether the mail server is set up right.
//! Needs no database, so that it can be tried beside a server that runs.

use domain::ids::MailId;
use domain::time::Timestamp;
use providers::mail::{MailServer, OutgoingMail, SendError};

use super::Mail;
use super::letter::{Sender, write_out};

/// A mail to be tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestMail {
    pub id: MailId,
    pub to: String,
    pub product: String,
    pub public_url: String,
    pub now: Timestamp,
}

pub async fn send_test_mail(server: &MailServer, test: TestMail) -> Result<(), SendError> {
    let sender = Sender { product: test.product, public_url: test.public_url };
    let written = write_out(&Mail::Test, &sender).map_err(|error| SendError::Never(error.to_string()))?;
    let outgoing = OutgoingMail {
        id: test.id.to_string(),
        to: test.to,
        subject: written.subject,
        text: written.text,
        html: written.html,
        at: test.now,
    };
    server.send(&outgoing).await
}
