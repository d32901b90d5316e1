//! `POST usage/events`: records work already done, one event or a thousand, each counted once and never denied.

use app::metering::{self, RecordItem, Recorded};
use app::{AppError, Caller};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::ids::EventId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::cloud_events::{self, CloudEvent};
use crate::WebState;
use crate::answer::{self, Written};
use crate::api::Shared;
use crate::extract::body::{BATCH_LIMIT, media_type, must_be_json, parse_json, read_bytes};
use crate::extract::wording::sentence;
use crate::extract::work::{WorkBody, WorkFields};
use crate::extract::{Authenticated, KeyHeader};
use crate::problem::{EdgeError, Failure, Problems};

const MOST_EVENTS: usize = 1_000;

/// Events in order. Each is read by itself, so that a bad one does not stop the others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    events: Vec<Box<RawValue>>,
}

/// Up to 1,000 events, or one CloudEvent, or a batch of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; `Batch` reads it")]
pub struct EventsBody {
    #[schema(max_items = 1_000)]
    events: Vec<WorkFields>,
}

/// A CloudEvent 1.0. Extension attributes may be there; nobody looks at them.
#[derive(ToSchema)]
#[schema(as = CloudEvent)]
#[expect(dead_code, reason = "describes the body; `CloudEvent` reads it")]
pub struct CloudEventBody {
    #[schema(example = "1.0")]
    specversion: String,
    /// With `source` the idempotency key.
    #[schema(min_length = 1, max_length = 255)]
    id: String,
    #[schema(min_length = 1, max_length = 255, example = "/my-app")]
    source: String,
    /// The meter, where the data names none.
    #[schema(min_length = 1, max_length = 255, example = "requests")]
    r#type: String,
    /// The account, by its id or external id, where the data names none.
    #[schema(min_length = 1, max_length = 255)]
    subject: Option<String>,
    /// When it occurred.
    #[schema(format = DateTime)]
    time: Option<String>,
    data: Option<WorkFields>,
}

/// What became of the events, in order.
#[derive(Serialize, ToSchema)]
pub struct Results {
    results: Vec<ResultShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventResult)]
pub struct ResultShape {
    /// The caller's own id.
    id: Option<String>,
    /// Ours, of what is counted.
    #[schema(value_type = Option<String>)]
    event: Option<Written<EventId>>,
    /// `accepted`, `duplicate`, `conflict` (the same id with other content) or `rejected`.
    #[schema(example = "accepted")]
    status: &'static str,
    /// Why it was rejected.
    code: Option<&'static str>,
    message: Option<String>,
    /// It counts in a later window than its own.
    late: bool,
    /// It passed a limit.
    over_limit: bool,
    /// Nothing is wrong with the event; send it again.
    retryable: bool,
}

/// An event as read, with the id to answer by.
struct ReadEvent {
    id: Option<String>,
    item: Result<RecordItem, (&'static str, String)>,
}

/// Record usage
///
/// Of work already done: never denied for quota, passes limits visibly, counts each id once. Takes CloudEvents 1.0 in all
/// three forms too.
#[utoipa::path(
    post,
    path = "/api/v1/usage/events",
    tag = "usage",
    request_body(content(
        (EventsBody = "application/json"),
        (CloudEventBody = "application/cloudevents+json"),
        (Vec<CloudEventBody> = "application/cloudevents-batch+json"),
    )),
    responses((status = 200, body = Results), Problems),
)]
pub async fn record(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    KeyHeader(key): KeyHeader,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    must_be_json(&parts.headers)?;
    let bytes = read_bytes(body, BATCH_LIMIT).await?;
    let events = read_events(&parts.headers, key.as_deref(), &bytes)?;
    answer_all(&state, &caller, events).await
}

async fn answer_all(state: &WebState, caller: &Caller, events: Vec<ReadEvent>) -> Result<Response, Failure> {
    let (ids, items): (Vec<_>, Vec<_>) = events.into_iter().map(|event| (event.id, event.item)).unzip();
    let recorded = metering::record::record(&state.app, caller, items).await?;
    if let Some(code) = all_our_trouble(&recorded) {
        return Err(EdgeError::NothingRecorded { code }.into());
    }
    let results = ids.into_iter().zip(recorded).map(|(id, recorded)| ResultShape::of(id, recorded)).collect();
    Ok(answer::ok(&Results { results }))
}

/// The trouble of ours that kept every single event from being recorded.
fn all_our_trouble(recorded: &[Recorded]) -> Option<&'static str> {
    let codes: Option<Vec<&'static str>> = recorded
        .iter()
        .map(|recorded| match recorded {
            Recorded::Rejected { code, .. } if is_our_trouble(code) => Some(*code),
            _ => None,
        })
        .collect();
    codes?.first().copied()
}

fn is_our_trouble(code: &str) -> bool {
    matches!(code, "busy" | "too_late" | "unavailable" | "outcome_unknown" | "internal")
}

