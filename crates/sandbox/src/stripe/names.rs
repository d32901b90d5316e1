//! Which parameters an endpoint takes: a list of names, those of a level below in parentheses.
//!
//! `email metadata(*) items(price quantity) !transfer_data(*)` takes an email, metadata with any keys, and items with a
//! price and a quantity; `!` marks what Stripe takes and the stand-in does not. Start with [`check`].

use std::collections::BTreeMap;

use serde_json::Value;

use super::refusal::Refusal;

#[derive(Default)]
struct Names(BTreeMap<String, Name>);

#[derive(Default)]
struct Name {
    is_supported: bool,
    below: Option<Names>,
}

/// Refuses a parameter that the list does not have, and one that it marks.
pub fn check(list: &str, params: &Value) -> Result<(), Refusal> {
    let mut rest = list;
    check_level(&parse(&mut rest), params, "")
}

fn parse(rest: &mut &str) -> Names {
    let mut names = Names::default();
    loop {
        *rest = rest.trim_start();
        let end = rest.find([' ', '(', ')', '\n']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        *rest = after;
        let (is_supported, name) = match word.strip_prefix('!') {
            Some(name) => (false, name),
            None => (true, word),
        };
        let below = rest.strip_prefix('(').map(|inside| {
            *rest = inside;
            parse(rest)
        });
        if !name.is_empty() {
            names.0.insert(name.to_owned(), Name { is_supported, below });
        }
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(')') {
            *rest = after;
            return names;
        }
        if rest.is_empty() {
            return names;
        }
    }
}

fn check_level(names: &Names, value: &Value, prefix: &str) -> Result<(), Refusal> {
    let Value::Object(map) = value else { return Ok(()) };
    for (key, value) in map {
        let full = match prefix.is_empty() {
            true => key.clone(),
            false => format!("{prefix}[{key}]"),
        };
        if names.0.contains_key("*") {
            continue;
        }
        let name = names.0.get(key).ok_or_else(|| Refusal::unknown(&full))?;
        if !name.is_supported {
            return Err(Refusal::not_supported(&full));
        }
        check_value(name, value, &full)?;
    }
    Ok(())
}

fn check_value(name: &Name, value: &Value, full: &str) -> Result<(), Refusal> {
    match (value, &name.below) {
        (Value::Array(list), _) => {
            for (place, value) in list.iter().enumerate() {
                check_value(name, value, &format!("{full}[{place}]"))?;
            }
            Ok(())
        }
        (Value::Object(_), Some(below)) => check_level(below, value, full),
        (Value::Object(map), None) => {
            let key = map.keys().next().map(String::as_str).unwrap_or_default();
            Err(Refusal::unknown(&format!("{full}[{key}]")))
        }
        // A level that may also be one word or moment says so with a lone `=`.
        (Value::String(text), Some(below)) if !text.is_empty() && !below.0.contains_key("=") => {
            Err(Refusal::invalid("Invalid object").param(full))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIST: &str = "email metadata(*) items(price data(product)) !transfer_data(*) expand";

    fn refused(params: Value) -> Option<String> {
        check(LIST, &params).err().map(|refusal| refusal.message)
    }

    #[test]
    fn what_the_list_has_is_taken_and_nothing_else() {
        assert_eq!(refused(json!({ "email": "a", "metadata": { "any": "b" }, "expand": ["x"] })), None);
        assert_eq!(refused(json!({ "items": [{ "price": "p", "data": { "product": "q" } }] })), None);
        assert_eq!(refused(json!({ "zip": "1" })).unwrap(), "Received unknown parameter: zip");
        let nested = refused(json!({ "items": [{ "data": { "x": "q" } }] })).unwrap();
        assert_eq!(nested, "Received unknown parameter: items[0][data][x]");
        assert_eq!(refused(json!({ "email": { "x": "1" } })).unwrap(), "Received unknown parameter: email[x]");
    }

    #[test]
    fn what_is_marked_is_named_as_not_supported() {
        let message = refused(json!({ "transfer_data": { "destination": "a" } })).unwrap();
        assert_eq!(message, "transfer_data is not supported by the sandbox.");
    }
}
