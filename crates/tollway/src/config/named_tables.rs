//! Tables of which there may be several, each with a name: `[upstreams.NAME]` in the file, `TOLLWAY_UPSTREAM_NAME_…` in
//! the environment.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::settings::{Kind, Setting};
use super::{Found, check, line_of};

/// A kind of table: what it is called and what there is to say in it.
pub struct TableKind {
    /// The name of the outer table.
    pub table: &'static str,
    /// For messages: `an upstream`.
    pub one: &'static str,
    /// Its variables begin so, then come the table's name and the field.
    pub variable: &'static str,
    pub fields: &'static [Setting],
}

/// What one table says, by field.
pub type Fields = BTreeMap<&'static str, Found>;

/// What was found of one kind, before it is checked.
pub struct NamedTables {
    kind: &'static TableKind,
    /// In the order of the file, then of the environment.
    found: Vec<(String, Fields)>,
}

pub const fn field(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Setting {
    Setting { name, kind, default, help, secret: false }
}

pub const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Text, default: "", help, secret: true }
}

/// The text of a field; where it is empty `instead`, and where that is empty too the field's own default.
pub fn text_of_field(known: &[Setting], fields: &Fields, name: &str, instead: &str) -> String {
    let default = known.iter().find(|field| field.name == name).map_or("", |field| field.default);
    let found = fields.get(name).map_or("", |found| found.text.as_str());
    [found, instead, default].into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned()
}

impl NamedTables {
    pub fn new(kind: &'static TableKind) -> Self {
        Self { kind, found: Vec::new() }
    }

    /// Reads the tables of this kind, of all that the file has.
    pub fn read_file(&mut self, (file, source): (&str, &str), table: &DeTable<'_>, mistakes: &mut Vec<String>) {
        let TableKind { table: outer, one, .. } = self.kind;
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == outer) else { return };
        let place = format!("{file}:{}", line_of(source, key.span().start));
        let DeValue::Table(named) = value.get_ref() else {
            return mistakes.push(format!("{place}: {outer} must be a table"));
        };
        let mut named: Vec<_> = named.iter().collect();
        named.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in named {
            match value.get_ref() {
                DeValue::Table(fields) => self.read_table((file, source), key.get_ref(), fields, mistakes),
                _ => mistakes.push(format!("{place}: write {one} as a table, [{outer}.{}]", key.get_ref())),
            }
        }
    }

    fn read_table(
        &mut self,
        (file, source): (&str, &str),
        name: &str,
        table: &DeTable<'_>,
        mistakes: &mut Vec<String>,
    ) {
        let TableKind { one, fields, .. } = self.kind;
        let mut found = Fields::new();
        for (key, value) in table.iter() {
            let place = format!("{file}:{}", line_of(source, key.span().start));
            let Some(field) = fields.iter().find(|field| field.name == key.get_ref()) else {
                let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
                mistakes.push(format!("{place}: {one} has no {}; known are {}", key.get_ref(), known.join(", ")));
                continue;
            };
            match text_of(value.get_ref()) {
                Some(text) => drop(found.insert(field.name, Found { text, place })),
                None => mistakes
                    .push(format!("{place}: {} must be text, a number, true or false, or a list of texts", field.name)),
            }
        }
        self.found.push((name.to_owned(), found));
    }

    /// Takes a variable of the environment, which wins over the file and may name a new table. False: it is of another
    /// kind.
    pub fn read_variable(&mut self, variable: &str, value: &str, mistakes: &mut Vec<String>) -> bool {
        let TableKind { one, variable: beginning, fields, .. } = self.kind;
        let Some(rest) = variable.strip_prefix(beginning) else { return false };
        let ends_in = |field: &Setting, ending: &str| {
            let name = rest.strip_suffix(&format!("_{}{ending}", field.name.to_ascii_uppercase()))?;
            (!name.is_empty()).then(|| name.to_owned())
        };
        let in_file = fields.iter().filter(|field| field.secret);
        let in_file = in_file.filter_map(|field| Some((ends_in(field, "_FILE")?, field, true)));
        let named = fields.iter().filter_map(|field| Some((ends_in(field, "")?, field, false)));
        // No field ends in another one, but the longest ending is meant all the same.
        let Some((name, field, is_file)) = in_file.chain(named).max_by_key(|(_, field, _)| field.name.len()) else {
            mistakes.push(format!("{variable}: no field of {one} has this name. See `tollway config reference`."));
            return true;
        };
        let text = match is_file.then(|| std::fs::read_to_string(value)) {
            None => value.to_owned(),
            Some(Ok(text)) => text.trim_end().to_owned(),
            Some(Err(error)) => {
                mistakes.push(format!("{variable}: {value}: {error}"));
                return true;
            }
        };
        let found = Found { text, place: variable.to_owned() };
        let is_meant = |table: &&mut (String, _)| table.0.to_ascii_uppercase().replace('-', "_") == name;
        match self.found.iter_mut().find(is_meant) {
            Some((_, fields)) => drop(fields.insert(field.name, found)),
            None => {
                let name = name.to_ascii_lowercase().replace('_', "-");
                self.found.push((name, Fields::from([(field.name, found)])));
            }
        }
        true
    }

    /// What was found, once every field is right. `None` when any mistake was told, here or before.
    pub fn checked(self, mistakes: &mut Vec<String>) -> Option<Vec<(String, Fields)>> {
        for (_, fields) in &self.found {
            for (name, found) in fields {
                if let Some(field) = self.kind.fields.iter().find(|field| field.name == *name)
                    && let Err(wrong) = check(field, &found.text)
                {
                    mistakes.push(format!("{}: {name} {wrong}", found.place));
                }
            }
        }
        mistakes.is_empty().then_some(self.found)
    }
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Integer(number) => Some(number.as_str().replace('_', "")),
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> = items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}
