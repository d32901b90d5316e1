//! Makes an account, or finds the one that has the external id already.

use serde_json::{Map, Value as Json};
use storage::Tx;
use storage::records::accounts;

use super::{Account, AccountStatus, fields};
use crate::{App, AppError, Caller};

/// An account to be made. It is known by its external id, its name or its email: at least one of them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NewAccount {
    pub external_id: Option<String>,
    /// Without one: the external id, or the email.
    pub name: Option<String>,
    pub email: Option<String>,
    /// Where invoices go, if not to `email`.
    pub billing_email: Option<String>,
    pub metadata: Map<String, Json>,
}

/// Makes an account on the default plan. With an external id that is taken, answers the account that has it, unchanged,
/// and false.
pub async fn create_account(app: &App, caller: &Caller, new: NewAccount) -> Result<(Account, bool), AppError> {
    caller.must_operate()?;
    caller.must_have_scope("accounts:write")?;
    insert(app, new).await
}

/// As [`create_account`], for whoever was authorised otherwise.
pub(crate) async fn insert(app: &App, new: NewAccount) -> Result<(Account, bool), AppError> {
    let name = check(&new)?;
    let now = app.now();
    let account = Account {
        id: app.new_id(),
        external_id: new.external_id,
        name,
        email: new.email,
        billing_email: new.billing_email,
        metadata: new.metadata,
        status: AccountStatus::Active,
        created_at: now,
        updated_at: now,
    };
    let default_plan = app.plans().await?.default_plan().map(|version| version.id);
    let subscription = app.new_id();
    let write = move |tx: &mut Tx<'_>| -> Result<(Account, bool), AppError> {
        if accounts::insert(tx, &account, subscription, default_plan)? {
            return Ok((account.clone(), true));
        }
        let external_id = account.external_id.as_deref().unwrap_or_default();
        let existing = accounts::by_external_id(tx, external_id)?;
        Ok((existing.ok_or(AppError::AccountUnknown)?, false))
    };
    app.database.write("create_account", write).await
}

/// The name it will have.
fn check(new: &NewAccount) -> Result<String, AppError> {
    new.external_id.as_deref().map(fields::external_id).transpose()?;
    new.name.as_deref().map(fields::name).transpose()?;
    new.email.as_deref().map(|email| fields::email("email", email)).transpose()?;
    new.billing_email.as_deref().map(|email| fields::email("billing_email", email)).transpose()?;
    fields::metadata(&new.metadata)?;
    let name = new.name.as_ref().or(new.external_id.as_ref()).or(new.email.as_ref());
    // An external id may be longer than a name; the rest of it tells people little.
    name.map(|name| name.chars().take(fields::LONGEST_NAME).collect())
        .ok_or_else(|| AppError::invalid("external_id", "Give the account an `external_id` or a `name`."))
}
