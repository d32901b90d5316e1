//! The one cookie: a browser's session. `__Host-`: sent to this host alone, over TLS (or on this machine), and never shown
//! to scripts.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

const NAME: &str = "__Host-tollway";

/// The session that a browser comes with.
pub fn of(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Has the browser keep the session for so many seconds.
pub fn set(response: &mut Response, secret: &str, seconds: i64) {
    put(response, &format!("{NAME}={secret}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"));
}

/// Has the browser forget it.
pub fn clear(response: &mut Response) {
    put(response, &format!("{NAME}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax"));
}

fn put(response: &mut Response, cookie: &str) {
    let value = HeaderValue::from_str(cookie).expect("secrets are letters, digits, dashes and underscores");
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