impl ResultShape {
    fn of(id: Option<String>, recorded: Recorded) -> Self {
        let none = |status| Self {
            id: None,
            event: None,
            status,
            code: None,
            message: None,
            late: false,
            over_limit: false,
            retryable: false,
        };
        let shape = match recorded {
            Recorded::Accepted { event, late, over_limit } => {
                Self { event: Some(Written(event)), late, over_limit, ..none("accepted") }
            }
            Recorded::Duplicate { event } => Self { event: Some(Written(event)), ..none("duplicate") },
            Recorded::Conflict { event } => {
                let code = Some("idempotency_key_reused");
                Self { event: Some(Written(event)), code, ..none("conflict") }
            }
            Recorded::Rejected { code, message } => Self {
                code: Some(code),
                message: Some(sentence(message)),
                retryable: is_our_trouble(code) || code == "rate_limited",
                ..none("rejected")
            },
        };
        Self { id, ..shape }
    }
}

/// The events of a body in any of its forms.
fn read_events(headers: &HeaderMap, key: Option<&str>, bytes: &[u8]) -> Result<Vec<ReadEvent>, Failure> {
    if let Some(event) = CloudEvent::of_headers(headers, bytes) {
        return Ok(vec![of_cloud_event(event)]);
    }
    let raw = match media_type(headers).as_str() {
        "application/cloudevents+json" => return Ok(vec![of_cloud_event(parse_json(bytes))]),
        "application/cloudevents-batch+json" => parse_json::<Vec<Box<RawValue>>>(bytes)?,
        _ => parse_json::<Batch>(bytes)?.events,
    };
    if raw.len() > MOST_EVENTS {
        let message = format!("`events` has {} items; send at most {MOST_EVENTS} at a time.", raw.len());
        return Err(AppError::invalid("events", message).into());
    }
    Ok(raw.iter().enumerate().map(|(index, raw)| read_event(raw.get(), index, key)).collect())
}

fn of_cloud_event(event: Result<CloudEvent, Failure>) -> ReadEvent {
    let id = event.as_ref().ok().map(|event| event.id().to_owned());
    ReadEvent { id, item: event.and_then(CloudEvent::into_item).map_err(rejection) }
}

/// One item of a batch. Without an id of its own it has the header's, with its place.
fn read_event(json: &str, index: usize, key: Option<&str>) -> ReadEvent {
    if cloud_events::is_cloud_event(json) {
        return of_cloud_event(parse_json(json.as_bytes()));
    }
    let fields = match parse_json::<WorkBody>(json.as_bytes()) {
        Ok(worked) => worked.work,
        Err(failure) => return ReadEvent { id: None, item: Err(rejection(failure)) },
    };
    let id = fields.id.as_ref().map(|id| id.0.clone());
    let placed = key.filter(|_| id.is_none()).map(|key| format!("{key}/{index}"));
    let item = fields.account().and_then(|account| {
        let work = fields.into_work(placed.as_deref(), "record", &[])?;
        Ok(RecordItem { account, work })
    });
    ReadEvent { id, item: item.map_err(rejection) }
}

fn rejection(failure: Failure) -> (&'static str, String) {
    (failure.code(), failure.to_string())
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())])
    }

    #[test]
    fn a_bad_event_does_not_stop_the_others() {
        let json = br#"{"events": [{"meter": "a", "id": "1"}, {"metr": "a"}, 7,
            {"specversion": "1.0", "id": "4", "source": "s", "type": "a"}, {"meter": "a"}]}"#;
        let events = read_events(&headers("application/json"), Some("batch"), json).unwrap();
        let ids: Vec<Option<&str>> = events.iter().map(|event| event.id.as_deref()).collect();
        assert_eq!(ids, [Some("1"), None, None, Some("4"), None]);
        let good: Vec<bool> = events.iter().map(|event| event.item.is_ok()).collect();
        assert_eq!(good, [true, false, false, true, true]);
        let keys: Vec<Option<String>> = events
            .into_iter()
            .map(|event| event.item.ok().and_then(|item| item.work.key).map(|key| key.text))
            .collect();
        let expected = [Some("1"), None, None, Some("s 4"), Some("batch/4")];
        assert_eq!(keys, expected.map(|key| key.map(str::to_owned)));
    }

    #[test]
    fn a_batch_has_a_form_and_a_length() {
        let told = |content_type: &str, json: &str| {
            read_events(&headers(content_type), None, json.as_bytes())
                .map(|events| events.len())
                .map_err(|failure| failure.code())
        };
        assert_eq!(told("application/json", r#"{"events": []}"#), Ok(0));
        assert_eq!(told("application/json", "[]"), Err("invalid_request"));
        assert_eq!(told("application/cloudevents-batch+json", "[{}, {}]"), Ok(2));
        assert_eq!(told("application/cloudevents+json", "{}"), Ok(1));
        let many = format!("{{\"events\": [{}]}}", vec!["{}"; MOST_EVENTS + 1].join(","));
        assert_eq!(told("application/json", &many), Err("invalid_request"));
    }

    #[test]
    fn only_a_batch_without_any_outcome_fails_as_a_whole() {
        let busy = || Recorded::Rejected { code: "busy", message: String::new() };
        let bad = Recorded::Rejected { code: "meter_unknown", message: String::new() };
        assert_eq!(all_our_trouble(&[busy(), busy()]), Some("busy"));
        assert_eq!(all_our_trouble(&[busy(), bad]), None);
        assert_eq!(all_our_trouble(&[]), None);
    }
}
