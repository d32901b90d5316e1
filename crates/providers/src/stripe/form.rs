//! The bodies of calls: names with brackets, as Stripe writes them. Start at [`Form::put`].

use std::collections::BTreeMap;
use std::fmt::Display;

use domain::time::Timestamp;
use url::form_urlencoded::Serializer;

/// Text that Stripe keeps with an object for us. In a request an empty value removes the key.
pub type Metadata = BTreeMap<String, String>;

/// What becomes of a setting that an object has already.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Setting<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

/// Parameters in the order in which they were put.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    pub fn new() -> Self {
        Self::default()
    }

    /// `name` with its brackets: `recurring[interval]`.
    #[must_use]
    pub fn put(mut self, name: &str, value: impl Display) -> Self {
        self.pairs.push((name.to_owned(), value.to_string()));
        self
    }

    /// Leaves out what is not there.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// `true`, or nothing.
    #[must_use]
    pub fn flag(self, name: &str, value: bool) -> Self {
        self.maybe(name, value.then_some(true))
    }

    /// Whole seconds.
    #[must_use]
    pub fn time(self, name: &str, at: Option<Timestamp>) -> Self {
        self.maybe(name, at.map(Timestamp::seconds))
    }

    #[must_use]
    pub fn metadata(self, name: &str, metadata: &Metadata) -> Self {
        metadata.iter().fold(self, |form, (key, value)| form.put(&format!("{name}[{key}]"), value))
    }

    /// `name[0]`, `name[1]`, …
    #[must_use]
    pub fn list(self, name: &str, values: impl IntoIterator<Item = impl Display>) -> Self {
        let each = values.into_iter().enumerate();
        each.fold(self, |form, (index, value)| form.put(&format!("{name}[{index}]"), value))
    }

    /// Asks for objects instead of their ids.
    #[must_use]
    pub fn expand(self, paths: &[&str]) -> Self {
        self.list("expand", paths)
    }

    pub fn encoded(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.pairs).finish()
    }

    #[cfg(test)]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_brackets_and_values_are_escaped() {
        let metadata = Metadata::from([("account".into(), "acct_1".into()), ("note".into(), "a&b=c d+é".into())]);
        let form = Form::new()
            .put("customer", "cus_1")
            .maybe("email", None::<&str>)
            .maybe("quantity", Some(2))
            .flag("off", false)
            .flag("on", true)
            .time("trial_end", Some(Timestamp::from_micros(1_790_000_000_999_999)))
            .metadata("subscription_data[metadata]", &metadata)
            .list("items", ["a", "b"])
            .expand(&["latest_invoice"]);
        let expected = [
            "customer=cus_1",
            "quantity=2",
            "on=true",
            "trial_end=1790000000",
            "subscription_data%5Bmetadata%5D%5Baccount%5D=acct_1",
            "subscription_data%5Bmetadata%5D%5Bnote%5D=a%26b%3Dc+d%2B%C3%A9",
            "items%5B0%5D=a",
            "items%5B1%5D=b",
            "expand%5B0%5D=latest_invoice",
        ];
        assert_eq!(form.encoded(), expected.join("&"));
        assert_eq!(Form::new().encoded(), "");
    }

    #[test]
    fn what_is_encoded_reads_back_the_same() {
        let form = Form::new().put("metadata[a b]", "100 % \u{1F600}\r\n\"x\"").put("empty", "");
        let read: Vec<(String, String)> = url::form_urlencoded::parse(form.encoded().as_bytes()).into_owned().collect();
        assert_eq!(read, form.pairs());
    }
}
