//! The meaning of a request as a hash: the order of keys and the spelling of numbers make no difference.

use domain::quantity::parse_decimal;
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

/// Takes up one part after another. Each is told apart from the next by its length.
pub struct Meaning(Sha256);

impl Meaning {
    /// `verb` is what is asked for: the same content is something else to another verb.
    pub fn of(verb: &str) -> Self {
        let mut meaning = Self(Sha256::new());
        meaning.text(verb);
        meaning
    }

    pub fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    /// A field that may be absent.
    pub fn field(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name);
            self.text(value);
        }
    }

    pub fn number(&mut self, name: &str, value: Option<impl Into<i128>>) {
        if let Some(value) = value {
            self.text(name);
            self.0.update(value.into().to_le_bytes());
        }
    }

    pub fn object(&mut self, name: &str, map: Option<&Map<String, Value>>) {
        if let Some(map) = map {
            self.text(name);
            self.map(map);
        }
    }

    pub fn json(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.update(b"n"),
            Value::Bool(true) => self.0.update(b"t"),
            Value::Bool(false) => self.0.update(b"f"),
            Value::Number(number) => {
                self.0.update(b"#");
                self.text(&spelling(number));
            }
            Value::String(text) => {
                self.0.update(b"s");
                self.text(text);
            }
            Value::Array(items) => {
                self.0.update(b"[");
                self.0.update((items.len() as u64).to_le_bytes());
                items.iter().for_each(|item| self.json(item));
            }
            Value::Object(map) => self.map(map),
        }
    }

    fn map(&mut self, map: &Map<String, Value>) {
        self.0.update(b"{");
        self.0.update((map.len() as u64).to_le_bytes());
        let mut entries: Vec<(&String, &Value)> = map.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        for (key, value) in entries {
            self.text(key);
            self.json(value);
        }
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The whole hash.
    pub fn hash(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// As much of it as the ledger keeps with a key.
    pub fn short_hash(self) -> [u8; 16] {
        let hash = self.hash();
        let mut short = [0; 16];
        short.copy_from_slice(&hash[..16]);
        short
    }
}

/// One spelling for equal numbers: `1`, `1.0` and `1e0` are the same.
fn spelling(number: &Number) -> String {
    let text = number.to_string();
    match parse_decimal(&text, 0) {
        Ok(whole) => whole.to_string(),
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(json: &str) -> [u8; 32] {
        let mut meaning = Meaning::of("test");
        meaning.json(&serde_json::from_str(json).unwrap());
        meaning.hash()
    }

    #[test]
    fn order_and_spelling_make_no_difference() {
        assert_eq!(hash(r#"{"a": 1, "b": {"c": 2.50, "d": null}}"#), hash(r#"{"b":{"d":null,"c":2.5},"a":1.0}"#));
        assert_eq!(hash("[1, 100, -0.0]"), hash("[1e0, 1e2, 0]"));
    }

    #[test]
    fn everything_else_does() {
        let different = [
            "{}",
            "[]",
            "null",
            "true",
            "false",
            "\"\"",
            "0",
            "1",
            "1.5",
            "[[]]",
            "[0]",
            "[\"0\"]",
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"b":1}"#,
            r#"["a",1]"#,
            r#"["a1"]"#,
        ];
        let hashes: std::collections::HashSet<[u8; 32]> = different.iter().map(|json| hash(json)).collect();
        assert_eq!(hashes.len(), different.len());
        assert_ne!(Meaning::of("consume").hash(), Meaning::of("reserve").hash());
    }

    #[test]
    fn fields_cannot_run_into_each_other() {
        let of = |fields: [(&str, &str); 2]| {
            let mut meaning = Meaning::of("test");
            fields.iter().for_each(|(name, value)| meaning.field(name, Some(value)));
            meaning.short_hash()
        };
        assert_ne!(of([("a", "bc"), ("d", "e")]), of([("a", "b"), ("cd", "e")]));
    }
}
