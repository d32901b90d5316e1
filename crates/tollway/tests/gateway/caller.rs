//! Who calls models in these stories: a customer of the app, with an account of its own.

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use crate::stage::Customer;

/// A customer who calls models by the service key.
pub struct ModelCaller<'s> {
    pub customer: Customer<'s>,
}

impl<'s> ModelCaller<'s> {
    pub async fn new(server: &'s TestServer, external_id: &'s str) -> ModelCaller<'s> {
        let customer = Customer::new(server, external_id);
        customer.account().await;
        ModelCaller { customer }
    }

    pub fn request(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let external_id = self.customer.external_id;
        self.customer.server.request("POST", path).header("Tollway-External-Id", external_id).json(body)
    }

    /// A whole answer to one message.
    pub async fn chat(&self, message: &str) -> Answer {
        self.post("/v1/chat/completions", &chat(message, false)).await
    }

    /// A streamed answer to one message, read to its end or to where it broke.
    pub async fn stream(&self, message: &str) -> Streamed {
        self.stream_of("/v1/chat/completions", &chat(message, true)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.customer.server.send(self.request(path, body)).await.expect("an answer")
    }

    pub async fn stream_of(&self, path: &str, body: &Value) -> Streamed {
        let mut answer = self.request(path, body).send().await.expect("an answer");
        let (status, mut text) = (answer.status().as_u16(), String::new());
        while let Ok(Some(chunk)) = answer.chunk().await {
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
        Streamed { status, text }
    }

    /// Requests and tokens used, and what is still held of either.
    pub async fn used(&self) -> Used {
        let usage = self.customer.usage().await;
        let of = |meter: &str, field: &str| {
            let limits = usage["limits"].as_array().expect("limits");
            let limit = limits.iter().find(|limit| limit["meter"] == meter).expect("the meter");
            limit[field].as_f64().expect("a number")
        };
        Used {
            requests: of("requests", "used") as u64,
            tokens: of("llm_tokens", "used") as u64,
            held: of("requests", "reserved") + of("llm_tokens", "reserved"),
        }
    }
}

/// What an account has used.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Used {
    pub requests: u64,
    pub tokens: u64,
    pub held: f64,
}

impl Used {
    pub fn of(requests: u64, tokens: u64) -> Used {
        Used { requests, tokens, held: 0.0 }
    }
}

pub fn chat(message: &str, stream: bool) -> Value {
    json!({
        "model": "small",
        "stream": stream,
        "max_tokens": 64,
        "messages": [{ "role": "user", "content": message }],
    })
}

/// A stream as far as it came.
#[derive(Debug)]
pub struct Streamed {
    pub status: u16,
    pub text: String,
}

impl Streamed {
    /// The data of the events, parsed; `[DONE]` left out.
    pub fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    pub fn is_done(&self) -> bool {
        self.text.ends_with("data: [DONE]\n\n")
    }

    /// The words that were delivered: each is a token of the stand-in's.
    pub fn tokens(&self) -> u64 {
        let events = self.events();
        let contents = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
        contents.map(|content| content.split_whitespace().count() as u64).sum()
    }

    pub fn error_code(&self) -> Option<String> {
        self.events().iter().find_map(|event| Some(event["error"]["code"].as_str()?.to_owned()))
    }

    /// What the comment at the end says: `event`, `cost`, `counts`.
    pub fn told(&self, name: &str) -> Option<&str> {
        let comment = self.text.lines().find_map(|line| line.strip_prefix(": tollway "))?;
        comment.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// What the stand-in says that it has served of a model.
pub async fn served(server: &TestServer, model: &str) -> Value {
    let url = format!("{}/sandbox/served", server.model_url.trim_end_matches("/v1"));
    let text = reqwest::get(url).await.expect("the stand-in answers").text().await.expect("text");
    let served: Value = serde_json::from_str(&text).expect("JSON");
    served["by_model"][model].clone()
}
