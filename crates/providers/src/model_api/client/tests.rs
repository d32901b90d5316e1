//! Calls over real connections to a server that plays a script.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::ApiKind;
use super::*;
use crate::secret::SecretText;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(80);
const BODY: &str = r#"{"model":"m"}"#;

/// A server that answers every request with this and then does what is said.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: tokio::sync::mpsc::UnboundedReceiver<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    ReadOn,
    Close,
    Stall,
}

impl Server {
    async fn start(answer: &'static str, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (seen, requests) = tokio::sync::mpsc::unbounded_channel();
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(play(stream, answer, then, seen.clone()));
            }
        });
        Self { port, connections, requests }
    }

    fn upstream(&self) -> Upstream {
        upstream(format!("http://localhost:{}/v1", self.port))
    }

    fn client(&self) -> ModelClient {
        ModelClient::new(self.upstream()).expect("an upstream")
    }
}

async fn play(
    mut stream: TcpStream,
    answer: &'static str,
    then: Then,
    seen: tokio::sync::mpsc::UnboundedSender<String>,
) {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4_096];
        let Ok(length @ 1..) = stream.read(&mut piece).await else { return };
        request.extend_from_slice(&piece[..length]);
        if request.ends_with(BODY.as_bytes()) {
            let _ = seen.send(String::from_utf8_lossy(&request).into_owned());
            request.clear();
            let _ = stream.write_all(answer.as_bytes()).await;
            match then {
                Then::ReadOn => {}
                Then::Close => return,
                Then::Stall => std::future::pending().await,
            }
        }
    }
}

fn upstream(base_url: String) -> Upstream {
    Upstream {
        name: "here".into(),
        base_url,
        key: SecretText::new("sk-very-secret"),
        kind: ApiKind::OpenAi,
        connect_timeout: LONG,
        first_byte_timeout: LONG,
        idle_timeout: LONG,
        allow_private: true,
    }
}

async fn call(client: &ModelClient) -> Result<Answer, SendError> {
    client.send(Endpoint::ChatCompletions, &HeaderMap::new(), Bytes::from_static(BODY.as_bytes())).await
}

#[tokio::test]
async fn a_call_is_sent_with_the_upstreams_key_and_answered() {
    let answer = "HTTP/1.1 429 Too Many\r\nContent-Type: application/json\r\nRetry-After: 7\r\nx-request-id: req_1\r\n\
        Set-Cookie: a=b\r\nopenai-organization: ours\r\nx-ratelimit-remaining-tokens: 1\r\nContent-Length: 2\r\n\r\n{}";
    let mut server = Server::start(answer, Then::ReadOn).await;
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer tw_customer"));
    headers.insert("accept", HeaderValue::from_static("text/event-stream"));
    let client = server.client();
    let sent = client.send(Endpoint::ChatCompletions, &headers, Bytes::from_static(BODY.as_bytes())).await;
    let answer = sent.expect("an answer");
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let mut names: Vec<&str> = answer.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "retry-after", "x-request-id"]);
    assert_eq!(answer.whole(2).await, Ok(Bytes::from_static(b"{}")));
    let request = server.requests.recv().await.expect("a request").to_ascii_lowercase();
    assert!(request.starts_with("post /v1/chat/completions http/1.1\r\n"), "{request}");
    for line in [
        "authorization: bearer sk-very-secret",
        "content-type: application/json",
        "accept: text/event-stream",
        "accept-encoding: identity",
        "content-length: 13",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} is not in {request}");
    }
    assert!(!request.contains("customer") && !format!("{client:?}").contains("very"));
}

