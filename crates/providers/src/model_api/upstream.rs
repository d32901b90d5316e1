//! One place that calls are sent to, with its key and its patience. Start at [`Upstream`].

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use url::{Host, Url};

use super::{ApiKind, Endpoint};
use crate::addresses::is_public;
use crate::secret::SecretText;

/// What Anthropic is told where the client says nothing.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");
const ANTHROPIC_VERSION_NAME: HeaderName = HeaderName::from_static("anthropic-version");
const API_KEY_NAME: HeaderName = HeaderName::from_static("x-api-key");
/// What of a client's headers belongs to a call, beside the content type of an upload.
static OF_OPENAI: [HeaderName; 3] =
    [header::ACCEPT, HeaderName::from_static("openai-beta"), HeaderName::from_static("x-client-request-id")];
static OF_ANTHROPIC: [HeaderName; 3] =
    [header::ACCEPT, ANTHROPIC_VERSION_NAME, HeaderName::from_static("anthropic-beta")];
const SENDER: HeaderValue = HeaderValue::from_static(concat!("tollway/", env!("CARGO_PKG_VERSION")));

/// An upstream as the operator configured it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upstream {
    pub name: String,
    /// With `/v1` for most: `https://api.openai.com/v1`, `https://api.anthropic.com/v1`. A slash at its end is as good.
    pub base_url: String,
    /// Empty: none is sent.
    pub key: SecretText,
    pub kind: ApiKind,
    /// To resolve the name, connect and agree on TLS.
    pub connect_timeout: Duration,
    /// From there until the headers of the answer, with the time to send the request.
    pub first_byte_timeout: Duration,
    /// Between two pieces of the answer's body.
    pub idle_timeout: Duration,
    /// Whether it may have an address that is not public, such as a model server in the same network.
    pub allow_private: bool,
}

/// Why an upstream cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("the base URL is no URL; write one such as https://api.openai.com/v1")]
    NoUrl,
    #[error("the base URL begins with neither https:// nor http://")]
    Scheme,
    #[error("the base URL holds a user name or a password; put the key into its own setting")]
    Credentials,
    #[error("the base URL has a question mark or a fragment; calls are made under its path alone")]
    Query,
    #[error("the base URL is an address that is not public; set allow_private if that is meant")]
    PrivateAddress,
    #[error("the key holds characters that no header can carry")]
    Key,
    #[error("this system has no certificate authorities to check the upstream by; install ca-certificates")]
    NoAuthorities,
}

/// An upstream, parsed: where each call goes and what it always carries.
#[derive(Debug)]
pub(super) struct Route {
    /// `https://api.openai.com`, with a port where it has one of its own.
    pub origin: Uri,
    /// What calls are made under: `/v1/chat/completions`.
    paths: Vec<Uri>,
    headers: HeaderMap,
    pub is_https: bool,
}

impl Route {
    pub fn of(upstream: &Upstream) -> Result<Self, UpstreamError> {
        let base = base_url(upstream)?;
        let (scheme, authority, under) = (base.scheme(), base.authority(), base.path().trim_end_matches('/'));
        let uri = |text: String| text.parse::<Uri>().map_err(|_| UpstreamError::NoUrl);
        let paths = Endpoint::ALL.iter().map(|call| uri(format!("{under}{}", call.path())));
        let host = HeaderValue::from_str(authority).map_err(|_| UpstreamError::NoUrl)?;
        Ok(Self {
            origin: uri(format!("{scheme}://{authority}"))?,
            paths: paths.collect::<Result<_, _>>()?,
            headers: fixed_headers(upstream, host)?,
            is_https: scheme == "https",
        })
    }

    pub fn path(&self, endpoint: Endpoint) -> Uri {
        self.paths[endpoint as usize].clone()
    }

    /// What goes with a call: the upstream's own headers, and of the client's only those that belong to the call.
    pub fn headers(&self, endpoint: Endpoint, of_client: &HeaderMap) -> HeaderMap {
        let mut headers = self.headers.clone();
        let of_kind = match endpoint.kind() {
            ApiKind::OpenAi => &OF_OPENAI,
            ApiKind::Anthropic => &OF_ANTHROPIC,
        };
        for name in of_kind {
            let mut values = of_client.get_all(name).iter();
            let Some(first) = values.next() else { continue };
            headers.insert(name, first.clone());
            for value in values {
                headers.append(name, value.clone());
            }
        }
        if endpoint.is_multipart()
            && let Some(sent_as) = of_client.get(header::CONTENT_TYPE)
        {
            headers.insert(header::CONTENT_TYPE, sent_as.clone());
        }
        headers
    }
}

fn base_url(upstream: &Upstream) -> Result<Url, UpstreamError> {
    let url = Url::parse(&upstream.base_url).map_err(|_| UpstreamError::NoUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UpstreamError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UpstreamError::Credentials);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UpstreamError::Query);
    }
    let public = match url.host() {
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        // A name is judged by what it resolves to, when a connection is made.
        Some(Host::Domain(_)) => true,
        None => return Err(UpstreamError::NoUrl),
    };
    if public || upstream.allow_private { Ok(url) } else { Err(UpstreamError::PrivateAddress) }
}

