//! Closes an account for ever.

use domain::ids::{AccountId, JobId};
use domain::permissions::Action;
use domain::time::Timestamp;
use serde_json::json;
use storage::records::jobs::{self, NewJob};
use storage::records::{accounts, api_keys, billing_customers, invitations, members};
use storage::{StorageError, Tx};

use super::AccountStatus;
use crate::audit::{self, Audited};
use crate::billing::cancel::CANCEL_BILLING;
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::identity::{Device, must_be_recent};
use crate::teams::seats::SeatsChanged;
use crate::{AccountRef, App, AppError, Caller};

/// Nothing more is used from the next call on. Its people keep their other accounts; what was counted and paid is kept.
/// Closing twice is as good as once.
pub async fn close_account(app: &App, caller: &Caller, account: &AccountRef, device: &Device) -> Result<(), AppError> {
    let id = caller.account_of_person(app, account, (Action::DeleteAccount, ACCOUNTS_WRITE)).await?;
    must_be_recent(app, caller)?;
    let event = Audited::new(app, "account.closed", Some(device));
    let (actor, now, seats) = (caller.actor(), app.now(), SeatsChanged::new(app).await?);
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let account = accounts::lock(tx, id)?.ok_or(AppError::AccountUnknown)?;
        if account.status == AccountStatus::Closed {
            return Ok(());
        }
        close(tx, id, now)?;
        seats.note(tx, id, 0)?;
        Ok(audit::note(tx, &event, Some(id), &actor, id, json!({}))?)
    };
    app.database.write("close_account", write).await
}

/// In the caller's transaction: its keys are revoked, its invitations withdrawn, nobody belongs to it any more, and what it
/// pays for is ended by a job.
pub(crate) fn close(tx: &mut Tx<'_>, id: AccountId, now: Timestamp) -> Result<(), StorageError> {
    if let Some(mut account) = accounts::lock(tx, id)? {
        account.status = AccountStatus::Closed;
        account.updated_at = now;
        accounts::update(tx, &account)?;
        accounts::raise_epoch(tx, id)?;
    }
    let is_customer = billing_customers::by_account(tx, id)?.is_some_and(|row| row.customer.is_some());
    if is_customer {
        // An account closes once, so that its own number is free for the job.
        let job = JobId::from_bits(id.bits());
        let payload = json!({ "account": id.to_string() }).to_string();
        jobs::insert(tx, &NewJob { id: job, kind: CANCEL_BILLING, account: Some(id), payload, run_at: now }, now)?;
    }
    api_keys::revoke_of_account(tx, id, now)?;
    invitations::withdraw_all(tx, id, now)?;
    members::delete_of_account(tx, id)
}
