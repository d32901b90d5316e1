//! JSON written field by field, for what is written with every command: names and numbers are not looked through for what
//! needs an escape. Everything else is written by serde.

use serde::Serialize;

/// JSON that is being written. Fields without a value are left out.
#[derive(Debug, Default)]
pub struct Json(String);

impl Json {
    /// `bytes`: as long as it is going to be.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    pub fn into_text(self) -> String {
        self.0
    }

    pub fn object(&mut self, put: impl FnOnce(&mut Self)) {
        self.0.push('{');
        put(self);
        self.0.push('}');
    }

    /// A field that is an object. `name`: needs no escape, here as everywhere.
    pub fn inner<T>(&mut self, name: &'static str, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        if let Some(value) = value {
            self.name(name);
            self.object(|inner| put(inner, value));
        }
    }

    pub fn number(&mut self, name: &'static str, number: Option<impl itoa::Integer>) {
        if let Some(number) = number {
            self.name(name);
            self.0.push_str(itoa::Buffer::new().format(number));
        }
    }

    pub fn text(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.name(name);
            push_text(&mut self.0, text);
        }
    }

    /// # Panics
    /// For what JSON cannot write: maps whose keys are no texts.
    pub fn value(&mut self, name: &'static str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.name(name);
            self.0.push_str(&written(&value));
        }
    }

    fn name(&mut self, name: &'static str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }
}

/// Adds a text in quotes. Most need no escape.
pub fn push_text(json: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&written(&text));
    }
}

fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with text keys can always be written")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_stand_in_their_order_and_what_has_no_value_is_left_out() {
        let mut json = Json::with_capacity(0);
        json.object(|json| {
            json.text("a", None);
            json.number("b", Some(-1));
            json.inner("c", Some(()), |_, ()| ());
            json.inner("d", Some(7), |inner, seven| inner.number("e", Some(seven)));
            json.inner("f", None::<()>, |_, ()| ());
            json.text("g", Some("{"));
            json.value("h", Some([1.5]));
            json.value("i", None::<u8>);
        });
        assert_eq!(json.into_text(), r#"{"b":-1,"c":{},"d":{"e":7},"g":"{","h":[1.5]}"#);
    }

    proptest! {
        #[test]
        fn texts_are_written_as_serde_writes_them(text in any::<String>()) {
            let mut json = String::new();
            push_text(&mut json, &text);
            prop_assert_eq!(json, serde_json::to_string(&text).expect("text"));
        }
    }
}