fn fixed_headers(upstream: &Upstream, host: HeaderValue) -> Result<HeaderMap, UpstreamError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, SENDER);
    // Usage is read from the answer as it passes.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // What was read as JSON is sent as JSON, so that the upstream reads it no other way.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let key = upstream.key.expose();
    let (name, text) = match upstream.kind {
        ApiKind::OpenAi => (header::AUTHORIZATION, format!("Bearer {key}")),
        ApiKind::Anthropic => (API_KEY_NAME, key.to_owned()),
    };
    if !key.is_empty() {
        let mut value = HeaderValue::from_str(&text).map_err(|_| UpstreamError::Key)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    if upstream.kind == ApiKind::Anthropic {
        headers.insert(ANTHROPIC_VERSION_NAME, ANTHROPIC_VERSION);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(base_url: &str, kind: ApiKind) -> Upstream {
        let patience = Duration::from_secs(5);
        Upstream {
            name: "here".into(),
            base_url: base_url.into(),
            key: SecretText::new("sk-very-secret"),
            kind,
            connect_timeout: patience,
            first_byte_timeout: patience,
            idle_timeout: patience,
            allow_private: false,
        }
    }

    #[test]
    fn calls_go_under_the_base_url_with_or_without_a_slash() {
        for base in ["https://api.openai.com/v1", "https://api.openai.com/v1/"] {
            let route = Route::of(&upstream(base, ApiKind::OpenAi)).expect("a route");
            assert_eq!(route.origin, "https://api.openai.com");
            assert_eq!(route.path(Endpoint::ChatCompletions), "/v1/chat/completions");
            assert_eq!(route.path(Endpoint::Messages), "/v1/messages");
            assert!(route.is_https);
        }
        let route = Route::of(&upstream("https://models.example:8443/a/v1", ApiKind::OpenAi)).expect("a route");
        assert_eq!(
            (route.origin.to_string(), route.headers["host"].as_bytes()),
            ("https://models.example:8443/".to_owned(), &b"models.example:8443"[..])
        );
        assert_eq!(route.path(Endpoint::Embeddings), "/a/v1/embeddings");
        for endpoint in Endpoint::ALL {
            let route = Route::of(&upstream("http://models.example", ApiKind::OpenAi)).expect("a route");
            assert_eq!(route.path(endpoint), endpoint.path());
        }
    }

    #[test]
    fn base_urls_that_cannot_be_used_are_refused() {
        let reason = |base: &str| Route::of(&upstream(base, ApiKind::OpenAi)).err();
        for base in ["", "api.openai.com/v1", "/v1", "https://", "http://exa mple/"] {
            assert_eq!(reason(base), Some(UpstreamError::NoUrl), "{base}");
        }
        assert_eq!(reason("file:///etc/passwd"), Some(UpstreamError::Scheme));
        assert_eq!(reason("https://me:key@api.openai.com/v1"), Some(UpstreamError::Credentials));
        assert_eq!(reason("https://x.openai.azure.com/openai?api-version=1"), Some(UpstreamError::Query));
    }

    #[test]
    fn private_addresses_are_refused_however_they_are_spelled() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "127.0.0.1.",
            "0",
            "10.1.2.3",
            "169.254.169.254",
            "0xa9fea9fe",
            "100.100.100.200",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
        ] {
            let mut wanted = upstream(&format!("http://{host}:8000/v1"), ApiKind::OpenAi);
            assert_eq!(Route::of(&wanted).err(), Some(UpstreamError::PrivateAddress), "{host}");
            wanted.allow_private = true;
            assert!(Route::of(&wanted).is_ok(), "{host}");
        }
    }

    #[test]
    fn each_kind_carries_its_key_and_only_the_headers_of_the_call() {
        let mut of_client = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer tw_customer"),
            ("x-api-key", "tw_customer"),
            ("cookie", "session=1"),
            ("openai-organization", "org-1"),
            ("accept", "text/event-stream"),
            ("content-type", "text/plain"),
            ("anthropic-beta", "one"),
            ("anthropic-version", "2024-01-01"),
        ] {
            of_client.insert(name, HeaderValue::from_static(value));
        }
        of_client.append("anthropic-beta", HeaderValue::from_static("two"));
        let openai = Route::of(&upstream("https://api.openai.com/v1", ApiKind::OpenAi)).expect("a route");
        let headers = openai.headers(Endpoint::ChatCompletions, &of_client);
        assert_eq!(headers["authorization"], "Bearer sk-very-secret");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["accept"], "text/event-stream");
        for name in ["x-api-key", "cookie", "openai-organization", "anthropic-beta", "anthropic-version"] {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert!(!format!("{openai:?}").contains("secret"));

        let anthropic = Route::of(&upstream("https://api.anthropic.com/v1", ApiKind::Anthropic)).expect("a route");
        let headers = anthropic.headers(Endpoint::Messages, &of_client);
        assert_eq!(headers["x-api-key"], "sk-very-secret");
        assert_eq!(headers["anthropic-version"], "2024-01-01");
        assert_eq!(headers.get_all("anthropic-beta").iter().collect::<Vec<_>>(), ["one", "two"]);
        assert!(!headers.contains_key("authorization") && !headers.contains_key("cookie"));
        assert_eq!(anthropic.headers(Endpoint::Messages, &HeaderMap::new())["anthropic-version"], "2023-06-01");
    }

    #[test]
    fn an_upload_keeps_its_content_type_and_no_key_is_sent_when_there_is_none() {
        let mut keyless = upstream("https://models.example/v1", ApiKind::OpenAi);
        keyless.key = SecretText::new("");
        let mut of_client = HeaderMap::new();
        of_client.insert("content-type", HeaderValue::from_static("multipart/form-data; boundary=x"));
        let headers = Route::of(&keyless).expect("a route").headers(Endpoint::Transcriptions, &of_client);
        assert_eq!(headers["content-type"], "multipart/form-data; boundary=x");
        assert!(!headers.contains_key("authorization"));
        keyless.key = SecretText::new("two\nlines");
        assert_eq!(Route::of(&keyless).err(), Some(UpstreamError::Key));
    }
}
