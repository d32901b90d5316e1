//! One call of the API: who asks, which fault it meets, whether it was made before, what answers it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::faults::Effect;
use super::idempotency::{self, Key};
use super::names;
use super::params::Params;
use super::refusal::Refusal;
use super::request::Request;
use super::routes;
use super::sandbox::{NEWEST_VERSION, Stripe};
use super::shown;
use super::state::KeptAnswer;
use super::work::Origin;
use super::{form, server};

/// The stand-in remembers so many calls.
const MOST_REMEMBERED: usize = 20_000;

/// A call that was made: what `GET /sandbox/requests` tells of it.
#[derive(Clone)]
pub struct Asked {
    pub request_id: String,
    pub method: String,
    pub path: String,
    pub idempotency_key: Option<String>,
    pub parameters: Value,
    /// None while it is answered, or where the connection was cut.
    pub status: Option<u16>,
}

/// A call as it came.
struct Call {
    method: String,
    path: String,
    params: Value,
    idempotency_key: Option<String>,
    api_version: String,
    request_id: String,
}

/// An answer before it is sent.
struct Answer {
    status: u16,
    body: String,
    replayed_from: Option<String>,
}

/// Answers everything under `/v1`.
pub async fn answer(
    State(stripe): State<Arc<Stripe>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = read(&stripe, &method, &uri, &headers, &body);
    let place = remember(&stripe, &call);
    let effects = stripe.faults.lock().meet(&call.method, &call.path);
    if effects.contains(&Effect::Cut) {
        return server::cut();
    }
    let answer = match carry_out(&stripe, &call, &headers, &effects).await {
        Ok(answer) => answer,
        Err(refusal) => {
            Answer { status: refusal.status, body: refusal_text(&refusal, &call.request_id), replayed_from: None }
        }
    };
    if let Err(message) = stripe.save().await {
        return respond(
            &call,
            Answer {
                status: 500,
                body: json!({ "error": { "type": "api_error", "message": message } }).to_string(),
                replayed_from: None,
            },
        );
    }
    if effects.contains(&Effect::LoseAnswer) {
        return server::cut();
    }
    if let Some(asked) = stripe.asked.lock().iter_mut().rev().find(|asked| asked.request_id == place) {
        asked.status = Some(answer.status);
    }
    respond(&call, answer)
}

