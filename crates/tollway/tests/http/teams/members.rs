//! Who belongs to an account, as what, and how it ends.

use serde_json::json;

use crate::stage::{PASSWORD, Person, assert_problem, with_catalog};

use super::{CATALOG, joined, member, members, pairs, roles};

#[tokio::test]
async fn members_are_listed_in_the_order_they_joined_a_page_at_a_time() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let grace = joined(&owner, "grace@example.com", "admin").await;
        let linus = joined(&owner, "linus@example.com", "member").await;
        let expected =
            pairs(&[("ada@example.com", "owner"), ("grace@example.com", "admin"), ("linus@example.com", "member")]);
        assert_eq!(roles(server, &owner.account).await, expected);
        let listed = linus.get(&members(&owner.account)).await.expect(200).json();
        assert_eq!(
            (&listed["data"][1]["user"], &listed["data"][0]["name"]),
            (&json!(grace.user), &json!("Ada Lovelace"))
        );
        let path = format!("{}?limit=2", members(&owner.account));
        let first = owner.get(&path).await.expect(200).json();
        let cursor = first["next_cursor"].as_str().expect("another page");
        let second = owner.get(&format!("{path}&cursor={cursor}")).await.expect(200).json();
        assert_eq!(
            (first["data"].as_array().map(Vec::len), second["data"].as_array().map(Vec::len)),
            (Some(2), Some(1))
        );
        assert_eq!((&second["data"][0]["user"], second["next_cursor"].is_null()), (&json!(linus.user), true));
        for query in ["limit=0", "cursor=x", "cursor=1.usr_x"] {
            let answer = owner.get(&format!("{}?{query}", members(&owner.account))).await;
            assert_problem(&answer, 422, "invalid_request");
        }
    })
    .await;
}

#[tokio::test]
async fn admins_manage_members_and_admins_and_only_owners_make_owners() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let admin = joined(&owner, "grace@example.com", "admin").await;
        let plain = joined(&owner, "linus@example.com", "member").await;
        let at = |person: &Person<'_>| member(&owner.account, &person.user);
        let to = |role: &str| json!({ "role": role });
        for refused in [
            plain.patch(&at(&plain), to("admin")).await,
            plain.delete(&at(&admin)).await,
            admin.patch(&at(&plain), to("owner")).await,
            admin.patch(&at(&owner), to("member")).await,
            admin.patch(&at(&admin), to("owner")).await,
            admin.delete(&at(&owner)).await,
        ] {
            assert_problem(&refused, 403, "insufficient_role");
        }
        admin.patch(&at(&plain), to("admin")).await.expect(200);
        plain.patch(&at(&admin), to("member")).await.expect(200);
        let changed = owner.patch(&at(&admin), to("owner")).await.expect(200).json();
        assert_eq!((&changed["role"], &changed["email"]), (&json!("owner"), &json!("grace@example.com")));
        admin.patch(&at(&owner), to("member")).await.expect(200);
        assert_problem(&owner.patch(&at(&plain), to("member")).await, 403, "insufficient_role");
        assert_problem(&admin.patch(&at(&admin), to("boss")).await, 422, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn who_is_removed_has_no_access_from_the_next_request_on_and_their_keys_are_revoked() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let plain = joined(&owner, "linus@example.com", "member").await;
        let keys = format!("/api/v1/accounts/{}/api-keys", owner.account);
        let key = plain.post(&keys, json!({ "name": "Laptop" })).await.expect(201).json();
        let kept = owner.post(&keys, json!({ "name": "CI" })).await.expect(201).json();
        let consume = async |secret: &serde_json::Value| {
            let request = server.request_of_nobody("POST", "/api/v1/usage/consume");
            let request = request.bearer_auth(secret.as_str().expect("a secret"));
            server.send(request.json(&json!({ "meter": "requests", "quantity": 2 }))).await.expect("an answer")
        };
        consume(&key["secret"]).await.expect(200);
        plain.post("/api/v1/usage/consume", json!({ "meter": "requests", "quantity": 3 })).await.expect(200);
        owner.delete(&member(&owner.account, &plain.user)).await.expect(204);
        assert_problem(&consume(&key["secret"]).await, 401, "unauthenticated");
        assert_problem(&plain.get(&members(&owner.account)).await, 404, "account_unknown");
        let consumed = plain.post("/api/v1/usage/consume", json!({ "meter": "requests" })).await;
        assert_problem(&consumed, 400, "account_not_named");
        assert_eq!(plain.me().await["accounts"], json!([]));
        consume(&kept["secret"]).await.expect(200);
        let usage = owner.get("/api/v1/usage").await.expect(200).json();
        assert_eq!(crate::stage::limit_of(&usage, "requests", "month", "account")["used"], 7);
        assert_problem(&owner.delete(&member(&owner.account, &plain.user)).await, 404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn people_leave_by_themselves_and_keep_their_other_accounts() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let other = Person::new(server, "linus@example.com").await;
        super::invite(&owner, "linus@example.com", "member").await.expect(201);
        let token = crate::stage::mail_link(server, "linus@example.com", "invitation").await;
        other.post(super::ACCEPT, json!({ "token": token })).await.expect(200);
        assert_eq!(other.me().await["account"], owner.account.as_str());
        other.delete(&member(&owner.account, &other.user)).await.expect(204);
        assert_eq!(other.me().await["account"], other.account.as_str());
        assert_eq!(roles(server, &owner.account).await, pairs(&[("ada@example.com", "owner")]));
    })
    .await;
}

