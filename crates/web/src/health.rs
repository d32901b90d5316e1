//! What watches over a server asks: `/healthz` (is it alive), `/readyz` (should it get traffic), `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::WebState;
use crate::answer;

/// How long the database may take to answer before the node counts as not ready.
const DATABASE_TIME: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    /// Sentences.
    reasons: Vec<&'static str>,
}

/// 200 as long as anything is answered at all.
pub async fn healthz() -> Response {
    answer::ok(&Health { status: "ok" })
}

/// 503 with the reasons while this node should get no traffic.
pub async fn readyz(State(state): State<Arc<WebState>>) -> Response {
    let mut reasons = state.readiness.reasons();
    match tokio::time::timeout(DATABASE_TIME, state.app.ledger.may_write()).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            reasons.push("This node's clock is more than a second from the database's; nothing is counted.")
        }
        Ok(Err(_)) | Err(_) => reasons.push("The database does not answer."),
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json(status, &Ready { ready, reasons })
}

/// Everything that is measured, for Prometheus.
pub async fn metrics(State(state): State<Arc<WebState>>) -> Response {
    metrics::gauge!("tollway_queue_depth").set(state.app.ledger.queue_depth() as f64);
    metrics::gauge!("tollway_remembered_accounts").set(state.app.ledger.remembered_accounts() as f64);
    let mut response = Response::new(Body::from(state.measurements.render()));
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
