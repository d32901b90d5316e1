//! One table of the file being read: asked for its keys one by one, and at the end for those that nobody asked for.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::values;
use crate::catalog::mistakes::{Mistakes, did_you_mean};
use crate::money::Currency;

/// A value and the key it stands under.
pub(super) struct Entry<'s, 'i> {
    /// As messages name it: `` `rank` of plan pro ``.
    pub(super) label: String,
    pub(super) key: &'s str,
    pub(super) key_span: Range<usize>,
    pub(super) value: &'s Spanned<DeValue<'i>>,
}

impl Entry<'_, '_> {
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }
}

/// A table of the file, and which of its keys the catalog knows.
pub(super) struct Section<'s, 'i> {
    /// As messages name it: `plan pro`; empty for the top of the file.
    name: String,
    /// Where mistakes about what is missing point.
    pub(super) span: Range<usize>,
    table: &'s DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'s, 'i> Section<'s, 'i> {
    pub(super) fn new(name: impl Into<String>, span: Range<usize>, table: &'s DeTable<'i>) -> Self {
        Self { name: name.into(), span, table, known: Vec::new() }
    }

    /// The table under an entry. A mistake and `None` when it is no table.
    pub(super) fn of_entry(
        name: impl Into<String>,
        entry: &Entry<'s, 'i>,
        example: &str,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        match entry.value.get_ref() {
            DeValue::Table(table) => Some(Self::new(name, entry.key_span.clone(), table)),
            other => {
                let what = format!("{} is {}, not a table.", entry.label, values::kind_of(other));
                mistakes.add(entry.span(), what, format!("Write it as {example}."));
                None
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn label(&self, key: &str) -> String {
        if self.name.is_empty() { format!("`{key}`") } else { format!("`{key}` of {}", self.name) }
    }

    /// The value of a key that the catalog knows, if the file has it.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Entry<'s, 'i>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries().into_iter().find(|entry| entry.key == key)
    }

    /// Every key, in the order of the file.
    pub(super) fn entries(&self) -> Vec<Entry<'s, 'i>> {
        let table = self.table;
        let mut entries: Vec<Entry<'s, 'i>> = table
            .iter()
            .map(|(key, value)| Entry {
                label: self.label(key.get_ref()),
                key: key.get_ref(),
                key_span: key.span(),
                value,
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        entries
    }

    /// The keys that nobody has asked for.
    pub(super) fn unread(&self) -> Vec<Entry<'s, 'i>> {
        self.entries().into_iter().filter(|entry| !self.known.contains(&entry.key)).collect()
    }

    /// Reports the keys that nobody has asked for.
    pub(super) fn finish(self, mistakes: &mut Mistakes) {
        for entry in self.unread() {
            let what = if self.name.is_empty() {
                format!("`{}` is not a setting of a catalog.", entry.key)
            } else {
                format!("`{}` is not a setting of {}.", entry.key, self.name)
            };
            mistakes.add(entry.key_span.clone(), what, did_you_mean(entry.key, self.known.iter().copied()));
        }
    }

    pub(super) fn text(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Option<String> {
        let entry = self.get(key)?;
        values::text(&entry, mistakes).map(str::to_owned)
    }

    pub(super) fn boolean(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Option<bool> {
        let entry = self.get(key)?;
        match entry.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            other => {
                let what = format!("{} is {}.", entry.label, values::kind_of(other));
                mistakes.add(entry.span(), what, "Write true or false, without quotes.");
                None
            }
        }
    }

    pub(super) fn whole_number(
        &mut self,
        key: &'static str,
        allowed: std::ops::RangeInclusive<u32>,
        mistakes: &mut Mistakes,
    ) -> Option<u32> {
        let entry = self.get(key)?;
        values::whole_number(&entry, allowed, mistakes)
    }

    pub(super) fn money(&mut self, key: &'static str, currency: Currency, mistakes: &mut Mistakes) -> Option<i64> {
        let entry = self.get(key)?;
        values::money(&entry, currency, mistakes)
    }
}
