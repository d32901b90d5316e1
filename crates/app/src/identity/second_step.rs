//! The second step of a sign-in: the challenge that the password was answered with, and a code.

use domain::ids::UserId;
use serde_json::json;
use storage::records::members::{self, Member};
use storage::records::one_time_tokens;
use storage::records::sessions::SessionOf;
use storage::records::users::{self, User};
use storage::{StorageError, Tx};

use super::authenticate::may_be_signed_in;
use super::links::{self, Purpose};
use super::login::Challenge;
use super::sessions::{Device, Keep, NewSession, SignedIn, chosen_account, signed_in};
use super::totp::{Checked, Proof, hold_guesses};
use crate::audit::{self, Audited};
use crate::{App, AppError};

/// Wrong codes until a challenge is over, and the password is asked for again.
const MOST_ATTEMPTS: i64 = 5;

enum Outcome {
    Over,
    Wrong(UserId),
    Right(Box<(User, Vec<Member>, NewSession)>),
}

/// Finishes a sign-in.
///
/// # Errors
/// [`AppError::CodeWrong`]; [`AppError::SessionOver`] when the challenge is over: sign in again.
pub async fn log_in_with_code(app: &App, challenge: &str, proof: Proof, device: &Device) -> Result<SignedIn, AppError> {
    hold(app, challenge).await?;
    let (hash, now, checked) = (links::hash(challenge), app.now(), Checked::new(app, proof));
    let nobody = SessionOf::User(UserId::from_bits(0));
    let prepared = NewSession::new(app, nobody, "password+totp".into(), device, Keep::Tokens);
    let (right, wrong) =
        (Audited::new(app, "user.signed_in", Some(device)), Audited::new(app, "user.code_wrong", Some(device)));
    let unverified = app.settings.people.unverified;
    let write = move |tx: &mut Tx<'_>| -> Result<Outcome, AppError> {
        let purpose = Purpose::SecondFactor.as_str();
        let Some(token) = one_time_tokens::try_once(tx, &hash, purpose, now)? else { return Ok(Outcome::Over) };
        if token.attempts > MOST_ATTEMPTS {
            one_time_tokens::take(tx, &hash, purpose, now)?;
            return Ok(Outcome::Over);
        }
        let user = UserId::parse(&token.subject).map(|user| users::by_id(tx, user)).transpose()?.flatten();
        let Some(user) = user.filter(|user| may_be_signed_in(user, unverified)) else { return Ok(Outcome::Over) };
        if !checked.is_right(tx, &user)? {
            audit::note(tx, &wrong, None, user.id, user.id, json!({ "attempt": token.attempts }))?;
            return Ok(Outcome::Wrong(user.id));
        }
        one_time_tokens::take(tx, &hash, purpose, now)?;
        let Challenge { cookie } = serde_json::from_str(&token.content).map_err(StorageError::unexpected)?;
        let mut begun = prepared.clone();
        begun.session.who = SessionOf::User(user.id);
        begun.keep = if cookie { Keep::Cookie } else { Keep::Tokens };
        begun.insert(tx)?;
        audit::note(tx, &right, None, user.id, begun.session.id, json!({ "method": "password+totp" }))?;
        let memberships = members::of_user(tx, user.id)?;
        Ok(Outcome::Right(Box::new((user, memberships, begun))))
    };
    match app.database.write("log_in_with_code", write).await? {
        Outcome::Over => Err(AppError::SessionOver),
        Outcome::Wrong(user) => {
            tracing::info!(%user, "a wrong code at sign-in");
            Err(AppError::CodeWrong)
        }
        Outcome::Right(done) => {
            let (user, memberships, session) = *done;
            let account = chosen_account(&memberships, &user);
            signed_in(app, user, account, session).await
        }
    }
}

/// Holds whoever the challenge is for to the rate of second factors, however many challenges they are given.
async fn hold(app: &App, challenge: &str) -> Result<(), AppError> {
    let (hash, now) = (links::hash(challenge), app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        Ok(one_time_tokens::get(tx, &hash, Purpose::SecondFactor.as_str(), now)?)
    };
    match app.database.read("find_challenge", read).await? {
        Some(token) => hold_guesses(app, &token.subject).await,
        None => Err(AppError::SessionOver),
    }
}
