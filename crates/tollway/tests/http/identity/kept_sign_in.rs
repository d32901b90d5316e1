//! An app that keeps its own sign-in: its tokens stand where a key would, and its backend sends people on to their pages.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testkit::oidc_provider::OidcProvider;
use testkit::server::{Answer, Engine, TestServer};

use crate::stage::{Browser, Customer, SMALL_CATALOG, Site, TextFile, assert_problem, limit};

/// An app whose tokens a server takes, and that server.
struct KeptSignIn {
    site: Site,
    _catalog: TextFile,
    issuer: OidcProvider,
}

impl KeptSignIn {
    fn on(engine: Engine) -> Option<KeptSignIn> {
        let issuer = OidcProvider::start(json!({}))?;
        let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), catalog.path().into()];
        let settings = [("ISSUER", issuer.issuer()), ("AUDIENCE", "tollway"), ("ALLOW_PRIVATE", "true")];
        site.environment = settings.map(|(field, value)| (format!("TOLLWAY_ISSUER_APP_{field}"), value.into())).into();
        Some(KeptSignIn { site, _catalog: catalog, issuer })
    }

    /// A token of the app about its user, with these claims put over the usual ones, signed `by` what is named.
    async fn token(&self, user: &str, change: Value, by: &str) -> String {
        #[expect(clippy::disallowed_methods, reason = "the app is another program, with a clock of its own")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let mut claims = json!({ "iss": self.issuer.issuer(), "aud": "tollway", "sub": user, "iat": now,
                                 "exp": now + 600, "email": "ada@example.com", "name": "Ada Lovelace" });
        for (name, value) in change.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.issuer.sign(json!({ "claims": claims, "by": by })).await
    }
}

/// Tells a story on each engine, with a token about `user-42`.
async fn with_token(story: impl AsyncFn(&KeptSignIn, &TestServer, &str)) {
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let Some(app) = KeptSignIn::on(engine) else { return };
        let server = app.site.start();
        let token = app.token("user-42", json!({}), "key").await;
        story(&app, &server, &token).await;
    }
}

async fn by(server: &TestServer, token: &str, method: &str, path: &str, body: Value) -> Answer {
    let request = server.request_of_nobody(method, path).bearer_auth(token);
    let request = if method == "GET" { request } else { request.json(&body) };
    server.send(request).await.expect("the server answers")
}

async fn consume(server: &TestServer, token: &str) -> Answer {
    by(server, token, "POST", "/api/v1/usage/consume", json!({ "meter": "requests", "quantity": 3 })).await
}

fn chat() -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": "Hello" }], "max_tokens": 50 })
}

#[tokio::test]
async fn a_user_of_the_app_uses_calls_models_and_sees_their_pages_as_one_customer() {
    with_token(async |_, server, token| {
        consume(server, token).await.expect(200);
        let usage = by(server, token, "GET", "/api/v1/usage", Value::Null).await.expect(200).json();
        assert_eq!(limit(&usage, "requests")["used"], 3);
        let account = usage["account"].as_str().expect("an account").to_owned();
        let made = server.get(&format!("/api/v1/accounts/{account}")).await.expect(200).json();
        let told = (&made["external_id"], &made["email"], &made["name"]);
        assert_eq!(told, (&json!("user-42"), &json!("ada@example.com"), &json!("Ada Lovelace")));

        let answer = by(server, token, "POST", "/v1/chat/completions", chat()).await.expect(200).json();
        assert!(answer["choices"][0]["message"]["content"].is_string(), "{answer}");
        let customer = Customer::new(server, "user-42");
        assert_eq!(customer.account().await, account);
        assert_eq!(customer.used("requests").await, 4);
        assert_eq!(customer.used("llm_tokens").await, answer["usage"]["total_tokens"]);

        let body = json!({ "external_id": "user-42", "return_to": "/usage" });
        let link = server.post("/api/v1/hand-offs", body).await.expect(201).json();
        let mut browser = Browser::new(server);
        let arrived = browser.get(link["url"].as_str().expect("a link")).await.expect(303);
        assert_eq!(arrived.header("location"), Some("/usage"));
        let shown = browser.get("/api/v1/usage").await.expect(200).json();
        assert_eq!((&shown["account"], &limit(&shown, "requests")["used"]), (&json!(account), &json!(4)));
        browser.post("/api/v1/usage/consume", json!({ "meter": "requests" })).await.expect(200);
        assert_eq!(customer.used("requests").await, 5);
    })
    .await;
}

