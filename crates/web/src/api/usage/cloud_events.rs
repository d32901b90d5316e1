//! CloudEvents 1.0 as usage: structured, in batches, and with the attributes in headers.
//!
//! `source` and `id` together are the idempotency key, `subject` names the account unless the data does, `time` is when
//! it occurred, and `data` holds the same fields as a consume. Data that names no meter counts one of `type`.

use app::metering::{RecordItem, Work};
use app::{AccountRef, AppError};
use axum::http::HeaderMap;
use domain::ids::AccountId;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::extract::body::parse_json;
use crate::extract::fields::{Text, Time, Word};
use crate::extract::work::{WorkBody, WorkFields};
use crate::problem::Failure;

/// The attributes that are looked at. Extensions may be there and are not.
#[derive(Deserialize)]
pub struct CloudEvent {
    specversion: Text<1, 8>,
    id: Text<1, 255>,
    source: Text<1, 255>,
    r#type: Text<1, 255>,
    subject: Option<Text<1, 255>>,
    time: Option<Time>,
    data: Option<Box<RawValue>>,
    data_base64: Option<serde::de::IgnoredAny>,
}

/// Whether an item of a batch is one.
pub fn is_cloud_event(json: &str) -> bool {
    json.contains("\"specversion\"")
}

impl CloudEvent {
    /// From headers `ce-…`, with the data as the body. `None` when it is not one.
    pub fn of_headers(headers: &HeaderMap, body: &[u8]) -> Option<Result<Self, Failure>> {
        headers.get("ce-specversion")?;
        let mut attributes = serde_json::Map::new();
        for name in ["specversion", "id", "source", "type", "subject", "time"] {
            let value = headers.get(format!("ce-{name}")).and_then(|value| value.to_str().ok());
            if let Some(value) = value {
                attributes.insert(name.to_owned(), percent_decoded(value).into());
            }
        }
        let attributes = serde_json::Value::Object(attributes).to_string();
        Some(parse_json::<Self>(attributes.as_bytes()).and_then(|event| {
            let data = if body.trim_ascii().is_empty() { None } else { Some(parse_json(body)?) };
            Ok(Self { data, ..event })
        }))
    }

    /// The caller's own id of it.
    pub fn id(&self) -> &str {
        &self.id.0
    }

    pub fn into_item(self) -> Result<RecordItem, Failure> {
        if self.specversion.0 != "1.0" {
            return Err(AppError::invalid("specversion", "`specversion` is not 1.0.").into());
        }
        if self.data_base64.is_some() {
            return Err(AppError::invalid("data_base64", "Send `data` as JSON, not as base64.").into());
        }
        let key = format!("{} {}", self.source.0, self.id.0);
        let mut fields = match &self.data {
            Some(data) => parse_json::<WorkBody>(data.get().as_bytes())?.work,
            None => WorkFields::default(),
        };
        self.must_own_key_and_time(&fields)?;
        if fields.meter.is_none() && fields.usage.is_none() && fields.model.is_none() {
            fields.meter = Some(Word::parse(&self.r#type.0).map_err(|problem| AppError::invalid("type", problem))?);
        }
        fields.occurred_at = self.time;
        let account = match (fields.account()?, &self.subject) {
            (AccountRef::Own, Some(subject)) => match AccountId::parse(&subject.0) {
                Some(id) => AccountRef::Id(id),
                None => AccountRef::External(subject.0.clone()),
            },
            (named, _) => named,
        };
        let work: Work = fields.into_work(Some(&key), "record", &[])?;
        Ok(RecordItem { account, work })
    }

    fn must_own_key_and_time(&self, fields: &WorkFields) -> Result<(), AppError> {
        if fields.id.is_some() {
            return Err(AppError::invalid("data.id", "The event's own `id` is its key; leave `data.id` out."));
        }
        if fields.occurred_at.is_some() {
            let message = "The event's own `time` says when it occurred; leave `data.occurred_at` out.";
            return Err(AppError::invalid("data.occurred_at", message));
        }
        Ok(())
    }
}

/// Header values escape what is not ASCII, blanks, quotes and percent signs.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use domain::name::Name;
    use domain::quantity::Quantity;

    use super::*;

    fn read(json: &str) -> Result<RecordItem, Failure> {
        parse_json::<CloudEvent>(json.as_bytes()).and_then(CloudEvent::into_item)
    }

    #[test]
    fn a_structured_event_is_a_record() {
        let json = r#"{"specversion": "1.0", "id": "1", "source": "/app", "type": "requests", "subject": "user-42",
            "time": "2026-01-02T03:04:05Z", "datacontenttype": "application/json", "traceparent": "x",
            "data": {"meter": "tokens", "quantity": 7}}"#;
        assert!(is_cloud_event(json));
        let item = read(json).unwrap();
        assert_eq!(item.account, AccountRef::External("user-42".into()));
        assert_eq!(item.work.usage, [(Name::new("tokens"), Quantity::from_millionths(7_000_000))]);
        assert_eq!(item.work.key.map(|key| key.text).as_deref(), Some("/app 1"));
        assert!(item.work.occurred_at.is_some());
    }

    #[test]
    fn without_data_one_of_the_type_is_counted() {
        let item = read(r#"{"specversion": "1.0", "id": "1", "source": "/app", "type": "requests"}"#).unwrap();
        assert_eq!(item.work.usage, [(Name::new("requests"), Quantity::ONE)]);
        assert_eq!(item.account, AccountRef::Own);
    }

    #[test]
    fn mistakes_are_told() {
        for (json, field) in [
            (r#"{"specversion": "0.3", "id": "1", "source": "a", "type": "b"}"#, "specversion"),
            (r#"{"specversion": "1.0", "source": "a", "type": "b"}"#, "id"),
            (r#"{"specversion": "1.0", "id": "1", "source": "a", "type": "b", "data": {"id": "2"}}"#, "data.id"),
            (r#"{"specversion": "1.0", "id": "1", "source": "a", "type": "b", "data": {"metr": "2"}}"#, "metr"),
        ] {
            let failure = read(json).err().unwrap();
            let found = failure.app_error().map(|error| format!("{error:?}")).unwrap();
            assert!(found.contains(&format!("field: \"{field}\"")), "{found}");
        }
    }

    #[test]
    fn attributes_may_come_in_headers() {
        let pairs = [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/app"),
            ("ce-type", "requests"),
            ("ce-subject", "M%C3%BCller%20%"),
        ];
        let pairs = pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let headers = HeaderMap::from_iter(pairs);
        let item = CloudEvent::of_headers(&headers, br#"{"quantity": 3, "meter": "requests"}"#).unwrap().unwrap();
        let item = item.into_item().unwrap();
        assert_eq!(item.account, AccountRef::External("Müller %".into()));
        assert_eq!(item.work.usage[0].1, Quantity::from_millionths(3_000_000));
        assert!(CloudEvent::of_headers(&HeaderMap::new(), b"{}").is_none());
    }
}
