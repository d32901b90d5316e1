//! The example of a service that verifies access tokens by the published keys, as it is printed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use testkit::server::{Engine, TestServer};

use crate::stage::{PASSWORD, Person, Site};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/verify-access-token/verify.py");
const DAY: i64 = 86_400;

/// Runs the example with its clock so many seconds ahead, as the server's is, and without the half minute that passes
/// before keys are asked for again.
const WITH_CLOCK_AHEAD: &str = r#"
import datetime, functools, runpy, sys, jwt.api_jwt
ahead = datetime.timedelta(seconds=int(sys.argv[2]))
class Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) + ahead
if ahead:
    jwt.api_jwt.datetime = Ahead
asks = jwt.PyJWKClient.__init__
jwt.PyJWKClient.__init__ = functools.partialmethod(asks, cooldown_duration=0)
runpy.run_path(sys.argv[1], run_name="__main__")
"#;

/// The service, running.
struct Service {
    process: Child,
    tokens: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Service {
    fn start(server: &TestServer, audience: Option<&str>, seconds_ahead: i64) -> Option<Service> {
        let python = testkit::parts::token_verifier()?;
        let mut command = Command::new(python);
        command.args(["-c", WITH_CLOCK_AHEAD, EXAMPLE, &seconds_ahead.to_string()]).env("TOLLWAY_ISSUER", &server.url);
        if let Some(audience) = audience {
            command.env("TOLLWAY_AUDIENCE", audience);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python can be started");
        let tokens = process.stdin.take().expect("the input is piped");
        let told = BufReader::new(process.stdout.take().expect("the output is piped"));
        Some(Service { process, tokens, told })
    }

    fn ask(&mut self, token: &str) -> Value {
        writeln!(self.tokens, "{token}").expect("the service reads");
        let mut line = String::new();
        self.told.read_line(&mut line).expect("the service answers");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the service said {line:?}"))
    }

    #[track_caller]
    fn refuses(&mut self, token: &str) {
        let told = self.ask(token);
        assert!(told["refused"].is_string() && told["user"].is_null(), "{told} of {token}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn told_of(person: &Person<'_>) -> Value {
    json!({ "user": person.user, "account": person.account, "role": "owner" })
}

#[tokio::test]
async fn the_example_takes_access_tokens_and_nothing_else() {
    for engine in Engine::all() {
        let mut site = Site::on(engine);
        let server = site.start();
        let person = Person::new(&server, "ada@example.com").await;
        let Some(mut service) = Service::start(&server, None, 0) else { return };
        assert_eq!(service.ask(&person.access_token), told_of(&person));
        let body = json!({ "account": person.account, "role": "owner" });
        let hand_off = server.post("/api/v1/hand-offs", body).await.expect(201).json();
        service.refuses(hand_off["token"].as_str().expect("a token"));
        let (signed, signature) = person.access_token.rsplit_once('.').expect("three parts");
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        service.refuses(&format!("{signed}.{flipped}{}", &signature[1..]));
        service.refuses(signed);
        service.refuses(&server.service_key);
        let mut other = Service::start(&server, Some("https://other.example.com"), 0).expect("PyJWT is there");
        other.refuses(&person.access_token);
        let mut late = Service::start(&server, None, DAY).expect("PyJWT is there");
        late.refuses(&person.access_token);
        drop(server);

        site.environment.push(("TOLLWAY_TOKEN_AUDIENCE".into(), "https://other.example.com".into()));
        let server = site.start();
        let person = Person::sign_in(&server, "ada@example.com", PASSWORD).await;
        let mut other = Service::start(&server, Some("https://other.example.com"), 0).expect("PyJWT is there");
        assert_eq!(other.ask(&person.access_token), told_of(&person));
    }
}

#[tokio::test]
async fn the_example_goes_on_when_another_key_is_published_and_signs() {
    for engine in Engine::all() {
        let site = Site::on(engine);
        let server = site.start();
        let published = async || {
            let keys = server.get("/.well-known/jwks.json").await.expect(200).json();
            keys["keys"].as_array().expect("keys").len()
        };
        let first = Person::new(&server, "ada@example.com").await;
        assert_eq!(published().await, 1);
        let Some(mut now) = Service::start(&server, None, 0) else { return };
        assert_eq!(now.ask(&first.access_token), told_of(&first));
        server.advance(29 * DAY).await;
        assert_eq!(published().await, 2);
        // One that has kept the first key alone, and one that has just learned of both.
        assert_eq!(now.ask(&first.access_token), told_of(&first));
        let mut fresh = Service::start(&server, None, 0).expect("PyJWT is there");
        assert_eq!(fresh.ask(&first.access_token), told_of(&first));

        let mut later = Service::start(&server, None, 29 * DAY).expect("PyJWT is there");
        let by_first = Person::sign_in(&server, "ada@example.com", PASSWORD).await;
        assert_eq!(later.ask(&by_first.access_token), told_of(&by_first));
        drop(later);
        let mut later = Service::start(&server, None, 31 * DAY).expect("PyJWT is there");
        server.advance(2 * DAY).await;
        let by_second = Person::sign_in(&server, "ada@example.com", PASSWORD).await;
        let name_of_key = |token: &str| token.split('.').next().map(str::to_owned);
        assert_ne!(name_of_key(&by_second.access_token), name_of_key(&by_first.access_token));
        assert_eq!(later.ask(&by_second.access_token), told_of(&by_second));
        // One that knew the first key alone asks for the other by itself: only its clock is in the way.
        let told = now.ask(&by_second.access_token);
        assert!(told["refused"].as_str().is_some_and(|why| why.contains("not yet valid")), "{told}");
    }
}
