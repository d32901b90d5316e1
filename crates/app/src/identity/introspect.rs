//! Tells another service of the app what a token or key is good for right now (after RFC 7662).

use domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::{access_tokens, authenticate};
use crate::identity::scopes::ACCOUNTS_READ;
use crate::{App, AppError, Caller};

/// What a token stands for. `None`: nothing, and why is not told.
pub async fn introspect(app: &App, caller: &Caller, token: &str) -> Result<Option<Map<String, Value>>, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(ACCOUNTS_READ)?;
    let found = match authenticate(app, token).await {
        Ok(found) => found,
        Err(AppError::Unauthenticated) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut told = told(&found);
    if let Some((_, claims)) = access_tokens::verified(app, token).await? {
        let times = [("iat", claims.iat), ("nbf", claims.nbf), ("exp", claims.exp)];
        told.extend(times.map(|(name, at)| (name.to_owned(), at.into())));
        told.insert("iss".into(), claims.iss.into());
        told.insert("aud".into(), claims.aud.into());
    }
    Ok(Some(told))
}

fn told(found: &Caller) -> Map<String, Value> {
    let seconds = |at: Timestamp| at.micros() / domain::time::MICROS_PER_SECOND;
    let value = match found {
        Caller::Service { key, scopes } => {
            json!({ "kind": "service_key", "sub": key.to_string(), "scope": list(scopes) })
        }
        Caller::Account { key, account, scopes, member } => json!({
            "kind": "account_key",
            "sub": key.to_string(),
            "account": account.to_string(),
            "scope": list(scopes),
            "member": member,
        }),
        Caller::Person(person) => json!({
            "kind": "person",
            "token_type": "Bearer",
            "sub": person.user.to_string(),
            "sid": person.session.to_string(),
            "account": person.account.map(|account| account.to_string()),
            "role": person.account.and_then(|account| person.role_in(account)).map(|role| role.as_str()),
            "email_verified": person.verified,
            "superadmin": person.superadmin,
            "auth_time": seconds(person.signed_in_at),
        }),
        Caller::Visitor(visiting) => json!({
            "kind": "visitor",
            "token_type": "Bearer",
            "sub": visiting.account.to_string(),
            "account": visiting.account.to_string(),
            "role": visiting.role.as_str(),
            "member": visiting.member,
        }),
    };
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn list(scopes: &[domain::name::Name]) -> String {
    scopes.iter().map(domain::name::Name::as_str).collect::<Vec<_>>().join(" ")
}
