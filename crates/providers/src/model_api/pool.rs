//! Connections to one upstream, kept open between calls. Start at [`Pool::send`].
//!
//! hyper speaks the protocol, and the call that uses a connection drives it, instead of a task beside it: what comes needs
//! no change of task on its way to the client, and what came together is passed on together. A client that reads slowly
//! slows its upstream, and one that hangs up closes the connection, both by nothing being polled any more.
//!
//! While no call uses it nobody drives a connection. Whether the upstream has closed it meanwhile is found when it is
//! used again: hyper looks before it writes, and gives back what it has not begun to send.

use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use parking_lot::Mutex;
use tokio::time::Instant;
use tower_service::Service;

use super::own_wakes::OwnWakes;
use crate::connections::{BoxError, Connector, Stream};

/// How many connections are kept open while nothing is sent on them, and for how long: shorter than the servers do, so
/// that a call seldom meets one that is just being closed.
const IDLE_CONNECTIONS: usize = 1_024;
const KEEP_IDLE: Duration = Duration::from_secs(55);

/// The connections to one server.
pub(super) struct Pool {
    /// `https://api.openai.com`, with a port where it has one.
    origin: Uri,
    connector: Connector,
    idle: Arc<Idle>,
}

#[derive(Default)]
struct Idle(Mutex<Shelf>);

/// Those that no call uses.
#[derive(Default)]
struct Shelf {
    /// The one that was used last is behind.
    kept: Vec<Kept>,
    /// A task closes those that grow old.
    is_swept: bool,
}

struct Kept {
    connection: Connection,
    since: Instant,
}

/// One connection, with at most one call on it.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended. Dropping it tells whoever still waits for an answer on it.
    driver: Option<Pin<Box<Driver>>>,
    wakes: OwnWakes,
}

/// hyper's side of a connection, to be polled.
type Driver = http1::Connection<Stream, Full<Bytes>>;

/// The body of an answer, with the connection that it comes on. Read to its end it gives the connection back; dropped
/// before, it closes it.
pub(super) struct AnswerBody {
    incoming: Incoming,
    /// `None` once the answer has ended.
    connection: Option<Connection>,
    home: Weak<Idle>,
}

/// Why no answer came.
pub(super) enum NoAnswer {
    /// No connection was made.
    Connect(BoxError),
    /// It was closed before anything was sent.
    Closed,
    /// It broke.
    Broken,
}

impl Pool {
    pub fn new(origin: Uri, connector: Connector) -> Self {
        Self { origin, connector, idle: Arc::default() }
    }

    /// Sends a request, with a path alone for its URI, and waits for the head of the answer. Only what cannot have left is
    /// sent again, on another connection. Dropping the future closes the connection.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<AnswerBody>, NoAnswer> {
        loop {
            let kept = self.idle.take();
            let is_new = kept.is_none();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let unsent = match connection.exchange(request).await {
                Ok(response) => {
                    let home = Arc::downgrade(&self.idle);
                    let connection = Some(connection);
                    return Ok(response.map(|incoming| AnswerBody { incoming, connection, home }));
                }
                Err(unsent) => unsent,
            };
            request = unsent.ok_or(NoAnswer::Broken)?;
            if is_new {
                return Err(NoAnswer::Closed);
            }
            // The upstream has closed it while it was kept.
        }
    }

    async fn connect(&self) -> Result<Connection, NoAnswer> {
        let connecting = self.connector.clone().call(self.origin.clone());
        let stream = connecting.await.map_err(NoAnswer::Connect)?;
        let (sender, driver) = http1::handshake(stream).await.map_err(|_| NoAnswer::Broken)?;
        Ok(Connection { sender, driver: Some(Box::pin(driver)), wakes: OwnWakes::new() })
    }
}

impl Idle {
    /// The one that was used last: the others grow old, and are closed when they are.
    fn take(&self) -> Option<Connection> {
        let kept = self.0.lock().kept.pop()?;
        (kept.since.elapsed() < KEEP_IDLE).then_some(kept.connection)
    }

    fn put(self: Arc<Self>, connection: Connection) {
        let mut shelf = self.0.lock();
        if shelf.kept.len() < IDLE_CONNECTIONS {
            shelf.kept.push(Kept { connection, since: Instant::now() });
        }
        if !std::mem::replace(&mut shelf.is_swept, true) {
            tokio::spawn(close_the_old(Arc::downgrade(&self)));
        }
    }
}

/// Closes what has been idle for too long, for as long as something is.
async fn close_the_old(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(KEEP_IDLE).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut shelf = idle.0.lock();
        shelf.kept.retain(|kept| kept.since.elapsed() < KEEP_IDLE);
        if shelf.kept.is_empty() {
            shelf.is_swept = false;
            return;
        }
    }
}

impl Connection {
    /// Sends a request and waits for the head of its answer. `Err`: the connection is of no use any more; with the request
    /// where nothing of it has left.
    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Option<Request<Full<Bytes>>>> {
        let Self { sender, driver, wakes } = self;
        let mut answer = pin!(sender.try_send_request(request));
        let exchanged = std::future::poll_fn(|context| {
            wakes.poll(context, |context| {
                drive(driver, context);
                answer.as_mut().poll(context)
            })
        });
        exchanged.await.map_err(|mut error| error.take_message())
    }

    /// Whether another request can be sent.
    fn is_free(&mut self, context: &mut Context<'_>) -> bool {
        let Self { sender, driver, wakes } = self;
        let _ = wakes.poll(context, |context| -> Poll<()> {
            drive(driver, context);
            Poll::Pending
        });
        driver.is_some() && sender.is_ready()
    }
}

fn drive(driver: &mut Option<Pin<Box<Driver>>>, context: &mut Context<'_>) {
    // What has ended it, its answer says too.
    if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
        *driver = None;
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let body = self.get_mut();
        let polled = match &mut body.connection {
            None => Pin::new(&mut body.incoming).poll_frame(context),
            Some(Connection { driver, wakes, .. }) => wakes.poll(context, |context| {
                let polled = Pin::new(&mut body.incoming).poll_frame(context);
                if polled.is_ready() {
                    return polled;
                }
                drive(driver, context);
                Pin::new(&mut body.incoming).poll_frame(context)
            }),
        };
        if let Poll::Ready(None) = polled {
            body.give_back(context);
        }
        polled
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl AnswerBody {
    fn give_back(&mut self, context: &mut Context<'_>) {
        let (connection, home) = (self.connection.take(), self.home.upgrade());
        if let (Some(mut connection), Some(home)) = (connection, home)
            && connection.is_free(context)
        {
            home.put(connection);
        }
    }
}
