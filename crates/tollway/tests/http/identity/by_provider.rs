//! Signing in by an OpenID Connect provider, a real one.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::oidc_provider::OidcProvider;
use testkit::server::{Answer, Engine, TestServer};

use crate::stage::{
    Authenticator, Browser, PASSWORD, Person, SMALL_CATALOG, Site, TextFile, ask, assert_problem, mail_link,
};

const START: &str = "/api/v1/auth/oidc/school/start";
const CALLBACKS: [&str; 2] = ["/api/v1/auth/oidc/school/callback", "/api/v1/auth/oidc/club/callback"];

/// A server whose people may sign in by the providers `school` and `club`, and that real provider.
struct School {
    site: Site,
    _catalog: TextFile,
    provider: OidcProvider,
}

impl School {
    fn on(engine: Engine) -> Option<School> {
        let provider = OidcProvider::start(json!({}))?;
        let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), catalog.path().into()];
        for (name, client) in [("SCHOOL", "tollway"), ("CLUB", "posting")] {
            let secret = OidcProvider::secret_of(client);
            let settings = [
                ("ISSUER", provider.issuer()),
                ("CLIENT_ID", client),
                ("CLIENT_SECRET", &secret),
                ("ALLOW_PRIVATE", "true"),
                ("DISPLAY_NAME", "The Club"),
            ];
            let named = settings.map(|(field, value)| (format!("TOLLWAY_OIDC_{name}_{field}"), value.to_owned()));
            site.environment.extend(named);
        }
        Some(School { site, _catalog: catalog, provider })
    }

    fn set(&mut self, name: &str, value: &str) {
        self.site.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the server, and tells the provider where people come back to.
    async fn open(&self) -> TestServer {
        let server = self.site.start();
        let addresses = CALLBACKS.map(|path| format!("{}{path}", server.url));
        self.provider.control(json!({ "redirect_uris": addresses })).await;
        server
    }

    /// A browser goes to the provider, signs in there as this account, and is sent back.
    async fn sign_in(&self, browser: &mut Browser<'_>, account: &str) -> Answer {
        let back = self.leave(browser, account).await;
        browser.get(&back).await
    }

    /// As [`School::sign_in`], up to the address that the browser is sent back to.
    async fn leave(&self, browser: &mut Browser<'_>, account: &str) -> String {
        let begun = browser.get(&format!("{START}?return_to=/usage")).await.expect(303);
        let url = begun.header("location").expect("the provider's address");
        assert!(url.starts_with(self.provider.issuer()), "{url} leads elsewhere");
        self.provider.sign_in(url, account).await
    }

    /// What the signed-in person is here.
    async fn me_as(&self, server: &TestServer, account: &str) -> Value {
        let mut browser = Browser::new(server);
        let back = self.sign_in(&mut browser, account).await.expect(303);
        assert_eq!(back.header("location"), Some("/usage"));
        browser.get("/api/v1/me").await.expect(200).json()
    }
}

/// Tells a story on each engine.
async fn at_school(story: impl AsyncFn(&School, &TestServer)) {
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let Some(school) = School::on(engine) else { return };
        let server = school.open().await;
        story(&school, &server).await;
    }
}

/// Somebody who has registered here with this address, and has verified it.
async fn verified<'s>(server: &'s TestServer, email: &str) -> Person<'s> {
    let person = Person::new(server, email).await;
    let token = mail_link(server, email, "verify_email").await;
    ask(server, "POST", "/api/v1/auth/verify-email", json!({ "token": token })).await.expect(204);
    person
}

