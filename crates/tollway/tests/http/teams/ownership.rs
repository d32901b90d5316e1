//! An account always has an owner, whoever comes and goes.

use serde_json::json;

use crate::stage::{PASSWORD, Person, assert_problem, with_catalog};

use super::{CATALOG, joined, member, pairs, roles};

#[tokio::test]
async fn the_last_owner_neither_leaves_nor_becomes_something_else() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let at = member(&owner.account, &owner.user);
        assert_problem(&owner.delete(&at).await, 409, "last_owner");
        joined(&owner, "grace@example.com", "admin").await;
        assert_problem(&owner.delete(&at).await, 409, "last_owner");
        assert_problem(&owner.patch(&at, json!({ "role": "admin" })).await, 409, "last_owner");
        assert_problem(&server.delete(&at).await, 409, "last_owner");
        assert_problem(&server.put(&at, json!({ "role": "member" })).await, 409, "last_owner");
        assert_problem(&owner.delete("/api/v1/me").await, 409, "last_owner");
    })
    .await;
}

#[tokio::test]
async fn of_two_owners_who_go_at_the_same_moment_one_stays() {
    with_catalog(CATALOG, async |server| {
        for (round, way) in ["leave", "step_down", "delete_me"].into_iter().enumerate() {
            let owner = Person::new(server, &format!("ada{round}@example.com")).await;
            let other = joined(&owner, &format!("grace{round}@example.com"), "owner").await;
            joined(&owner, &format!("linus{round}@example.com"), "member").await;
            let go = async |person: &Person<'_>| {
                let at = member(&owner.account, &person.user);
                match way {
                    "leave" => person.delete(&at).await,
                    "step_down" => person.patch(&at, json!({ "role": "member" })).await,
                    _ => person.delete("/api/v1/me").await,
                }
            };
            let (one, two) = tokio::join!(go(&owner), go(&other));
            let mut statuses = [one.status, two.status];
            statuses.sort_unstable();
            let done = if way == "step_down" { 200 } else { 204 };
            assert_eq!(statuses, [done, 409], "{way}: {} {}", one.text, two.text);
            let listed = roles(server, &owner.account).await;
            assert_eq!(listed.iter().filter(|(_, role)| role == "owner").count(), 1, "{way}: {listed:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_account_is_transferred_to_a_member_after_a_recent_sign_in() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let admin = joined(&owner, "grace@example.com", "admin").await;
        let path = format!("/api/v1/accounts/{}/transfer", owner.account);
        let to = |user: &str| json!({ "user": user });
        assert_problem(&admin.post(&path, to(&admin.user)).await, 403, "insufficient_role");
        assert_problem(&owner.post(&path, to("nobody")).await, 404, "not_found");
        let stranger = Person::new(server, "eve@example.com").await;
        assert_problem(&owner.post(&path, to(&stranger.user)).await, 404, "not_found");
        server.advance(1_000).await;
        assert_problem(&owner.post(&path, to(&admin.user)).await, 403, "recent_sign_in_required");
        let owner_role = json!({ "role": "owner" });
        let refused = owner.patch(&member(&owner.account, &admin.user), owner_role).await;
        assert_problem(&refused, 403, "recent_sign_in_required");
        owner.post("/api/v1/me/confirm", json!({ "password": PASSWORD })).await.expect(204);
        let transferred = owner.post(&path, to(&admin.user)).await.expect(200).json();
        assert_eq!((&transferred["role"], &transferred["user"]), (&json!("owner"), &json!(admin.user)));
        let expected = pairs(&[("ada@example.com", "admin"), ("grace@example.com", "owner")]);
        assert_eq!(roles(server, &owner.account).await, expected);
        assert_problem(&owner.post(&path, to(&owner.user)).await, 403, "insufficient_role");
        server.post(&path, to(&owner.user)).await.expect(200);
        let expected = pairs(&[("ada@example.com", "owner"), ("grace@example.com", "admin")]);
        assert_eq!(roles(server, &owner.account).await, expected);
    })
    .await;
}
