//! Sessions: one a device, kept going by tokens or a cookie, ended by whoever may.

use serde_json::json;

use crate::stage::{PASSWORD, Person, SMALL_CATALOG, ask, assert_problem, with_catalog};

const REFRESH: &str = "/api/v1/auth/refresh";

#[tokio::test]
async fn a_refresh_token_is_good_once_and_a_second_use_ends_the_session() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let refresh = async |token: &str| ask(server, "POST", REFRESH, json!({ "refresh_token": token })).await;
        let next = refresh(&person.refresh_token).await.expect(200).json();
        let newer = Person::of(server, "ada@example.com", &next);
        assert_eq!(newer.session, person.session);
        assert_ne!(newer.refresh_token, person.refresh_token);
        newer.get("/api/v1/me").await.expect(200);
        assert_problem(&refresh(&person.refresh_token).await, 401, "session_over");
        assert_problem(&refresh(&newer.refresh_token).await, 401, "session_over");
        assert_problem(&newer.get("/api/v1/me").await, 401, "unauthenticated");
        assert_problem(&refresh("nonsense").await, 401, "session_over");
        // An access token refreshes nothing.
        let other = Person::sign_in(server, "ada@example.com", PASSWORD).await;
        assert_problem(&refresh(&other.access_token).await, 401, "session_over");
        other.get("/api/v1/me").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_is_answered() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let request =
                server.request_of_nobody("POST", REFRESH).json(&json!({ "refresh_token": person.refresh_token }));
            asking.spawn(async move { request.send().await.expect("the server answers").status().as_u16() });
        }
        let answers = asking.join_all().await;
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        assert_problem(&person.get("/api/v1/me").await, 401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn devices_are_listed_and_ended_one_by_one_or_all_others() {
    with_catalog(SMALL_CATALOG, async |server| {
        let first = Person::new(server, "ada@example.com").await;
        let second = Person::sign_in(server, "ada@example.com", PASSWORD).await;
        let third = Person::sign_in(server, "ada@example.com", PASSWORD).await;
        let stranger = Person::new(server, "eve@example.com").await;
        let listed = first.get("/api/v1/me/sessions").await.expect(200).json();
        let listed = listed["data"].as_array().expect("sessions are listed");
        assert_eq!(listed.len(), 3);
        for session in listed {
            assert_eq!(session["current"], session["id"] == first.session.as_str());
            assert_eq!((&session["address"], &session["method"]), (&json!("127.0.0.1"), &json!("password")));
        }
        let of_second = format!("/api/v1/me/sessions/{}", second.session);
        assert_problem(&stranger.delete(&of_second).await, 404, "not_found");
        first.delete(&of_second).await.expect(204);
        assert_problem(&second.get("/api/v1/me").await, 401, "unauthenticated");
        assert_eq!(first.delete("/api/v1/me/sessions").await.expect(200).json()["ended"], 1);
        assert_problem(&third.get("/api/v1/me").await, 401, "unauthenticated");
        first.post("/api/v1/auth/logout", json!({})).await.expect(204);
        assert_problem(&first.get("/api/v1/me").await, 401, "unauthenticated");
        let refresh = ask(server, "POST", REFRESH, json!({ "refresh_token": first.refresh_token })).await;
        assert_problem(&refresh, 401, "session_over");
    })
    .await;
}

#[tokio::test]
async fn an_access_token_ends_in_time_and_a_session_that_nobody_uses_too() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        server.advance(3_601).await;
        assert_problem(&person.get("/api/v1/me").await, 401, "unauthenticated");
        let next =
            ask(server, "POST", REFRESH, json!({ "refresh_token": person.refresh_token })).await.expect(200).json();
        let person = Person::of(server, "ada@example.com", &next);
        person.get("/api/v1/me").await.expect(200);
        server.advance(30 * 86_400 + 60).await;
        let over = ask(server, "POST", REFRESH, json!({ "refresh_token": person.refresh_token })).await;
        assert_problem(&over, 401, "session_over");
    })
    .await;
}

#[tokio::test]
async fn a_browser_keeps_a_cookie_and_another_site_cannot_use_it() {
    with_catalog(SMALL_CATALOG, async |server| {
        Person::new(server, "ada@example.com").await;
        let body = json!({ "login": "ada@example.com", "password": PASSWORD, "keep": "cookie" });
        let answer = ask(server, "POST", "/api/v1/auth/login", body).await.expect(200);
        let set = answer.header("set-cookie").expect("a cookie").to_owned();
        for part in ["__Host-tollway=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(answer.json()["access_token"].is_null() && answer.json()["refresh_token"].is_null());
        let cookie = set.split(';').next().expect("a pair").to_owned();
        let ask_with = async |method: &str, path: &str, headers: &[(&str, &str)]| {
            let mut request = server.request_of_nobody(method, path).header("Cookie", &cookie);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            server.send(request.json(&json!({}))).await.expect("the server answers")
        };
        ask_with("GET", "/api/v1/me", &[]).await.expect(200);
        let patch = "/api/v1/me";
        let host = server.url.trim_start_matches("http://").to_owned();
        ask_with("PATCH", patch, &[("Sec-Fetch-Site", "same-origin")]).await.expect(200);
        ask_with("PATCH", patch, &[("Origin", &server.url), ("Host", &host)]).await.expect(200);
        for headers in [
            &[][..],
            &[("Sec-Fetch-Site", "cross-site")],
            &[("Sec-Fetch-Site", "same-site")],
            &[("Origin", "https://evil.example")],
            &[("Origin", "null")],
            &[("Sec-Fetch-Site", "cross-site"), ("Origin", server.url.as_str())],
        ] {
            assert_problem(&ask_with("PATCH", patch, headers).await, 403, "cross_site");
        }
        let out = ask_with("POST", "/api/v1/auth/logout", &[("Sec-Fetch-Site", "same-origin")]).await.expect(204);
        assert!(out.header("set-cookie").is_some_and(|set| set.contains("Max-Age=0")));
        assert_problem(&ask_with("GET", "/api/v1/me", &[]).await, 401, "unauthenticated");
    })
    .await;
}
