//! A real OpenID Connect provider (`oidc-provider` for Node), which signs in whoever a test names and errs on request.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};

/// Where it sends people back to, unless a test says otherwise. Nobody listens there.
pub const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

/// A running provider, gone when dropped. Its clients are `tollway`, and `posting`, which sends its secret in the body.
pub struct OidcProvider {
    process: Child,
    issuer: String,
    client: reqwest::Client,
}

impl OidcProvider {
    /// Starts one; `options` are told in `node/oidc-provider.mjs`. `None` when it is missing and the test is skipped.
    pub fn start(mut options: Value) -> Option<OidcProvider> {
        let folder = crate::parts::oidc_provider()?;
        if options["redirect_uris"].is_null() {
            options["redirect_uris"] = json!([REDIRECT_URI]);
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/node/oidc-provider.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(folder).arg(options.to_string());
        // It ends with its input, and so with this process, however that ends.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("node can be started");
        let mut line = String::new();
        let output = process.stdout.take().expect("the output is piped");
        BufReader::new(output).read_line(&mut line).expect("the provider's output can be read");
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        let issuer = ready["issuer"].as_str().unwrap_or_else(|| panic!("the provider did not start: {line:?}"));
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        Some(OidcProvider { issuer: issuer.to_owned(), process, client: client.expect("a client can be built") })
    }

    /// `http://127.0.0.1:port`
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The secret of one of its clients.
    pub fn secret_of(client: &str) -> String {
        format!("secret of {client}, with signs: +/%")
    }

    /// Changes what it does from now on.
    pub async fn control(&self, change: Value) {
        let told = self.client.post(format!("{}/_control", self.issuer)).body(change.to_string()).send().await;
        assert!(told.is_ok_and(|answer| answer.status() == 200), "the provider takes {change}");
    }

    /// A token of its own making, with these `claims` and `header`, signed `by` what is named.
    pub async fn sign(&self, asked: Value) -> String {
        let made = self.client.post(format!("{}/_sign", self.issuer)).body(asked.to_string()).send().await;
        made.expect("the provider answers").text().await.expect("a token")
    }

    /// How often a path was asked for.
    pub async fn count(&self, path: &str) -> u64 {
        let told = self.client.get(format!("{}/_counts", self.issuer)).send().await.expect("the provider answers");
        let counts: Value = told.json().await.expect("counts");
        counts[path].as_u64().unwrap_or(0)
    }

    /// What a browser does with the address that a sign-in begins at, as this account: `ada`, whose email is verified,
    /// `bob`, whose email is not, or `eve`, who has none. Answers with the address that the browser is sent back to.
    pub async fn sign_in(&self, url: &str, account: &str) -> String {
        let mut next = format!("{url}&login_hint={account}");
        let mut cookies: Vec<(String, String)> = Vec::new();
        for _ in 0..10 {
            let shown: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let answer = self.client.get(&next).header(COOKIE, shown.join("; ")).send().await.expect("an answer");
            for cookie in answer.headers().get_all(SET_COOKIE) {
                let text = cookie.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
                let (name, value) = text.split_once('=').unwrap_or_default();
                cookies.retain(|(known, _)| known != name);
                cookies.push((name.to_owned(), value.to_owned()));
            }
            let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let Some(location) = location else {
                panic!("{next} answered {}: {}", answer.status(), answer.text().await.unwrap_or_default());
            };
            next = if location.starts_with('/') { format!("{}{location}", self.issuer) } else { location };
            if !next.starts_with(&self.issuer) {
                return next;
            }
        }
        panic!("{url} never sends anybody back");
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