#[tokio::test]
async fn somebody_new_is_registered_and_led_back() {
    at_school(async |school, server| {
        let mut browser = Browser::new(server);
        let back = school.sign_in(&mut browser, "ada").await.expect(303);
        assert_eq!(back.header("location"), Some("/usage"));
        assert_eq!(back.header("referrer-policy"), Some("no-referrer"));
        let me = browser.get("/api/v1/me").await.expect(200).json();
        let told = (&me["email"], &me["email_verified"], &me["name"], &me["superadmin"]);
        assert_eq!(told, (&json!("ada@example.com"), &json!(true), &json!("Ada Lovelace"), &json!(false)));
        assert_eq!(browser.get("/api/v1/usage").await.expect(200).json()["plan"], "free");
        let sessions = browser.get("/api/v1/me/sessions").await.expect(200).json();
        assert_eq!(sessions["data"][0]["method"], "oidc:school");
        // A session by cookie counts for what comes from pages of this server alone.
        browser.post("/api/v1/usage/consume", json!({ "meter": "requests" })).await.expect(200);
        // There is no password here to sign in with.
        let login = ask(server, "POST", "/api/v1/auth/login", json!({ "login": "ada@example.com", "password": "" }));
        assert_ne!(login.await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn somebody_known_stays_the_same_whatever_their_email_there() {
    at_school(async |school, server| {
        let first = school.me_as(server, "ada").await;
        let moved = json!({ "email": "countess@example.com", "email_verified": true, "name": "Countess" });
        school.provider.control(json!({ "accounts": { "ada": moved } })).await;
        let again = school.me_as(server, "ada").await;
        assert_eq!((&again["id"], &again["email"]), (&first["id"], &json!("ada@example.com")));
        // Also when the provider says nothing of an address any more.
        school.provider.control(json!({ "accounts": { "ada": {} } })).await;
        assert_eq!(school.me_as(server, "ada").await["id"], first["id"]);
        // The address that she left there is another's now; hers here stays hers.
        let other = json!({ "email": "ada@example.com", "email_verified": true });
        school.provider.control(json!({ "accounts": { "carol": other } })).await;
        let mut browser = Browser::new(server);
        assert_problem(&school.sign_in(&mut browser, "carol").await, 409, "email_taken");
        assert!(!browser.is_signed_in());
    })
    .await;
}

#[tokio::test]
async fn a_user_is_found_by_an_address_that_both_sides_have_verified() {
    at_school(async |school, server| {
        let squatter = Person::new(server, "ada@example.com").await;
        let mut browser = Browser::new(server);
        assert_problem(&school.sign_in(&mut browser, "ada").await, 409, "email_taken");
        assert!(!browser.is_signed_in());
        let token = mail_link(server, "ada@example.com", "verify_email").await;
        ask(server, "POST", "/api/v1/auth/verify-email", json!({ "token": token })).await.expect(204);
        assert_eq!(school.me_as(server, "ada").await["id"], squatter.user.as_str());
        // Both ways in lead to the same person.
        Person::sign_in(server, "ada@example.com", PASSWORD).await.get("/api/v1/me").await.expect(200);

        Person::new(server, "bob@example.com").await;
        for account in ["bob", "eve"] {
            let refused = school.sign_in(&mut browser, account).await;
            assert_problem(&refused, 403, "email_not_verified_there");
        }
        assert!(!browser.is_signed_in());
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_belongs_to_one_browser_one_provider_and_one_use() {
    at_school(async |school, server| {
        let mut browser = Browser::new(server);
        let refused = async |browser: &mut Browser<'_>, back: &str| {
            assert_problem(&browser.get(back).await, 410, "link_invalid");
        };
        let back = school.leave(&mut browser, "ada").await;
        // Another browser has no cookie, or one of another sign-in.
        refused(&mut Browser::new(server), &back).await;
        let mut attacked = Browser::new(server);
        school.leave(&mut attacked, "bob").await;
        refused(&mut attacked, &back).await;
        assert!(!attacked.is_signed_in());
        browser.get(&back).await.expect(303);
        assert!(browser.is_signed_in());
        let session = browser.get("/api/v1/me/sessions").await.expect(200).json()["data"][0]["id"].clone();
        refused(&mut browser, &back).await;
        assert_eq!(browser.get("/api/v1/me/sessions").await.expect(200).json()["data"][0]["id"], session);

        let mut browser = Browser::new(server);
        let back = school.leave(&mut browser, "ada").await;
        refused(&mut browser, &back.replace("state=", "state=x")).await;
        refused(&mut browser, &back).await;

        let back = school.leave(&mut browser, "ada").await;
        refused(&mut browser, &back.replace("/school/", "/club/")).await;
        assert_problem(&browser.get(&back.replace("/school/", "/nobody/")).await, 404, "not_found");

        let back = school.leave(&mut browser, "ada").await;
        server.advance(1_000).await;
        refused(&mut browser, &back).await;
        assert!(!browser.is_signed_in());
        for elsewhere in ["//evil.example", "https://evil.example", "/%5Cevil.example", "usage"] {
            let begun = browser.get(&format!("{START}?return_to={elsewhere}")).await;
            assert_problem(&begun, 422, "invalid_request");
        }
        assert_problem(&browser.get("/api/v1/auth/oidc/nobody/start").await, 404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn whoever_says_no_at_the_provider_is_told_so() {
    at_school(async |school, server| {
        school.provider.control(json!({ "declines": "ada" })).await;
        let mut browser = Browser::new(server);
        let refused = assert_problem(&school.sign_in(&mut browser, "ada").await, 401, "provider_refused");
        assert!(refused["detail"].as_str().is_some_and(|said| said.contains("The Club")), "{refused}");
        assert!(!browser.is_signed_in());
        school.provider.control(json!({ "declines": null })).await;
        school.sign_in(&mut browser, "ada").await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn a_token_that_the_provider_did_not_make_for_this_sign_in_is_refused() {
    at_school(async |school, server| {
        let mut browser = Browser::new(server);
        for change in [
            json!({ "by": "stranger" }),
            json!({ "by": "none" }),
            json!({ "by": "public_key" }),
            json!({ "claims": { "nonce": "another" } }),
            json!({ "claims": { "aud": "posting" } }),
            json!({ "claims": { "iss": "http://127.0.0.1:9" } }),
            json!({ "claims": { "exp": 1 } }),
        ] {
            school.provider.control(json!({ "id_token": change })).await;
            assert_problem(&school.sign_in(&mut browser, "ada").await, 401, "provider_refused");
        }
        school.provider.control(json!({ "id_token": null })).await;
        assert!(!browser.is_signed_in());
        school.sign_in(&mut browser, "ada").await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn who_has_a_second_factor_is_asked_for_it() {
    at_school(async |school, server| {
        let person = verified(server, "ada@example.com").await;
        let enrolment = person.post("/api/v1/me/totp", json!({})).await.expect(201).json();
        let authenticator = Authenticator::of(&enrolment);
        let code = authenticator.code(server, -1).await;
        person.post("/api/v1/me/totp/confirm", json!({ "code": code })).await.expect(200);
        let mut browser = Browser::new(server);
        let asked = assert_problem(&school.sign_in(&mut browser, "ada").await, 401, "totp_required");
        assert!(!browser.is_signed_in());
        let code = authenticator.code(server, 0).await;
        let body = json!({ "challenge": asked["challenge"], "code": code });
        browser.post("/api/v1/auth/login/totp", body).await.expect(200);
        assert!(browser.is_signed_in());
        assert_eq!(browser.get("/api/v1/me").await.expect(200).json()["id"], person.user.as_str());
    })
    .await;
}

#[tokio::test]
async fn where_registration_is_closed_only_those_who_are_here_sign_in() {
    for engine in Engine::all() {
        let Some(mut school) = School::on(engine) else { return };
        let mut server = school.open().await;
        let person = verified(&server, "ada@example.com").await.user;
        server.stop();
        school.set("TOLLWAY_REGISTRATION", "closed");
        let server = school.open().await;
        assert_eq!(school.me_as(&server, "ada").await["id"], person.as_str());
        let new = json!({ "email": "carol@example.com", "email_verified": true });
        school.provider.control(json!({ "accounts": { "carol": new } })).await;
        let mut browser = Browser::new(&server);
        assert_problem(&school.sign_in(&mut browser, "carol").await, 403, "registration_closed");
        assert!(!browser.is_signed_in());
    }
}

#[tokio::test]
async fn who_is_suspended_is_not_signed_in() {
    at_school(async |school, server| {
        let user = school.me_as(server, "ada").await["id"].as_str().expect("an id").to_owned();
        let status = format!("/api/v1/admin/users/{user}/status");
        server.put(&status, json!({ "status": "suspended" })).await.expect(200);
        let mut browser = Browser::new(server);
        assert_problem(&school.sign_in(&mut browser, "ada").await, 401, "sign_in_failed");
        assert!(!browser.is_signed_in());
        server.put(&status, json!({ "status": "active" })).await.expect(200);
        assert_eq!(school.me_as(server, "ada").await["id"], user.as_str());
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_is_away_or_slow_keeps_nobody_else_out() {
    for engine in Engine::all() {
        let Some(school) = School::on(engine) else { return };
        let server = school.open().await;
        Person::new(&server, "other@example.com").await;
        let mut browser = Browser::new(&server);
        let back = school.leave(&mut browser, "ada").await;
        school.provider.control(json!({ "delay_ms": 120_000 })).await;
        let waiting = async {
            let problem = assert_problem(&browser.get(&back).await, 503, "sign_in_provider_unavailable");
            assert!(problem["detail"].as_str().is_some_and(|said| !said.contains("127.0.0.1")), "{problem}");
        };
        let others = async {
            for _ in 0..3 {
                let signing_in = Person::sign_in(&server, "other@example.com", PASSWORD);
                let within = tokio::time::timeout(Duration::from_secs(5), signing_in).await;
                assert!(within.is_ok(), "a password waits for no provider");
            }
        };
        let both = async { tokio::join!(waiting, others) };
        let within = tokio::time::timeout(Duration::from_secs(20), both).await;
        assert!(within.is_ok(), "not even after twenty seconds");

        school.provider.control(json!({ "delay_ms": 0 })).await;
        let back = school.leave(&mut browser, "ada").await;
        school.provider.control(json!({ "broken": "/token" })).await;
        assert_problem(&browser.get(&back).await, 503, "sign_in_provider_unavailable");
        school.provider.control(json!({ "broken": null })).await;
        let back = school.leave(&mut browser, "ada").await;
        drop(school.provider);
        let refused = browser.get(&back).await;
        assert_problem(&refused, 503, "sign_in_provider_unavailable");
        assert!(refused.header("retry-after").is_some() && !browser.is_signed_in());
        Person::sign_in(&server, "other@example.com", PASSWORD).await;
    }
}
