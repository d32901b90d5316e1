//! The signed-in person's own profile: shown, changed, deleted.

use domain::billing::Status;
use domain::ids::{AccountId, UserId};
use domain::name::Name;
use domain::permissions::Role;
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::Tx;
use storage::records::accounts::{self, Account};
use storage::records::members::{self, Member};
use storage::records::subscriptions;
use storage::records::users::{self, AcceptedTerms, User, UserStatus};
use storage::records::{one_time_tokens, wanted_plans};

use super::letters::Letter;
use super::links::{self, NewToken, Purpose};
use super::recent_sign_in::must_be_recent;
use super::sessions::{self, Device};
use crate::accounts::close_account::close;
use crate::accounts::fields;
use crate::audit::{self, Audited};
use crate::rate_limits::Identity;
use crate::teams::seats::SeatsChanged;
use crate::webhooks::{Emitted, Event, emit_member};
use crate::{App, AppError, Caller, rate_limits, teams};

/// What a person sees of themselves.
pub struct Profile {
    pub user: User,
    pub two_factor: bool,
    /// The account that is meant where a request names none.
    pub account: Option<AccountId>,
    pub memberships: Vec<Membership>,
}

/// An account that a person belongs to.
pub struct Membership {
    pub account: Account,
    pub role: Role,
    /// The plan's key. `None`: the catalog names no default plan.
    pub plan: Option<Name>,
    pub status: Option<Status>,
    /// What the person chose at sign-up and has not paid for yet.
    pub wanted: Option<wanted_plans::WantedPlan>,
}

pub async fn profile(app: &App, caller: &Caller) -> Result<Profile, AppError> {
    let person = caller.person()?;
    let (id, account) = (person.user, person.account);
    let plans = app.plans().await?;
    let default_plan = plans.default_plan().map(|version| version.plan.key.clone());
    let read = move |tx: &mut Tx<'_>| -> Result<Profile, AppError> {
        let user = users::by_id(tx, id)?.ok_or(AppError::Unauthenticated)?;
        let mut memberships = Vec::new();
        for Member { account, role, .. } in members::of_user(tx, id)? {
            let Some(account) = accounts::by_id(tx, account)? else { continue };
            let subscription = subscriptions::by_account(tx, account.id)?;
            let version = subscription.as_ref().and_then(|subscription| subscription.plan_version);
            let plan = version.and_then(|version| plans.versions.get(&version));
            let plan = plan.map(|version| version.plan.key.clone()).or_else(|| default_plan.clone());
            let status = subscription.map(|subscription| subscription.status);
            let wanted = wanted_plans::get(tx, account.id)?;
            memberships.push(Membership { account, role, plan, status, wanted });
        }
        let two_factor = super::totp::is_enabled_in(tx, id)?;
        Ok(Profile { user, two_factor, account, memberships })
    };
    app.database.read("show_profile", read).await
}

/// What to change; `None` leaves it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProfileChanges {
    pub name: Option<String>,
    /// Takes effect when the link mailed to the new address is followed.
    pub email: Option<String>,
    /// The account that is meant from now on where a request names none.
    pub account: Option<AccountId>,
    /// The version of the terms that are accepted now.
    pub terms: Option<String>,
}

/// What a link to a new address remembers.
#[derive(Serialize, Deserialize)]
struct NewEmail {
    from: String,
    to: String,
}

/// Changes the caller's profile.
///
/// # Errors
/// [`AppError::RecentSignInRequired`] for a new address.
pub async fn update_profile(
    app: &App,
    caller: &Caller,
    changes: ProfileChanges,
    device: &Device,
) -> Result<(), AppError> {
    let person = caller.person()?;
    changes.name.as_deref().map(fields::name).transpose()?;
    changes.terms.as_deref().map(|version| fields::plain_text("terms", version, 100)).transpose()?;
    if changes.account.is_some_and(|account| person.role_in(account).is_none()) {
        return Err(AppError::AccountUnknown);
    }
    let confirmation = match &changes.email {
        Some(email) => {
            fields::email("email", email)?;
            must_be_recent(app, caller)?;
            rate_limits::hold_anyone(app, "register", &[Identity::SignInName(person.user.to_string())]).await?;
            Some(confirmation(app, person.user, email).await?)
        }
        None => None,
    };
    let (id, now) = (person.user, app.now());
    let event = Audited::new(app, "user.email_change_asked", Some(device));
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let mut user = users::lock(tx, id)?.ok_or(AppError::Unauthenticated)?;
        if let Some(name) = &changes.name {
            user.name.clone_from(name);
        }
        if let Some(version) = &changes.terms {
            user.terms = Some(AcceptedTerms { version: version.clone(), at: now });
        }
        user.updated_at = now;
        users::update(tx, &user)?;
        if changes.account.is_some() {
            users::choose_account(tx, id, changes.account)?;
        }
        if let Some((token, letter)) = &confirmation {
            one_time_tokens::delete_of(tx, &id.to_string(), Purpose::ChangeEmail.as_str())?;
            token.insert(tx)?;
            letter.insert(tx)?;
            audit::note(tx, &event, None, id, id, json!({}))?;
        }
        Ok(())
    };
    app.database.write("update_profile", write).await
}

