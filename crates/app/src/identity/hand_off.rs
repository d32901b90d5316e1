//! Hand-offs: the app says who its own user is, and that user sees one account's pages or embedded parts, for a short time.
//!
//! A link is good once and begins a session in the browser; a token is good until its time is over and needs no cookie.

use std::ops::RangeInclusive;

use domain::ids::AccountId;
use domain::permissions::Role;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::Tx;
use storage::records::accounts::{self, AccountStatus};
use storage::records::sessions::{SessionOf, Visitor};

use super::access_tokens::{AccessToken, issue_hand_off};
use super::links::{self, NewToken, Purpose};
use super::scopes::ACCOUNTS_WRITE;
use super::sessions::{Device, Keep, NewSession};
use crate::accounts::fields;
use crate::audit::{self, Audited};
use crate::metering::consume::account_to_count;
use crate::{AccountRef, App, AppError, Caller};

/// How long a token and a session by hand-off may be good for.
pub const LIFETIME_SECONDS: RangeInclusive<i64> = 60..=86_400;
/// How long a link waits to be followed.
const LINK_SECONDS: i64 = 300;
const LONGEST_PATH: usize = 500;

/// What the app asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    pub role: Role,
    /// What the app calls the person; limits for each member go by it.
    pub member: Option<String>,
    pub lifetime_seconds: i64,
    /// The page that the link leads to.
    pub return_to: String,
}

/// What the app is given.
pub struct HandOff {
    pub account: AccountId,
    pub token: AccessToken,
    pub url: String,
    pub url_expires_at: Timestamp,
}

/// What a link remembers.
#[derive(Serialize, Deserialize)]
struct Linked {
    visitor: Visitor,
    seconds: i64,
    return_to: String,
}

/// Makes a link and a token for one account.
///
/// # Errors
/// [`AppError::ServiceKeyRequired`]; [`AppError::Invalid`] for a page elsewhere.
pub async fn hand_off(app: &App, caller: &Caller, account: &AccountRef, asked: Asked) -> Result<HandOff, AppError> {
    caller.must_operate()?;
    check(&asked)?;
    let account = account_to_count(app, caller, account, ACCOUNTS_WRITE).await?;
    let visitor = Visitor { account, role: asked.role, member: asked.member.clone() };
    let linked = Linked { visitor, seconds: asked.lifetime_seconds, return_to: asked.return_to };
    let link = NewToken::new(app, Purpose::HandOff, account.to_string(), &linked, LINK_SECONDS);
    let (url, url_expires_at) = (app.settings.link("hand-off", &link.secret), link.expires_at());
    let event = Audited::new(app, "account.handed_off", None);
    let (actor, role) = (caller.actor(), asked.role);
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        must_be_open(tx, account)?;
        link.insert(tx)?;
        Ok(audit::note(tx, &event, Some(account), &actor, account, json!({ "role": role.as_str() }))?)
    };
    app.database.write("hand_off_account", write).await?;
    let token = issue_hand_off(app, (account, asked.role), asked.member, asked.lifetime_seconds).await?;
    Ok(HandOff { account, token, url, url_expires_at })
}

fn check(asked: &Asked) -> Result<(), AppError> {
    if !LIFETIME_SECONDS.contains(&asked.lifetime_seconds) {
        let (from, to) = (LIFETIME_SECONDS.start(), LIFETIME_SECONDS.end());
        return Err(AppError::invalid("ttl_seconds", format!("`ttl_seconds` is from {from} to {to}.")));
    }
    asked.member.as_deref().map(|member| fields::plain_text("member", member, 255)).transpose()?;
    must_be_a_page("return_to", &asked.return_to)
}

/// A page of this server, and nowhere else.
pub(super) fn must_be_a_page(field: &'static str, path: &str) -> Result<(), AppError> {
    let is_here = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n']);
    if is_here && path.len() <= LONGEST_PATH && path.is_ascii() {
        return Ok(());
    }
    Err(AppError::invalid(field, format!("`{field}` is a page of this server, such as /usage.")))
}

fn must_be_open(tx: &mut Tx<'_>, account: AccountId) -> Result<(), AppError> {
    match accounts::by_id(tx, account)? {
        Some(account) if account.status != AccountStatus::Closed => Ok(()),
        _ => Err(AppError::AccountUnknown),
    }
}

/// A browser that a link has brought.
pub struct Arrived {
    pub cookie: String,
    pub seconds: i64,
    pub return_to: String,
}

/// Follows a link: once, and in time.
///
/// # Errors
/// [`AppError::LinkInvalid`].
pub async fn arrive(app: &App, secret: &str, device: &Device) -> Result<Arrived, AppError> {
    let (secret, now) = (secret.to_owned(), app.now());
    let nobody = SessionOf::Visitor(Visitor { account: AccountId::from_bits(0), role: Role::Member, member: None });
    let prepared = NewSession::new(app, nobody, "hand_off".into(), device, Keep::Cookie);
    let cookie = prepared.secret.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<Linked, AppError> {
        let (_, linked): (String, Linked) = links::take(tx, Purpose::HandOff, &secret, now)?;
        must_be_open(tx, linked.visitor.account).map_err(|_| AppError::LinkInvalid)?;
        let mut begun = prepared.clone();
        begun.session.who = SessionOf::Visitor(linked.visitor.clone());
        begun.session.expires_at = now.plus_micros(linked.seconds.saturating_mul(MICROS_PER_SECOND));
        begun.insert(tx)?;
        Ok(linked)
    };
    let Linked { seconds, return_to, .. } = app.database.write("follow_hand_off", write).await?;
    Ok(Arrived { cookie, seconds, return_to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_page_of_this_server() {
        let asked = |return_to: &str| Asked {
            role: Role::Member,
            member: None,
            lifetime_seconds: 600,
            return_to: return_to.to_owned(),
        };
        for good in ["/", "/usage", "/billing?tab=invoices"] {
            assert!(check(&asked(good)).is_ok(), "{good}");
        }
        for bad in ["", "usage", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: b"] {
            assert!(check(&asked(bad)).is_err(), "{bad:?}");
        }
    }
}
