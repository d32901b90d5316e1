//! The first account, with something of every kind.

use serde_json::{Map, Value, json};
use testkit::server::TestServer;

use crate::stage::{Customer, Person, Shop, mails_to, until};

use super::description::{Named, operations};

/// How what is somebody's is named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marks {
    pub account: String,
    pub external_id: String,
    pub email: String,
    pub user: String,
    pub session: String,
    pub key: String,
    pub event: String,
    pub reservation: String,
    pub endpoint: String,
    pub delivery: String,
    pub invitation: String,
    pub mail: String,
    pub job: String,
    pub invoice: String,
}

/// The person whom strangers are after.
pub struct Owner<'s> {
    person: Person<'s>,
    pub marks: Marks,
}

impl<'s> Owner<'s> {
    pub async fn new(server: &'s TestServer) -> Owner<'s> {
        let (email, external_id) = ("the-first@example.com", "the-first-external-id");
        let person = Person::new(server, email).await;
        let path = format!("/api/v1/accounts/{}", person.account);
        let request = server.request("PATCH", &path).json(&json!({ "external_id": external_id, "email": email }));
        server.send(request).await.expect("an answer").expect(200);
        let key = person.post(&format!("{path}/api-keys"), json!({ "name": "First" })).await.expect(201).json();
        let hooks = format!("{path}/webhook-endpoints");
        let endpoint = json!({ "url": "https://hooks.example.invalid/first" });
        let endpoint = person.post(&hooks, endpoint).await.expect(201).json();
        let one = format!("{hooks}/{}", endpoint["id"].as_str().expect("an id"));
        // Disabled, so that what is listed of it does not change by itself.
        person.patch(&one, json!({ "status": "disabled" })).await.expect(200);
        let delivery = person.post(&format!("{one}/test"), json!({})).await.expect(202).json();
        until("the delivery is given up", async || {
            person.get(&format!("{one}/deliveries")).await.json()["data"][0]["state"] == "failed"
        })
        .await;
        let invited = json!({ "email": "invited-by-the-first@example.com", "role": "member" });
        let invitation = person.post(&format!("{path}/invitations"), invited).await.expect(201).json();
        let customer = Customer::new(server, external_id);
        let event = customer.consume(2).await.expect(200).json();
        let body = json!({ "meter": "requests", "quantity": 3, "ttl_seconds": 3_600 });
        let held = customer.reserve(body).await.expect(201).json();
        let credit = json!({ "meter": "requests", "quantity": 10, "reason": "First" });
        server.post(&format!("{path}/credits"), credit).await.expect(201);
        until("a mail to the first", async || !mails_to(server, email, "verify_email").await.is_empty()).await;
        let mails = mails_to(server, email, "verify_email").await;
        let shop = Shop::of(server);
        shop.buy(external_id, "pro", "monthly").await;
        shop.settled().await;
        let invoices = shop.invoices(external_id).await;
        let jobs = server.get("/api/v1/admin/jobs").await.expect(200).json();
        let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        let marks = Marks {
            account: person.account.clone(),
            external_id: external_id.to_owned(),
            email: email.to_owned(),
            user: person.user.clone(),
            session: person.session.clone(),
            key: text(&key["id"]),
            event: text(&event["event"]),
            reservation: text(&held["reservation"]),
            endpoint: text(&endpoint["id"]),
            delivery: text(&delivery["id"]),
            invitation: text(&invitation["id"]),
            mail: text(&mails[0]["id"]),
            job: text(&jobs["data"][0]["id"]),
            invoice: text(&invoices[0]["id"]),
        };
        Owner { person, marks }
    }

    /// Whatever the first person can see, by operation.
    pub async fn everything(&self, server: &TestServer) -> Value {
        let mut seen = Map::new();
        for operation in operations(server).await {
            if !operation.is_get() || operation.is_public || operation.counts() {
                continue;
            }
            for named in operation.ways_to_name() {
                let request = operation.request(server, &self.marks, named).bearer_auth(&self.person.access_token);
                let answer = server.send(request).await.expect("an answer");
                let shown =
                    if answer.status == 200 { without_times_of_use(answer.json()) } else { json!(answer.status) };
                seen.insert(format!("{operation} naming {named:?}"), shown);
            }
        }
        let shown = |path: &str, named: Named| &seen[&format!("GET /api/v1/{path} naming {named:?}")];
        assert!(shown("usage", Named::ByAccount)["limits"].is_array(), "{seen:?}");
        assert_eq!(shown("me", Named::Nothing)["email"], self.marks.email.as_str());
        assert_eq!(shown("usage/events/{id}", Named::InPath)["event"], self.marks.event.as_str());
        let keys = shown("accounts/{id}/api-keys", Named::InPath);
        assert_eq!(keys["data"].as_array().map(Vec::len), Some(1), "{keys}");
        Value::Object(seen)
    }
}

/// Looking changes when something was looked at.
fn without_times_of_use(mut shown: Value) -> Value {
    match &mut shown {
        Value::Object(fields) => {
            fields.retain(|name, _| !["last_used_at", "last_seen_at", "expires_at", "now"].contains(&name.as_str()));
            fields.values_mut().for_each(|value| *value = without_times_of_use(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_times_of_use(item.take())),
        _ => {}
    }
    shown
}

impl Marks {
    fn all(&self) -> [&String; 12] {
        let Self { account, external_id, email, user, session, key, event, reservation, .. } = self;
        let Self { endpoint, delivery, invitation, invoice, .. } = self;
        [account, external_id, email, user, session, key, event, reservation, endpoint, delivery, invitation, invoice]
    }

    /// Whether an answer shows any of them, other than by repeating the question.
    pub fn are_in(&self, answer: &str) -> bool {
        let Ok(mut shown) = serde_json::from_str::<Value>(answer) else { return false };
        if let Some(problem) = shown.as_object_mut().filter(|answer| answer.contains_key("instance")) {
            problem.remove("instance");
            problem.remove("detail");
        }
        let shown = shown.to_string();
        self.all().into_iter().any(|mark| shown.contains(mark.as_str()))
    }

    /// Of the same form, and nobody's.
    pub fn of_nobody(&self) -> Marks {
        let other = |mark: &String| {
            let (last, rest) = (mark.chars().last().unwrap_or('0'), &mark[..mark.len() - 1]);
            format!("{rest}{}", if last == '0' { '1' } else { '0' })
        };
        Marks {
            account: other(&self.account),
            external_id: other(&self.external_id),
            email: other(&self.email),
            user: other(&self.user),
            session: other(&self.session),
            endpoint: other(&self.endpoint),
            delivery: other(&self.delivery),
            invitation: other(&self.invitation),
            key: other(&self.key),
            event: other(&self.event),
            reservation: other(&self.reservation),
            mail: other(&self.mail),
            job: other(&self.job),
            invoice: other(&self.invoice),
        }
    }
}