/// Whether somebody else has the new address is told only to whoever reads its mails.
async fn confirmation(app: &App, user: UserId, email: &str) -> Result<(NewToken, Letter), AppError> {
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(users::by_id(tx, user)?) };
    let user = app.database.read("read_own_user", read).await?.ok_or(AppError::Unauthenticated)?;
    let content = NewEmail { from: user.email.clone(), to: email.to_owned() };
    let lifetime = app.settings.people.verify_link_seconds;
    let token = NewToken::new(app, Purpose::ChangeEmail, user.id.to_string(), &content, lifetime);
    let letter = Letter::confirm_new_email(app, &user, email, &token);
    Ok((token, letter))
}

/// Changes the address to the one that the link was mailed to, and tells the old one.
///
/// # Errors
/// [`AppError::LinkInvalid`]; [`AppError::EmailTaken`] when somebody has registered the address meanwhile.
pub async fn confirm_new_email(app: &App, secret: &str, device: &Device) -> Result<(), AppError> {
    let (secret, now) = (secret.to_owned(), app.now());
    let event = Audited::new(app, "user.email_changed", Some(device));
    let prepared = app.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let (subject, change): (String, NewEmail) = links::take(tx, Purpose::ChangeEmail, &secret, now)?;
        let id = UserId::parse(&subject).ok_or(AppError::LinkInvalid)?;
        let mut user = users::lock(tx, id)?.filter(|user| user.email == change.from).ok_or(AppError::LinkInvalid)?;
        if users::by_email(tx, &change.to)?.is_some_and(|other| other.id != id) {
            return Err(AppError::EmailTaken);
        }
        user.email.clone_from(&change.to);
        user.email_verified_at = Some(now);
        user.updated_at = now;
        users::update(tx, &user)?;
        Letter::email_changed(&prepared, &user.name, &change.from, &change.to).insert(tx)?;
        one_time_tokens::delete_of(tx, &subject, Purpose::VerifyEmail.as_str())?;
        one_time_tokens::delete_of(tx, &subject, Purpose::ResetPassword.as_str())?;
        Ok(audit::note(tx, &event, None, id, id, json!({}))?)
    };
    app.database.write("confirm_new_email", write).await
}

/// Deletes the caller: signs out everywhere, leaves all accounts, frees the address, and closes accounts that nobody else
/// belongs to. What was counted and paid stays.
///
/// # Errors
/// [`AppError::LastOwner`] while others belong to an account that has no other owner.
pub async fn delete_me(app: &App, caller: &Caller, device: &Device) -> Result<(), AppError> {
    let person = caller.person()?;
    must_be_recent(app, caller)?;
    let (id, now) = (person.user, app.now());
    let event = Audited::new(app, "user.deleted", Some(device));
    let (prepared, seats) = (app.clone(), SeatsChanged::new(app).await?);
    let left = Emitted::new(app, Event::MemberLeft);
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let mut user = users::lock(tx, id)?.ok_or(AppError::Unauthenticated)?;
        for (place, member) in members::of_user(tx, id)?.iter().enumerate() {
            leave(tx, member, now)?;
            seats.note(tx, member.account, place)?;
            emit_member(tx, &left, member)?;
        }
        Letter::account_deleted(&prepared, &user.name, &user.email).insert(tx)?;
        user.status = UserStatus::Deleted;
        user.password_hash = None;
        user.superadmin = false;
        user.updated_at = now;
        users::update(tx, &user)?;
        super::totp::forget(tx, id)?;
        storage::records::identities::delete_of_user(tx, id)?;
        for purpose in [Purpose::VerifyEmail, Purpose::ResetPassword, Purpose::ChangeEmail, Purpose::SecondFactor] {
            one_time_tokens::delete_of(tx, &id.to_string(), purpose.as_str())?;
        }
        sessions::end_all(tx, id, now, "user_deleted")?;
        Ok(audit::note(tx, &event, None, id, id, json!({}))?)
    };
    app.database.write("delete_user", write).await
}

/// The account's row is held, so that of two owners who leave at the same moment one stays.
fn leave(tx: &mut Tx<'_>, leaving: &Member, now: domain::time::Timestamp) -> Result<(), AppError> {
    accounts::lock(tx, leaving.account)?;
    if members::count(tx, leaving.account)? == 1 {
        return Ok(close(tx, leaving.account, now)?);
    }
    teams::must_keep_owner(tx, leaving)?;
    Ok(teams::leave(tx, leaving, now)?)
}
