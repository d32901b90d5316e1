//! Connections to the outside: TLS, patience, and no way to an address that is not public. Start at [`Connector::new`].
//!
//! hyper's own client carries the calls: TLS is then set for these connections alone, instead of for the whole process,
//! and a client built on it would add nothing that is wanted here.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::crypto::ring;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::addresses::is_public;

/// How long an open connection may say nothing before the system asks whether it still stands.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Opens connections: resolves, judges the addresses, connects and agrees on TLS, all within one time.
#[derive(Clone)]
pub struct Connector {
    inner: HttpsConnector<HttpConnector<Resolver>>,
    timeout: Duration,
    allow_private: bool,
}

/// What a connection carries bytes on.
pub(crate) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Why no connection was made, where the cause is ours. It stands in the chain of the client's error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoConnection {
    RefusedAddress,
    Timeout,
}

/// The system has no certificate authorities to check a server by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoAuthorities;

impl Connector {
    /// `with_tls`: whether `https` is to be spoken; without it no certificate authorities are needed.
    ///
    /// # Errors
    /// When TLS is wanted and the system has no certificate authorities.
    pub fn new(timeout: Duration, allow_private: bool, with_tls: bool) -> Result<Self, NoAuthorities> {
        let mut http = HttpConnector::new_with_resolver(Resolver { allow_private });
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(TCP_KEEPALIVE));
        // Shared out between a name's addresses, so that one that is silent leaves time for the next.
        http.set_connect_timeout(Some(timeout));
        let inner = HttpsConnector::from((http, tls(with_tls)?));
        Ok(Self { inner, timeout, allow_private })
    }
}

fn tls(with_authorities: bool) -> Result<Arc<rustls::ClientConfig>, NoAuthorities> {
    let mut roots = RootCertStore::empty();
    if with_authorities {
        // A system's list may hold a few that cannot be read; the others are what counts.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(NoAuthorities);
        }
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the versions that rustls thinks safe")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // An address that is written out is never resolved.
        if !self.allow_private && written_address(&uri).is_some_and(|address| !is_public(address)) {
            return Box::pin(std::future::ready(Err(NoConnection::RefusedAddress.into())));
        }
        let connecting = tokio::time::timeout(self.timeout, self.inner.call(uri));
        Box::pin(async { connecting.await.unwrap_or_else(|_| Err(NoConnection::Timeout.into())) })
    }
}

fn written_address(uri: &Uri) -> Option<IpAddr> {
    uri.host()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Resolves names by the system and leaves out what may not be called.
#[derive(Clone, Copy)]
struct Resolver {
    allow_private: bool,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            let allowed = allowed_of(found, allow_private);
            if allowed.is_empty() { Err(NoConnection::RefusedAddress.into()) } else { Ok(allowed.into_iter()) }
        })
    }
}

fn allowed_of(mut found: Vec<SocketAddr>, allow_private: bool) -> Vec<SocketAddr> {
    found.retain(|address| allow_private || is_public(address.ip()));
    found
}

impl NoConnection {
    /// Finds it in the chain of an error.
    pub fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(*found);
            }
            cause = error.source();
        }
        None
    }
}

impl fmt::Display for NoConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::RefusedAddress => "the address is not public",
            Self::Timeout => "connecting took too long",
        })
    }
}

impl Error for NoConnection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_names_addresses_the_public_ones_are_kept() {
        let found: Vec<SocketAddr> =
            ["127.0.0.1:0", "8.8.8.8:0", "[::1]:0", "[2606:4700::1]:0"].map(|text| text.parse().expect("one")).into();
        let public = allowed_of(found.clone(), false);
        assert_eq!(public, ["8.8.8.8:0", "[2606:4700::1]:0"].map(|text| text.parse().expect("one")));
        assert_eq!(allowed_of(found.clone(), true), found);
    }

    #[tokio::test]
    async fn names_of_this_machine_are_refused_however_they_are_spelled() {
        for spelling in ["localhost", "LOCALHOST", "localhost.", "127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "0"]
        {
            let mut resolver = Resolver { allow_private: false };
            let error = resolver.call(spelling.parse().expect("a name")).await.expect_err(spelling);
            // A system that does not know a spelling is as good as one that resolves it to this machine.
            let refused = NoConnection::within(&*error) == Some(NoConnection::RefusedAddress);
            assert!(refused || error.downcast_ref::<io::Error>().is_some(), "{spelling}: {error}");
        }
        let mut resolver = Resolver { allow_private: true };
        assert!(resolver.call("localhost".parse().expect("a name")).await.is_ok());
    }

    #[tokio::test]
    async fn written_addresses_of_this_machine_are_refused() {
        for uri in
            ["http://127.0.0.1:1/", "http://[::1]:1/", "http://[::ffff:127.0.0.1]:1/", "https://169.254.169.254/"]
        {
            let mut connector = Connector::new(Duration::from_secs(5), false, false).expect("a connector");
            let error = connector.call(uri.parse().expect("a uri")).await.expect_err(uri);
            assert_eq!(NoConnection::within(&*error), Some(NoConnection::RefusedAddress), "{uri}");
        }
    }
    #[tokio::test]
    async fn a_server_that_never_agrees_on_tls_takes_no_longer_than_connecting_may() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let uri = format!("https://{}/", silent.local_addr().expect("an address"));
        let mut connector = Connector::new(Duration::from_millis(80), true, false).expect("a connector");
        let error = connector.call(uri.parse().expect("a uri")).await.expect_err("a timeout");
        assert_eq!(NoConnection::within(&*error), Some(NoConnection::Timeout));
    }
}
