//! The floor: a bare proxy of axum and reqwest that reads a request, sends it on, and passes the answer through. It
//! checks, counts and remembers nothing. What it takes, every gateway of this kind takes.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use axum::serve::ListenerExt;

use super::PATH;
use super::stand_in::Listen;

#[derive(clap::Args)]
pub struct Floor {
    #[command(flatten)]
    listen: Listen,
    /// Where calls go, such as `http://127.0.0.1:8080/v1/chat/completions`.
    #[arg(long)]
    to: String,
}

#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    url: String,
}

impl Floor {
    pub fn run(&self) -> Result<(), String> {
        let upstream = Upstream { client: reqwest::Client::new(), url: self.to.clone() };
        let router = Router::new().route(PATH, post(forward)).with_state(upstream);
        self.listen.serve(async |listener| {
            let listener = listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            axum::serve(listener, router).await.map_err(|error| error.to_string())
        })
    }
}

async fn forward(State(upstream): State<Upstream>, mut headers: HeaderMap, body: Bytes) -> Response<Body> {
    for hop in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(hop);
    }
    match upstream.client.post(&upstream.url).headers(headers).body(body).send().await {
        Ok(answer) => {
            let mut answer = Response::from(answer).map(Body::new);
            answer.headers_mut().remove(CONNECTION);
            answer.headers_mut().remove(TRANSFER_ENCODING);
            answer
        }
        Err(error) => {
            let mut refusal = Response::new(Body::from(error.to_string()));
            *refusal.status_mut() = StatusCode::BAD_GATEWAY;
            refusal
        }
    }
}
