//! Tells other servers what happened, in the form of the Standard Webhooks specification: the message's id, its time and
//! signatures in headers, over the body as it is.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, StatusCode};
use sha2::Sha256;
use url::Url;

pub use crate::fetch::FetchError;
use crate::fetch::{Fetcher, may_be_asked};

/// How long an endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
const LONGEST_URL: usize = 2_000;
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Sends messages. One a process.
#[derive(Debug)]
pub struct WebhookSender {
    fetcher: Fetcher,
    allow_private: bool,
}

/// What is sent, and the secrets that it is signed with: one, or two while one takes the other's place.
pub struct Message<'m> {
    pub id: &'m str,
    pub at: Timestamp,
    pub body: &'m str,
    pub secrets: &'m [Vec<u8>],
}

impl WebhookSender {
    /// `allow_private`: endpoints may be on this machine or in its network, and without TLS.
    ///
    /// # Errors
    /// When the system trusts no certificate authority, as a sentence.
    pub fn new(allow_private: bool) -> Result<Self, String> {
        let missing = "this system trusts no certificate authority, so that no webhook could be sent over TLS";
        let fetcher = Fetcher::new(allow_private, PATIENCE).map_err(|_| missing.to_owned())?;
        Ok(Self { fetcher, allow_private })
    }

    /// Whether an address may be an endpoint's. A name is judged again when a connection is made.
    pub fn check(&self, url: &str) -> Result<(), FetchError> {
        let parsed = Url::parse(url).map_err(|_| FetchError::Connect)?;
        let is_plain = parsed.username().is_empty() && parsed.password().is_none();
        if url.len() > LONGEST_URL || !is_plain {
            return Err(FetchError::Connect);
        }
        may_be_asked(&parsed, self.allow_private)
    }

    /// Sends a message; the status of the answer. What it says is not read further.
    pub async fn send(&self, url: &str, message: &Message<'_>) -> Result<StatusCode, FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::Connect)?;
        let text = |text: &str| HeaderValue::from_str(text).map_err(|_| FetchError::Connect);
        let headers = [
            (ID, text(message.id)?),
            (TIMESTAMP, text(&message.at.seconds().to_string())?),
            (SIGNATURE, text(&signatures(message))?),
        ];
        self.fetcher.post_json(&url, &headers, message.body.to_owned()).await.map(|(status, _)| status)
    }
}

/// `v1,` and the HMAC-SHA256 of id, time and body, in base 64; one for each secret.
fn signatures(message: &Message<'_>) -> String {
    let signed = format!("{}.{}.{}", message.id, message.at.seconds(), message.body);
    let each = message.secrets.iter().map(|secret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length is taken");
        mac.update(signed.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    });
    each.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own documents.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at: Timestamp::from_seconds(1_614_265_330),
            body: "{\"test\": 2432232314}",
            secrets: std::slice::from_ref(&secret),
        };
        assert_eq!(signatures(&message), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn endpoints_are_public_and_encrypted() {
        let sender = WebhookSender::new(false).unwrap();
        assert!(sender.check("https://hooks.example.com/tollway").is_ok());
        for refused in [
            "http://hooks.example.com",
            "https://127.0.0.1/",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/latest",
            "https://user:secret@hooks.example.com",
            "ftp://hooks.example.com",
            "hooks",
        ] {
            assert!(sender.check(refused).is_err(), "{refused}");
        }
        assert!(WebhookSender::new(true).unwrap().check("http://127.0.0.1:9/").is_ok());
    }
}
