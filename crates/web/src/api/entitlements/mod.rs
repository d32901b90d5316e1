//! What an account's plan lets it do.

pub mod feature;
pub mod list;

use domain::catalog::FeatureValue;
use serde_json::Value;

/// A feature's value: true or false, a number, or a list with `*` for all.
pub fn value_of(feature: &FeatureValue) -> Value {
    match feature {
        FeatureValue::Boolean(included) => Value::Bool(*included),
        FeatureValue::Number(number) => Value::from(*number),
        FeatureValue::List(items) => items.iter().map(|item| item.as_str()).collect(),
    }
}
