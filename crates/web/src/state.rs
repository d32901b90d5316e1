//! What every request is answered with: the use cases, what is measured, and whether the server may take work.

use std::collections::BTreeSet;
use std::sync::Arc;

use app::App;
use parking_lot::RwLock;

use crate::Measurements;
use crate::extract::client_address::TrustedProxies;

/// Shared by all requests; one a process. Handlers take it as `State<Arc<WebState>>`.
pub struct WebState {
    pub app: App,
    pub measurements: Measurements,
    pub readiness: Readiness,
    /// Mounts `POST /api/v1/noop`, which measures what a request costs before anything is counted.
    pub benchmark: bool,
    /// Whose word about addresses is taken.
    pub trusted_proxies: TrustedProxies,
}

impl WebState {
    pub fn new(app: App, measurements: Measurements) -> Self {
        let (readiness, trusted_proxies) = (Readiness::default(), TrustedProxies::default());
        Self { app, measurements, readiness, benchmark: false, trusted_proxies }
    }
}

/// Why this node should get no traffic right now; nothing when it should. Cheap to clone, so that whoever learns of a
/// reason can say so.
#[derive(Clone, Default)]
pub struct Readiness(Arc<RwLock<BTreeSet<&'static str>>>);

impl Readiness {
    pub const DRAINING: &'static str = "The server is stopping.";

    /// Takes the node out of traffic for this reason, a sentence, until it is allowed again.
    pub fn hold(&self, reason: &'static str) {
        self.0.write().insert(reason);
    }

    pub fn allow(&self, reason: &'static str) {
        self.0.write().remove(reason);
    }

    /// The server is about to stop: load balancers look elsewhere, while what runs is finished.
    pub fn drain(&self) {
        self.hold(Self::DRAINING);
    }

    pub fn reasons(&self) -> Vec<&'static str> {
        self.0.read().iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_no_reason_is_left() {
        let readiness = Readiness::default();
        assert!(readiness.reasons().is_empty());
        readiness.hold("The clock is wrong.");
        readiness.clone().drain();
        readiness.allow("The clock is wrong.");
        assert_eq!(readiness.reasons(), [Readiness::DRAINING]);
    }
}