#[tokio::test]
async fn a_service_key_adds_and_changes_members_and_an_accounts_own_key_may_not() {
    with_catalog(CATALOG, async |server| {
        let account = crate::stage::Customer::new(server, "team-1").account().await;
        let ada = Person::new(server, "ada@example.com").await;
        let at = member(&account, &ada.user);
        let added = server.put(&at, json!({ "role": "owner" })).await.expect(201).json();
        assert_eq!((&added["user"], &added["role"]), (&json!(ada.user), &json!("owner")));
        server.put(&at, json!({ "role": "owner" })).await.expect(200);
        assert_problem(&server.put(&at, json!({ "role": "member" })).await, 409, "last_owner");
        let listed = ada.get(&members(&account)).await.expect(200).json();
        assert_eq!(listed["data"][0]["role"], "owner");
        assert_problem(&ada.put(&at, json!({ "role": "owner" })).await, 403, "service_key_required");
        let nobody = member(&account, "usr_00000000000000000000000000");
        assert_problem(&server.put(&nobody, json!({ "role": "member" })).await, 404, "not_found");
        let path = format!("/api/v1/accounts/{account}/api-keys");
        let key = server.post(&path, json!({ "name": "Own" })).await.expect(201).json();
        let own = key["secret"].as_str().expect("a secret");
        for (method, path, body) in [
            ("GET", members(&account), json!({})),
            ("PATCH", at.clone(), json!({ "role": "admin" })),
            ("DELETE", at.clone(), json!({})),
            ("POST", super::invitations(&account), json!({ "email": "x@example.com" })),
            ("POST", format!("/api/v1/accounts/{account}/transfer"), json!({ "user": ada.user })),
            ("DELETE", format!("/api/v1/accounts/{account}"), json!({})),
            ("GET", format!("/api/v1/accounts/{account}/audit-events"), json!({})),
        ] {
            let request = server.request_of_nobody(method, &path).bearer_auth(own).json(&body);
            assert_problem(&server.send(request).await.expect("an answer"), 403, "sign_in_required");
        }
        let narrow = server.post("/api/v1/keys", json!({ "name": "Narrow", "scopes": ["usage:read"] })).await;
        let narrow = narrow.expect(201).json()["secret"].as_str().expect("a secret").to_owned();
        let request = server.request_of_nobody("PUT", &at).bearer_auth(&narrow).json(&json!({ "role": "owner" }));
        assert_problem(&server.send(request).await.expect("an answer"), 403, "insufficient_scope");
    })
    .await;
}

#[tokio::test]
async fn a_stranger_finds_no_account() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let stranger = Person::new(server, "eve@example.com").await;
        let account = format!("/api/v1/accounts/{}", owner.account);
        for (method, path, body) in [
            ("GET", account.clone(), json!({})),
            ("DELETE", account.clone(), json!({})),
            ("GET", members(&owner.account), json!({})),
            ("PATCH", member(&owner.account, &owner.user), json!({ "role": "member" })),
            ("DELETE", member(&owner.account, &owner.user), json!({})),
            ("DELETE", member(&owner.account, &stranger.user), json!({})),
            ("POST", format!("{account}/transfer"), json!({ "user": stranger.user })),
            ("POST", super::invitations(&owner.account), json!({ "email": "eve@example.com" })),
            ("GET", super::invitations(&owner.account), json!({})),
            ("GET", format!("{account}/audit-events"), json!({})),
            ("GET", format!("{account}/api-keys"), json!({})),
            ("GET", format!("/api/v1/usage?account={}", owner.account), json!({})),
        ] {
            let answer = server.send(stranger.request(method, &path).json(&body)).await.expect("an answer");
            assert_problem(&answer, 404, "account_unknown");
        }
        let request = stranger.request("GET", "/api/v1/usage").header("Tollway-Account", &owner.account);
        assert_problem(&server.send(request).await.expect("an answer"), 404, "account_unknown");
        Person::sign_in(server, "ada@example.com", PASSWORD).await;
    })
    .await;
}
