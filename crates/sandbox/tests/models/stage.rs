//! A stand-in of a test's own, and how its answers are read.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running stand-in. It ends when this is dropped.
pub struct Stage {
    pub url: String,
    pub client: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

/// One event of a stream.
#[derive(Debug, PartialEq)]
pub struct Event {
    pub name: Option<String>,
    pub data: String,
}

impl Event {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {}", self.data))
    }
}

impl Stage {
    pub async fn start() -> Stage {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the stand-in answers");
        let url = format!("http://{}", listener.local_addr().expect("the stand-in answers"));
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(sandbox::models::serve(listener, async {
            let _ = stopped.await;
        }));
        Stage { url, client: reqwest::Client::new(), _stop: stop }
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).json(body)
    }

    /// The answer to a call that must be answered with 200 and JSON.
    pub async fn ask(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_ask(path, body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub async fn try_ask(&self, path: &str, body: Value) -> (u16, Value) {
        let response = self.post(path, &body).send().await.expect("the stand-in answers");
        let status = response.status().as_u16();
        (status, response.json().await.expect("the stand-in answers"))
    }

    pub async fn stream(&self, path: &str, body: Value) -> Vec<Event> {
        let response = self.post(path, &body).send().await.expect("the stand-in answers");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        events(&response.text().await.expect("the stand-in answers"))
    }

    /// Everything that came until the connection ended, whether it ended well or not.
    pub async fn until_cut(&self, path: &str, body: Value) -> (String, bool) {
        let mut response = self.post(path, &body).send().await.expect("the stand-in answers");
        let mut text = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => text.extend_from_slice(&chunk),
                Ok(None) => return (String::from_utf8(text).expect("the stand-in answers"), true),
                Err(_) => return (String::from_utf8(text).expect("the stand-in answers"), false),
            }
        }
    }

    pub async fn served(&self) -> Value {
        self.client
            .get(format!("{}/sandbox/served", self.url))
            .send()
            .await
            .expect("the stand-in answers")
            .json()
            .await
            .expect("the stand-in answers")
    }

    /// Waits until a count has reached a value: the stand-in notices a little later that a caller hung up.
    pub async fn served_when(&self, name: &str, value: u64) -> Value {
        for _ in 0..500 {
            let served = self.served().await;
            if served[name] == json!(value) {
                return served;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{name} did not become {value}: {}", self.served().await);
    }
}

pub fn events(text: &str) -> Vec<Event> {
    let blocks = text.split("\n\n").filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            Event { name: field("event: "), data: field("data: ").unwrap_or_else(|| panic!("no data: {block}")) }
        })
        .collect()
}

/// A chat with one message of the user.
pub fn chat(text: &str) -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": text }] })
}

/// The same as a stream, with usage.
pub fn streamed_chat(text: &str) -> Value {
    let mut body = chat(text);
    body["stream"] = json!(true);
    body["stream_options"] = json!({ "include_usage": true });
    body
}