#[tokio::test]
async fn connections_are_kept_and_redirects_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(answer, Then::ReadOn).await;
    let client = server.client();
    for _ in 0..3 {
        let answer = call(&client).await.expect("an answer");
        assert_eq!(answer.status, StatusCode::FOUND);
        assert_eq!(answer.whole(10).await, Ok(Bytes::new()));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_was_kept_is_not_sent_on() {
    let server = Server::start("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Then::Close).await;
    let client = server.client();
    for calls in 1..=3 {
        let answer = call(&client).await.expect("an answer");
        assert_eq!(answer.whole(2).await, Ok(Bytes::from_static(b"{}")));
        assert_eq!(server.connections.load(Ordering::SeqCst), calls);
        // The end of the connection is on its way.
        tokio::time::sleep(SHORT / 4).await;
    }
}

#[tokio::test]
async fn a_stream_that_ends_gives_its_connection_back_and_one_that_is_left_closes_it() {
    let pieces = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    let server = Server::start(pieces, Then::ReadOn).await;
    let client = server.client();
    for _ in 0..2 {
        let mut answer = call(&client).await.expect("an answer");
        for piece in ["abc", "def"] {
            assert_eq!(answer.chunk().await, Ok(Some(Bytes::from(piece))));
        }
        assert_eq!(answer.chunk().await, Ok(None));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    let mut left = call(&client).await.expect("an answer");
    assert_eq!(left.chunk().await, Ok(Some(Bytes::from_static(b"abc"))));
    drop(left);
    call(&client).await.expect("an answer");
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_name_with_a_private_address_is_refused_when_it_is_connected_to() {
    let server = Server::start("", Then::Stall).await;
    let refusing = ModelClient::new(Upstream { allow_private: false, ..server.upstream() }).expect("an upstream");
    let error = call(&refusing).await.expect_err("a refusal");
    assert_eq!((error, error.may_have_reached()), (SendError::RefusedAddress, false));
    let literal = upstream(format!("http://127.0.0.1:{}", server.port));
    let refused = ModelClient::new(Upstream { allow_private: false, ..literal }).expect_err("a refusal");
    assert_eq!(refused, UpstreamError::PrivateAddress);
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_call_that_cannot_have_left_is_told_from_one_that_may_have() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let nobody = ModelClient::new(upstream(format!("http://127.0.0.1:{port}"))).expect("an upstream");
    let error = call(&nobody).await.expect_err("nobody is there");
    assert_eq!((error, error.may_have_reached()), (SendError::Connect, false));

    let server = Server::start("", Then::Close).await;
    let error = call(&server.client()).await.expect_err("a broken connection");
    assert_eq!((error, error.may_have_reached()), (SendError::Broken, true));

    let server = Server::start("", Then::Stall).await;
    let patience = Upstream { connect_timeout: SHORT, first_byte_timeout: SHORT, ..server.upstream() };
    let client = ModelClient::new(patience).expect("an upstream");
    let error = call(&client).await.expect_err("a timeout");
    assert_eq!((error, error.may_have_reached()), (SendError::FirstByteTimeout, true));

    let anthropic = ModelClient::new(Upstream { kind: ApiKind::Anthropic, ..server.upstream() }).expect("an upstream");
    let error = call(&anthropic).await.expect_err("another form");
    assert_eq!((error, error.may_have_reached()), (SendError::OtherKind, false));
}

#[tokio::test]
async fn a_body_that_stalls_or_breaks_says_which() {
    const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    for (then, expected) in [(Then::Stall, BodyError::Idle), (Then::Close, BodyError::Broken)] {
        let server = Server::start(CUT, then).await;
        let patience = if then == Then::Stall { SHORT } else { LONG };
        let client = ModelClient::new(Upstream { idle_timeout: patience, ..server.upstream() }).expect("an upstream");
        let mut answer = call(&client).await.expect("an answer");
        assert_eq!(answer.chunk().await, Ok(Some(Bytes::from_static(b"abc"))));
        assert_eq!(answer.chunk().await, Err(expected));
    }
}

#[tokio::test]
async fn a_body_past_the_limit_is_not_read() {
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcdefghij";
    let in_pieces = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n";
    for answer in [announced, in_pieces] {
        let server = Server::start(answer, Then::ReadOn).await;
        let client = server.client();
        for (limit, fits) in [(0, false), (4, false), (9, false), (10, true), (11, true)] {
            let whole = call(&client).await.expect("an answer").whole(limit).await;
            let expected =
                if fits { Ok(Bytes::from_static(b"abcdefghij")) } else { Err(BodyError::TooLarge { limit }) };
            assert_eq!(whole, expected, "{answer}");
        }
    }
}
