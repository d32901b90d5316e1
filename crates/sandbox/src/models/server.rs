//! Connections to the stand-in: taken in until it is told to stop, and ended then, also those that stall.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::router;

/// After a connection could not be taken: no files left, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves [`router`] until `stop` is done.
pub async fn serve(listener: TcpListener, stop: impl Future<Output = ()>) {
    let service = TowerToHyperService::new(router());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = stop.as_mut() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(answer(stream, service.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(stream: TcpStream, service: TowerToHyperService<axum::Router>) {
    // Tokens are small; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A connection that ends early was cut by a fault or by the caller, and has been counted.
    let _ = connection.await;
}
