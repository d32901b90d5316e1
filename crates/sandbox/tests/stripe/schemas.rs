//! Requests and objects held against Stripe's published schemas and fixtures, where those lie beside the repository.
//!
//! They are material and no part of it: a folder `shared/stripe` next to the repository's root, or further up. Without
//! it these tests say so and pass; Stripe's own client judges the objects in any case.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::stage::{Stage, text};

const MISSING: &str = "skipped: Stripe's schemas are not there (shared/stripe beside the repository).";

fn material(file: &str) -> Option<Value> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = folders.map(|folder| folder.join("shared/stripe").join(file)).find(|path| path.is_file());
    let Some(path) = found else {
        println!("{MISSING}");
        return None;
    };
    Some(serde_json::from_slice(&std::fs::read(path).expect("it can be read")).expect("it is JSON"))
}

/// A parameter, and whether a level below it may have any names.
type Named = (String, bool);

/// Every parameter of a schema by its full name, with indexes for lists.
fn parameters(schema: &Value, prefix: &str, into: &mut Vec<Named>) {
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().for_each(|one| parameters(one, prefix, into));
    }
    match schema["type"].as_str() {
        Some("array") => parameters(&schema["items"], &format!("{prefix}[0]"), into),
        Some("object") => match schema["properties"].as_object() {
            Some(properties) if properties.is_empty() => {}
            Some(properties) => {
                for (name, below) in properties {
                    let full = if prefix.is_empty() { name.clone() } else { format!("{prefix}[{name}]") };
                    parameters(below, &full, into);
                }
            }
            None => into.push((format!("{prefix}[any]"), true)),
        },
        _ if !prefix.is_empty() && schema["x-unset"] != json!(true) => into.push((prefix.to_owned(), false)),
        _ => {}
    }
}

