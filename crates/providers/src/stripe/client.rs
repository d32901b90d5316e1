//! One call to Stripe: sent, tried again where that is safe, and read. Start at [`Stripe::new`].
//!
//! A call that writes carries a key of the caller's, by which Stripe does it once however often it comes; so what was
//! lost may be sent again. This client invents no key. Connections are kept; no redirects, no proxies. No error repeats
//! a key, and none says more of an answer than Stripe's own message.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::form::Form;
use super::object::{Object, Read};
use super::{SettingsError, StripeError, StripeSettings};
use crate::connections::{Connector, NoConnection};
use crate::fetch::{FORM, SENDER};

/// How often a call is sent at most.
const TRIES: u32 = 3;
const CONNECT_TIME: Duration = Duration::from_secs(10);
const IDLE_CONNECTIONS: usize = 32;
/// Shorter than Stripe keeps them, so that a call seldom meets one that is just being closed.
const KEEP_IDLE: Duration = Duration::from_secs(45);
/// The largest answer that is read: a page of a hundred invoices has a few hundred kilobytes.
const LARGEST_BYTES: usize = 32 * 1024 * 1024;
const PAGE: usize = 100;
/// A list is read to its end, but no list is endless.
const MOST_PAGES: usize = 1_000;

const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The connections to Stripe, for one secret key. Clones share them.
#[derive(Clone)]
pub struct Stripe {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client<Connector, Full<Bytes>>,
    /// Without a slash at its end.
    base: String,
    authorization: HeaderValue,
    version: HeaderValue,
    is_live: bool,
    waits: Waits,
    /// Other in every process: two that failed at the same time do not come back at the same time.
    spread: RandomState,
}

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
struct Waits {
    /// For a call with all its tries.
    patience: Duration,
    /// Before the second try; twice that before the third.
    pause: Duration,
    /// Who is told to come back later than this gives up instead.
    longest_pause: Duration,
}

const WAITS: Waits = Waits {
    patience: Duration::from_secs(30),
    pause: Duration::from_millis(500),
    longest_pause: Duration::from_secs(8),
};

/// What is sent.
struct Call<'c> {
    method: Method,
    path: &'c str,
    form: Form,
    key: Option<&'c str>,
}

/// Why one try did not do it.
struct Failure {
    error: StripeError,
    may_be_tried_again: bool,
    /// How long Stripe asks to wait.
    pause: Option<Duration>,
}

impl Stripe {
    /// Reads the settings; connects to nothing yet.
    pub fn new(settings: &StripeSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        let is_https = settings.base_url.scheme() == "https";
        let connector = Connector::new(CONNECT_TIME, settings.is_on_this_machine(), is_https)
            .map_err(|_| SettingsError::NoAuthorities)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(connector);
        let key = format!("Bearer {}", settings.secret_key.expose());
        let mut authorization = HeaderValue::try_from(key).map_err(|_| SettingsError::Key)?;
        authorization.set_sensitive(true);
        let version = HeaderValue::from_str(&settings.api_version)
            .map_err(|_| SettingsError::ApiVersion(settings.api_version.clone()))?;
        let base = settings.base_url.as_str().trim_end_matches('/').to_owned();
        let (is_live, waits, spread) = (settings.is_live(), WAITS, RandomState::new());
        Ok(Self { shared: Arc::new(Shared { client, base, authorization, version, is_live, waits, spread }) })
    }

    /// Whether real money moves.
    pub fn is_live(&self) -> bool {
        self.shared.is_live
    }

    /// Where Stripe is: its own address, or that of a stand-in.
    pub fn base_url(&self) -> &str {
        &self.shared.base
    }

    pub(super) async fn get<T: Read>(&self, path: &str, form: Form) -> Result<T, StripeError> {
        self.call(Call { method: Method::GET, path, form, key: None }).await
    }

    /// `key`: the same for the same deed, whoever does it and however often it is tried.
    pub(super) async fn post<T: Read>(&self, path: &str, form: Form, key: &str) -> Result<T, StripeError> {
        self.call(Call { method: Method::POST, path, form, key: Some(key) }).await
    }

    /// A question that Stripe takes by POST. It changes nothing and needs no key.
    pub(super) async fn ask<T: Read>(&self, path: &str, form: Form) -> Result<T, StripeError> {
        self.call(Call { method: Method::POST, path, form, key: None }).await
    }

    pub(super) async fn delete<T: Read>(&self, path: &str, form: Form, key: &str) -> Result<T, StripeError> {
        self.call(Call { method: Method::DELETE, path, form, key: Some(key) }).await
    }

