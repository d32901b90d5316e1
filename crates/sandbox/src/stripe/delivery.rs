//! Webhooks are delivered: one at a time to each endpoint, in order, signed, tried again until they are taken.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use sha2::Sha256;
use tokio::task::JoinSet;

use super::clock;
use super::fields::Fields;
use super::sandbox::{NEWEST_VERSION, Stripe};
use super::shown;
use super::state::{Delivery, State};

/// Seconds from one attempt to the next; the last of them from then on.
const RETRY_SECONDS: [i64; 5] = [1, 2, 5, 15, 60];
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long the deliverer sleeps when nothing wakes it.
const IDLE: Duration = Duration::from_millis(250);

type Http = Client<HttpConnector, Full<Bytes>>;

/// A webhook as it is sent.
struct Letter {
    delivery: Delivery,
    url: String,
    signature: String,
    body: String,
}

/// Delivers for ever.
pub async fn deliver(stripe: Arc<Stripe>) {
    let mut connector = HttpConnector::new();
    // The body follows the head at once, and does not wait for the head to be acknowledged.
    connector.set_nodelay(true);
    let http: Http = Client::builder(TokioExecutor::new()).build(connector);
    let mut on_their_way = JoinSet::new();
    let mut busy: HashSet<String> = HashSet::new();
    loop {
        let letters = ready(&stripe, &busy);
        let is_idle = letters.is_empty() && busy.is_empty();
        let wait = if is_idle { wait(&stripe) } else { IDLE };
        for letter in letters {
            busy.insert(letter.delivery.endpoint.clone());
            on_their_way.spawn(send(http.clone(), letter));
        }
        tokio::select! {
            Some(Ok((delivery, is_taken))) = on_their_way.join_next() => {
                busy.remove(&delivery.endpoint);
                note(&stripe, &delivery, is_taken);
            }
            () = stripe.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The next webhook of each endpoint that is not busy.
fn ready(stripe: &Stripe, busy: &HashSet<String>) -> Vec<Letter> {
    let mut state = stripe.state();
    let now = clock::real_ms();
    let first = first_of_each(&state, now, busy);
    let mut letters = Vec::new();
    for delivery in first {
        match letter(&state, &delivery) {
            Some(letter) => letters.push(letter),
            // The endpoint is no longer there.
            None => state.deliveries.retain(|other| other.endpoint != delivery.endpoint),
        }
    }
    letters
}

/// In the order in which they set out; those that were not taken once stand behind all others.
fn first_of_each(state: &State, now_ms: i64, busy: &HashSet<String>) -> Vec<Delivery> {
    let endpoints = state.all("webhook_endpoint").filter(|endpoint| !busy.contains(endpoint.text("id"))).count();
    let mut fresh: HashMap<&str, &Delivery> = HashMap::new();
    let mut again: HashMap<&str, &Delivery> = HashMap::new();
    for delivery in
        state.deliveries.iter().filter(|delivery| is_due(delivery, now_ms) && !busy.contains(&delivery.endpoint))
    {
        let first = if delivery.attempts == 0 { &mut fresh } else { &mut again };
        first.entry(&delivery.endpoint).or_insert(delivery);
        if fresh.len() == endpoints {
            break;
        }
    }
    again.extend(fresh);
    again.into_values().cloned().collect()
}

fn is_due(delivery: &Delivery, now_ms: i64) -> bool {
    !delivery.is_held && delivery.not_before_ms != 0 && delivery.not_before_ms <= now_ms
}

/// Until the next one is due that is not yet.
fn wait(stripe: &Stripe) -> Duration {
    let now = clock::real_ms();
    let state = stripe.state();
    let waiting = state.deliveries.iter().filter(|delivery| !delivery.is_held);
    let next = waiting.map(|delivery| delivery.not_before_ms - now).filter(|ms| *ms > 0).min();
    let wait = next.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    wait.unwrap_or(IDLE).min(IDLE)
}

fn letter(state: &State, delivery: &Delivery) -> Option<Letter> {
    let endpoint = state.get("webhook_endpoint", &delivery.endpoint)?;
    let version = endpoint.opt_text("api_version").unwrap_or(NEWEST_VERSION);
    let mut event = state.get("event", &delivery.event)?.clone();
    event["api_version"] = json!(version);
    let shown = shown::show(state, event, &[], version).ok()?;
    let body = serde_json::to_string_pretty(&shown).ok()?;
    let signature = sign(endpoint.text("_secret"), clock::real_seconds(), &body);
    Some(Letter { delivery: delivery.clone(), url: endpoint.text("url").to_owned(), signature, body })
}

/// The header `Stripe-Signature`: the whole secret is the key, and the moment is signed with the body.
pub fn sign(secret: &str, at: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(format!("{at}.{body}").as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={digest}")
}

async fn send(http: Http, letter: Letter) -> (Delivery, bool) {
    let request = hyper::Request::post(&letter.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", &letter.signature)
        .body(Full::new(Bytes::from(letter.body)));
    let Ok(request) = request else { return (letter.delivery, false) };
    let answered = tokio::time::timeout(TIMEOUT, http.request(request)).await;
    let is_taken = matches!(answered, Ok(Ok(response)) if response.status().is_success());
    (letter.delivery, is_taken)
}

fn note(stripe: &Stripe, delivery: &Delivery, is_taken: bool) {
    let mut state = stripe.state();
    let is_it = |other: &Delivery| {
        other.number == delivery.number && other.endpoint == delivery.endpoint && other.attempts == delivery.attempts
    };
    let Some(place) = state.deliveries.iter().position(is_it) else { return };
    if is_taken {
        state.deliveries.remove(place);
    } else {
        let known = &mut state.deliveries[place];
        let retry = usize::try_from(known.attempts).unwrap_or(usize::MAX).min(RETRY_SECONDS.len() - 1);
        known.attempts += 1;
        known.not_before_ms = clock::real_ms() + RETRY_SECONDS[retry] * 1000;
    }
    stripe.has_changed(&mut state);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '1492774577.{}' | openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn the_signature_covers_the_moment_and_the_body() {
        let expected = "t=1492774577,v1=0d0602f6611bd2252dd4b74b58a4528355a7380639a15e6cc21e3059d56d5b8b";
        assert_eq!(sign("whsec_test", 1_492_774_577, "{}"), expected);
    }
}
