//! Follows the outbox while mails are written, so that a development server can show each.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ids::MailId;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use storage::Tx;
use storage::records::mails;
use tokio::sync::watch;

use super::send_mail::sender;
use super::show_mail::{ListedMail, listed};
use crate::{App, AppError};

/// Looked for also when no transaction of this process has written one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An id is made before its mail is committed; so far back it is looked for one that came late.
const LATE_MICROS: i64 = 10 * MICROS_PER_SECOND;
const TOGETHER: u32 = 200;

/// The mails that are written from now on, each once.
pub struct WrittenMails {
    app: App,
    added: watch::Receiver<()>,
    since: Timestamp,
    seen: BTreeSet<u128>,
}

impl WrittenMails {
    pub fn from_now_on(app: &App) -> Self {
        Self { app: app.clone(), added: app.jobs_added.subscribe(), since: app.now(), seen: BTreeSet::new() }
    }

    /// Waits until there are some, and gives them in the order they were written.
    pub async fn next(&mut self) -> Result<Vec<ListedMail>, AppError> {
        loop {
            self.added.borrow_and_update();
            let found = self.look().await?;
            if !found.is_empty() {
                return Ok(found);
            }
            let _ = tokio::time::timeout(LOOK_EVERY, self.added.changed()).await;
        }
    }

    async fn look(&mut self) -> Result<Vec<ListedMail>, AppError> {
        let (after, started) = (MailId::new(self.since, 0), self.app.now());
        let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(mails::written_after(tx, after, TOGETHER)?) };
        let mut rows = self.app.database.read("mails_written", read).await?;
        let read_all = rows.len() < TOGETHER as usize;
        rows.retain(|row| self.seen.insert(row.id.bits()));
        if read_all {
            self.since = self.since.max(started.minus_micros(LATE_MICROS));
            let oldest = MailId::new(self.since, 0).bits();
            self.seen.retain(|id| *id >= oldest);
        } else if let Some(last) = rows.last() {
            self.since = last.created_at;
        }
        let sender = sender(&self.app).await?;
        rows.into_iter().map(|row| listed(&self.app, row, &sender)).collect()
    }
}
