//! A browser, as far as cookies and where it is led go.

use reqwest::RequestBuilder;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::Value;
use testkit::server::{Answer, TestServer};

/// Keeps cookies, and goes where a test sends it: it follows nothing by itself.
pub struct Browser<'s> {
    server: &'s TestServer,
    client: reqwest::Client,
    cookies: Vec<(String, String)>,
}

impl<'s> Browser<'s> {
    pub fn new(server: &'s TestServer) -> Browser<'s> {
        let client = reqwest::Client::builder().redirect(Policy::none()).build();
        Browser { server, client: client.expect("a client can be built"), cookies: Vec::new() }
    }

    /// Goes to a page, by its path or its whole address.
    pub async fn get(&mut self, page: &str) -> Answer {
        let path = page.strip_prefix(&self.server.url).unwrap_or(page);
        assert!(path.starts_with('/'), "{page} is elsewhere");
        let request = self.client.get(format!("{}{path}", self.server.url));
        self.send(request).await
    }

    /// Posts as a page of this server does.
    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.server.url);
        let request = self.client.post(url).header(ORIGIN, &self.server.url).json(&body);
        self.send(request).await
    }

    /// Whether it has a session here.
    pub fn is_signed_in(&self) -> bool {
        self.cookies.iter().any(|(name, _)| name == "__Host-tollway")
    }

    async fn send(&mut self, request: RequestBuilder) -> Answer {
        let shown: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = self.server.send(request.header(COOKIE, shown.join("; "))).await.expect("the server answers");
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap_or_default();
            assert!(text.contains("; Path=/; ") && text.ends_with("; Secure; HttpOnly; SameSite=Lax"), "{text}");
            let (name, value) = text.split(';').next().and_then(|pair| pair.split_once('=')).unwrap_or_default();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }
}