    /// Every entry of a list, page by page, as Stripe orders them: newest first.
    pub(super) async fn all<T: Read>(&self, path: &str, form: Form) -> Result<Vec<T>, StripeError> {
        let mut found = Vec::new();
        let mut last: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let form = form.clone().put("limit", PAGE).maybe("starting_after", last.as_deref());
            let page = self.answer(&Call { method: Method::GET, path, form, key: None }).await?;
            let page = Object::of(&page);
            found.extend(page.list::<T>("/data")?);
            if !page.flag("/has_more") {
                return Ok(found);
            }
            let next = page.entries("/data").last().and_then(|entry| entry.words("/id"));
            if next.is_none() || next == last {
                break;
            }
            last = next;
        }
        Err(StripeError::Unavailable(format!("the list {path} has no end")))
    }

    async fn call<T: Read>(&self, call: Call<'_>) -> Result<T, StripeError> {
        let answer = self.answer(&call).await?;
        Ok(T::read(Object::of(&answer))?)
    }

    async fn answer(&self, call: &Call<'_>) -> Result<Value, StripeError> {
        let too_slow = |_| Err(StripeError::Unavailable("it did not answer in time".to_owned()));
        tokio::time::timeout(self.shared.waits.patience, self.tried(call)).await.unwrap_or_else(too_slow)
    }

    async fn tried(&self, call: &Call<'_>) -> Result<Value, StripeError> {
        let mut tries = 1;
        loop {
            let failure = match self.sent(call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let asked = failure.pause.unwrap_or_default();
            if tries == TRIES || !failure.may_be_tried_again || asked > self.shared.waits.longest_pause {
                return Err(failure.error);
            }
            tokio::time::sleep(asked.max(self.pause(call, tries))).await;
            tries += 1;
        }
    }

    /// Between a half and the whole of the pause that is due.
    fn pause(&self, call: &Call<'_>, tries: u32) -> Duration {
        let due = self.shared.waits.pause * (1 << (tries - 1));
        let hash = self.shared.spread.hash_one((call.path, call.key, tries));
        let thousandths = u32::try_from(hash % 500).expect("it is below 500");
        due * (500 + thousandths) / 1_000
    }

    async fn sent(&self, call: &Call<'_>) -> Result<Value, Failure> {
        let request = self.request(call).map_err(Failure::of_ours)?;
        let response = self.shared.client.request(request).await.map_err(|error| Failure::unsent(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return Failure::lost("its answer is too large", false);
            }
            Failure::lost("the connection broke while it answered", true)
        })?;
        let body = body.to_bytes();
        if !head.status.is_success() {
            return Err(Failure::answered(head.status, &head.headers, &body));
        }
        serde_json::from_slice(&body).map_err(|_| Failure::lost("its answer is not JSON", false))
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<Full<Bytes>>, StripeError> {
        let form = call.form.encoded();
        let in_body = call.method == Method::POST;
        let query = if in_body || form.is_empty() { String::new() } else { format!("?{form}") };
        let uri = format!("{}{}{query}", self.shared.base, call.path);
        let wrong = |what: &str| StripeError::Invalid { code: None, param: None, message: what.to_owned() };
        let mut request = Request::new(if in_body { Full::new(form.into()) } else { Full::default() });
        *request.uri_mut() = uri.parse().map_err(|_| wrong("the call has no readable address"))?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.shared.authorization.clone());
        headers.insert(header::USER_AGENT, SENDER);
        headers.insert(STRIPE_VERSION, self.shared.version.clone());
        if in_body {
            headers.insert(header::CONTENT_TYPE, FORM);
        }
        if let Some(key) = call.key {
            let key = HeaderValue::from_str(key).map_err(|_| wrong("the idempotency key is not plain text"))?;
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        *request.method_mut() = call.method.clone();
        Ok(request)
    }
}

/// `/v1/customers/cus_1`, and with an `action`, `/v1/customers/cus_1/action`.
pub(super) fn path_to(collection: &str, id: &str, action: &str) -> Result<String, StripeError> {
    // Without an id, or with one that leads upwards, the call would be another.
    if id.chars().all(|character| character == '.') {
        return Err(StripeError::NotFound { what: format!("nothing in {collection} is called {id:?}") });
    }
    let id: String = byte_serialize(id.as_bytes()).collect();
    Ok(match action {
        "" => format!("/v1/{collection}/{id}"),
        action => format!("/v1/{collection}/{id}/{action}"),
    })
}

impl Failure {
    fn of_ours(error: StripeError) -> Self {
        Self { error, may_be_tried_again: false, pause: None }
    }

    fn lost(what: &str, may_be_tried_again: bool) -> Self {
        Self { error: StripeError::Unavailable(what.to_owned()), may_be_tried_again, pause: None }
    }

    fn unsent(error: &hyper_util::client::legacy::Error) -> Self {
        match NoConnection::within(error) {
            Some(NoConnection::RefusedAddress) => Self::lost("its address is not public", false),
            Some(NoConnection::Timeout) => Self::lost("connecting took too long", true),
            None if error.is_connect() => Self::lost("no connection could be made", true),
            None => Self::lost("the connection broke", true),
        }
    }

    fn answered(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let may_be_tried_again = match text(SHOULD_RETRY) {
            Some("true") => true,
            Some("false") => false,
            _ => matches!(status.as_u16(), 409 | 429 | 500 | 502 | 503 | 504),
        };
        let pause = text(header::RETRY_AFTER).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        Self { error: StripeError::of(status, text(REQUEST_ID), body), may_be_tried_again, pause }
    }
}

impl fmt::Debug for Stripe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { base, is_live, .. } = &*self.shared;
        formatter.debug_struct("Stripe").field("base", base).field("is_live", is_live).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
