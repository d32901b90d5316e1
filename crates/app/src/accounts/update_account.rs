//! Changes what is known of an account.

use domain::permissions::Action;
use serde_json::{Map, Value as Json, json};
use storage::Tx;
use storage::records::accounts;

use super::{Account, fields};
use crate::audit::{self, Audited};
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::webhooks::{Emitted, Event, emit};
use crate::{AccountRef, App, AppError, Caller};

/// What to change: `None` leaves it as it is, `Some(None)` takes it away.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccountChanges {
    /// Can be set where there is none; it never changes.
    pub external_id: Option<String>,
    pub name: Option<String>,
    pub email: Option<Option<String>>,
    pub billing_email: Option<Option<String>>,
    /// Takes the place of all that was there.
    pub metadata: Option<Map<String, Json>>,
}

pub async fn update_account(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    changes: AccountChanges,
) -> Result<Account, AppError> {
    if caller.must_operate().is_err() {
        must_be_own_fields(&changes)?;
    }
    check(&changes)?;
    let id = caller.account_of_person(app, account, (Action::ChangeAccount, ACCOUNTS_WRITE)).await?;
    let (event, actor) = (Audited::new(app, "account.changed", None), caller.actor());
    let told = Emitted::new(app, Event::AccountChanged);
    let now = app.now();
    let external_id = changes.external_id.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<Account, AppError> {
        let mut account = accounts::lock(tx, id)?.ok_or(AppError::AccountUnknown)?;
        let before = account.clone();
        apply(&changes, &mut account)?;
        if account != before {
            account.updated_at = now;
            accounts::update(tx, &account)?;
            audit::note(tx, &event, Some(id), &actor, id, json!({}))?;
            emit(tx, &told, id, &json!({ "id": id.to_string(), "name": account.name }))?;
        }
        Ok(account)
    };
    app.database.write("update_account", write).await.map_err(|error| match (error, external_id) {
        (AppError::Storage(storage::StorageError::Taken(_)), Some(value)) => {
            AppError::Taken { field: "external_id", value }
        }
        (error, _) => error,
    })
}

/// Customers say what their account is called and where bills go. The rest is the app's to say.
fn must_be_own_fields(changes: &AccountChanges) -> Result<(), AppError> {
    let others = [
        ("external_id", changes.external_id.is_some()),
        ("email", changes.email.is_some()),
        ("metadata", changes.metadata.is_some()),
    ];
    match others.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((field, _)) => Err(AppError::invalid(*field, format!("`{field}` is set by the app's backend alone."))),
    }
}

fn check(changes: &AccountChanges) -> Result<(), AppError> {
    changes.external_id.as_deref().map(fields::external_id).transpose()?;
    changes.name.as_deref().map(fields::name).transpose()?;
    for (field, email) in [("email", &changes.email), ("billing_email", &changes.billing_email)] {
        email.iter().flatten().try_for_each(|email| fields::email(field, email))?;
    }
    changes.metadata.as_ref().map(fields::metadata).transpose()?;
    Ok(())
}

fn apply(changes: &AccountChanges, account: &mut Account) -> Result<(), AppError> {
    match (&changes.external_id, &account.external_id) {
        (Some(wanted), Some(held)) if wanted != held => {
            let message = "An account keeps its `external_id`: usage may be on its way under it. Make another account.";
            return Err(AppError::invalid("external_id", message));
        }
        (Some(wanted), None) => account.external_id = Some(wanted.clone()),
        _ => {}
    }
    if let Some(name) = &changes.name {
        account.name.clone_from(name);
    }
    if let Some(email) = &changes.email {
        account.email.clone_from(email);
    }
    if let Some(billing_email) = &changes.billing_email {
        account.billing_email.clone_from(billing_email);
    }
    if let Some(metadata) = &changes.metadata {
        account.metadata.clone_from(metadata);
    }
    Ok(())
}
