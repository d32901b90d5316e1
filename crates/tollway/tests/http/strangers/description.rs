//! How each operation is called, by what the description says of it. What names somebody's is filled in with the marks of
//! whoever is meant; the rest with something that is good.

use std::fmt;

use serde_json::{Map, Value, json};
use testkit::server::TestServer;

use super::owner::Marks;

/// How a call names what is not the caller's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    Nothing,
    InPath,
    ByAccount,
    ByExternalId,
    ByHeader,
}

/// One operation of the description.
pub struct Operation {
    method: String,
    path: String,
    parameters: Vec<Value>,
    body: Option<Value>,
    /// All schemas that are referred to.
    schemas: Value,
    pub is_public: bool,
}

/// Every operation that the server describes.
pub async fn operations(server: &TestServer) -> Vec<Operation> {
    let description = server.get("/api/openapi.json").await.expect(200).json();
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            assert!(body.is_object() || operation["requestBody"].is_null(), "{method} {path} takes no JSON");
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                parameters: operation["parameters"].as_array().cloned().unwrap_or_default(),
                body: body.is_object().then(|| body.clone()),
                schemas: description["components"]["schemas"].clone(),
                is_public: operation["security"] == json!([{}]),
            });
        }
    }
    assert!(found.len() > 50, "only {} operations are described", found.len());
    found
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Operation {
    pub fn is_get(&self) -> bool {
        self.method == "GET"
    }

    /// Whether looking already counts.
    pub fn counts(&self) -> bool {
        self.path == "/api/v1/authorize"
    }

    /// Whether the body has a field of this name by the description, or may have any.
    pub fn may_have(&self, field: &str) -> bool {
        let Some(body) = &self.body else { return false };
        let schema = self.resolved(body);
        !schema["properties"][field].is_null() || schema["additionalProperties"] != json!(false)
    }

    /// All the ways in which a call can name what is another's.
    pub fn ways_to_name(&self) -> Vec<Named> {
        if self.path.split('/').any(|part| owned_in_path(part, &self.path)) {
            return vec![Named::InPath];
        }
        let takes = |name: &str| self.parameter(name).is_some() || self.takes_in_body(name);
        let mut ways = vec![Named::Nothing];
        if takes("account") {
            ways.push(Named::ByAccount);
        }
        if takes("external_id") {
            ways.push(Named::ByExternalId);
        }
        if !self.is_public && !self.path.starts_with("/api/v1/me") && takes("account") {
            ways.push(Named::ByHeader);
        }
        ways
    }

    /// The call, without who makes it.
    pub fn request(&self, server: &TestServer, marks: &Marks, named: Named) -> reqwest::RequestBuilder {
        let mut path = self.path.clone();
        for parameter in self.parameters.iter().filter(|parameter| parameter["in"] == "path") {
            let name = parameter["name"].as_str().expect("a name");
            let before = self.path.split(&format!("/{{{name}}}")).next().and_then(|path| path.rsplit('/').next());
            let value = in_path(before.unwrap_or_default(), marks);
            let value = value.unwrap_or_else(|| panic!("the walk does not know what {{{name}}} of {self} is; tell it"));
            path = path.replace(&format!("{{{name}}}"), &value);
        }
        let query = self.query(marks, named).join("&");
        let request = server.request_of_nobody(&self.method, &format!("{path}?{query}"));
        let request = match named {
            Named::ByHeader => request.header("Tollway-Account", &marks.account),
            _ => request,
        };
        match self.body(marks, named) {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters.iter().find(|parameter| parameter["name"] == name && parameter["in"] == "query")
    }

    fn query(&self, marks: &Marks, named: Named) -> Vec<String> {
        let query = self.parameters.iter().filter(|parameter| parameter["in"] == "query");
        let filled = query.filter_map(|parameter| {
            let name = parameter["name"].as_str().expect("a name");
            let value = match (name, named) {
                ("account", Named::ByAccount) => marks.account.clone(),
                ("external_id", Named::ByExternalId) => marks.external_id.clone(),
                ("to", _) if self.path.contains("/mails") => marks.email.clone(),
                ("identity", _) => marks.account.clone(),
                ("meter", _) => "requests".to_owned(),
                ("state", _) if parameter["required"] != json!(true) => return None,
                _ if parameter["required"] == json!(true) => {
                    panic!("the walk does not know what ?{name}= of {self} is; tell it")
                }
                _ => return None,
            };
            Some(format!("{name}={value}"))
        });
        filled.collect()
    }

    /// A body that is good.
    pub fn body(&self, marks: &Marks, named: Named) -> Option<Value> {
        self.body.as_ref().map(|schema| self.sample("body", schema, marks, named))
    }

    fn takes_in_body(&self, field: &str) -> bool {
        let Some(body) = &self.body else { return false };
        let schema = self.resolved(body);
        let item = &schema["properties"]["events"]["items"];
        !schema["properties"][field].is_null() || !self.resolved(item)["properties"][field].is_null()
    }

    /// A schema behind its reference, and of several the first that is not null.
    fn resolved<'v>(&'v self, schema: &'v Value) -> &'v Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
            return self.resolved(&self.schemas[name]);
        }
        for choice in ["oneOf", "anyOf", "allOf"] {
            if let Some(first) = schema[choice].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"))
            {
                return self.resolved(first);
            }
        }
        schema
    }

    fn sample(&self, name: &str, schema: &Value, marks: &Marks, named: Named) -> Value {
        let schema = self.resolved(schema);
        if name == "meter" && self.path.ends_with("/levels") {
            return json!("storage_mb");
        }
        if let Some(good) = good_value(name, marks) {
            return good;
        }
        if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
            return first.clone();
        }
        let kind = schema["type"].as_array().and_then(|kinds| kinds.first()).unwrap_or(&schema["type"]);
        match kind.as_str() {
            Some("string") => json!("x".repeat(schema["minLength"].as_u64().unwrap_or(1).max(1) as usize)),
            Some("integer" | "number") => json!(schema["minimum"].as_i64().unwrap_or(1).max(1)),
            Some("boolean") => json!(true),
            Some("array") => json!([self.sample("item", &schema["items"], marks, named)]),
            Some("object") => self.sample_object(schema, marks, named),
            _ => panic!("the walk does not know what `{name}` of {self} is; tell it: {schema}"),
        }
    }

    fn sample_object(&self, schema: &Value, marks: &Marks, named: Named) -> Value {
        let mut fields = Map::new();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            match (name.as_str(), named) {
                ("account", Named::ByAccount) => drop(fields.insert(name.clone(), json!(marks.account))),
                ("external_id", Named::ByExternalId) => drop(fields.insert(name.clone(), json!(marks.external_id))),
                ("account" | "external_id", _) => {}
                // One of the two is enough where both may be left out.
                ("meter" | "quantity" | "name" | "code" | "advance_seconds", _) => {
                    drop(fields.insert(name.clone(), self.sample(name, property, marks, named)));
                }
                // Whoever is invited may leave it out, and nobody else.
                ("email", _) if self.path.ends_with("/register") => {
                    drop(fields.insert(name.clone(), json!(marks.email)));
                }
                _ if required.contains(&json!(name)) => {
                    drop(fields.insert(name.clone(), self.sample(name, property, marks, named)));
                }
                _ => {}
            }
        }
        Value::Object(fields)
    }
}

