//! A person makes a further account and is its owner.

use domain::ids::UserId;
use domain::permissions::{Action, Role};
use serde_json::{Map, json};
use storage::Tx;
use storage::records::{accounts, members, users};

use super::Member;
use super::seats::SeatsChanged;
use crate::accounts::{Account, AccountStatus, fields};
use crate::audit::{self, Audited};
use crate::identity::Device;
use crate::rate_limits::Identity;
use crate::{App, AppError, Caller, rate_limits};

/// Accounts that one person may be an owner of.
const MOST_OWNED: i64 = 20;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTeam {
    pub name: String,
    /// Where invoices go, if not to its owners.
    pub billing_email: Option<String>,
}

/// Makes an account on the default plan.
///
/// # Errors
/// [`AppError::TooManyAccounts`] past what one person may own.
pub async fn create_team(app: &App, caller: &Caller, new: NewTeam, device: &Device) -> Result<Account, AppError> {
    let person = caller.person()?;
    person.must_be_verified_for(app, Action::ChangeAccount)?;
    fields::name(&new.name)?;
    new.billing_email.as_deref().map(|email| fields::email("billing_email", email)).transpose()?;
    let owner = person.user;
    rate_limits::hold_anyone(app, "register", &[Identity::SignInName(owner.to_string())]).await?;
    let account = account(app, new);
    let default_plan = app.plans().await?.default_plan().map(|version| version.id);
    let (subscription, seats) = (app.new_id(), SeatsChanged::new(app).await?);
    let event = Audited::new(app, "account.created", Some(device));
    let write = move |tx: &mut Tx<'_>| -> Result<Account, AppError> {
        must_own_fewer(tx, owner)?;
        accounts::insert(tx, &account, subscription, default_plan)?;
        let joined_at = account.created_at;
        members::insert(tx, &Member { account: account.id, user: owner, role: Role::Owner, joined_at })?;
        seats.note(tx, account.id, 0)?;
        audit::note(tx, &event, Some(account.id), owner, account.id, json!({}))?;
        Ok(account.clone())
    };
    app.database.write("create_team", write).await
}

fn account(app: &App, new: NewTeam) -> Account {
    let now = app.now();
    Account {
        id: app.new_id(),
        external_id: None,
        name: new.name,
        email: None,
        billing_email: new.billing_email,
        metadata: Map::new(),
        status: AccountStatus::Active,
        created_at: now,
        updated_at: now,
    }
}

/// The user's row is held, so that many at once are counted one after another.
fn must_own_fewer(tx: &mut Tx<'_>, owner: UserId) -> Result<(), AppError> {
    users::lock(tx, owner)?.ok_or(AppError::Unauthenticated)?;
    if members::count_owned(tx, owner)? < MOST_OWNED {
        return Ok(());
    }
    Err(AppError::TooManyAccounts { most: MOST_OWNED })
}
