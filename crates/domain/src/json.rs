//! JSON written field by field, for what is written with every command and every answer to one: names and numbers are not
//! looked through for what needs an escape. Everything else is written by serde.
//!
//! What writes a field is inlined, so that the length of its name is known where it is copied.

use serde::Serialize;

use crate::plain::Plain;

/// So many bytes are compared at once.
const BLOCK: usize = 16;
const THERE_IS_MEMORY: &str = "there is always more memory";

/// JSON that is being written. Names of fields need no escape.
#[derive(Debug)]
pub struct Json {
    text: String,
    has_nulls: bool,
}

impl Json {
    /// Fields without a value are left out. `bytes`: as long as it is going to be.
    pub fn without_nulls(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), has_nulls: false }
    }

    /// Fields without a value are null.
    pub fn with_nulls(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), has_nulls: true }
    }

    pub fn into_text(self) -> String {
        self.text
    }

    pub fn object(&mut self, put: impl FnOnce(&mut Self)) {
        self.text.push('{');
        put(self);
        self.text.push('}');
    }

    /// A field that is an object.
    pub fn inner<T>(&mut self, name: &'static str, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.field(name, value, |json, value| json.object(|inner| put(inner, value)));
    }

    /// A field that is a list of objects.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        mut put: impl FnMut(&mut Self, T),
    ) {
        self.name(name);
        self.text.push('[');
        for item in items {
            if !self.text.ends_with('[') {
                self.text.push(',');
            }
            self.object(|object| put(object, item));
        }
        self.text.push(']');
    }

    pub fn boolean(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.text.push_str(if value { "true" } else { "false" });
    }

    #[inline(always)]
    pub fn number(&mut self, name: &'static str, number: Option<impl itoa::Integer>) {
        self.field(name, number, |json, number| json.text.push_str(itoa::Buffer::new().format(number)));
    }

    /// A number with decimals.
    #[inline(always)]
    pub fn exact(&mut self, name: &'static str, amount: Option<impl Plain>) {
        self.field(name, amount, |json, amount| amount.write_to(&mut json.text).expect(THERE_IS_MEMORY));
    }

    #[inline(always)]
    pub fn text(&mut self, name: &'static str, text: Option<&str>) {
        self.field(name, text, |json, text| push_text(&mut json.text, text));
    }

    /// A text that needs no escape.
    #[inline(always)]
    pub fn plain(&mut self, name: &'static str, text: Option<impl Plain>) {
        self.field(name, text, |json, text| {
            json.text.push('"');
            text.write_to(&mut json.text).expect(THERE_IS_MEMORY);
            json.text.push('"');
        });
    }

    /// A text that is put together in place, and looked through when it stands there.
    pub fn composed(&mut self, name: &'static str, compose: impl FnOnce(&mut String)) {
        self.name(name);
        self.text.push('"');
        let start = self.text.len();
        compose(&mut self.text);
        if needs_escape(&self.text.as_bytes()[start..]) {
            let text = self.text.split_off(start);
            self.text.pop();
            push_escaped(&mut self.text, &text);
        } else {
            self.text.push('"');
        }
    }

    /// # Panics
    /// For what JSON cannot write: maps whose keys are no texts.
    pub fn value(&mut self, name: &'static str, value: Option<impl Serialize>) {
        self.field(name, value, |json, value| json.text.push_str(&written(&value)));
    }

    #[inline(always)]
    fn field<T>(&mut self, name: &'static str, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => {
                self.name(name);
                put(self, value);
            }
            None if self.has_nulls => {
                self.name(name);
                self.text.push_str("null");
            }
            None => {}
        }
    }

    #[inline(always)]
    fn name(&mut self, name: &'static str) {
        self.text.push_str(if self.text.ends_with('{') { "\"" } else { ",\"" });
        self.text.push_str(name);
        self.text.push_str("\":");
    }
}

/// Adds a text in quotes. Most need no escape.
pub fn push_text(json: &mut String, text: &str) {
    if needs_escape(text.as_bytes()) {
        push_escaped(json, text);
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}

#[cold]
fn push_escaped(json: &mut String, text: &str) {
    json.push_str(&written(&text));
}

/// Looks at whole blocks, the last of which may begin in the one before.
fn needs_escape(text: &[u8]) -> bool {
    let (blocks, _) = text.as_chunks();
    let last = text.last_chunk().copied().unwrap_or_else(|| {
        let mut short = [b' '; BLOCK];
        short[..text.len()].copy_from_slice(text);
        short
    });
    has_special(&last) || blocks.iter().any(has_special)
}

/// Looks at every byte, since all of them at once cost no more than one.
fn has_special(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(false, |found, byte| found | (*byte < b' ') | (*byte == b'"') | (*byte == b'\\'))
}

fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with text keys can always be written")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::NanoUsd;
    use crate::time::Timestamp;

    fn put_all(json: &mut Json) {
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
    }

    #[test]
    fn fields_stand_in_their_order_and_what_has_no_value_is_left_out() {
        let mut json = Json::without_nulls(0);
        put_all(&mut json);
        assert_eq!(json.into_text(), r#"{"b":-1,"c":{},"d":{"e":7},"g":"{","h":[1.5]}"#);
    }

    #[test]
    fn what_has_no_value_is_null_where_nulls_are_written() {
        let mut json = Json::with_nulls(0);
        put_all(&mut json);
        assert_eq!(json.into_text(), r#"{"a":null,"b":-1,"c":{},"d":{"e":7},"f":null,"g":"{","h":[1.5],"i":null}"#);
    }

    #[test]
    fn lists_amounts_and_times_are_written_as_what_they_are() {
        let mut json = Json::with_nulls(0);
        json.object(|json| {
            json.boolean("yes", true);
            json.boolean("no", false);
            json.list("none", [0; 0], |_, _| ());
            json.list("[", [1, 2], |item, number| item.number("n", Some(number)));
            json.exact("half", Some(NanoUsd::from_nano(-500_000_000)));
            json.plain("half_text", Some(NanoUsd::from_nano(-500_000_000)));
            json.plain("at", Some(Timestamp::EPOCH));
            json.plain("never", None::<Timestamp>);
        });
        assert_eq!(
            json.into_text(),
            concat!(
                r#"{"yes":true,"no":false,"none":[],"[":[{"n":1},{"n":2}],"half":-0.5,"half_text":"-0.5","#,
                r#""at":"1970-01-01T00:00:00Z","never":null}"#
            )
        );
    }

    proptest! {
        #[test]
        fn texts_are_written_as_serde_writes_them(text in any::<String>()) {
            let expected = serde_json::to_string(&text).expect("text");
            let mut json = String::new();
            push_text(&mut json, &text);
            prop_assert_eq!(&json, &expected);
            let mut json = Json::with_nulls(0);
            json.object(|json| json.composed("a", |json| json.push_str(&text)));
            prop_assert_eq!(json.into_text(), format!("{{\"a\":{expected}}}"));
        }

        /// One sign that may need an escape, anywhere among others that need none.
        #[test]
        fn nothing_that_needs_an_escape_is_overlooked(
            mut text in "[a-zé]{0,70}",
            place in 0usize..70,
            special in proptest::char::range('\0', '\u{7f}'),
        ) {
            let place = (0..=place.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
            text.insert(place, special);
            let mut json = String::new();
            push_text(&mut json, &text);
            prop_assert_eq!(json, serde_json::to_string(&text).expect("text"));
        }
    }
}
