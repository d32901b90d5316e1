//! What tokens are good for, and forged ones are not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::stage::{Person, SMALL_CATALOG, assert_problem, with_catalog};

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn part(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn forged_tokens_open_nothing() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let (header, claims) = (part(&person.access_token, 0), part(&person.access_token, 1));
        let signature = person.access_token.rsplit('.').next().expect("a signature").to_owned();
        let jwks = server.get("/.well-known/jwks.json").await.expect(200).json();
        let public = jwks["keys"][0]["x"].as_str().expect("a key").to_owned();
        assert_eq!(header["alg"], "EdDSA");
        let with = |value: &Value, field: &str, to: Value| {
            let mut value = value.clone();
            value[field] = to;
            value
        };
        let by_hmac = |header: &Value, key: &[u8]| {
            let body = format!("{}.{}", encode(header), encode(&claims));
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
            mac.update(body.as_bytes());
            format!("{body}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
        };
        let hs256 = with(&header, "alg", json!("HS256"));
        let raw_key = URL_SAFE_NO_PAD.decode(&public).expect("base64");
        let superadmin = with(&claims, "superadmin", json!(true));
        let forged = [
            format!("{}.{}.", encode(&with(&header, "alg", json!("none"))), encode(&claims)),
            format!("{}.{}.{signature}", encode(&with(&header, "alg", json!("none"))), encode(&claims)),
            by_hmac(&hs256, public.as_bytes()),
            by_hmac(&hs256, &raw_key),
            format!("{}.{}.{signature}", encode(&header), encode(&superadmin)),
            format!("{}.{}.{signature}", encode(&header), encode(&with(&claims, "exp", json!(9_999_999_999i64)))),
            format!("{}.{}.{signature}", encode(&with(&header, "kid", json!("other"))), encode(&claims)),
            format!("{}.{}.{signature}", encode(&with(&header, "typ", json!("JWT"))), encode(&claims)),
            format!("{}.{}", encode(&header), encode(&claims)),
            format!("{}.{signature}", "a".repeat(100_000)),
            "..".to_owned(),
            person.refresh_token.clone(),
        ];
        for token in forged {
            let request = server.request_of_nobody("GET", "/api/v1/me").bearer_auth(&token);
            let answer = server.send(request).await.expect("an answer");
            assert_problem(&answer, 401, "unauthenticated");
        }
        person.get("/api/v1/me").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_token_of_another_servers_audience_or_kind_is_refused() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let body = json!({ "account": person.account, "role": "owner" });
        let made = server.post("/api/v1/hand-offs", body).await.expect(201).json();
        // A hand-off token is signed by the same key and is no access token.
        let token = made["token"].as_str().expect("a token");
        let swapped = format!(
            "{}.{}",
            person.access_token.split('.').next().expect("a header"),
            token.split_once('.').expect("parts").1
        );
        for token in [swapped.as_str()] {
            let request = server.request_of_nobody("GET", "/api/v1/usage").bearer_auth(token);
            assert_problem(&server.send(request).await.expect("an answer"), 401, "unauthenticated");
        }
        let claims = part(&person.access_token, 1);
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(server.url), &json!(server.url)));
        assert_eq!((&claims["sub"], &claims["sid"]), (&json!(person.user), &json!(person.session)));
        assert_eq!(claims["exp"].as_i64().expect("a time") - claims["iat"].as_i64().expect("a time"), 3_600);
    })
    .await;
}

#[tokio::test]
async fn keys_are_replaced_in_time_and_published_before_they_sign() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let keys = async || {
            let published = server.get("/.well-known/jwks.json").await.expect(200).json();
            let keys = published["keys"].as_array().expect("keys").clone();
            keys.iter().map(|key| key["kid"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
        };
        let first = keys().await;
        assert_eq!(first.len(), 1);
        server.advance(29 * 86_400).await;
        let both = keys().await;
        assert!(both.len() == 2 && both.contains(&first[0]), "{both:?}");
        let person = Person::sign_in(server, &person.email, crate::stage::PASSWORD).await;
        assert_eq!(part(&person.access_token, 0)["kid"], first[0].as_str());
        server.advance(2 * 86_400).await;
        let person = Person::sign_in(server, &person.email, crate::stage::PASSWORD).await;
        let signed_by = part(&person.access_token, 0)["kid"].as_str().expect("an id").to_owned();
        assert!(signed_by != first[0] && both.contains(&signed_by));
        server.advance(3 * 86_400).await;
        assert!(!keys().await.contains(&first[0]));
    })
    .await;
}

#[tokio::test]
async fn a_service_asks_what_a_token_is_good_for() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let introspect = async |token: &str| {
            server.post("/api/v1/auth/introspect", json!({ "token": token })).await.expect(200).json()
        };
        let told = introspect(&person.access_token).await;
        assert_eq!(
            (&told["active"], &told["kind"], &told["sub"]),
            (&json!(true), &json!("person"), &json!(person.user))
        );
        assert_eq!((&told["account"], &told["role"]), (&json!(person.account), &json!("owner")));
        assert!(told["exp"].as_i64().is_some());
        let key = introspect(&server.api_key).await;
        assert_eq!((&key["kind"], &key["account"]), (&json!("account_key"), &json!(server.account)));
        for nothing in ["nonsense", person.refresh_token.as_str()] {
            assert_eq!(introspect(nothing).await, json!({ "active": false }));
        }
        person.post("/api/v1/auth/logout", json!({})).await.expect(204);
        assert_eq!(introspect(&person.access_token).await, json!({ "active": false }));
        let own = Person::sign_in(server, &person.email, crate::stage::PASSWORD).await;
        let body = json!({ "token": own.access_token });
        assert_problem(&own.post("/api/v1/auth/introspect", body).await, 403, "service_key_required");
    })
    .await;
}
