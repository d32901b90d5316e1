//! Who did what with an account, as its owners and admins see it.

use serde_json::{Value, json};

use crate::stage::{Person, assert_problem, with_catalog};

use super::{CATALOG, invitations, invite, joined, member};

#[tokio::test]
async fn every_change_of_a_team_is_in_the_audit_trail() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let grace = joined(&owner, "grace@example.com", "member").await;
        owner.patch(&member(&owner.account, &grace.user), json!({ "role": "admin" })).await.expect(200);
        let sent = invite(&grace, "linus@example.com", "member").await.expect(201).json();
        let sent = sent["id"].as_str().expect("an id").to_owned();
        grace.delete(&format!("{}/{sent}", invitations(&owner.account))).await.expect(204);
        owner
            .post(&format!("/api/v1/accounts/{}/transfer", owner.account), json!({ "user": grace.user }))
            .await
            .expect(200);
        owner.delete(&member(&owner.account, &owner.user)).await.expect(204);
        let service = server.put(&member(&owner.account, &owner.user), json!({ "role": "member" })).await;
        service.expect(201);
        grace.delete(&member(&owner.account, &owner.user)).await.expect(204);
        let path = format!("/api/v1/accounts/{}/audit-events", owner.account);
        let page = grace.get(&path).await.expect(200).json();
        let events = page["data"].as_array().expect("events are listed").clone();
        let told: Vec<(&str, &str, &str)> = events
            .iter()
            .map(|event| {
                let text = |field: &str| event[field].as_str().unwrap_or_default();
                (text("action"), text("actor"), text("resource"))
            })
            .collect();
        let (ada, grace_id) = (owner.user.as_str(), grace.user.as_str());
        let key = events[1]["actor"].as_str().expect("an actor");
        assert!(key.starts_with("key_"), "{key}");
        let expected = [
            ("member.removed", grace_id, ada),
            ("member.added", key, ada),
            ("member.left", ada, ada),
            ("account.transferred", ada, grace_id),
            ("invitation.withdrawn", grace_id, sent.as_str()),
            ("invitation.sent", grace_id, sent.as_str()),
            ("member.role_changed", ada, grace_id),
            ("member.joined", grace_id, grace_id),
        ];
        assert_eq!(told[..8], expected);
        assert_eq!(events[6]["metadata"], json!({ "from": "member", "to": "admin" }));
        assert_eq!(events[0]["address"], "127.0.0.1");
        let sent = grace.get(&format!("{path}?action=invitation.sent&limit=1")).await.expect(200).json();
        let cursor = sent["next_cursor"].as_str().expect("another page");
        let more = grace.get(&format!("{path}?action=invitation.sent&cursor={cursor}")).await.expect(200).json();
        let actions = |page: &Value| page["data"].as_array().map(Vec::len);
        assert_eq!((actions(&sent), actions(&more), more["next_cursor"].is_null()), (Some(1), Some(1), true));
        assert_problem(&grace.get(&format!("{path}?cursor=x")).await, 422, "invalid_request");
        assert!(server.get(&path).await.expect(200).json()["data"].as_array().is_some_and(|all| all.len() >= 8));
    })
    .await;
}

#[tokio::test]
async fn plain_members_do_not_see_the_audit_trail() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let plain = joined(&owner, "linus@example.com", "member").await;
        let path = format!("/api/v1/accounts/{}/audit-events", owner.account);
        assert_problem(&plain.get(&path).await, 403, "insufficient_role");
    })
    .await;
}
