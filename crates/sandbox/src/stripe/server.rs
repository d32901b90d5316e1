//! Connections to the stand-in, and the tasks that run beside them: the clock's, and the webhooks'.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use axum::routing::{any, get, post};
use hyper::body::Frame;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::sandbox::Stripe;
use super::{call, control, delivery, pages};

/// After a connection could not be taken: no files left, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How soon what falls due is played when nobody asks.
const TICK: Duration = Duration::from_millis(500);

/// Whether the caller is on this machine.
#[derive(Clone, Copy)]
pub struct IsLocal(pub bool);

#[rustfmt::skip]
fn router(stripe: Arc<Stripe>) -> Router {
    Router::new()
        .route("/v1/{*rest}", any(call::answer))
        .route("/sandbox/clock", get(control::clock).post(control::move_clock))
        .route("/sandbox/faults", post(control::add_fault).delete(control::clear_faults))
        .route("/sandbox/webhooks", post(control::set_travel))
        .route("/sandbox/webhooks/release", post(control::release))
        .route("/sandbox/requests", get(control::requests))
        .route("/sandbox/counts", get(control::counts))
        .route("/sandbox/cards", get(control::cards))
        .route("/sandbox/settled", get(control::settled))
        .route("/sandbox/settings", post(control::settings))
        .route("/sandbox/checkout/{session}/pay", post(control::pay))
        .route("/sandbox/3ds/{intent}", post(control::authenticate))
        .route("/sandbox/portal/{session}/{action}", post(control::portal))
        .merge(pages::routes())
        .with_state(stripe)
}

/// Serves the stand-in until `stop` is done.
pub async fn serve(listener: TcpListener, stripe: Arc<Stripe>, stop: impl Future<Output = ()>) {
    let router = router(stripe.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(delivery::deliver(stripe.clone()));
    tasks.spawn(tick(stripe.clone()));
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = stop.as_mut() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let router = router.clone().layer(axum::Extension(IsLocal(address.ip().to_canonical().is_loopback())));
                    tasks.spawn(answer(stream, TowerToHyperService::new(router)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    // What was delivered last is not yet in the file.
    let _ = stripe.save().await;
}

async fn answer(stream: TcpStream, service: TowerToHyperService<Router>) {
    let _ = stream.set_nodelay(true);
    // A connection that ends early was cut by a fault or by the caller.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn tick(stripe: Arc<Stripe>) {
    loop {
        tokio::time::sleep(TICK).await;
        stripe.tick();
        // A file that cannot be written is told to the next caller.
        let _ = stripe.save().await;
    }
}

/// An answer that is none: the connection ends before any byte.
pub fn cut() -> Response {
    Response::new(Body::new(Cut))
}

struct Cut;

impl hyper::body::Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::Error::other("cut by a fault"))))
    }
}
