//! The outside world, one folder each: thin, typed, no business rules and no ledger.
//!
//! - [`model_api`]: the providers of models, and what Tollway reads from requests to them and answers of theirs
//! - [`addresses`]: which addresses may be called, checked where a connection is made
//! - [`secret`]: text that no log shows

pub mod addresses;
pub mod model_api;
pub mod secret;

/// Installs the TLS implementation that every client of this crate uses. Whoever starts calls it once, first; calling it
/// again changes nothing.
pub fn install_tls() {
    // An error says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Whether [`install_tls`] was called, or another provider installed.
fn tls_is_installed() -> bool {
    rustls::crypto::CryptoProvider::get_default().is_some()
}
