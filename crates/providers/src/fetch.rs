//! Small answers of other servers: documents, keys, tokens. Start at [`Fetcher::get`].
//!
//! No redirects, no proxies, an end to every wait and to every answer's size. No error repeats what was sent or what came.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::{Host, Url};

use crate::addresses::is_public;
use crate::connections::{Connector, NoAuthorities, NoConnection};

/// How long one question may take, from connecting to the answer's last byte.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const LARGEST_BYTES: usize = 512 * 1024;
pub(crate) const SENDER: HeaderValue = HeaderValue::from_static(concat!("tollway/", env!("CARGO_PKG_VERSION")));
pub(crate) const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Connections to one other party.
pub(crate) struct Fetcher {
    client: Client<Connector, Full<Bytes>>,
    allow_private: bool,
    patience: Duration,
}

/// Why there is no answer that could be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FetchError {
    #[error("its address is not public, and allow_private is not set for it")]
    RefusedAddress,
    #[error("it has no https:// address")]
    NotEncrypted,
    #[error("no connection could be made")]
    Connect,
    #[error("it did not answer in time")]
    TooSlow,
    #[error("the connection broke")]
    Broken,
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is larger than {LARGEST_BYTES} bytes")]
    TooLarge,
    #[error("its answer cannot be read")]
    Unreadable,
}

impl Fetcher {
    /// Connects to nothing yet. `allow_private`: whether it may be in a private network, and go without TLS there.
    pub fn new(allow_private: bool, patience: Duration) -> Result<Self, NoAuthorities> {
        let connector = Connector::new(patience, allow_private, true).or_else(|missing| match allow_private {
            true => Connector::new(patience, allow_private, false),
            false => Err(missing),
        })?;
        let client = Client::builder(TokioExecutor::new())
            // Questions are rare, and one on a kept connection may meet its end.
            .pool_max_idle_per_host(0)
            .timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, allow_private, patience })
    }

    /// The body of a good answer to GET.
    pub async fn get(&self, url: &Url, authorization: Option<HeaderValue>) -> Result<Bytes, FetchError> {
        let headers = authorization.map(|value| (header::AUTHORIZATION, value)).into_iter().collect();
        let (status, body) = self.send(Method::GET, url, headers, Bytes::new()).await?;
        if status.is_success() { Ok(body) } else { Err(FetchError::Status(status.as_u16())) }
    }

    /// Status and body of the answer to a form.
    pub async fn post_form(
        &self,
        url: &Url,
        authorization: Option<HeaderValue>,
        form: String,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let mut headers = vec![(header::CONTENT_TYPE, FORM)];
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        self.send(Method::POST, url, headers, form.into()).await
    }

    /// Status and body of the answer to JSON.
    pub async fn post_json(
        &self,
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        body: String,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let headers = [&[(header::CONTENT_TYPE, JSON)], headers].concat();
        self.send(Method::POST, url, headers, body.into()).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        fields: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        may_be_asked(url, self.allow_private)?;
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = url.as_str().parse().map_err(|_| FetchError::Connect)?;
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, SENDER);
        headers.insert(header::ACCEPT, JSON);
        for (name, mut value) in fields {
            value.set_sensitive(name == header::AUTHORIZATION);
            headers.insert(name, value);
        }
        *request.method_mut() = method;
        let answering = async {
            let response = self.client.request(request).await.map_err(|error| no_answer(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST_BYTES).collect().await;
            let body = body.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
                Some(_) => FetchError::TooLarge,
                None => FetchError::Broken,
            })?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(self.patience, answering).await.map_err(|_| FetchError::TooSlow)?
    }
}

/// Whether an address may be called at all. A name is judged by what it resolves to, when a connection is made.
pub(crate) fn may_be_asked(url: &Url, allow_private: bool) -> Result<(), FetchError> {
    let public = match url.host() {
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        Some(Host::Domain(_)) => true,
        None => return Err(FetchError::Connect),
    };
    match url.scheme() {
        _ if !public && !allow_private => Err(FetchError::RefusedAddress),
        "https" => Ok(()),
        "http" if allow_private => Ok(()),
        _ => Err(FetchError::NotEncrypted),
    }
}

fn no_answer(error: &hyper_util::client::legacy::Error) -> FetchError {
    match NoConnection::within(error) {
        Some(NoConnection::RefusedAddress) => FetchError::RefusedAddress,
        Some(NoConnection::Timeout) => FetchError::TooSlow,
        None if error.is_connect() => FetchError::Connect,
        None => FetchError::Broken,
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Fetcher").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_and_only_encrypted_are_asked_unless_private_ones_are_allowed() {
        let judge = |text: &str, allow_private| may_be_asked(&Url::parse(text).unwrap(), allow_private);
        assert_eq!(judge("https://accounts.example.com", false), Ok(()));
        assert_eq!(judge("http://accounts.example.com", false), Err(FetchError::NotEncrypted));
        assert_eq!(judge("https://127.0.0.1/keys", false), Err(FetchError::RefusedAddress));
        assert_eq!(judge("https://[::1]/keys", false), Err(FetchError::RefusedAddress));
        assert_eq!(judge("http://127.0.0.1/keys", true), Ok(()));
        assert_eq!(judge("ftp://127.0.0.1/keys", true), Err(FetchError::NotEncrypted));
    }

    #[tokio::test]
    async fn a_name_that_leads_into_this_machine_is_refused() {
        let fetcher = Fetcher::new(false, PATIENCE).unwrap();
        let url = Url::parse("https://localhost/keys").unwrap();
        assert_eq!(fetcher.get(&url, None).await, Err(FetchError::RefusedAddress));
    }
}