fn refusal_text(refusal: &Refusal, request_id: &str) -> String {
    let mut body = refusal.body();
    body["error"]["request_log_url"] = json!(format!("https://dashboard.stripe.com/test/logs/{request_id}"));
    shown::hide_own_fields(&mut body);
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

fn read(stripe: &Stripe, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Call {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut form_text = uri.query().unwrap_or_default().to_owned();
    if !body.is_empty() {
        form_text = format!("{form_text}&{}", String::from_utf8_lossy(body));
    }
    Call {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        params: form::parse(&form_text),
        idempotency_key: text("idempotency-key").filter(|_| method == Method::POST),
        api_version: text("stripe-version").unwrap_or_else(|| NEWEST_VERSION.to_owned()),
        request_id: stripe.state().id("req"),
    }
}

fn remember(stripe: &Stripe, call: &Call) -> String {
    let mut asked = stripe.asked.lock();
    if asked.len() >= MOST_REMEMBERED {
        asked.drain(..MOST_REMEMBERED / 2);
    }
    asked.push(Asked {
        request_id: call.request_id.clone(),
        method: call.method.clone(),
        path: call.path.clone(),
        idempotency_key: call.idempotency_key.clone(),
        parameters: call.params.clone(),
        status: None,
    });
    call.request_id.clone()
}

async fn carry_out(stripe: &Stripe, call: &Call, headers: &HeaderMap, effects: &[Effect]) -> Result<Answer, Refusal> {
    authorize(stripe, call, headers)?;
    let description = format!("{} {} {}", call.method, call.path, call.params);
    let key = match &call.idempotency_key {
        Some(key) => Some(idempotency::take(stripe, key, &description)?),
        None => None,
    };
    if let Some(Key::Answered(kept)) = key {
        return Ok(Answer { status: kept.status, body: kept.body, replayed_from: Some(kept.request_id) });
    }
    for effect in effects {
        match *effect {
            Effect::DelayMs(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Effect::Status { status, is_kept } => {
                let refusal = asked_for(status);
                if is_kept {
                    keep(stripe, call, &description, status, &refusal_text(&refusal, &call.request_id));
                }
                return Err(refusal);
            }
            Effect::Cut | Effect::LoseAnswer => {}
        }
    }
    let (status, body) = match endpoint(stripe, call) {
        Ok(body) => (200, serde_json::to_string_pretty(&body).unwrap_or_default()),
        Err(refusal) => (refusal.status, refusal_text(&refusal, &call.request_id)),
    };
    if idempotency::is_kept(status) {
        keep(stripe, call, &description, status, &body);
    }
    Ok(Answer { status, body, replayed_from: None })
}

fn keep(stripe: &Stripe, call: &Call, description: &str, status: u16, body: &str) {
    let Some(key) = &call.idempotency_key else { return };
    let at = stripe.now();
    let kept = KeptAnswer {
        at,
        call: description.to_owned(),
        status,
        body: body.to_owned(),
        request_id: call.request_id.clone(),
    };
    let mut state = stripe.state();
    state.kept_answers.insert(key.clone(), kept);
    stripe.has_changed(&mut state);
}

fn endpoint(stripe: &Stripe, call: &Call) -> Result<Value, Refusal> {
    let Some((route, id)) = routes::find(&call.method, &call.path) else {
        let message = format!("Unrecognized request URL ({}: {}).", call.method, call.path);
        return Err(Refusal { status: 404, ..Refusal::invalid(message) });
    };
    names::check(route.parameters, &call.params)?;
    let request = Request { id, params: Params::new(call.params.clone()) };
    let origin = Origin {
        request_id: Some(call.request_id.clone()),
        idempotency_key: call.idempotency_key.clone(),
        api_version: call.api_version.clone(),
    };
    let expand = request.params.texts("expand");
    stripe.work(origin, |work| {
        let answer = (route.answer)(work, &request)?;
        shown::show(work.state, answer, &expand, &call.api_version)
    })
}

/// The secret key, as a bearer token or as a user name; a publishable one with an intent's own secret.
fn authorize(stripe: &Stripe, call: &Call, headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal { status: 401, ..Refusal::invalid(message) });
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = match given.and_then(|given| given.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim().to_owned(),
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => {
            let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            decoded.unwrap_or_default().split(':').next().unwrap_or_default().to_owned()
        }
        _ => {
            return refuse(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth \
                 (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
                    .to_owned(),
            );
        }
    };
    let is_of_page = key.starts_with("pk_test_")
        && call.path.starts_with("/v1/payment_intents/")
        && call.params.get("client_secret").is_some();
    if key == stripe.secret_key || is_of_page {
        return Ok(());
    }
    if key.starts_with("sk_live_") || key.starts_with("rk_live_") {
        return refuse("A live key was sent to the sandbox. Live keys are never to be used here.".to_owned());
    }
    let hidden: String = key.chars().take(8).chain("****".chars()).collect();
    refuse(format!("Invalid API Key provided: {hidden}"))
}

/// The error that a fault asked for.
fn asked_for(status: u16) -> Refusal {
    let (kind, code, message) = match status {
        429 => (
            "invalid_request_error",
            Some("rate_limit"),
            "Too many requests hit the API too quickly. We recommend an exponential backoff of your requests.",
        ),
        409 => (
            "invalid_request_error",
            Some("lock_timeout"),
            "This object cannot be accessed right now because another API request or Stripe process is currently accessing it.",
        ),
        _ => ("api_error", None, "An unknown error occurred"),
    };
    let refusal = Refusal { status, kind, ..Refusal::invalid(message) };
    match code {
        Some(code) => refusal.code(code),
        None => refusal,
    }
}

fn respond(call: &Call, answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", "application/json");
    set("request-id", &call.request_id);
    set("stripe-version", &call.api_version);
    if let Some(key) = &call.idempotency_key {
        set("idempotency-key", key);
    }
    if let Some(original) = &answer.replayed_from {
        set("idempotent-replayed", "true");
        set("original-request", original);
    }
    response
}