#[tokio::test]
async fn every_parameter_of_stripes_is_taken_or_named_as_not_supported_and_every_other_is_unknown() {
    let Some(schemas) = material("request_schemas.json") else { return };
    let stage = Stage::start().await;
    let mut problems = Vec::new();
    for (endpoint, schema) in schemas["endpoints"].as_object().expect("there are endpoints") {
        let (method, path) = endpoint.split_once(' ').expect("a method and a path");
        let path = path.replace("{id}", "none_1");
        let mut named = Vec::new();
        parameters(&schema["schema"], "", &mut named);
        named.sort();
        named.dedup();
        for (name, _) in &named {
            let answer = stage.call(method, &path, &[(name, "1")], &[]).await;
            if answer.body["error"]["code"] == "parameter_unknown" {
                problems.push(format!("{endpoint} does not know {name}"));
            }
            if let Some((level, _)) = name.rsplit_once('[').filter(|(_, last)| *last != "any]" && *last != "0]") {
                let other = format!("{level}[no_such_name]");
                let answer = stage.call(method, &path, &[(&other, "1")], &[]).await;
                let refused = answer.body["error"]["message"].as_str().unwrap_or_default();
                if !refused.contains("unknown parameter") && !refused.contains("not supported by the sandbox") {
                    problems.push(format!("{endpoint} takes {other}: {refused}"));
                }
            }
        }
        let answer = stage.call(method, &path, &[("no_such_name", "1")], &[]).await;
        if answer.body["error"]["message"] != "Received unknown parameter: no_such_name" {
            problems.push(format!("{endpoint} takes no_such_name: {}", answer.body));
        }
    }
    problems.dedup();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Every object that a value has inside, by the kind it names.
fn objects<'a>(value: &'a Value, into: &mut BTreeMap<String, Vec<&'a Value>>) {
    match value {
        Value::Object(map) => {
            if let Some(kind) = map.get("object").and_then(Value::as_str) {
                into.entry(kind.to_owned()).or_default().push(value);
            }
            map.values().for_each(|value| objects(value, into));
        }
        Value::Array(list) => list.iter().for_each(|value| objects(value, into)),
        _ => {}
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Fields of which Stripe's fixtures show an example where most objects have another, or where they are expanded.
const SHOWN_OTHERWISE: [(&str, &str); 3] =
    [("charge", "refunds"), ("event", "request"), ("charge", "authorization_code")];

async fn everything(stage: &Stage) -> Vec<Value> {
    let price = stage.price("pro", "2000", "month").await;
    let form = [
        ("mode", "subscription"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://app.test/ok"),
    ];
    let session = stage.post("/v1/checkout/sessions", &form).await;
    stage.steer(&format!("checkout/{}/pay", text(&session, "id")), json!({ "card": "4242424242424242" })).await;
    stage.subscription("pm_card_createDispute", &price).await;
    let late = stage.subscription("pm_card_chargeCustomerFail", &price).await;
    stage
        .post(
            "/v1/refunds",
            &[(
                "charge",
                text(
                    &stage
                        .get(
                            "/v1/charges",
                            &[(
                                "customer",
                                text(&stage.get("/v1/subscriptions", &[("status", "all")]).await, "data.2.customer"),
                            )],
                        )
                        .await,
                    "data.0.id",
                ),
            )],
        )
        .await;
    let item = [("customer", text(&late, "customer")), ("amount", "100"), ("currency", "usd")];
    stage.post("/v1/invoiceitems", &item).await;
    stage.post("/v1/coupons", &[("id", "HALF"), ("percent_off", "50")]).await;
    stage.post("/v1/promotion_codes", &[("promotion[type]", "coupon"), ("promotion[coupon]", "HALF")]).await;
    let portal = stage.post("/v1/billing_portal/sessions", &[("customer", text(&late, "customer"))]).await;
    let form = [("display_name", "Tokens"), ("event_name", "tokens"), ("default_aggregation[formula]", "sum")];
    let meter = stage.post("/v1/billing/meters", &form).await;
    stage.advance(80 * 86_400).await;
    let mut all = vec![portal, meter];
    for path in [
        "customers",
        "products",
        "prices",
        "checkout/sessions",
        "subscriptions",
        "invoices",
        "invoiceitems",
        "invoice_payments",
        "payment_intents",
        "charges",
        "refunds",
        "disputes",
        "billing_portal/configurations",
        "webhook_endpoints",
        "coupons",
        "promotion_codes",
        "events",
    ] {
        all.push(stage.get(&format!("/v1/{path}"), &[("limit", "100")]).await);
    }
    all
}

#[tokio::test]
async fn every_object_has_the_fields_that_stripe_always_sends_and_none_that_it_has_not() {
    let (Some(known), Some(fixtures)) = (material("objects_new.json"), material("fixtures_new_dahlia.json")) else {
        return;
    };
    let stage = Stage::start().await;
    let all = everything(&stage).await;
    let mut found = BTreeMap::new();
    all.iter().for_each(|value| objects(value, &mut found));
    let mut problems = std::collections::BTreeSet::new();
    let mut judged = 0;
    for (kind, made) in &found {
        let (Some(fixture), newest) = (fixtures["resources"][kind].as_object(), &known["resources"][kind]) else {
            continue;
        };
        for object in
            made.iter().filter_map(|object| object.as_object()).filter(|object| object.get("deleted").is_none())
        {
            judged += 1;
            let is_upcoming = !object.contains_key("id") && kind == "invoice";
            for (field, example) in fixture {
                let excused = SHOWN_OTHERWISE.contains(&(kind, field)) || (is_upcoming && field == "id");
                match object.get(field) {
                    // A field that is not in the newest types was dropped since the fixture was published.
                    None if excused || (newest.is_object() && newest.get(field).is_none()) => {}
                    None => drop(problems.insert(format!("{kind}.{field} is missing"))),
                    Some(value) if value.is_null() || example.is_null() || excused => {}
                    Some(value) if type_name(value) != type_name(example) => {
                        let message = format!("{kind}.{field} is a {}, not a {}", type_name(value), type_name(example));
                        problems.insert(message);
                    }
                    Some(_) => {}
                }
            }
            for field in object.keys().filter(|field| newest.is_object() && newest.get(*field).is_none()) {
                if !fixture.contains_key(field) {
                    problems.insert(format!("{kind}.{field} is no field of Stripe's"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.into_iter().collect::<Vec<_>>().join("\n"));
    assert!(judged > 100, "only {judged} objects were judged");
    for kind in
        ["customer", "subscription", "invoice", "charge", "payment_intent", "refund", "dispute", "checkout.session"]
    {
        assert!(found.contains_key(kind), "no {kind} was made");
    }
}
