//! How an object's fields are read: objects are kept as the JSON that is shown, and a path such as `recurring.interval`
//! names a place in it. What is absent reads as nothing. Start with [`Fields`].

use serde_json::Value;

static NULL: Value = Value::Null;

/// Reading by path. Parts are field names, or places in a list counted from 0.
pub trait Fields {
    /// What stands there, or null.
    fn at(&self, path: &str) -> &Value;

    /// The text there, or none.
    fn opt_text(&self, path: &str) -> Option<&str> {
        self.at(path).as_str()
    }

    /// The text there, or the empty one.
    fn text(&self, path: &str) -> &str {
        self.opt_text(path).unwrap_or_default()
    }

    fn opt_whole(&self, path: &str) -> Option<i64> {
        self.at(path).as_i64()
    }

    /// The whole number there, or 0.
    fn whole(&self, path: &str) -> i64 {
        self.opt_whole(path).unwrap_or_default()
    }

    /// Whether `true` stands there.
    fn is(&self, path: &str) -> bool {
        self.at(path) == &Value::Bool(true)
    }

    /// The list there, or an empty one.
    fn list(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

impl Fields for Value {
    fn at(&self, path: &str) -> &Value {
        path.split('.').fold(self, |value, part| match value {
            Value::Object(map) => map.get(part).unwrap_or(&NULL),
            Value::Array(list) => part.parse::<usize>().ok().and_then(|place| list.get(place)).unwrap_or(&NULL),
            _ => &NULL,
        })
    }
}
