//! A TCP proxy before PostgreSQL that loses a connection at the worst moment: around a commit of the usage ledger.
//!
//! It reads the messages that pass, so that it knows a transaction that wrote usage events from any other: one that ends
//! with COMMIT, or a single statement that is a transaction of its own.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to a connection when a transaction that wrote usage events commits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The server commits; its answer is lost with the connection.
    LoseAnswer,
    /// The connection is lost before the server has seen the COMMIT, or the statement that commits by itself.
    LoseCommit,
}

/// A running proxy on a loopback port; it ends with this value.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// Faults to come, each for one commit.
    armed: Mutex<VecDeque<Fault>>,
    /// Faults that have happened.
    happened: watch::Sender<usize>,
    /// Whether the next fault takes the way to the server with it.
    cut_at_fault: AtomicBool,
    /// No connection gets through, neither those that are open nor new ones.
    is_cut: watch::Sender<bool>,
}

impl Proxy {
    /// A proxy to the server that this URL names. Call it inside a tokio runtime.
    pub async fn before(url: &str) -> io::Result<Proxy> {
        let (_, server) = address_of(url);
        let server = server.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, server) = (shared.clone(), server.clone());
                // A connection that ends, ends for both sides; how is the test's affair.
                tokio::spawn(async move {
                    let mut cut = state.is_cut.subscribe();
                    tokio::select! {
                        _ = cut.wait_for(|is_cut| *is_cut) => Ok(()),
                        ended = carry(client, &server, state) => ended,
                    }
                });
            }
        });
        Ok(Proxy { port, state, accepting })
    }

    /// The same URL by way of this proxy.
    pub fn url(&self, url: &str) -> String {
        let (before, server) = address_of(url);
        url.replacen(&format!("{before}{server}"), &format!("{before}127.0.0.1:{}", self.port), 1)
    }

    /// These faults happen to the next commits of usage events, one each.
    pub fn arm(&self, faults: &[Fault]) {
        self.state.armed.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// The next fault takes every connection with it, and no new one gets through until [`Proxy::mend`].
    pub fn cut_at_next_fault(&self) {
        self.state.cut_at_fault.store(true, Ordering::SeqCst);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.state.is_cut.send_replace(false);
    }

    /// How many faults have happened.
    pub fn happened(&self) -> usize {
        *self.state.happened.borrow()
    }
}

impl State {
    fn note_fault(&self) {
        if self.cut_at_fault.swap(false, Ordering::SeqCst) {
            self.is_cut.send_replace(true);
        }
        self.happened.send_modify(|count| *count += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What stands before `host:port` in a URL, and that.
fn address_of(url: &str) -> (&str, &str) {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let rest = &url[after_scheme..];
    let end = rest.find(['/', '?']).map_or(rest.len(), |at| at);
    let start = rest[..end].rfind('@').map_or(0, |at| at + 1);
    (&url[..after_scheme + start], &rest[start..end])
}

async fn carry(client: TcpStream, server: &str, state: Arc<State>) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let (lose, losing) = watch::channel(false);
    let asking = tokio::spawn(carry_questions(from_client, to_server, state.clone(), lose));
    let mut buffer = vec![0; 64 * 1024];
    let mut lost = Vec::new();
    loop {
        let count = from_server.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        if !*losing.borrow() {
            to_client.write_all(&buffer[..count]).await?;
            continue;
        }
        lost.extend_from_slice(&buffer[..count]);
        // Ready for the next query, and in no transaction: the last one is durable.
        if lost.windows(6).any(|message| message == b"Z\0\0\0\x05I") {
            state.note_fault();
            break;
        }
    }
    asking.abort();
    Ok(())
}

/// Carries the client's messages one by one, and knows a commit of usage events when it sees one.
async fn carry_questions(
    mut from_client: OwnedReadHalf,
    mut to_server: OwnedWriteHalf,
    state: Arc<State>,
    lose: watch::Sender<bool>,
) -> io::Result<()> {
    let mut inserts_events: HashSet<Vec<u8>> = HashSet::new();
    let (mut wrote_events, mut is_open) = (false, false);
    // The first message has no kind.
    let start = read_message(&mut from_client, None).await?;
    to_server.write_all(&start).await?;
    loop {
        let kind = from_client.read_u8().await?;
        let message = read_message(&mut from_client, Some(kind)).await?;
        let mut commits = false;
        let texts: Vec<&[u8]> = message[5..].split(|byte| *byte == 0).take(2).collect();
        match (kind, texts.as_slice()) {
            (b'P', [name, query]) if contains(query, b"INSERT INTO usage_events") => {
                inserts_events.insert(name.to_vec());
            }
            (b'B', [_, statement]) if inserts_events.contains(*statement) => {
                wrote_events = true;
                commits = !is_open;
            }
            (b'Q', [query, ..]) if query.starts_with(b"BEGIN") => is_open = true,
            (b'Q', [query, ..]) if *query == b"COMMIT" || *query == b"ROLLBACK" => {
                is_open = false;
                commits = *query == b"COMMIT";
                wrote_events &= commits;
            }
            _ => {}
        }
        if commits && std::mem::take(&mut wrote_events) {
            match state.armed.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
                Some(Fault::LoseAnswer) => drop(lose.send(true)),
                Some(Fault::LoseCommit) => {
                    state.note_fault();
                    return Ok(());
                }
                None => {}
            }
        }
        to_server.write_all(&message).await?;
    }
}

async fn read_message(from: &mut OwnedReadHalf, kind: Option<u8>) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend_from_slice(&length.to_be_bytes());
    let body = message.len();
    message.resize(body + usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(4), 0);
    from.read_exact(&mut message[body..]).await?;
    Ok(message)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_url_is_found() {
        for (url, before, address) in [
            ("postgres://u@h:1/db?x=1", "postgres://u@", "h:1"),
            ("postgres://h:1", "postgres://", "h:1"),
            ("postgres://u:p@h:1/db", "postgres://u:p@", "h:1"),
        ] {
            assert_eq!(address_of(url), (before, address));
        }
    }
}
