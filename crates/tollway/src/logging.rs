//! Log lines on standard error: JSON for machines, text for people.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. A level that cannot be read is taken as `info`.
pub fn start(json: bool, level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        registry.with(layer().json().flatten_event(true).with_writer(std::io::stderr)).init();
    } else {
        registry.with(layer().with_target(false).with_writer(std::io::stderr)).init();
    }
}
