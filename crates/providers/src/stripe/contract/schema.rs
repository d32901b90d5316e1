//! Whether a parameter with brackets fits a schema.

use serde_json::Value;

/// What is wrong with a parameter, if anything.
pub fn objection(schema: &Value, name: &str, value: &str) -> Option<String> {
    let path: Vec<&str> = name.split(['[', ']']).filter(|part| !part.is_empty()).collect();
    (!fits(schema, &path, value)).then(|| format!("{name}={value}"))
}

fn fits(schema: &Value, path: &[&str], value: &str) -> bool {
    if let Some(some) = schema["anyOf"].as_array() {
        return some.iter().any(|schema| fits(schema, path, value));
    }
    let Some((name, rest)) = path.split_first() else { return is_value(schema, value) };
    match schema["type"].as_str() {
        Some("array") => name.parse::<usize>().is_ok() && fits(&schema["items"], rest, value),
        Some("object") => match schema["properties"].get(name) {
            Some(property) => fits(property, rest, value),
            None => schema["additionalProperties"].is_object() && fits(&schema["additionalProperties"], rest, value),
        },
        _ => false,
    }
}

fn is_value(schema: &Value, value: &str) -> bool {
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().any(|word| word == value);
    }
    match schema["type"].as_str() {
        Some("integer") => value.parse::<i64>().is_ok(),
        Some("number") => value.parse::<f64>().is_ok(),
        Some("boolean") => ["true", "false"].contains(&value),
        Some("string") => schema["maxLength"].as_u64().is_none_or(|most| value.len() as u64 <= most),
        _ => false,
    }
}

#[test]
fn a_schema_refuses_what_it_does_not_name() {
    let schema = serde_json::json!({"type": "object", "additionalProperties": false, "properties": {
        "mode": {"enum": ["payment"]},
        "limit": {"type": "integer"},
        "items": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "string"}}}},
        "metadata": {"anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"enum": [""]}]},
    }});
    for (name, value) in
        [("mode", "payment"), ("limit", "3"), ("items[0][price]", "p"), ("metadata[x]", "y"), ("metadata", "")]
    {
        assert_eq!(objection(&schema, name, value), None, "{name}={value}");
    }
    for (name, value) in [
        ("mode", "other"),
        ("limit", "x"),
        ("limit[0]", "3"),
        ("items[price]", "p"),
        ("items[0]", "p"),
        ("items[0][cost]", "p"),
        ("metadata", "x"),
        ("other", "x"),
    ] {
        assert!(objection(&schema, name, value).is_some(), "{name}={value}");
    }
}