fn owned_in_path(part: &str, path: &str) -> bool {
    let before = path.split(&format!("/{part}")).next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    part.starts_with('{') && !["plans", "entitlements", "oidc"].contains(&before)
}

/// What stands in a path behind this part.
fn in_path(before: &str, marks: &Marks) -> Option<String> {
    let value = match before {
        "accounts" => &marks.account,
        "users" | "members" => &marks.user,
        "sessions" => &marks.session,
        "api-keys" | "keys" => &marks.key,
        "events" => &marks.event,
        "reservations" => &marks.reservation,
        "webhook-endpoints" => &marks.endpoint,
        "deliveries" => &marks.delivery,
        "invitations" => &marks.invitation,
        "mails" => &marks.mail,
        "jobs" => &marks.job,
        "invoices" => &marks.invoice,
        "plans" => return Some("pro".to_owned()),
        // No account's own.
        "reconcile" => return Some("rec_00000000000000000000000000".to_owned()),
        "entitlements" => return Some("export_formats".to_owned()),
        "oidc" => return Some("school".to_owned()),
        _ => return None,
    };
    Some(value.clone())
}

/// Values that are good by what a field is called.
fn good_value(name: &str, marks: &Marks) -> Option<Value> {
    Some(match name {
        "meter" => json!("requests"),
        "quantity" => json!(1),
        "email" | "login" => json!(marks.email),
        "password" | "new_password" => json!("Copper-kettle-4-orchard"),
        "plan" => json!("pro"),
        "pack" => json!("small"),
        "status" => json!("suspended"),
        "code" => json!("000000"),
        "name" => json!("A stranger's"),
        "reason" => json!("Because."),
        "advance_seconds" => json!(1),
        _ => return None,
    })
}