#[tokio::test]
async fn the_first_calls_of_a_user_at_once_make_one_account() {
    with_token(async |app, server, _| {
        let token = app.token("user-77", json!({}), "key").await;
        let calls = (0..8).map(|_| consume(server, &token));
        for answer in futures_util::future::join_all(calls).await {
            answer.expect(200);
        }
        assert_eq!(Customer::new(server, "user-77").used("requests").await, 24);
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_not_good_opens_nothing() {
    with_token(async |app, server, _| {
        let refused = [
            (json!({ "aud": "others" }), "key"),
            (json!({ "aud": null }), "key"),
            (json!({ "exp": 1 }), "key"),
            (json!({ "exp": null }), "key"),
            (json!({ "nbf": 9_999_999_999u64 }), "key"),
            (json!({ "iss": "http://127.0.0.1:9" }), "key"),
            (json!({ "sub": "" }), "key"),
            (json!({}), "public_key"),
            (json!({}), "none"),
            (json!({}), "stranger"),
        ];
        for (change, signer) in refused {
            let token = app.token("user-99", change.clone(), signer).await;
            for (path, body) in
                [("/api/v1/usage/consume", json!({ "meter": "requests" })), ("/v1/chat/completions", chat())]
            {
                let answer = by(server, &token, "POST", path, body).await;
                assert_eq!(answer.status, 401, "{change} by {signer} at {path}: {}", answer.text);
            }
        }
        let accounts = server.get("/api/v1/accounts?external_id=user-99").await.expect(200).json();
        assert_eq!(accounts["data"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_suspended_customer_is_denied() {
    with_token(async |_, server, token| {
        consume(server, token).await.expect(200);
        let account = Customer::new(server, "user-42").account().await;
        let status = format!("/api/v1/accounts/{account}/status");
        server.put(&status, json!({ "status": "suspended" })).await.expect(200);
        assert_problem(&consume(server, token).await, 403, "account_suspended");
        let refused = by(server, token, "POST", "/v1/chat/completions", chat()).await.expect(403).json();
        assert_eq!(refused["error"]["code"], "account_suspended");
        server.put(&status, json!({ "status": "active" })).await.expect(200);
        consume(server, token).await.expect(200);
        assert_eq!(Customer::new(server, "user-42").used("requests").await, 6);
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_is_away_holds_up_nobody_whose_key_is_known() {
    for engine in Engine::all() {
        let Some(app) = KeptSignIn::on(engine) else { return };
        let server = app.site.start();
        app.issuer.control(json!({ "broken": "/jwks" })).await;
        let token = app.token("user-42", json!({}), "key").await;
        let unknown = consume(&server, &token).await;
        assert_problem(&unknown, 503, "sign_in_provider_unavailable");
        assert!(unknown.header("retry-after").is_some());
        app.issuer.control(json!({ "broken": null })).await;
        server.advance(10).await;
        consume(&server, &token).await.expect(200);
        let (another, forged) =
            (app.token("user-43", json!({}), "key").await, app.token("user-44", json!({}), "stranger").await);
        drop(app.issuer);
        consume(&server, &token).await.expect(200);
        consume(&server, &another).await.expect(200);
        assert_problem(&consume(&server, &forged).await, 401, "unauthenticated");
    }
}

#[tokio::test]
async fn new_keys_of_the_issuer_are_taken_up() {
    with_token(async |app, server, token| {
        consume(server, token).await.expect(200);
        app.issuer.control(json!({ "rotate": true })).await;
        let newer = app.token("user-42", json!({}), "key").await;
        server.advance(60).await;
        consume(server, &newer).await.expect(200);
        assert_eq!(Customer::new(server, "user-42").used("requests").await, 6);
    })
    .await;
}

#[tokio::test]
async fn a_visitor_acts_for_one_account_and_manages_nothing() {
    with_token(async |_, server, token| {
        consume(server, token).await.expect(200);
        let account = Customer::new(server, "user-42").account().await;
        let other = Customer::new(server, "user-43").account().await;
        let event = json!({ "events": [{ "id": "1", "meter": "requests", "quantity": 1 }] });
        for (method, path, body, status, code) in [
            (
                "POST",
                format!("/api/v1/accounts/{account}/api-keys"),
                json!({ "name": "k" }),
                403,
                "recent_sign_in_required",
            ),
            ("POST", "/api/v1/usage/events".into(), event, 403, "key_required"),
            ("PUT", format!("/api/v1/accounts/{account}/grant"), json!({ "plan": "pro" }), 403, "service_key_required"),
            ("POST", "/api/v1/keys".into(), json!({ "name": "k" }), 403, "service_key_required"),
            ("POST", "/api/v1/hand-offs".into(), json!({ "account": account }), 403, "service_key_required"),
            ("GET", "/api/v1/admin/users".into(), Value::Null, 403, "service_key_required"),
            ("GET", "/api/v1/admin/mails".into(), Value::Null, 403, "service_key_required"),
            ("GET", "/api/v1/me".into(), Value::Null, 403, "sign_in_required"),
            ("GET", format!("/api/v1/usage?account={other}"), Value::Null, 404, "account_unknown"),
            ("GET", "/api/v1/usage?external_id=user-43".into(), Value::Null, 404, "account_unknown"),
            ("GET", format!("/api/v1/accounts/{other}"), Value::Null, 404, "account_unknown"),
        ] {
            let answer = by(server, token, method, &path, body).await;
            println!("{method} {path}");
            assert_problem(&answer, status, code);
        }
        let request = server.request_of_nobody("GET", "/api/v1/usage").bearer_auth(token);
        let chosen = server.send(request.header("Tollway-Account", &other)).await.expect("an answer").expect(200);
        assert_eq!(chosen.json()["account"], account.as_str(), "a header leads to no other account");
    })
    .await;
}

#[tokio::test]
async fn where_accounts_are_not_made_by_themselves_a_token_makes_none() {
    for engine in Engine::all() {
        let Some(mut app) = KeptSignIn::on(engine) else { return };
        app.site.environment.push(("TOLLWAY_AUTO_CREATE_ACCOUNTS".into(), "false".into()));
        let server = app.site.start();
        let token = app.token("user-42", json!({}), "key").await;
        assert_problem(&consume(&server, &token).await, 404, "account_unknown");
        let customer = Customer::new(&server, "user-42");
        customer.account().await;
        consume(&server, &token).await.expect(200);
    }
}
