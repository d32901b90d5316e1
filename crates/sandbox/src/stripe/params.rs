//! Parameters of one request, read by name and refused in Stripe's words when they are not what they should be.
//!
//! Which names an endpoint takes at all is checked before, see [`super::names`]. Start with [`Params`].

use serde_json::{Map, Value};

use super::fields::Fields;
use super::refusal::Refusal;

/// A level of the form's tree, and the name that leads to it.
#[derive(Clone)]
pub struct Params {
    value: Value,
    prefix: String,
}

impl Params {
    pub fn new(value: Value) -> Params {
        Params { value, prefix: String::new() }
    }

    /// The full name, as an error says it: `items[0][price]`.
    pub fn name(&self, path: &str) -> String {
        let mut name = self.prefix.clone();
        for part in path.split('.') {
            match name.is_empty() {
                true => name.push_str(part),
                false => name.push_str(&format!("[{part}]")),
            }
        }
        name
    }

    pub fn is_given(&self, path: &str) -> bool {
        !self.value.at(path).is_null()
    }

    /// Given as an empty text, which takes the old value away.
    pub fn is_unset(&self, path: &str) -> bool {
        self.value.at(path) == &Value::String(String::new())
    }

    /// A text that is not empty.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.value.opt_text(path).filter(|text| !text.is_empty())
    }

    pub fn required(&self, path: &str) -> Result<&str, Refusal> {
        self.text(path).ok_or_else(|| Refusal::missing(&self.name(path)))
    }

    pub fn whole(&self, path: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(path) else { return Ok(None) };
        let refuse = || {
            let refusal = Refusal::invalid(format!("Invalid integer: {text}"));
            refusal.code("parameter_invalid_integer").param(&self.name(path))
        };
        text.parse().map(Some).map_err(|_| refuse())
    }

    pub fn flag(&self, path: &str) -> Result<Option<bool>, Refusal> {
        match self.text(path) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => Err(Refusal::invalid(format!("Invalid boolean: {text}")).param(&self.name(path))),
        }
    }

    pub fn one_of<'a>(&'a self, path: &str, choices: &[&str]) -> Result<Option<&'a str>, Refusal> {
        let Some(text) = self.text(path) else { return Ok(None) };
        if choices.contains(&text) {
            return Ok(Some(text));
        }
        let message = format!("Invalid {}: must be one of {}", self.name(path), choices.join(", "));
        Err(Refusal::invalid(message).param(&self.name(path)))
    }

    /// A level below. Empty when it is not given.
    pub fn below(&self, path: &str) -> Params {
        Params { value: self.value.at(path).clone(), prefix: self.name(path) }
    }

    /// The levels of a list.
    pub fn each(&self, path: &str) -> Vec<Params> {
        let count = self.value.list(path).len();
        (0..count).map(|place| self.below(&format!("{path}.{place}"))).collect()
    }

    /// The texts of a list, or the one text.
    pub fn texts(&self, path: &str) -> Vec<String> {
        match self.value.at(path) {
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Value::String(text) if !text.is_empty() => vec![text.clone()],
            _ => Vec::new(),
        }
    }

    /// A moment: seconds since 1970.
    pub fn moment(&self, path: &str) -> Result<Option<i64>, Refusal> {
        self.whole(path).map_err(|_| {
            let message = format!("Invalid timestamp: {}", self.text(path).unwrap_or_default());
            Refusal::invalid(message).param(&self.name(path))
        })
    }

    /// Metadata after this request: keys are added and replaced, empty values take a key away, an empty text all.
    pub fn metadata(&self, before: &Value) -> Value {
        self.merged("metadata", before)
    }

    fn merged(&self, path: &str, before: &Value) -> Value {
        let mut after = before.as_object().cloned().unwrap_or_default();
        if self.is_unset(path) {
            return Value::Object(Map::new());
        }
        let mut entries: Vec<(String, Value)> = Vec::new();
        match self.value.at(path) {
            Value::Object(given) => entries.extend(given.clone()),
            // Keys that are numbers look like a list.
            Value::Array(given) => {
                entries.extend(given.iter().cloned().enumerate().map(|(key, value)| (key.to_string(), value)))
            }
            _ => {}
        }
        for (key, value) in entries {
            match value == "" {
                true => after.remove(&key),
                false => after.insert(key, value),
            };
        }
        Value::Object(after)
    }

    /// What was given there, as it came.
    pub fn raw(&self, path: &str) -> &Value {
        self.value.at(path)
    }

    /// The whole level as it came.
    pub fn tree(&self) -> &Value {
        &self.value
    }

    /// Whether a moment lies in the range that `created[gte]` and its kin ask for.
    pub fn is_within(&self, path: &str, moment: i64) -> Result<bool, Refusal> {
        if let Some(exact) = self.text(path).and_then(|text| text.parse::<i64>().ok()) {
            return Ok(moment == exact);
        }
        let range = self.below(path);
        Ok(range.moment("gt")?.is_none_or(|bound| moment > bound)
            && range.moment("gte")?.is_none_or(|bound| moment >= bound)
            && range.moment("lt")?.is_none_or(|bound| moment < bound)
            && range.moment("lte")?.is_none_or(|bound| moment <= bound))
    }
}
