//! The two cookies: a browser's session, and for a few minutes a sign-in that goes on at another provider. `__Host-`: sent to this host alone, over TLS (or on this machine), and never shown
//! to scripts.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

const NAME: &str = "__Host-tollway";
const SIGN_IN: &str = "__Host-tollway-sign-in";
const SIGN_IN_SECONDS: i64 = 900;

/// The session that a browser comes with.
pub fn of(headers: &HeaderMap) -> Option<&str> {
    named(headers, NAME)
}

/// The sign-in that a browser has begun.
pub fn sign_in_of(headers: &HeaderMap) -> Option<&str> {
    named(headers, SIGN_IN)
}

fn named<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Has the browser keep the session for so many seconds.
pub fn set(response: &mut Response, secret: &str, seconds: i64) {
    put(response, NAME, secret, seconds);
}

/// Has the browser forget it.
pub fn clear(response: &mut Response) {
    put(response, NAME, "", 0);
}

pub fn set_sign_in(response: &mut Response, secret: &str) {
    put(response, SIGN_IN, secret, SIGN_IN_SECONDS);
}

pub fn clear_sign_in(response: &mut Response) {
    put(response, SIGN_IN, "", 0);
}

fn put(response: &mut Response, name: &str, secret: &str, seconds: i64) {
    let cookie = format!("{name}={secret}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
    let value = HeaderValue::from_str(&cookie).expect("secrets are letters, digits, dashes and underscores");
    response.headers_mut().append(header::SET_COOKIE, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; __Host-tollway=secret; b=2"));
        assert_eq!(of(&headers), Some("secret"));
        headers.insert(header::COOKIE, HeaderValue::from_static("tollway=secret; __Host-tollway="));
        assert_eq!(of(&headers), None);
    }
}
