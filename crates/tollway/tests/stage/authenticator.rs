//! Codes of a second factor.

use domain::time::Timestamp;
use serde_json::Value;
use testkit::server::TestServer;
use totp_rs::{Builder, Secret};

/// The app on somebody's phone.
pub struct Authenticator(totp_rs::Totp);

impl Authenticator {
    /// Scans what an enrolment shows.
    pub fn of(enrolment: &Value) -> Self {
        let secret = Secret::try_from_base32(enrolment["secret"].as_str().expect("a secret")).expect("base 32");
        Self(Builder::new().with_secret(secret).build().expect("an authenticator"))
    }

    /// The code of the server's time, so many steps on.
    pub async fn code(&self, server: &TestServer, steps: i64) -> String {
        let clock = server.get("/api/v1/admin/clock").await.expect(200).json();
        let now = clock["now"].as_str().and_then(Timestamp::parse).unwrap_or_else(|| panic!("no time in {clock}"));
        let seconds = now.micros() / 1_000_000 + steps * 30;
        self.0.generate(u64::try_from(seconds).expect("after 1970")).to_string()
    }
}
