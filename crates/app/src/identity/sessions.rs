//! Sessions: begun by a sign-in, kept going by refresh tokens or a cookie, ended by whoever may.

use domain::ids::{AccountId, SessionId, UserId};
use domain::permissions::Role;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use serde_json::json;
use storage::records::sessions::{self, Session, SessionOf};
use storage::records::users::User;
use storage::records::{members, users};
use storage::{StorageError, Tx};

use super::access_tokens::{AccessFor, AccessToken, issue_access};
use super::links;
use crate::audit::{self, Audited};
use crate::{App, AppError, Caller};

const LONGEST_USER_AGENT: usize = 300;

/// Where a request comes from, as its session remembers it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Device {
    pub user_agent: String,
    pub address: String,
}

impl Device {
    pub fn new(user_agent: &str, address: String) -> Self {
        let user_agent = user_agent.chars().filter(|letter| !letter.is_control()).take(LONGEST_USER_AGENT).collect();
        Self { user_agent, address }
    }
}

/// What a client keeps a session going with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// An API client: refresh tokens.
    Tokens,
    /// A browser: a cookie.
    Cookie,
}

/// A session that is not in the database yet.
#[derive(Clone)]
pub struct NewSession {
    pub session: Session,
    /// The refresh token or the cookie.
    pub secret: String,
    pub keep: Keep,
}

impl NewSession {
    pub fn new(app: &App, who: SessionOf, method: String, device: &Device, keep: Keep) -> Self {
        let now = app.now();
        let session = Session {
            id: app.new_id(),
            who,
            method,
            user_agent: device.user_agent.clone(),
            address: device.address.clone(),
            created_at: now,
            signed_in_at: now,
            last_seen_at: now,
            expires_at: lasting_until(app, now),
            ended_at: None,
            ended_because: None,
        };
        Self { session, secret: links::secret(&app.entropy), keep }
    }

    pub fn insert(&self, tx: &mut Tx<'_>) -> Result<(), StorageError> {
        let hash = links::hash(&self.secret);
        match self.keep {
            Keep::Cookie => sessions::insert(tx, &self.session, Some(hash)),
            Keep::Tokens => {
                sessions::insert(tx, &self.session, None)?;
                sessions::insert_refresh_token(tx, &hash, self.session.id, self.session.created_at)
            }
        }
    }
}

fn lasting_until(app: &App, now: Timestamp) -> Timestamp {
    now.plus_micros(app.settings.people.refresh_token_seconds.saturating_mul(MICROS_PER_SECOND))
}

/// A sign-in that worked.
#[derive(Clone)]
pub struct SignedIn {
    pub user: User,
    pub session: SessionId,
    /// The account that is meant where a request names none.
    pub account: Option<(AccountId, Role)>,
    pub access: AccessToken,
    /// The refresh token or the cookie.
    pub secret: String,
    pub keep: Keep,
    pub session_expires_at: Timestamp,
    /// Where a plan that was chosen at sign-up is paid for.
    pub checkout_url: Option<String>,
}

/// The answer to a sign-in whose session is in the database.
pub(super) async fn signed_in(
    app: &App,
    user: User,
    account: Option<(AccountId, Role)>,
    new: NewSession,
) -> Result<SignedIn, AppError> {
    let NewSession { session, secret, keep } = new;
    let access = access_token(app, &user, session.id, account).await?;
    Ok(SignedIn {
        user,
        session: session.id,
        account,
        access,
        secret,
        keep,
        session_expires_at: session.expires_at,
        checkout_url: None,
    })
}

async fn access_token(
    app: &App,
    user: &User,
    session: SessionId,
    account: Option<(AccountId, Role)>,
) -> Result<AccessToken, AppError> {
    let email_verified = user.email_verified_at.is_some();
    issue_access(app, AccessFor { user: user.id, session, account, email: &user.email, email_verified }).await
}

/// The account a user acts for where a request names none: the one last chosen, else the one joined first.
pub(super) fn chosen_account(memberships: &[members::Member], user: &User) -> Option<(AccountId, Role)> {
    let chosen = memberships.iter().find(|member| Some(member.account) == user.last_account);
    chosen.or(memberships.first()).map(|member| (member.account, member.role))
}

/// Takes a refresh token in for new ones. One that was used before ends its session: somebody has a copy.
///
/// # Errors
/// [`AppError::SessionOver`].
pub async fn refresh(app: &App, secret: &str, device: &Device) -> Result<SignedIn, AppError> {
    let now = app.now();
    let (given, next) = (links::hash(secret), links::secret(&app.entropy));
    let (next_hash, until, address) = (links::hash(&next), lasting_until(app, now), device.address.clone());
    let reused = Audited::new(app, "session.refresh_token_reused", Some(device));
    let write = move |tx: &mut Tx<'_>| -> Result<Option<(Session, User, Vec<members::Member>)>, AppError> {
        let id = match sessions::use_refresh_token(tx, &given, now)? {
            sessions::RefreshUse::Unknown => return Ok(None),
            sessions::RefreshUse::First(id) => id,
            sessions::RefreshUse::Again(id) => {
                if sessions::end(tx, id, now, "refresh_token_reused")? {
                    audit::note(tx, &reused, None, "server", id, json!({}))?;
                }
                return Ok(None);
            }
        };
        let Some(session) = sessions::by_id(tx, id)?.filter(|session| session.is_open(now)) else { return Ok(None) };
        let SessionOf::User(user) = session.who else { return Ok(None) };
        let Some(user) = users::by_id(tx, user)?.filter(may_sign_in) else { return Ok(None) };
        sessions::prolong(tx, id, until, now, &address)?;
        sessions::insert_refresh_token(tx, &next_hash, id, now)?;
        let memberships = members::of_user(tx, user.id)?;
        Ok(Some((session, user, memberships)))
    };
    let refreshed = app.database.write("refresh_session", write).await?;
    let (session, user, memberships) = refreshed.ok_or(AppError::SessionOver)?;
    let account = chosen_account(&memberships, &user);
    let access = access_token(app, &user, session.id, account).await?;
    let keep = Keep::Tokens;
    Ok(SignedIn {
        user,
        session: session.id,
        account,
        access,
        secret: next,
        keep,
        session_expires_at: until,
        checkout_url: None,
    })
}

