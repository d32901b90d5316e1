//! The outbox without a mail server: everything is kept, and operators see it.

use serde_json::{Value, json};

use crate::stage::{SMALL_CATALOG, assert_problem, until, with_catalog};

use super::{outbox, warn};

#[tokio::test]
async fn without_a_mail_server_mails_wait_and_are_listed() {
    with_catalog(SMALL_CATALOG, async |server| {
        let mut addresses = Vec::new();
        for number in 0..5 {
            let (external_id, address) = (format!("customer-{number}"), format!("{number}@example.com"));
            warn(server, &external_id, &address).await;
            until("it is in the outbox", async || !outbox(server, &format!("to={address}")).await.is_empty()).await;
            addresses.insert(0, address);
        }
        let to = |mails: &[Value]| -> Vec<String> {
            mails.iter().map(|mail| mail["to"].as_str().expect("an address").to_owned()).collect()
        };
        let waiting = outbox(server, "state=waiting").await;
        assert_eq!(to(&waiting), addresses);
        assert!(waiting.iter().all(|mail| mail["attempts"] == 0 && mail["sent_at"].is_null()));
        assert_eq!(outbox(server, "state=sent").await, Vec::<Value>::new());
        assert_eq!(outbox(server, "state=waiting&to=3@example.com").await, [waiting[1].clone()]);
        let (mut seen, mut path) = (Vec::new(), "/api/v1/admin/mails?limit=2".to_owned());
        loop {
            let page = server.get(&path).await.expect(200).json();
            seen.extend(page["data"].as_array().expect("data").clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/api/v1/admin/mails?limit=2&cursor={cursor}");
        }
        assert_eq!(seen, waiting);
        let id = waiting[0]["id"].as_str().expect("an id");
        let retried = server.post(&format!("/api/v1/admin/mails/{id}/retry"), json!({})).await;
        assert_problem(&retried, 409, "not_failed");
    })
    .await;
}

#[tokio::test]
async fn only_operators_see_the_outbox_and_the_jobs() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = warn(server, "customer", "ada@example.com").await;
        until("it is in the outbox", async || !outbox(server, "").await.is_empty()).await;
        let mail = outbox(server, "").await[0]["id"].as_str().expect("an id").to_owned();
        let own = customer.api_key(json!({ "name": "Own" })).await["secret"].as_str().expect("a secret").to_owned();
        let key = async |scopes: &[&str]| {
            let made = server.post("/api/v1/keys", json!({ "name": "Narrow", "scopes": scopes })).await.expect(201);
            made.json()["secret"].as_str().expect("a secret").to_owned()
        };
        let (other, reads) = (key(&["usage:read"]).await, key(&["operations:read"]).await);
        let gets =
            ["/api/v1/admin/mails".to_owned(), format!("/api/v1/admin/mails/{mail}"), "/api/v1/admin/jobs".into()];
        let posts = [
            format!("/api/v1/admin/mails/{mail}/retry"),
            "/api/v1/admin/jobs/job_00000000000000000000000000/retry".into(),
        ];
        let asks = gets.iter().map(|path| ("GET", path)).chain(posts.iter().map(|path| ("POST", path)));
        for (method, path) in asks {
            for (secret, code) in [(&own, "service_key_required"), (&other, "insufficient_scope")] {
                let request = server.request(method, path).header("x-api-key", secret);
                assert_problem(&server.send(request).await.expect("an answer"), 403, code);
            }
            let request = server.request(method, path).header("x-api-key", &reads);
            let answer = server.send(request).await.expect("an answer");
            assert_eq!(answer.status, if method == "GET" { 200 } else { 403 }, "{method} {path}: {}", answer.text);
        }
        assert_problem(&server.get("/api/v1/admin/mails/mail_1").await, 404, "not_found");
        assert_problem(&server.get("/api/v1/admin/mails?cursor=x").await, 422, "invalid_request");
        assert_problem(&server.get("/api/v1/admin/jobs?state=done").await, 422, "invalid_request");
        assert_problem(&server.post(&posts[1], json!({})).await, 404, "not_found");
    })
    .await;
}
