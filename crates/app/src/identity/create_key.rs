//! Makes an API key. Its secret is in the answer and nowhere else.

use domain::name::Name;
use domain::time::Timestamp;
use serde_json::json;
use storage::records::{accounts, api_keys};
use storage::{StorageError, Tx};

use super::secret::{self, Secret};
use super::{ApiKey, KeyOwner, KeysOf, account_of, must_be_recent, owner_of, scopes};
use crate::accounts::fields::plain_text;
use crate::audit::{self, Audited};
use crate::webhooks::{Emitted, Event, emit};
use crate::{App, AppError, Caller};

const LONGEST_NAME: usize = 100;
const LONGEST_MEMBER: usize = 255;
const MOST_KEYS: i64 = 1_000;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewKey {
    /// What people call it: `CI`, `Ada's laptop`.
    pub name: String,
    /// Empty: everything its kind may do, but make other keys.
    pub scopes: Vec<Name>,
    pub expires_at: Option<Timestamp>,
    /// The member of the account it acts for.
    pub member: Option<Name>,
}

/// Makes a key for the platform or an account. Nobody can make a key of their own kind that may do more than theirs.
pub async fn create_key(
    app: &App,
    caller: &Caller,
    of: &KeysOf,
    mut new: NewKey,
) -> Result<(ApiKey, Secret), AppError> {
    let owner = owner_of(app, caller, of).await?;
    scopes::must_be_known(&new.scopes)?;
    must_not_exceed(caller, owner, &new.scopes)?;
    must_be_recent(app, caller)?;
    if let Some(own) = caller.member() {
        if new.member.as_ref().is_some_and(|member| *member != own) {
            let message = format!("You act for the member {own} and can make keys for that member alone.");
            return Err(AppError::invalid("member", message));
        }
        new.member = Some(own);
    }
    let (actor, account) = (caller.actor(), account_of(owner));
    let event = Audited::new(app, "api_key.created", None);
    let told = Emitted::new(app, Event::KeyCreated);
    issue(app, owner, new, move |tx, key| {
        audit::note(tx, &event, account, &actor, key.id, json!({}))?;
        let Some(account) = account else { return Ok(()) };
        emit(tx, &told, account, &json!({ "id": key.id.to_string(), "name": key.name, "prefix": key.prefix }))
    })
    .await
}

/// As [`create_key`], for whoever was authorised otherwise: the command line and the start in development.
pub async fn issue_key(app: &App, owner: KeyOwner, new: NewKey) -> Result<(ApiKey, Secret), AppError> {
    issue(app, owner, new, |_, _| Ok(())).await
}

async fn issue(
    app: &App,
    owner: KeyOwner,
    new: NewKey,
    also: impl Fn(&mut Tx<'_>, &ApiKey) -> Result<(), StorageError> + Send + 'static,
) -> Result<(ApiKey, Secret), AppError> {
    check(app, owner, &new)?;
    let secret = Secret::generate(&app.entropy, owner);
    let key = ApiKey {
        id: app.new_id(),
        owner,
        name: new.name,
        prefix: secret.visible_prefix().to_owned(),
        hash: secret::hash(secret.reveal()),
        scopes: new.scopes,
        member: new.member,
        created_at: app.now(),
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let write = move |tx: &mut Tx<'_>| -> Result<ApiKey, AppError> {
        if let Some(account) = account_of(owner) {
            accounts::by_id(tx, account)?.ok_or(AppError::AccountUnknown)?;
            if api_keys::count(tx, account)? >= MOST_KEYS {
                let message = format!("This account has {MOST_KEYS} keys; revoke one that is no longer used.");
                return Err(AppError::invalid("account", message));
            }
        }
        api_keys::insert(tx, &key)?;
        also(tx, &key)?;
        Ok(key.clone())
    };
    Ok((app.database.write("create_api_key", write).await?, secret))
}

fn check(app: &App, owner: KeyOwner, new: &NewKey) -> Result<(), AppError> {
    plain_text("name", &new.name, LONGEST_NAME)?;
    scopes::must_be_known(&new.scopes)?;
    if new.expires_at.is_some_and(|expiry| expiry <= app.now()) {
        return Err(AppError::invalid("expires_at", "The key would be expired already; name a time in the future."));
    }
    match (&new.member, owner) {
        (None, _) => Ok(()),
        (Some(member), KeyOwner::Account(_)) => plain_text("member", member.as_str(), LONGEST_MEMBER),
        (Some(_), KeyOwner::Service) => {
            Err(AppError::invalid("member", "A service key acts for many accounts, not for a member of one."))
        }
    }
}

/// Keys without scopes may do everything, so who has scopes must give some, and only their own.
fn must_not_exceed(caller: &Caller, owner: KeyOwner, wanted: &[Name]) -> Result<(), AppError> {
    let held = match (caller, owner) {
        (Caller::Service { scopes, .. }, KeyOwner::Service) => scopes,
        (Caller::Account { scopes, .. }, _) => scopes,
        // Giving customers their keys is what a backend has `keys:write` for.
        (Caller::Service { .. }, KeyOwner::Account(_)) => return Ok(()),
        // People have roles instead; a key of theirs is theirs.
        (Caller::Person(_) | Caller::Visitor(_), _) => return Ok(()),
    };
    if held.is_empty() || (!wanted.is_empty() && wanted.iter().all(|scope| held.contains(scope))) {
        return Ok(());
    }
    let held: Vec<&str> = held.iter().map(Name::as_str).collect();
    let message = format!("A key cannot make one that may do more: name scopes among {}.", held.join(", "));
    Err(AppError::invalid("scopes", message))
}
