//! The objects of one kind, in the order in which they were made, and by what owns them: a customer's invoices are found
//! without looking at everybody's.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::Fields;

#[derive(Default, Serialize, Deserialize)]
pub struct Table {
    ids: Vec<String>,
    objects: HashMap<String, Value>,
    /// By the owner, in the order in which they were made. Not kept in the file; see [`Table::index`].
    #[serde(skip)]
    owned: HashMap<String, BTreeMap<u64, String>>,
    #[serde(skip)]
    numbers: HashMap<String, u64>,
    #[serde(skip)]
    next_number: u64,
}

/// The field that names what an object of a kind belongs to; lists take a parameter of the same name.
pub fn owner_field(kind: &str) -> &'static str {
    match kind {
        "event" => "data.object.id",
        "invoice_payment" => "invoice",
        "refund" | "dispute" => "charge",
        _ => "customer",
    }
}

impl Table {
    /// After it was loaded: finds the owners again.
    pub fn index(&mut self, owner_field: &str) {
        let (ids, mut objects) = (std::mem::take(&mut self.ids), std::mem::take(&mut self.objects));
        for id in ids {
            let object = objects.remove(&id);
            self.put(owner_field, &id, object);
        }
    }

    pub fn get(&self, id: &str) -> Option<&Value> {
        self.objects.get(id)
    }

    /// Oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.ids.iter().filter_map(|id| self.objects.get(id))
    }

    /// Those of one owner, oldest first.
    pub fn owned(&self, owner: &str) -> impl DoubleEndedIterator<Item = &Value> {
        let owned = self.owned.get(owner).into_iter().flat_map(BTreeMap::values);
        owned.filter_map(|id| self.objects.get(id))
    }

    /// Puts an object in its place; `None` takes it away. Gives what stood there before.
    pub fn put(&mut self, owner_field: &str, id: &str, object: Option<Value>) -> Option<Value> {
        let owner = |object: Option<&Value>| object.and_then(|object| object.opt_text(owner_field)).map(str::to_owned);
        let owner_after = owner(object.as_ref());
        let is_there = object.is_some();
        let before = match object {
            Some(object) => self.objects.insert(id.to_owned(), object),
            None => self.objects.remove(id),
        };
        if is_there && before.is_none() {
            self.ids.push(id.to_owned());
            self.numbers.insert(id.to_owned(), self.next_number);
            self.next_number += 1;
        }
        let number = self.numbers.get(id).copied().unwrap_or_default();
        let owner_before = owner(before.as_ref());
        if owner_before != owner_after {
            if let Some(owned) = owner_before.and_then(|owner| self.owned.get_mut(&owner)) {
                owned.remove(&number);
            }
            if let Some(owner) = owner_after {
                self.owned.entry(owner).or_default().insert(number, id.to_owned());
            }
        }
        if !is_there {
            // What is taken away was made just now, as a rule.
            if let Some(place) = self.ids.iter().rposition(|other| other == id) {
                self.ids.remove(place);
            }
            self.numbers.remove(id);
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ids<'t>(found: impl Iterator<Item = &'t Value>) -> Vec<&'t str> {
        found.map(|object| object.text("id")).collect()
    }

    #[test]
    fn what_belongs_to_somebody_is_found_also_after_it_was_given_away_taken_away_and_loaded() {
        let mut table = Table::default();
        let mut put = |id: &str, customer: Option<&str>| {
            table.put("customer", id, customer.map(|customer| json!({ "id": id, "customer": customer })))
        };
        for (id, customer) in [("a", "anna"), ("b", "bert"), ("c", "anna"), ("d", "anna")] {
            put(id, Some(customer));
        }
        assert_eq!(put("b", Some("anna")).expect("it was there")["customer"], "bert");
        put("c", None);
        put("e", Some("bert"));
        put("c", Some("anna"));
        let mut loaded: Table = serde_json::from_value(serde_json::to_value(&table).unwrap()).unwrap();
        loaded.index("customer");
        for table in [&table, &loaded] {
            assert_eq!(ids(table.owned("anna")), ["a", "b", "d", "c"]);
            assert_eq!(ids(table.owned("anna").rev()), ["c", "d", "b", "a"]);
            assert_eq!(ids(table.owned("bert")), ["e"]);
            assert_eq!(ids(table.owned("nobody")), [""; 0]);
            assert_eq!(ids(table.all()), ["a", "b", "d", "e", "c"]);
        }
    }
}
