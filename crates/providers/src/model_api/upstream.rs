//! One place that calls are sent to, with its key and its patience. Start at [`Upstream`].

use std::time::Duration;

use super::ApiKind;
use crate::secret::SecretText;

/// An upstream as the operator configured it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upstream {
    pub name: String,
    /// With `/v1` for most, and no slash behind it: `https://api.openai.com/v1`, `https://api.anthropic.com/v1`.
    pub base_url: String,
    /// Empty: nothing is sent.
    pub key: SecretText,
    pub kind: ApiKind,
    /// To resolve the name, connect and agree on TLS.
    pub connect_timeout: Duration,
    /// From the connection until the headers of the answer.
    pub first_byte_timeout: Duration,
    /// Between two pieces of the answer's body.
    pub idle_timeout: Duration,
    /// Whether it may have an address that is not public, such as a model server in the same network.
    pub allow_private: bool,
}

/// Why an upstream cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("the base URL is no URL")]
    NoUrl,
    #[error("the base URL begins with neither https:// nor http://")]
    Scheme,
    #[error("the base URL holds a user name or a password; put the key into its own setting")]
    Credentials,
    #[error("the base URL has a question mark or a fragment; calls are made under its path")]
    Query,
    #[error("the base URL is a private address, which this upstream may not use unless allow_private says so")]
    PrivateAddress,
    #[error("the key holds characters that no header can carry")]
    Key,
    #[error("no TLS implementation is installed; call providers::install_tls first")]
    NoTls,
    #[error("the HTTP client could not be built: {0}")]
    Client(String),
}
