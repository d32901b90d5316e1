//! `/docs`: the API's description as one readable page. No script and nothing from elsewhere.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

use crate::problem::table;

const STYLE: &str = include_str!("static/docs.css");
/// Only the page's own style is loaded.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'self'; frame-ancestors 'none'");
/// How deep shapes within shapes are shown.
const DEEPEST: usize = 3;

pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"))], STYLE).into_response()
}

/// Written once, since the description does not change while the server runs, and not before it is asked for.
static PAGE: LazyLock<Bytes> = LazyLock::new(|| page(&crate::openapi()).into());

pub async fn docs() -> Response {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, html), (header::CONTENT_SECURITY_POLICY, POLICY)], PAGE.clone()).into_response()
}

fn page(description: &OpenApi) -> String {
    let description = serde_json::to_value(description).unwrap_or_default();
    let mut html = String::with_capacity(64 * 1024);
    html.push_str(concat!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        "<title>Tollway API</title><link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body><header>",
        "<h1>Tollway API</h1>",
        "<p>JSON over HTTP. Send your key as <code>Authorization: Bearer …</code>. The same description for machines: ",
        "<a href=\"/api/openapi.json\">openapi.json</a>.</p>",
        "<pre>curl https://your-server/api/v1/usage/consume \\\n  -H \"Authorization: Bearer $KEY\" ",
        "-H \"Content-Type: application/json\" \\\n  -d '{\"external_id\": \"user-42\", \"meter\": \"requests\"}'</pre>",
        "</header>",
    ));
    let tags = tags(&description);
    html.push_str("<nav aria-label=\"Areas\"><ul>");
    for tag in tags.iter().map(String::as_str).chain(["problems"]) {
        let _ = write!(html, "<li><a href=\"#{0}\">{0}</a></li>", escaped(tag));
    }
    html.push_str("</ul></nav><main>");
    for tag in &tags {
        let _ = write!(html, "<section id=\"{0}\"><h2>{0}</h2>", escaped(tag));
        for (path, method, operation) in operations(&description).filter(|(.., operation)| tag_of(operation) == tag) {
            write_operation(&mut html, &description, (path, method, operation));
        }
        html.push_str("</section>");
    }
    write_problems(&mut html);
    html.push_str("</main></body></html>");
    html
}

fn operations(description: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = description["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods
            .filter(|(_, operation)| operation["responses"].is_object())
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn tag_of(operation: &Value) -> &str {
    operation["tags"][0].as_str().unwrap_or("other")
}

/// Areas in the order that their first path has.
fn tags(description: &Value) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for (.., operation) in operations(description) {
        let tag = tag_of(operation);
        if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

fn write_operation(html: &mut String, description: &Value, (path, method, operation): (&str, &str, &Value)) {
    let text = |field: &str| marked_up(operation[field].as_str().unwrap_or_default());
    let _ = write!(
        html,
        "<article><h3><span class=\"method\">{}</span><code>{}</code></h3><p><strong>{}</strong></p><p class=\"summary\">{}</p>",
        method.to_uppercase(),
        escaped(path),
        text("summary"),
        text("description"),
    );
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        html.push_str("<details><summary>Parameters</summary><div class=\"scroll\"><table><thead><tr><th>Name</th><th>In</th><th>Meaning</th></tr></thead><tbody>");
        for parameter in parameters {
            let text = |field: &str| marked_up(parameter[field].as_str().unwrap_or_default());
            let _ = write!(
                html,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                text("name"),
                text("in"),
                text("description")
            );
        }
        html.push_str("</tbody></table></div></details>");
    }
    write_shape(html, description, ("Body", &operation["requestBody"]["content"]["application/json"]["schema"]));
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let schema = &response["content"]["application/json"]["schema"];
        write_shape(html, description, (&format!("Answer {status}"), schema));
    }
    html.push_str("</article>");
}

/// A table of the fields of a body or an answer.
fn write_shape(html: &mut String, description: &Value, (title, schema): (&str, &Value)) {
    if schema.is_null() {
        return;
    }
    let mut rows = String::new();
    write_fields(&mut rows, description, schema, ("", 0));
    if !rows.is_empty() {
        let _ = write!(
            html,
            "<details><summary>{}</summary><div class=\"scroll\"><table><thead><tr><th>Field</th><th>Type</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table></div></details>",
            escaped(title),
        );
    }
}

fn write_fields(rows: &mut String, description: &Value, schema: &Value, (prefix, depth): (&str, usize)) {
    let schema = resolved(description, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        write_fields(rows, description, part, (prefix, depth));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let field = resolved(description, field);
        let path = format!("{prefix}{name}");
        let meaning = field["description"].as_str().unwrap_or_default();
        let _ = write!(
            rows,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escaped(&path),
            escaped(&type_name(field)),
            marked_up(meaning)
        );
        let inner = if field["items"].is_object() { &field["items"] } else { field };
        if depth < DEEPEST {
            let sign = if field["items"].is_object() { "[]." } else { "." };
            write_fields(rows, description, inner, (&format!("{path}{sign}"), depth + 1));
        }
    }
}

/// What a reference refers to; of a choice with null the other one.
fn resolved<'d>(description: &'d Value, schema: &'d Value) -> &'d Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return &description["components"]["schemas"][name];
    }
    let choices = schema["oneOf"].as_array();
    let chosen = choices.and_then(|choices| choices.iter().find(|choice| choice["$ref"].is_string()));
    chosen.map_or(schema, |chosen| resolved(description, chosen))
}

fn type_name(schema: &Value) -> String {
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().map(type_name).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ if is_object(schema.as_object()) => "object".to_owned(),
        _ => "any".to_owned(),
    }
}

fn is_object(schema: Option<&Map<String, Value>>) -> bool {
    schema.is_some_and(|schema| schema.contains_key("properties") || schema.contains_key("allOf"))
}

fn write_problems(html: &mut String) {
    html.push_str(concat!(
        "<section id=\"problems\"><h2>problems</h2><p>Whatever is not done is told as problem details (RFC 9457): ",
        "<code>code</code> for programs, <code>detail</code> for people, and the facts to act on.</p>",
        "<div class=\"scroll\"><table><thead><tr><th>Code</th><th>Status</th><th>Title</th></tr></thead><tbody>",
    ));
    for entry in table::TABLE {
        let _ = write!(
            html,
            "<tr id=\"{0}\"><td><code>{0}</code></td><td>{1}</td><td>{2}</td></tr>",
            escaped(entry.code),
            entry.status,
            escaped(entry.title),
        );
    }
    html.push_str("</tbody></table></div></section>");
}

/// Text with `code` in it.
fn marked_up(text: &str) -> String {
    let mut html = String::new();
    for (place, part) in escaped(text).split('`').enumerate() {
        let is_code = place % 2 == 1;
        let _ = if is_code { write!(html, "<code>{part}</code>") } else { write!(html, "{part}") };
    }
    html
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_endpoint_and_every_code() {
        let description = crate::openapi();
        let page = page(&description);
        for path in description.paths.paths.keys() {
            assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        }
        for entry in table::TABLE {
            assert!(page.contains(&format!("id=\"{}\"", entry.code)));
        }
        assert!(page.contains("<td><code>limits[].meter</code></td>"));
        assert!(page.contains("<td><code>prompt_tokens</code></td>"));
        assert!(!page.contains("<script"));
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(marked_up("a `<b>` c"), "a <code>&lt;b&gt;</code> c");
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
