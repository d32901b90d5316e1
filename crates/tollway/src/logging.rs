//! Log lines on standard error: JSON for machines, text for people.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. A level that cannot be read is taken as `info`.
pub fn start(json: bool, level: &str) {
    let filter = EnvFilter::try_new(with_quiet_drivers(level)).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        registry.with(layer().json().flatten_event(true).with_writer(std::io::stderr)).init();
    } else {
        registry.with(layer().with_target(false).with_writer(std::io::stderr)).init();
    }
}

/// The PostgreSQL driver tells every parameter at `debug`, and some are nobody's business; below it, what the server
/// remarks by the way. Who wants it names it.
fn with_quiet_drivers(level: &str) -> String {
    if level.contains("tokio_postgres") { level.to_owned() } else { format!("{level},tokio_postgres=error") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_is_quiet_unless_it_is_named() {
        assert_eq!(with_quiet_drivers("debug"), "debug,tokio_postgres=error");
        assert_eq!(with_quiet_drivers("info,tokio_postgres=debug"), "info,tokio_postgres=debug");
    }
}
