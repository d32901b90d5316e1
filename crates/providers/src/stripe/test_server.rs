//! A little HTTP server for tests: keeps what it was asked, and answers as it is told to.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;
use url::form_urlencoded;

use super::{Stripe, StripeSettings};
use crate::secret::SecretText;

pub const KEY: &str = "sk_test_a-very-secret-key";

/// One request as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// In lower case.
    pub headers: Vec<(String, String)>,
    /// Of the query and of the body.
    pub parameters: Vec<(String, String)>,
    /// On which connection.
    pub connection: usize,
}

pub enum Reply {
    Json {
        status: u16,
        headers: &'static str,
        body: String,
    },
    /// The connection ends without a word.
    Cut,
    /// Half of an answer, then the connection ends.
    Half,
    /// Never.
    Nothing,
}

pub struct TestServer {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Reply {
    pub fn good(body: impl ToString) -> Self {
        Self::Json { status: 200, headers: "", body: body.to_string() }
    }

    pub fn status(status: u16, headers: &'static str) -> Self {
        let error = r#"{"error":{"type":"api_error","message":"not now"}}"#;
        Self::Json { status, headers, body: error.to_owned() }
    }
}

impl TestServer {
    /// `answer` is given the request and how many came before it.
    pub async fn start(answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (kept, answer) = (asked.clone(), Arc::new(answer));
        tokio::spawn(async move {
            let mut connections = 0;
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, connections, kept.clone(), answer.clone()));
                connections += 1;
            }
        });
        Self { port, asked }
    }

    pub fn settings(&self) -> StripeSettings {
        let base_url = Url::parse(&format!("http://127.0.0.1:{}/", self.port)).expect("an address");
        StripeSettings { base_url, ..StripeSettings::new(SecretText::new(KEY)) }
    }

    pub fn client(&self) -> Stripe {
        Stripe::new(&self.settings()).expect("a client")
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn read(request: &str, connection: usize) -> Option<Self> {
        let (head, body) = request.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length =
            headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
        if body.len() < length.unwrap_or(0) {
            return None;
        }
        let form = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body.as_bytes()));
        let parameters = form.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Some(Self { method, path: path.to_owned(), headers, parameters, connection })
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<impl Fn(&Asked, usize) -> Reply>,
) {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 16_384];
        let Ok(length @ 1..) = stream.read(&mut piece).await else { return };
        request.extend_from_slice(&piece[..length]);
        let Some(read) = Asked::read(&String::from_utf8_lossy(&request), connection) else { continue };
        request.clear();
        let before = asked.lock().len();
        asked.lock().push(read.clone());
        match answer(&read, before) {
            Reply::Json { status, headers, body } => {
                let head = format!("HTTP/1.1 {status} Told\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
            Reply::Half => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"id\":").await;
                return;
            }
            Reply::Cut => return,
            Reply::Nothing => std::future::pending().await,
        }
    }
}
