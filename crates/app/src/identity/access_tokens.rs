//! Access tokens: short-lived, signed with EdDSA, and of use to other services too, which verify them by the published
//! keys.
//!
//! Here a token is no more than the name of a session: what it may do is read from the session at every request, so that a
//! revoked one ends at once. A hand-off token names an account instead and needs no session.

use domain::ids::{AccountId, SessionId, UserId};
use domain::permissions::Role;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use storage::StorageError;

use super::signing_keys;
use crate::{App, AppError};

/// The `typ` of an access token (RFC 9068); no other kind of token has it.
const ACCESS: &str = "at+jwt";
const HAND_OFF: &str = "handoff+jwt";
/// A token of ours is far shorter.
const LONGEST_TOKEN: usize = 4_096;
/// How far the clocks of two nodes may differ.
const LEEWAY_MICROS: i64 = 5 * MICROS_PER_SECOND;

/// What an access token says. Names are those of RFC 7519 and RFC 9068 where they have one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The user, `usr_…`; of a hand-off token the account, `acct_…`.
    pub sub: String,
    /// Seconds since 1970, as the next two.
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub jti: String,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

/// Whom a token of ours stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bearer {
    Session { session: SessionId, user: UserId },
    HandOff { account: AccountId, role: Role, member: Option<String>, issued_at: Timestamp },
}

/// What stands in a new access token.
pub(super) struct AccessFor<'a> {
    pub user: UserId,
    pub session: SessionId,
    pub account: Option<(AccountId, Role)>,
    pub email: &'a str,
    pub email_verified: bool,
}

/// A token and when it is over.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    pub text: String,
    pub expires_at: Timestamp,
}

pub(super) async fn issue_access(app: &App, of: AccessFor<'_>) -> Result<AccessToken, AppError> {
    let lifetime = app.settings.people.access_token_seconds;
    let mut claims = claims(app, of.user.to_string(), lifetime);
    claims.sid = Some(of.session.to_string());
    claims.account = of.account.map(|(account, _)| account.to_string());
    claims.role = of.account.map(|(_, role)| role.to_string());
    claims.email = Some(of.email.to_owned());
    claims.email_verified = Some(of.email_verified);
    sign(app, ACCESS, &claims).await
}

pub(super) async fn issue_hand_off(
    app: &App,
    (account, role): (AccountId, Role),
    member: Option<String>,
    lifetime_seconds: i64,
) -> Result<AccessToken, AppError> {
    let mut claims = claims(app, account.to_string(), lifetime_seconds);
    claims.role = Some(role.to_string());
    claims.member = member;
    sign(app, HAND_OFF, &claims).await
}

fn claims(app: &App, sub: String, lifetime_seconds: i64) -> Claims {
    let now = app.now().micros() / MICROS_PER_SECOND;
    Claims {
        iss: app.settings.issuer().to_owned(),
        aud: app.settings.audience().to_owned(),
        sub,
        iat: now,
        nbf: now,
        exp: now + lifetime_seconds,
        jti: format!("{:032x}", app.entropy.bits()),
        sid: None,
        account: None,
        role: None,
        email: None,
        email_verified: None,
        member: None,
    }
}

async fn sign(app: &App, kind: &str, claims: &Claims) -> Result<AccessToken, AppError> {
    let (keys, place) = signing_keys::current(app).await?;
    let key = &keys[place];
    let header = Header { typ: Some(kind.to_owned()), kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) };
    let text = encode(&header, claims, &key.signs).map_err(StorageError::unexpected)?;
    Ok(AccessToken { text, expires_at: Timestamp::from_seconds(claims.exp) })
}

/// Verifies a token of ours: signed by a published key with EdDSA and nothing else, meant for us, of a known kind, and in
/// time. `Ok(None)`: it is not good, and why is nobody's business.
pub async fn verify(app: &App, text: &str) -> Result<Option<Bearer>, AppError> {
    Ok(verified(app, text).await?.and_then(|(kind, claims)| bearer(&kind, &claims)))
}

/// The claims of a token that [`verify`] takes.
pub(super) async fn verified(app: &App, text: &str) -> Result<Option<(String, Claims)>, AppError> {
    if text.len() > LONGEST_TOKEN {
        return Ok(None);
    }
    let Ok(header) = decode_header(text) else { return Ok(None) };
    let (Some(kind), Some(id), Algorithm::EdDSA) = (header.typ, header.kid, header.alg) else { return Ok(None) };
    let Some((keys, place)) = signing_keys::find(app, &id).await? else { return Ok(None) };
    let key = &keys[place];
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_issuer(&[app.settings.issuer()]);
    rules.set_audience(&[app.settings.audience()]);
    // Times are judged below, by the clock that everything goes by.
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
    let Ok(data) = decode::<Claims>(text, &key.verifies, &rules) else { return Ok(None) };
    let now = app.now();
    let (begins, ends) = (Timestamp::from_seconds(data.claims.nbf), Timestamp::from_seconds(data.claims.exp));
    let is_in_time = begins.minus_micros(LEEWAY_MICROS) <= now && now < ends;
    Ok(is_in_time.then_some((kind, data.claims)))
}

fn bearer(kind: &str, claims: &Claims) -> Option<Bearer> {
    match kind {
        ACCESS => Some(Bearer::Session {
            session: SessionId::parse(claims.sid.as_deref()?)?,
            user: UserId::parse(&claims.sub)?,
        }),
        HAND_OFF => Some(Bearer::HandOff {
            account: AccountId::parse(&claims.sub)?,
            role: Role::parse(claims.role.as_deref()?)?,
            member: claims.member.clone(),
            issued_at: Timestamp::from_seconds(claims.iat),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Place;

    type Change = fn(&mut Claims);

    #[tokio::test]
    async fn only_a_token_for_us_of_a_known_kind_and_in_time_is_taken() {
        for place in Place::all() {
            let app = place.open().await;
            let mut good = claims(&app, UserId::from_bits(7).to_string(), 60);
            good.sid = Some(SessionId::from_bits(9).to_string());
            let taken = async |kind: &str, change: Change| {
                let mut claims = good.clone();
                change(&mut claims);
                let token = sign(&app, kind, &claims).await.unwrap();
                verify(&app, &token.text).await.unwrap()
            };
            let (session, user) = (SessionId::from_bits(9), UserId::from_bits(7));
            assert_eq!(taken(ACCESS, |_| ()).await, Some(Bearer::Session { session, user }));
            // Clocks of two nodes differ a little.
            assert!(taken(ACCESS, |claims| claims.nbf += 3).await.is_some());
            let wrong: [Change; 8] = [
                |claims| claims.nbf += 60,
                |claims| claims.exp -= 60,
                |claims| claims.exp -= 120,
                |claims| claims.aud = "https://other.example".into(),
                |claims| claims.iss = "https://other.example".into(),
                |claims| claims.sub = "acct_00000000000000000000000007".into(),
                |claims| claims.sid = None,
                |claims| claims.aud = String::new(),
            ];
            for (number, change) in wrong.into_iter().enumerate() {
                assert_eq!(taken(ACCESS, change).await, None, "change {number}");
            }
            for kind in ["JWT", "logout+jwt", "", HAND_OFF] {
                assert_eq!(taken(kind, |_| ()).await, None, "{kind}");
            }
        }
    }
}
