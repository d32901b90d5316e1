//! What is measured, as Prometheus reads it at `/metrics`.
//!
//! `tollway_http_requests_total` and `tollway_http_request_duration_seconds` are counted here; decisions, transactions
//! and the rest where they happen. Labels are routes, statuses and meters, never callers.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::RwLock;

const DURATIONS: &str = "tollway_http_request_duration_seconds";
/// From half a millisecond to the longest a request may take.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// How often what was measured is moved into buckets, also when nobody reads it.
const TIDY_EVERY: Duration = Duration::from_secs(5);

static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();

/// Cheap to clone; one a process.
#[derive(Clone)]
pub struct Measurements {
    prometheus: PrometheusHandle,
    routes: Arc<RwLock<Routes>>,
}

/// By route, then the few methods and statuses it is answered with: the registry's own look-up would build a key for
/// every request.
type Routes = HashMap<Box<str>, Vec<((Method, u16), Handles)>>;

#[derive(Clone)]
struct Handles {
    requests: Counter,
    duration: Histogram,
}

impl Handles {
    fn count(&self, took: Duration) {
        self.requests.increment(1);
        self.duration.record(took.as_secs_f64());
    }
}

impl Measurements {
    /// Begins to measure. Everything that the process counts is in it; a second call gives the same.
    pub fn install() -> Result<Self, BuildError> {
        if let Some(prometheus) = INSTALLED.get() {
            return Ok(Self::of(prometheus.clone()));
        }
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(DURATIONS.to_owned()), &BUCKETS)?;
        // Two threads may come here at once: one of them finds a recorder that the other has installed.
        match builder.install_recorder() {
            Ok(prometheus) => Ok(Self::of(INSTALLED.get_or_init(|| prometheus).clone())),
            Err(error) => INSTALLED.get().map(|prometheus| Self::of(prometheus.clone())).ok_or(error),
        }
    }

    /// Shows what another recorder of this process has measured.
    pub fn of(prometheus: PrometheusHandle) -> Self {
        Self { prometheus, routes: Arc::default() }
    }

    /// One request that was answered.
    pub fn count_request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let place = (method.clone(), status.as_u16());
        if let Some(handles) = self.routes.read().get(route)
            && let Some((_, handles)) = handles.iter().find(|(known, _)| *known == place)
        {
            return handles.count(took);
        }
        self.add(route, place).count(took);
    }

    fn add(&self, route: &str, (method, status): (Method, u16)) -> Handles {
        let shown = shown_method(&method);
        let requests = metrics::counter!("tollway_http_requests_total", "method" => shown, "route" => route.to_owned(), "status" => status.to_string());
        let duration = metrics::histogram!(DURATIONS, "route" => route.to_owned());
        let handles = Handles { requests, duration };
        let mut routes = self.routes.write();
        // A method that nobody defined is shown as another one; it is not remembered.
        if shown != OTHER {
            let known = routes.entry(route.into()).or_default();
            // Another request may have come here first.
            if known.iter().all(|(place, _)| *place != (method.clone(), status)) {
                known.push(((method, status), handles.clone()));
            }
        }
        handles
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        self.prometheus.render()
    }
}

/// Keeps what is measured from piling up. Runs for as long as the server does.
pub async fn keep_tidy() {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        if let Some(prometheus) = INSTALLED.get() {
            prometheus.run_upkeep();
        }
    }
}

const OTHER: &str = "other";

/// Anybody can make up a method; a label has few values.
fn shown_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let measurements = Measurements::install().unwrap();
        let strange = Method::from_bytes(b"STRANGE").unwrap();
        for method in [Method::GET, Method::GET, strange] {
            measurements.count_request(&method, "/test", StatusCode::OK, Duration::from_millis(3));
        }
        let text = Measurements::install().unwrap().render();
        let line = |method: &str, count: u32| {
            format!("tollway_http_requests_total{{method=\"{method}\",route=\"/test\",status=\"200\"}} {count}\n")
        };
        assert!(text.contains(&line("GET", 2)), "{text}");
        assert!(text.contains(&line("other", 1)), "{text}");
        assert!(
            text.contains("tollway_http_request_duration_seconds_bucket{route=\"/test\",le=\"0.005\"} 3\n"),
            "{text}"
        );
    }
}
