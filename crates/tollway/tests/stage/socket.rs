//! HTTP by hand, for requests that no client library would send.

use testkit::server::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection on which bytes are written as they are.
pub struct Socket(TcpStream);

impl Socket {
    pub async fn open(server: &TestServer) -> Socket {
        Socket::try_open(server).await.expect("the server listens")
    }

    /// None when the connection is refused.
    pub async fn try_open(server: &TestServer) -> Option<Socket> {
        let address = server.url.trim_start_matches("http://");
        TcpStream::connect(address).await.ok().map(Socket)
    }

    pub async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("the server reads");
    }

    /// Says that nothing more is written.
    pub async fn finish(&mut self) {
        // The server may have closed it already.
        let _ = self.0.shutdown().await;
    }

    /// Everything until the server closes the connection.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        // A connection that is reset has said what it had to say.
        let _ = self.0.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The head of a POST with the service key; the body of `length` bytes follows.
pub fn post_head(server: &TestServer, path: &str, length: usize) -> String {
    let (key, address) = (&server.service_key, server.url.trim_start_matches("http://"));
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}
