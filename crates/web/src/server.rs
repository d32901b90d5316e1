//! Connections: taken in, bounded in number, size and time, and drained when the server stops.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::Service;

use crate::measurements;

/// Connections that are open at once. More wait in the system's own queue.
const MOST_CONNECTIONS: u32 = 16_384;
/// The longest request line and headers together.
const LONGEST_HEAD_BYTES: usize = 64 * 1024;
/// How long a head may take to arrive. A connection that is kept open between requests is closed after it too.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// How long requests may go on after the server was told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(20);
/// The pause after the system could not give a connection, for lack of file descriptors for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Serves until `shutdown` is there, then takes no more connections and lets what runs finish, for twenty seconds at most.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS as usize));
    let (stop, stopping) = watch::channel(());
    let (end, ending) = watch::channel(());
    let tidying = tokio::spawn(measurements::keep_tidy());
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            (connection, permit) = accept(&listener, &room) => {
                let (stream, address) = connection;
                let answering = connection_of(stream, address, router.clone(), stopping.clone());
                let mut ending = ending.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = answering => {}
                        // What is still being answered is dropped, and settles what it has begun.
                        _ = ending.changed() => {}
                    }
                    drop(permit);
                });
            }
        }
    }
    drop(listener);
    drop(stop);
    tidying.abort();
    if tokio::time::timeout(DRAIN_TIME, room.acquire_many(MOST_CONNECTIONS)).await.is_err() {
        tracing::warn!("stopped with requests still running");
    }
    drop(end);
}

/// The next connection, and the room it takes.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> ((TcpStream, SocketAddr), tokio::sync::OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("the room is never closed");
    loop {
        match listener.accept().await {
            Ok(connection) => return (connection, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection, one after another.
async fn connection_of(stream: TcpStream, address: SocketAddr, router: Router, mut stopping: watch::Receiver<()>) {
    // Answers are small and whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(PeerAddress(address));
        let mut router = router.clone();
        async move {
            let _ =
                poll_fn(|context| Service::<Request<hyper::body::Incoming>>::poll_ready(&mut router, context)).await;
            router.call(request).await
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(LONGEST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => log_end(ended),
        // The sender is dropped when the server stops.
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            log_end(connection.await);
        }
    }
}

/// Callers hang up and send nonsense; that is of interest to who looks for it.
fn log_end(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
