//! What a client tells of a call beside the request itself: headers that begin with `Tollway-`.

use app::gateway::CallError;
use app::metering::Context;
use app::{AccountRef, AppError};
use axum::http::{HeaderMap, HeaderValue};
use domain::ids::AccountId;
use domain::name::Name;

use crate::extract::fields::{Text, Word};

/// What the names of all of them begin with.
const PREFIX: &str = "tollway-";
const EXTERNAL_ID: &str = "external-id";
const METADATA: &str = "metadata";
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
    let given = Given::of(headers);
    let context = Context {
        resource_type: text(given.resource_type, "resource-type")?,
        resource_id: text(given.resource_id, "resource-id")?,
        request_type: text(given.request_type, "request-type")?,
        conversation: text(given.conversation, "conversation")?,
        agent: text(given.agent, "agent")?,
        metadata: metadata(given.metadata)?,
    };
    let word = |value, name| text(value, name).map(|text| text.as_deref().map(Name::new));
    let account = account(given.account, given.external_id)?;
    Ok(Told { account, user: word(given.user, "user")?, end_user: word(given.end_user, "end-user")?, context })
}

/// The headers as they came, the first of each name.
#[derive(Default)]
struct Given<'h> {
    account: Option<&'h HeaderValue>,
    external_id: Option<&'h HeaderValue>,
    user: Option<&'h HeaderValue>,
    end_user: Option<&'h HeaderValue>,
    resource_type: Option<&'h HeaderValue>,
    resource_id: Option<&'h HeaderValue>,
    request_type: Option<&'h HeaderValue>,
    conversation: Option<&'h HeaderValue>,
    agent: Option<&'h HeaderValue>,
    metadata: Option<&'h HeaderValue>,
}

impl<'h> Given<'h> {
    /// One pass over what there is costs less than a look-up for each name, of which most requests have one or none.
    fn of(headers: &'h HeaderMap) -> Self {
        let mut given = Self::default();
        for (name, value) in headers {
            let Some(name) = name.as_str().strip_prefix(PREFIX) else { continue };
            let place = match name {
                "account" => &mut given.account,
                EXTERNAL_ID => &mut given.external_id,
                "user" => &mut given.user,
                "end-user" => &mut given.end_user,
                "resource-type" => &mut given.resource_type,
                "resource-id" => &mut given.resource_id,
                "request-type" => &mut given.request_type,
                "conversation" => &mut given.conversation,
                "agent" => &mut given.agent,
                METADATA => &mut given.metadata,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        given
    }
}

/// The account that a service key calls for. An account's own key needs none.
fn account(id: Option<&HeaderValue>, external_id: Option<&HeaderValue>) -> Result<AccountRef, CallError> {
    match (text(id, "account")?, text(external_id, EXTERNAL_ID)?) {
        (Some(_), Some(_)) => Err(wrong(EXTERNAL_ID, "name the account once, not by its id as well")),
        (Some(id), None) => AccountId::parse(&id).map(AccountRef::Id).ok_or_else(|| AppError::AccountUnknown.into()),
        (None, Some(external_id)) => Ok(AccountRef::External(external_id)),
        (None, None) => Ok(AccountRef::Own),
    }
}

fn text(value: Option<&HeaderValue>, name: &str) -> Result<Option<String>, CallError> {
    let Some(value) = value else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| wrong(name, "it is not UTF-8 text"))?;
    let text = Text::<1, { Word::MAX }>::parse(text).map_err(|mistake| wrong(name, &format!("it {mistake}")))?;
    Ok(Some(text.0))
}

fn metadata(value: Option<&HeaderValue>) -> Result<Option<serde_json::Map<String, serde_json::Value>>, CallError> {
    let Some(value) = value else { return Ok(None) };
    if value.len() > LONGEST_METADATA {
        return Err(wrong(METADATA, "it is longer than 16 KB"));
    }
    serde_json::from_slice(value.as_bytes()).map(Some).map_err(|_| wrong(METADATA, "it is no JSON object"))
}

/// `name` without what all begin with.
fn wrong(name: &str, mistake: &str) -> CallError {
    let name = format!("{PREFIX}{name}");
    AppError::invalid(&name, format!("The header `{name}` cannot be used: {mistake}.")).into()
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
    fn every_header_is_told_apart_and_of_two_the_first_counts() {
        let told = told(&[
            ("tollway-resource-type", "a"),
            ("tollway-resource-id", "b"),
            ("tollway-request-type", "c"),
            ("tollway-agent", "d"),
            ("tollway-agent", "not this one"),
            ("tollway-user", "e"),
            ("tollway-account-id", "nor this one"),
            ("end-user", "nor that"),
        ])
        .unwrap();
        let Context { resource_type, resource_id, request_type, conversation, agent, metadata } = told.context;
        let texts = [resource_type, resource_id, request_type, agent].map(Option::unwrap);
        assert_eq!(texts, ["a", "b", "c", "d"]);
        assert_eq!((conversation, metadata, told.end_user), (None, None, None));
        assert_eq!((told.account, told.user), (AccountRef::Own, Some(Name::new("e"))));
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
