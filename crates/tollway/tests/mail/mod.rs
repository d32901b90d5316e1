//! Mails: what is told when, and how it gets to a mail server that is slow, busy, gone or strict.

mod delivery;
mod outbox;
mod servers;
mod warnings;

use serde_json::{Value, json};
use testkit::server::TestServer;

use crate::stage::Customer;

/// The outbox, newest first; `query` such as `state=waiting`.
async fn outbox(server: &TestServer, query: &str) -> Vec<Value> {
    let page = server.get(&format!("/api/v1/admin/mails?{query}")).await.expect(200).json();
    page["data"].as_array().expect("mails are listed").clone()
}

/// A customer with an address, who has used 80 of 100 requests, and so has a mail coming.
async fn warn<'s>(server: &'s TestServer, external_id: &'s str, email: &str) -> Customer<'s> {
    let body = json!({ "external_id": external_id, "name": "Ada & Co", "email": email });
    server.post("/api/v1/accounts", body).await.expect(201);
    let customer = Customer::new(server, external_id);
    customer.consume(80).await.expect(200);
    customer
}
