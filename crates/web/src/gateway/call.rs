//! One model call over HTTP: reads it, asks `app::gateway`, and sends the answer on as it comes.

use std::sync::Arc;
use std::time::Duration;

use app::gateway::{Asked, BrokenOff, CallError, CallStream, Endpoint, Reply, ReplyBody, Settled};
use app::metering::Counts;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use domain::catalog::COST_METER;

use super::pieces::given_by;
use super::refusal::{self, Refused};
use super::{context, limit_headers};
use crate::WebState;
use crate::answer::{Decimal, HEADERS};
use crate::extract::body::read_bytes_within;
use crate::extract::caller::authenticate_header;
use crate::headers::Part::{Amount, Event};
use crate::headers::{self, Lines};

/// Pictures and recordings come in the request.
const LONGEST_REQUEST: usize = 32 << 20;
/// How long a request may take to arrive.
const REQUEST_TIME: Duration = Duration::from_secs(120);
const COST: HeaderName = HeaderName::from_static("tollway-cost");
const EVENT: HeaderName = HeaderName::from_static("tollway-event");
const COUNTS: HeaderName = HeaderName::from_static("tollway-counts");
/// Streams must not be gathered by a proxy in front of this server.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers `POST /v1/…`.
pub async fn call(state: Arc<WebState>, endpoint: Endpoint, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let headers = std::mem::take(&mut parts.headers);
    match answered(&state, endpoint, headers, body).await {
        Ok(response) => response,
        Err(refused) => refusal::write(&state.app, endpoint.kind(), &refused, &parts).await,
    }
}

async fn answered(state: &WebState, endpoint: Endpoint, headers: HeaderMap, body: Body) -> Result<Response, Refused> {
    let caller = authenticate_header(state, &headers).await.map_err(CallError::from)?;
    let told = context::read(&headers)?;
    let body = read_bytes_within(body, LONGEST_REQUEST, REQUEST_TIME).await?;
    let asked = Asked {
        endpoint,
        account: told.account,
        headers,
        body,
        user: told.user,
        end_user: told.end_user,
        context: told.context,
    };
    let reply = app::gateway::call(&state.app, &caller, asked).await?;
    Ok(passed_on(state, reply).await)
}

async fn passed_on(state: &WebState, reply: Reply) -> Response {
    let Reply { status, headers: of_upstream, body, limits, allowance, settled } = reply;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    *headers = of_upstream;
    headers.reserve(HEADERS);
    let mut lines = Lines::of(headers);
    headers::add_limits(&mut lines, &limits, state.app.now());
    limit_headers::add(&mut lines, &state.app, (&limits, allowance.as_ref())).await;
    if let Some(settled) = &settled {
        add_cost(&mut lines, settled);
        headers.insert(COUNTS, HeaderValue::from_static(name_of(settled.counts)));
    }
    *response.body_mut() = match body {
        ReplyBody::Whole(whole) => Body::from(whole),
        ReplyBody::Stream(stream) => {
            response.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
            Body::from_stream(pieces(stream))
        }
    };
    response
}

fn add_cost(lines: &mut Lines<'_>, settled: &Settled) {
    lines.put(EVENT, &[Event(settled.counted.event)]);
    if let Some(cost) = &settled.counted.cost {
        lines.put(COST, &[Amount(Decimal::of_meter(COST_METER, cost.final_cost.nano()))]);
    }
}

fn name_of(counts: Counts) -> &'static str {
    match counts {
        Counts::Reported => "reported",
        Counts::Estimated => "estimated",
    }
}

/// The stream's pieces, each asked for when the client has room for it.
fn pieces(mut stream: Box<CallStream>) -> impl futures_util::Stream<Item = Result<Bytes, BrokenOff>> {
    given_by(|place| async move {
        while let Some(piece) = stream.next().await {
            place.give(piece).await;
        }
    })
}
