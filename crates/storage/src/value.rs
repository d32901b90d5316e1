//! Values and rows as both engines see them: integers, text, bytes and null.

use std::collections::HashMap;
use std::sync::Arc;

use domain::time::Timestamp;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::StorageError;

/// A parameter or a column.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Integer(value)
    }
}
impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Value::Integer(at.micros())
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}
impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(text.clone())
    }
}
impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Value::Bytes(bytes.to_vec())
    }
}
impl<K: domain::ids::Kind> From<domain::ids::Id<K>> for Value {
    fn from(id: domain::ids::Id<K>) -> Self {
        Value::Text(id.to_string())
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut bytes::BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(value) if *ty == Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
            Value::Integer(value) => value.to_sql(ty, out),
            Value::Text(text) => text.to_sql(ty, out),
            Value::Bytes(bytes) => bytes.as_slice().to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A row, its columns found by name.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<HashMap<String, usize>>,
    values: Vec<Value>,
}

impl Row {
    pub(crate) fn new(columns: Arc<HashMap<String, usize>>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    fn get(&self, column: &str) -> Result<&Value, StorageError> {
        let place = self.columns.get(column);
        place
            .and_then(|place| self.values.get(*place))
            .ok_or_else(|| StorageError::Unexpected(format!("the row has no column {column}")))
    }

    pub fn integer(&self, column: &str) -> Result<i64, StorageError> {
        self.integer_or_null(column)?.ok_or_else(|| unexpected_null(column))
    }

    pub fn integer_or_null(&self, column: &str) -> Result<Option<i64>, StorageError> {
        match self.get(column)? {
            Value::Null => Ok(None),
            Value::Integer(value) => Ok(Some(*value)),
            other => Err(StorageError::Unexpected(format!("{column} is no integer but {other:?}"))),
        }
    }

    pub fn time(&self, column: &str) -> Result<Timestamp, StorageError> {
        self.integer(column).map(Timestamp::from_micros)
    }

    pub fn time_or_null(&self, column: &str) -> Result<Option<Timestamp>, StorageError> {
        Ok(self.integer_or_null(column)?.map(Timestamp::from_micros))
    }

    pub fn text(&self, column: &str) -> Result<&str, StorageError> {
        self.text_or_null(column)?.ok_or_else(|| unexpected_null(column))
    }

    pub fn text_or_null(&self, column: &str) -> Result<Option<&str>, StorageError> {
        match self.get(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            other => Err(StorageError::Unexpected(format!("{column} is no text but {other:?}"))),
        }
    }

    pub fn bytes(&self, column: &str) -> Result<&[u8], StorageError> {
        match self.get(column)? {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(StorageError::Unexpected(format!("{column} is no bytes but {other:?}"))),
        }
    }

    pub fn bytes_or_null(&self, column: &str) -> Result<Option<&[u8]>, StorageError> {
        if *self.get(column)? == Value::Null { Ok(None) } else { self.bytes(column).map(Some) }
    }

    /// Reads text through a parser of a domain type, `AccountId::parse` for one.
    pub fn parsed<T>(&self, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StorageError> {
        let text = self.text(column)?;
        parse(text).ok_or_else(|| StorageError::Unexpected(format!("{column} holds {text:?}, which cannot be read")))
    }

    pub fn parsed_or_null<T>(
        &self,
        column: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StorageError> {
        if *self.get(column)? == Value::Null { Ok(None) } else { self.parsed(column, parse).map(Some) }
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StorageError> {
        serde_json::from_str(self.text(column)?)
            .map_err(|error| StorageError::Unexpected(format!("{column} cannot be read: {error}")))
    }
}

fn unexpected_null(column: &str) -> StorageError {
    StorageError::Unexpected(format!("{column} is null"))
}
