//! Codes of an authenticator app, and recovery codes.

use serde_json::json;
use testkit::server::{Answer, TestServer};

use crate::stage::{Authenticator, PASSWORD, Person, SMALL_CATALOG, ask, assert_problem, mails_to, with_catalog};

async fn enrolled<'s>(server: &'s TestServer) -> (Person<'s>, Authenticator, Vec<String>) {
    let person = Person::new(server, "ada@example.com").await;
    let enrolment = person.post("/api/v1/me/totp", json!({})).await.expect(201).json();
    assert!(enrolment["otpauth_url"].as_str().is_some_and(|url| url.starts_with("otpauth://totp/")));
    assert!(enrolment["qr_svg"].as_str().is_some_and(|svg| svg.starts_with("<svg")));
    let authenticator = Authenticator::of(&enrolment);
    let wrong = person.post("/api/v1/me/totp/confirm", json!({ "code": "000000" })).await;
    assert_problem(&wrong, 403, "code_wrong");
    let code = authenticator.code(server, -1).await;
    let confirmed = person.post("/api/v1/me/totp/confirm", json!({ "code": code })).await.expect(200).json();
    let codes: Vec<String> = serde_json::from_value(confirmed["recovery_codes"].clone()).expect("codes");
    assert_eq!(codes.len(), 10);
    (person, authenticator, codes)
}

async fn challenge(server: &TestServer) -> String {
    let body = json!({ "login": "ada@example.com", "password": PASSWORD });
    let asked = ask(server, "POST", "/api/v1/auth/login", body).await;
    let problem = assert_problem(&asked, 401, "totp_required");
    problem["challenge"].as_str().expect("a challenge").to_owned()
}

async fn second_step(server: &TestServer, challenge: &str, field: &str, code: &str) -> Answer {
    let mut body = json!({ "challenge": challenge });
    body[field] = json!(code);
    ask(server, "POST", "/api/v1/auth/login/totp", body).await
}

#[tokio::test]
async fn a_sign_in_asks_for_a_code_and_none_is_good_twice() {
    with_catalog(SMALL_CATALOG, async |server| {
        let (person, authenticator, _) = enrolled(server).await;
        assert_eq!(person.me().await["two_factor"], true);
        assert_problem(&person.post("/api/v1/me/totp", json!({})).await, 409, "totp_enabled");
        let first = challenge(server).await;
        let code = authenticator.code(server, 0).await;
        let done = second_step(server, &first, "code", &code).await.expect(200).json();
        Person::of(server, "ada@example.com", &done).get("/api/v1/me").await.expect(200);
        // Neither the code nor the challenge is good again, nor an earlier code.
        assert_problem(&second_step(server, &first, "code", &code).await, 401, "session_over");
        let second = challenge(server).await;
        assert_problem(&second_step(server, &second, "code", &code).await, 403, "code_wrong");
        let earlier = authenticator.code(server, -1).await;
        assert_problem(&second_step(server, &second, "code", &earlier).await, 403, "code_wrong");
        let next = authenticator.code(server, 1).await;
        second_step(server, &second, "code", &next).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn of_many_who_come_with_one_code_at_once_one_is_signed_in() {
    with_catalog(SMALL_CATALOG, async |server| {
        let (_, authenticator, codes) = enrolled(server).await;
        let code = authenticator.code(server, 1).await;
        for (field, code) in [("code", code.as_str()), ("recovery_code", codes[0].as_str())] {
            let mut asking = tokio::task::JoinSet::new();
            for _ in 0..6 {
                let challenge = challenge(server).await;
                let mut body = json!({ "challenge": challenge });
                body[field] = json!(code);
                let request = server.request_of_nobody("POST", "/api/v1/auth/login/totp").json(&body);
                asking.spawn(async move { request.send().await.expect("an answer").status().as_u16() });
            }
            let answers = asking.join_all().await;
            assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{field}: {answers:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn recovery_codes_stand_in_once_each_and_can_be_renewed() {
    with_catalog(SMALL_CATALOG, async |server| {
        let (person, authenticator, codes) = enrolled(server).await;
        let by_recovery = async |code: &str| second_step(server, &challenge(server).await, "recovery_code", code).await;
        by_recovery(&codes[0].to_uppercase()).await.expect(200);
        assert_problem(&by_recovery(&codes[0]).await, 403, "code_wrong");
        assert_eq!(person.get("/api/v1/me/recovery-codes").await.expect(200).json()["left"], 9);
        assert_eq!(mails_to(server, "ada@example.com", "recovery_code_used").await.len(), 1);
        let code = authenticator.code(server, 1).await;
        let renewed = person.post("/api/v1/me/recovery-codes", json!({ "code": code })).await.expect(200).json();
        assert_problem(&by_recovery(&codes[1]).await, 403, "code_wrong");
        by_recovery(renewed["recovery_codes"][3].as_str().expect("a code")).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn guesses_are_few() {
    with_catalog(&format!("{SMALL_CATALOG}\n[rates]\n2fa = \"12 per 1h\"\n"), async |server| {
        let (_, authenticator, _) = enrolled(server).await;
        let first = challenge(server).await;
        for _ in 0..5 {
            assert_problem(&second_step(server, &first, "code", "000000").await, 403, "code_wrong");
        }
        let right = authenticator.code(server, 1).await;
        assert_problem(&second_step(server, &first, "code", &right).await, 401, "session_over");
        // New challenges do not make more guesses.
        let second = challenge(server).await;
        let mut refused = None;
        for _ in 0..10 {
            let answer = second_step(server, &second, "code", "000001").await;
            if answer.status == 429 {
                refused = Some(answer);
                break;
            }
        }
        assert_problem(&refused.expect("too many guesses"), 429, "rate_limited");
    })
    .await;
}

#[tokio::test]
async fn guesses_are_few_also_where_the_catalog_has_no_rate_for_them() {
    with_catalog(SMALL_CATALOG, async |server| {
        enrolled(server).await;
        let mut answers = Vec::new();
        for _ in 0..8 {
            let challenge = challenge(server).await;
            for _ in 0..4 {
                answers.push(second_step(server, &challenge, "code", "000000").await.status);
            }
        }
        // Two went into setting it up.
        assert_eq!(answers.iter().filter(|status| **status == 403).count(), 18, "{answers:?}");
        assert!(answers[18..].iter().all(|status| *status == 429), "{answers:?}");
    })
    .await;
}

#[tokio::test]
async fn it_is_taken_away_only_with_a_code_and_after_a_recent_sign_in() {
    with_catalog(SMALL_CATALOG, async |server| {
        let (person, authenticator, _) = enrolled(server).await;
        let disable = async |code: &str| person.post("/api/v1/me/totp/disable", json!({ "code": code })).await;
        assert_problem(&disable("000000").await, 403, "code_wrong");
        server.advance(16 * 60).await;
        let code = authenticator.code(server, 0).await;
        assert_problem(&disable(&code).await, 403, "recent_sign_in_required");
        let confirm = async |password: &str| person.post("/api/v1/me/confirm", json!({ "password": password })).await;
        assert_problem(&confirm("wrong").await, 403, "password_wrong");
        confirm(PASSWORD).await.expect(204);
        disable(&code).await.expect(204);
        assert_eq!(person.me().await["two_factor"], false);
        Person::sign_in(server, "ada@example.com", PASSWORD).await;
        assert_eq!(mails_to(server, "ada@example.com", "two_factor_disabled").await.len(), 1);
    })
    .await;
}
