//! Accounts: made, found, changed, listed, each once by its external id.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::stage::{Customer, assert_problem, on_each_engine};

const ACCOUNTS: &str = "/api/v1/accounts";

#[tokio::test]
async fn an_external_id_has_one_account() {
    on_each_engine(async |server| {
        let body = json!({ "external_id": "user-42", "name": "Ada", "email": "ada@example.com", "metadata": { "team": "blue" } });
        let made = server.post(ACCOUNTS, body.clone()).await.expect(201).json();
        assert!(made["id"].as_str().is_some_and(|id| id.starts_with("acct_")), "{made}");
        for (field, value) in body.as_object().expect("an object") {
            assert_eq!(&made[field], value, "{field}");
        }
        let again = server.post(ACCOUNTS, json!({ "external_id": "user-42", "name": "Eve" })).await.expect(200).json();
        assert_eq!(again, made);
        let path = format!("{ACCOUNTS}/{}", made["id"].as_str().expect("an id"));
        assert_eq!(server.get(&path).await.expect(200).json(), made);
        let found = server.get(&format!("{ACCOUNTS}?external_id=user-42")).await.expect(200).json();
        assert_eq!(found["data"], json!([made]));
        assert_problem(&server.get(&format!("{ACCOUNTS}/acct_nobody")).await, 404, "account_unknown");
        assert_problem(&server.post(ACCOUNTS, json!({})).await, 422, "invalid_request");
        let bad = server.post(ACCOUNTS, json!({ "name": "x", "email": "nobody" })).await;
        assert_eq!(assert_problem(&bad, 422, "invalid_request")["field"], "email");
    })
    .await;
}

#[tokio::test]
async fn many_at_once_make_one_account() {
    on_each_engine(async |server| {
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let request = server.request("POST", ACCOUNTS).json(&json!({ "external_id": "crowd" }));
            asking.spawn(async move {
                let answer = request.send().await.expect("the server answers");
                let status = answer.status().as_u16();
                (status, answer.json::<Value>().await.expect("JSON")["id"].to_string())
            });
        }
        let answers = asking.join_all().await;
        assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1);
        assert!(answers.iter().all(|(status, _)| [200, 201].contains(status)));
        assert_eq!(answers.iter().map(|(_, id)| id).collect::<BTreeSet<_>>().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_known_of_an_account_can_be_changed() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "changing");
        let path = format!("{ACCOUNTS}/{}", customer.account().await);
        let change = async |body: Value| {
            let request = server.request("PATCH", &path).json(&body);
            server.send(request).await.expect("an answer")
        };
        let changed = change(json!({ "name": "New", "email": "new@example.com", "metadata": { "a": 1 } }))
            .await
            .expect(200)
            .json();
        assert_eq!((&changed["name"], &changed["email"]), (&json!("New"), &json!("new@example.com")));
        let changed = change(json!({ "email": null })).await.expect(200).json();
        assert_eq!(
            (&changed["name"], &changed["email"], &changed["metadata"]),
            (&json!("New"), &Value::Null, &json!({ "a": 1 }))
        );
        assert_eq!(changed["external_id"], "changing");
        let other = change(json!({ "external_id": "other" })).await;
        assert!([409, 422].contains(&other.status), "{}", other.text);
        assert_problem(&change(json!({ "status": "suspended" })).await, 422, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn accounts_are_listed_a_page_at_a_time() {
    on_each_engine(async |server| {
        let mut made = BTreeSet::from([server.account.clone()]);
        for number in 0..7 {
            made.insert(Customer::new(server, &format!("listed-{number}")).account().await);
        }
        let (mut seen, mut path, mut pages) = (Vec::new(), format!("{ACCOUNTS}?limit=3"), 0);
        loop {
            let page = server.get(&path).await.expect(200).json();
            let data = page["data"].as_array().expect("data").clone();
            assert!(data.len() <= 3);
            seen.extend(data.iter().map(|account| account["id"].as_str().expect("an id").to_owned()));
            pages += 1;
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{ACCOUNTS}?limit=3&cursor={cursor}");
        }
        assert_eq!((seen.len(), pages), (8, 3));
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), made);
        assert_problem(&server.get(&format!("{ACCOUNTS}?limit=0")).await, 422, "invalid_request");
        assert_problem(&server.get(&format!("{ACCOUNTS}?cursor=nonsense")).await, 422, "invalid_request");
    })
    .await;
}
