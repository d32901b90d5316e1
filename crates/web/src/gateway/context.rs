//! What a client tells of a call beside the request itself: headers that begin with `Tollway-`.

use app::gateway::CallError;
use app::metering::Context;
use app::{AccountRef, AppError};
use axum::http::HeaderMap;
use domain::ids::AccountId;
use domain::name::Name;

use crate::extract::fields::{Text, Word};

const ACCOUNT: &str = "tollway-account";
const EXTERNAL_ID: &str = "tollway-external-id";
const METADATA: &str = "tollway-metadata";
const LONGEST_METADATA: usize = 16 * 1024;

/// What was told.
pub struct Told {
    pub account: AccountRef,
    pub user: Option<Name>,
    pub end_user: Option<Name>,
    pub context: Context,
}

/// Reads the headers.
///
/// # Errors
/// One that cannot be read, by its name.
pub fn read(headers: &HeaderMap) -> Result<Told, CallError> {
    let context = Context {
        resource_type: text(headers, "tollway-resource-type")?,
        resource_id: text(headers, "tollway-resource-id")?,
        request_type: text(headers, "tollway-request-type")?,
        conversation: text(headers, "tollway-conversation")?,
        agent: text(headers, "tollway-agent")?,
        metadata: metadata(headers)?,
    };
    let word = |name| text(headers, name).map(|text| text.as_deref().map(Name::new));
    Ok(Told { account: account(headers)?, user: word("tollway-user")?, end_user: word("tollway-end-user")?, context })
}

/// The account that a service key calls for. An account's own key needs none.
fn account(headers: &HeaderMap) -> Result<AccountRef, CallError> {
    match (text(headers, ACCOUNT)?, text(headers, EXTERNAL_ID)?) {
        (Some(_), Some(_)) => Err(wrong(EXTERNAL_ID, "name the account once, not by its id as well")),
        (Some(id), None) => AccountId::parse(&id).map(AccountRef::Id).ok_or_else(|| AppError::AccountUnknown.into()),
        (None, Some(external_id)) => Ok(AccountRef::External(external_id)),
        (None, None) => Ok(AccountRef::Own),
    }
}

fn text(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, CallError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| wrong(name, "it is not UTF-8 text"))?;
    let text = Text::<1, { Word::MAX }>::parse(text).map_err(|mistake| wrong(name, &format!("it {mistake}")))?;
    Ok(Some(text.0))
}

fn metadata(headers: &HeaderMap) -> Result<Option<serde_json::Map<String, serde_json::Value>>, CallError> {
    let Some(value) = headers.get(METADATA) else { return Ok(None) };
    if value.len() > LONGEST_METADATA {
        return Err(wrong(METADATA, "it is longer than 16 KB"));
    }
    serde_json::from_slice(value.as_bytes()).map(Some).map_err(|_| wrong(METADATA, "it is no JSON object"))
}

fn wrong(name: &str, mistake: &str) -> CallError {
    AppError::invalid(name, format!("The header `{name}` cannot be used: {mistake}.")).into()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn told(pairs: &[(&'static str, &'static str)]) -> Result<Told, String> {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        read(&HeaderMap::from_iter(pairs)).map_err(|error| error.to_string())
    }

    #[test]
    fn headers_tell_of_the_call() {
        let told = told(&[
            ("tollway-external-id", "user-42"),
            ("tollway-conversation", "c1"),
            ("tollway-end-user", "e1"),
            ("tollway-metadata", r#"{"ticket": 7}"#),
        ])
        .unwrap();
        assert_eq!(told.account, AccountRef::External("user-42".into()));
        assert_eq!(told.context.conversation.as_deref(), Some("c1"));
        assert_eq!(told.end_user, Some(Name::new("e1")));
        assert_eq!(told.context.metadata.unwrap()["ticket"], 7);
    }

    #[test]
    fn mistakes_are_told_by_header() {
        let mistake = |pairs: &[(&'static str, &'static str)]| told(pairs).err().unwrap();
        assert!(mistake(&[("tollway-metadata", "[]")]).contains("tollway-metadata"));
        assert!(mistake(&[("tollway-agent", "")]).contains("tollway-agent"));
        assert!(
            mistake(&[("tollway-account", "acct_1"), ("tollway-external-id", "u")]).contains("name the account once")
        );
    }
}
