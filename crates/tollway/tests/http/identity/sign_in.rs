//! Signing in by email or username and password.

use serde_json::json;
use testkit::server::Engine;

use crate::stage::{
    PASSWORD, Person, SMALL_CATALOG, Site, ask, assert_problem, mail_link, on_each_engine, with_catalog,
};

const LOGIN: &str = "/api/v1/auth/login";

#[tokio::test]
async fn whatever_is_wrong_is_answered_the_same() {
    with_catalog(SMALL_CATALOG, async |server| {
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "username": "ada" });
        ask(server, "POST", "/api/v1/auth/register", body).await.expect(201);
        let suspended = Person::new(server, "suspended@example.com").await;
        let path = format!("/api/v1/admin/users/{}/status", suspended.user);
        server.put(&path, json!({ "status": "suspended" })).await.expect(200);
        let deleted = Person::new(server, "deleted@example.com").await;
        deleted.delete("/api/v1/me").await.expect(204);
        let log_in = async |login: &str, password: &str| {
            ask(server, "POST", LOGIN, json!({ "login": login, "password": password })).await
        };
        for login in ["ada@example.com", "ADA@example.COM", "ada", "Ada"] {
            log_in(login, PASSWORD).await.expect(200);
        }
        let mut said = Vec::new();
        for (login, password) in [
            ("ada@example.com", "wrong"),
            ("nobody@example.com", PASSWORD),
            ("nobody", PASSWORD),
            ("suspended@example.com", PASSWORD),
            ("deleted@example.com", PASSWORD),
            ("ada@example.com' OR 1=1 --", PASSWORD),
        ] {
            let mut problem = assert_problem(&log_in(login, password).await, 401, "sign_in_failed");
            problem["request_id"] = json!(null);
            said.push(problem);
        }
        assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "{said:?}");
    })
    .await;
}

#[tokio::test]
async fn attempts_are_limited_by_login_and_by_address() {
    let catalog = format!("{SMALL_CATALOG}\n[rates]\nlogin = \"5 per 1h\"\n");
    with_catalog(&catalog, async |server| {
        let attempt = async |login: &str| ask(server, "POST", LOGIN, json!({ "login": login, "password": "x" })).await;
        for _ in 0..5 {
            attempt("ada@example.com").await.expect(401);
        }
        let refused = attempt("ada@example.com").await;
        assert_problem(&refused, 429, "rate_limited");
        assert!(refused.header("retry-after").is_some());
        // The address is held too: another login does not help.
        assert_problem(&attempt("bob@example.com").await, 429, "rate_limited");
        server.advance(3_700).await;
        attempt("ada@example.com").await.expect(401);
    })
    .await;
}

#[tokio::test]
async fn what_somebody_unverified_may_do_is_a_setting() {
    for (setting, may_sign_in, may_use) in
        [("may_use", true, true), ("may_look", true, false), ("may_nothing", false, false)]
    {
        for engine in Engine::all() {
            let mut site = Site::on(engine);
            site.environment = vec![("TOLLWAY_UNVERIFIED".into(), setting.into())];
            let server = &site.start();
            let body = json!({ "email": "ada@example.com", "password": PASSWORD });
            let registered = ask(server, "POST", "/api/v1/auth/register", body).await;
            assert_eq!(registered.status, if may_sign_in { 201 } else { 202 }, "{setting}");
            let login = ask(server, "POST", LOGIN, json!({ "login": "ada@example.com", "password": PASSWORD })).await;
            if may_sign_in {
                let person = Person::of(server, "ada@example.com", &login.expect(200).json());
                person.get("/api/v1/usage").await.expect(200);
                let used = person.post("/api/v1/usage/consume", json!({ "meter": "requests" })).await;
                let keyed =
                    person.post(&format!("/api/v1/accounts/{}/api-keys", person.account), json!({ "name": "k" })).await;
                if may_use {
                    used.expect(200);
                    keyed.expect(201);
                } else {
                    assert_problem(&used, 403, "email_unverified");
                    assert_problem(&keyed, 403, "email_unverified");
                }
            } else {
                assert_problem(&login, 403, "email_unverified");
            }
            let token = mail_link(server, "ada@example.com", "verify_email").await;
            ask(server, "POST", "/api/v1/auth/verify-email", json!({ "token": token })).await.expect(204);
            let person = Person::sign_in(server, "ada@example.com", PASSWORD).await;
            person.post("/api/v1/usage/consume", json!({ "meter": "requests" })).await.expect(200);
        }
    }
}

#[tokio::test]
async fn suspension_holds_on_the_next_request_for_tokens_and_keys() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let keys = format!("/api/v1/accounts/{}/api-keys", person.account);
        let key = person.post(&keys, json!({ "name": "mine" })).await.expect(201).json();
        let by_key = async || {
            let request = server.request_of_nobody("GET", "/api/v1/usage");
            server.send(request.bearer_auth(key["secret"].as_str().expect("a secret"))).await.expect("an answer")
        };
        by_key().await.expect(200);
        let status = format!("/api/v1/admin/users/{}/status", person.user);
        server.put(&status, json!({ "status": "suspended" })).await.expect(200);
        assert_problem(&person.get("/api/v1/me").await, 401, "unauthenticated");
        assert_problem(&by_key().await, 401, "unauthenticated");
        let refresh =
            ask(server, "POST", "/api/v1/auth/refresh", json!({ "refresh_token": person.refresh_token })).await;
        assert_problem(&refresh, 401, "session_over");
        server.put(&status, json!({ "status": "active" })).await.expect(200);
        by_key().await.expect(200);
        // Sessions that ended stay so.
        assert_problem(&person.get("/api/v1/me").await, 401, "unauthenticated");
        Person::sign_in(server, "ada@example.com", PASSWORD).await.get("/api/v1/me").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn the_superadmin_is_made_beside_the_server_and_operates_it() {
    on_each_engine(async |server| {
        let (email, password) = &server.superadmin;
        let admin = Person::sign_in(server, email, password).await;
        assert_eq!(admin.me().await["superadmin"], true);
        admin.get("/api/v1/admin/users").await.expect(200);
        let plain = Person::new(server, "plain@example.com").await;
        assert_problem(&plain.get("/api/v1/admin/users").await, 403, "service_key_required");
        admin.get(&format!("/api/v1/accounts/{}", plain.account)).await.expect(200);
        let path = format!("/api/v1/accounts/{}/grant", plain.account);
        admin.put(&path, json!({ "plan": "pro" })).await.expect(200);
        assert_problem(&plain.put(&path, json!({ "plan": "enterprise" })).await, 403, "service_key_required");
    })
    .await;
}
