//! Form bodies and query strings with bracketed names, as one tree: `items[0][price]=p` is
//! `{"items": [{"price": "p"}]}`. Every leaf is a text. Start with [`parse`].

use serde_json::{Map, Value};

/// The tree of a form. A name whose brackets do not close stands for itself.
pub fn parse(form: &str) -> Value {
    let mut root = Value::Object(Map::new());
    for pair in form.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name);
        insert(&mut root, &segments(&name), decode(value));
    }
    lists(root)
}

fn segments(name: &str) -> Vec<&str> {
    match name.split_once('[') {
        Some((first, rest)) if rest.ends_with(']') => {
            let mut segments = vec![first];
            segments.extend(rest[..rest.len() - 1].split("]["));
            segments
        }
        _ => vec![name],
    }
}

fn insert(into: &mut Value, segments: &[&str], value: String) {
    let Some((first, rest)) = segments.split_first() else {
        *into = Value::String(value);
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let map = into.as_object_mut().expect("it was made an object above");
    let key = if first.is_empty() { map.len().to_string() } else { (*first).to_owned() };
    insert(map.entry(key).or_insert(Value::Null), rest, value);
}

/// Objects whose keys are all numbers become lists.
fn lists(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    if !map.is_empty() && map.keys().all(|key| key.parse::<u32>().is_ok()) {
        let mut entries: Vec<(u32, Value)> =
            map.into_iter().map(|(key, value)| (key.parse().unwrap_or_default(), lists(value))).collect();
        entries.sort_by_key(|(place, _)| *place);
        return Value::Array(entries.into_iter().map(|(_, value)| value).collect());
    }
    Value::Object(map.into_iter().map(|(key, value)| (key, lists(value))).collect())
}

/// `application/x-www-form-urlencoded`, where a plus is a space.
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn brackets_make_a_tree() {
        let tree = parse("items[0][price]=p&items[1][price]=q&metadata[a]=b+c%21&expand[]=x&expand[]=y&empty=");
        assert_eq!(
            tree,
            json!({
                "items": [{ "price": "p" }, { "price": "q" }],
                "metadata": { "a": "b c!" },
                "expand": ["x", "y"],
                "empty": "",
            })
        );
    }
}
