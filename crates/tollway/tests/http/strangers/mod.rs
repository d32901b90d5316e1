//! What strangers may not: every operation of the description is called by nobody and by people, keys and hand-off tokens
//! of another account, with the ids of a first one. New operations are called by themselves; one that this walk does not
//! know how to call fails it, and is then told to [`description`].

mod description;
mod extra_fields;
mod owner;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use crate::stage::{Person, SMALL_CATALOG, with_catalog};

use description::{Named, Operation, operations};
use owner::{Marks, Owner};

/// Who asks for what is not theirs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stranger {
    Nobody,
    Person,
    Key,
    HandOff,
}

/// Refusals by what the caller is, whatever is named: they tell nothing of it.
const BY_KIND: [&str; 4] = ["service_key_required", "sign_in_required", "key_required", "insufficient_scope"];

/// Refusals that say that nothing of that name is there for this caller.
const NOT_THERE: [&str; 3] = ["account_unknown", "not_found", "reservation_unknown"];

/// A person with an account of their own, and what acts for that account.
struct Strangers {
    person: String,
    key: String,
    hand_off: String,
}

impl Strangers {
    async fn new(server: &TestServer, email: &str) -> Strangers {
        let person = Person::new(server, email).await;
        let keys = format!("/api/v1/accounts/{}/api-keys", person.account);
        let scopes = ["usage:read", "usage:write", "accounts:read", "accounts:write", "keys:write", "billing:write"];
        let body = json!({ "name": "k", "scopes": scopes });
        let key = person.post(&keys, body).await.expect(201).json();
        let body = json!({ "account": person.account, "role": "owner" });
        let hand_off = server.post("/api/v1/hand-offs", body).await.expect(201).json();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        Strangers { key: text(&key["secret"]), hand_off: text(&hand_off["token"]), person: person.access_token }
    }

    fn secret(&self, of: Stranger) -> Option<&str> {
        match of {
            Stranger::Nobody => None,
            Stranger::Person => Some(&self.person),
            Stranger::Key => Some(&self.key),
            Stranger::HandOff => Some(&self.hand_off),
        }
    }
}

#[tokio::test]
async fn nobody_sees_or_changes_what_is_another_accounts() {
    with_catalog(SMALL_CATALOG, async |server| {
        let owner = Owner::new(server).await;
        let before = owner.everything(server).await;
        let mut mistakes = BTreeSet::new();
        for (number, operation) in operations(server).await.iter().enumerate() {
            // Some operations end whoever calls them, so each is called by new people.
            let strangers = Strangers::new(server, &format!("stranger-{number}@example.com")).await;
            for stranger in [Stranger::Nobody, Stranger::Person, Stranger::Key, Stranger::HandOff] {
                for named in operation.ways_to_name() {
                    let mut check = Check { server, operation, stranger, named, owner: &owner.marks };
                    mistakes.extend(check.mistake(&strangers).await);
                }
            }
            let after = owner.everything(server).await;
            if after != before {
                mistakes.insert(format!("{operation} changed the first account: {after} after {before}"));
                break;
            }
        }
        assert!(mistakes.is_empty(), "{}", mistakes.into_iter().collect::<Vec<_>>().join("\n"));
    })
    .await;
}

/// One call with the first account's ids.
struct Check<'c> {
    server: &'c TestServer,
    operation: &'c Operation,
    stranger: Stranger,
    named: Named,
    owner: &'c Marks,
}

impl Check<'_> {
    /// What is wrong with the answer.
    async fn mistake(&mut self, strangers: &Strangers) -> Option<String> {
        let answer = self.call(self.owner, strangers).await;
        let wrong = match self.stranger {
            _ if self.owner.are_in(&answer.text) => Some("shows what is the first account's".to_owned()),
            Stranger::Nobody if self.operation.is_public => must_be_answered(&answer),
            Stranger::Nobody => (answer.status != 401).then(|| "is no 401".to_owned()),
            _ if self.operation.is_public => must_be_answered(&answer),
            _ if self.named == Named::Nothing => must_be_answered(&answer),
            // Only people choose among accounts; a key and a hand-off stay with their own.
            Stranger::Key | Stranger::HandOff if self.named == Named::ByHeader => must_be_answered(&answer),
            _ => self.must_not_be_there(&answer, strangers).await,
        };
        let Self { operation, stranger, named, .. } = self;
        wrong.map(|wrong| {
            format!("{operation} by {stranger:?} naming {named:?} {wrong}: {} {}", answer.status, answer.text)
        })
    }

    /// What is another's is answered as what does not exist.
    async fn must_not_be_there(&self, answer: &Answer, strangers: &Strangers) -> Option<String> {
        let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
        // A person makes accounts, and says of none what the app's backend calls it.
        let is_named_by_person = answer.status == 422 && answer.json()["field"] == "external_id";
        let is_refused = is_refused_one_by_one(answer)
            || is_named_by_person
            || (answer.status == 404 && NOT_THERE.contains(&code.as_str()))
            || (answer.status == 403 && BY_KIND.contains(&code.as_str()));
        if !is_refused {
            return Some("is no 404".to_owned());
        }
        let unknown = self.call(&self.owner.of_nobody(), strangers).await;
        let is_same = unknown.status == answer.status && unknown.json()["code"] == answer.json()["code"];
        (!is_same).then(|| format!("differs from what does not exist: {}", unknown.text))
    }

    async fn call(&self, marks: &Marks, strangers: &Strangers) -> Answer {
        let request = self.operation.request(self.server, marks, self.named);
        let request = match strangers.secret(self.stranger) {
            Some(secret) => request.bearer_auth(secret),
            None => request,
        };
        self.server.send(request).await.expect("an answer")
    }
}

/// A batch is taken whatever is in it, and each part refused by itself.
fn is_refused_one_by_one(answer: &Answer) -> bool {
    let answered = answer.json();
    let Some(results) = answered["results"].as_array().filter(|_| answer.status == 200) else { return false };
    results.iter().all(|result| result["status"] == "rejected" && result["code"] == "account_unknown")
}

/// An operation that names nothing of another's may answer as it likes, but must have understood the question.
fn must_be_answered(answer: &Answer) -> Option<String> {
    let is_not_understood = matches!(answer.status, 400 | 405 | 413 | 415 | 422 | 429 | 500..);
    is_not_understood.then(|| "was not called as it wants to be; tell the walk how".to_owned())
}