fn may_sign_in(user: &User) -> bool {
    user.status == users::UserStatus::Active
}

/// The caller's open sessions, the newest first.
pub async fn list_sessions(app: &App, caller: &Caller) -> Result<(Vec<Session>, SessionId), AppError> {
    let person = caller.person()?;
    let (user, current, now) = (person.user, person.session, app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(sessions::of_user(tx, user, now)?) };
    Ok((app.database.read("list_sessions", read).await?, current))
}

/// Ends one session of the caller; the next request that comes with it is refused.
pub async fn end_session(app: &App, caller: &Caller, id: SessionId, device: &Device) -> Result<(), AppError> {
    let person = caller.person()?;
    let (user, now) = (person.user, app.now());
    let event = Audited::new(app, "session.revoked", Some(device));
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let unknown = || AppError::NotFound { what: "session", name: id.to_string() };
        let session = sessions::by_id(tx, id)?.filter(|session| session.who == SessionOf::User(user));
        session.ok_or_else(unknown)?;
        if sessions::end(tx, id, now, "revoked")? {
            audit::note(tx, &event, None, user, id, json!({}))?;
        }
        Ok(())
    };
    app.database.write("end_session", write).await
}

/// Ends all sessions of the caller but the one that asks; how many.
pub async fn end_other_sessions(app: &App, caller: &Caller, device: &Device) -> Result<usize, AppError> {
    let person = caller.person()?;
    let (user, kept, now) = (person.user, person.session, app.now());
    let event = Audited::new(app, "sessions.revoked", Some(device));
    let write = move |tx: &mut Tx<'_>| -> Result<usize, AppError> {
        let ended = sessions::end_of_user(tx, user, Some(kept), now, "revoked")?;
        audit::note(tx, &event, None, user, user, json!({ "sessions": ended }))?;
        Ok(ended)
    };
    app.database.write("end_other_sessions", write).await
}

/// Signs out: ends the session that the caller came with.
pub async fn sign_out(app: &App, caller: &Caller) -> Result<(), AppError> {
    let session = match caller {
        Caller::Person(person) => Some(person.session),
        Caller::Visitor(visiting) => visiting.session,
        _ => None,
    };
    let Some(session) = session else { return Err(AppError::SignInRequired) };
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(sessions::end(tx, session, now, "signed_out")?) };
    app.database.write("sign_out", write).await.map(|_| ())
}

/// Signs out whoever has this refresh token, whether its access token is still good or not.
pub async fn sign_out_by_refresh_token(app: &App, secret: &str) -> Result<(), AppError> {
    let (hash, now) = (links::hash(secret), app.now());
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        match sessions::use_refresh_token(tx, &hash, now)? {
            sessions::RefreshUse::First(id) | sessions::RefreshUse::Again(id) => {
                sessions::end(tx, id, now, "signed_out")?;
            }
            sessions::RefreshUse::Unknown => {}
        }
        Ok(())
    };
    app.database.write("sign_out", write).await
}

/// Writes down when sessions were last seen, and forgets those that are long over.
pub(crate) async fn keep_sessions(app: &App) -> Result<(), AppError> {
    const TOGETHER: usize = 200;
    /// Sessions that are over are kept for a while, for whoever asks what happened.
    const KEPT_MICROS: i64 = 7 * domain::time::MICROS_PER_DAY;
    for seen in app.sessions.take_seen().chunks(TOGETHER) {
        let seen = seen.to_vec();
        let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(sessions::touch(tx, &seen)?) };
        app.database.write("note_sessions_seen", write).await?;
    }
    let before = app.now().minus_micros(KEPT_MICROS);
    let write = move |tx: &mut Tx<'_>| -> Result<usize, AppError> {
        let tokens = storage::records::one_time_tokens::delete_expired(tx, before, TOGETHER as u32)?;
        Ok(tokens + sessions::delete_expired(tx, before, TOGETHER as u32)?)
    };
    while app.database.write("delete_old_sessions", write).await? >= TOGETHER {}
    Ok(())
}

/// The sessions of a user end, whoever says so.
pub(super) fn end_all(tx: &mut Tx<'_>, user: UserId, now: Timestamp, because: &'static str) -> Result<(), AppError> {
    sessions::end_of_user(tx, user, None, now, because)?;
    Ok(())
}
