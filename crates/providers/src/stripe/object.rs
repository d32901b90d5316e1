//! How answers are read: by the places of what is wanted, so that nothing else in them matters. Start at [`Object`].
//!
//! A place is a JSON pointer: `/status_transitions/paid_at`. Where Stripe has moved something, the new place is asked
//! first and the old one after it.

use domain::time::Timestamp;
use serde_json::Value;

use super::form::Metadata;

/// An object of Stripe's, or a part of one.
#[derive(Clone, Copy)]
pub(super) struct Object<'v>(&'v Value);

/// What is built from an object of Stripe's.
pub(super) trait Read: Sized {
    fn read(object: Object<'_>) -> Result<Self, Unreadable>;
}

/// Something that Stripe always sends is not there, or is of another kind.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub(super) String);

impl<'v> Object<'v> {
    pub fn of(value: &'v Value) -> Self {
        Self(value)
    }

    pub fn value(self) -> &'v Value {
        self.0
    }

    /// What is at a place. Nothing and `null` are the same.
    pub fn at(self, place: &str) -> Option<Object<'v>> {
        self.0.pointer(place).filter(|value| !value.is_null()).map(Object)
    }

    pub fn text(self, place: &str) -> Option<String> {
        self.at(place)?.0.as_str().map(str::to_owned)
    }

    /// Text that is not empty.
    pub fn words(self, place: &str) -> Option<String> {
        self.text(place).filter(|text| !text.is_empty())
    }

    pub fn integer(self, place: &str) -> Option<i64> {
        self.at(place)?.0.as_i64()
    }

    /// False where nothing is said.
    pub fn flag(self, place: &str) -> bool {
        self.at(place).and_then(|at| at.0.as_bool()).unwrap_or(false)
    }

    pub fn time(self, place: &str) -> Option<Timestamp> {
        self.integer(place).map(Timestamp::from_seconds)
    }

    /// The id of another object, which may stand here whole.
    pub fn reference(self, place: &str) -> Option<String> {
        let at = self.at(place)?;
        at.0.as_str().map(str::to_owned).or_else(|| at.text("/id"))
    }

    pub fn metadata(self, place: &str) -> Metadata {
        let entries = self.at(place).and_then(|at| at.0.as_object()).into_iter().flatten();
        entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// The entries of an array, or of one of Stripe's lists.
    pub fn entries(self, place: &str) -> impl Iterator<Item = Object<'v>> + use<'v> {
        let at = self.at(place);
        let data = at.and_then(|at| at.0.get("data").or(Some(at.0))).and_then(Value::as_array);
        data.into_iter().flatten().map(Object)
    }

    pub fn list<T: Read>(self, place: &str) -> Result<Vec<T>, Unreadable> {
        self.entries(place).map(T::read).collect()
    }

    pub fn texts(self, place: &str) -> Vec<String> {
        self.entries(place).filter_map(|entry| entry.0.as_str().map(str::to_owned)).collect()
    }

    /// What every object has.
    pub fn id(self) -> Result<String, Unreadable> {
        self.words("/id").ok_or_else(|| self.without("/id"))
    }

    pub fn need_text(self, place: &str) -> Result<String, Unreadable> {
        self.text(place).ok_or_else(|| self.without(place))
    }

    pub fn need_integer(self, place: &str) -> Result<i64, Unreadable> {
        self.integer(place).ok_or_else(|| self.without(place))
    }

    pub fn need_time(self, place: &str) -> Result<Timestamp, Unreadable> {
        self.time(place).ok_or_else(|| self.without(place))
    }

    fn without(self, place: &str) -> Unreadable {
        let what = self.text("/object").unwrap_or_else(|| "object".to_owned());
        Unreadable(format!("{what} without {}", place.trim_start_matches('/').replace('/', ".")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_is_an_id_or_the_object_itself() {
        let value = json!({"a": "cus_1", "b": {"id": "cus_2", "object": "customer"}, "c": null, "d": 4, "e": {}});
        let object = Object::of(&value);
        let read = ["/a", "/b", "/c", "/d", "/e", "/f"].map(|place| object.reference(place));
        assert_eq!(read, [Some("cus_1".into()), Some("cus_2".into()), None, None, None, None]);
    }

    #[test]
    fn a_list_is_an_array_or_has_one() {
        let value = json!({"a": ["x", 1, "y"], "b": {"object": "list", "data": ["z"]}, "c": null, "d": "x"});
        let read = ["/a", "/b", "/c", "/d", "/e"].map(|place| Object::of(&value).texts(place));
        assert_eq!(read, [vec!["x".to_owned(), "y".to_owned()], vec!["z".to_owned()], vec![], vec![], vec![]]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let value = json!({"object": "invoice", "total": "12"});
        let object = Object::of(&value);
        assert_eq!(object.id().unwrap_err().to_string(), "invoice without id");
        assert_eq!(object.need_integer("/total").unwrap_err().to_string(), "invoice without total");
        assert_eq!(Object::of(&json!(3)).id().unwrap_err().to_string(), "object without id");
    }
}
