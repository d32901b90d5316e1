//! What an account's plan lets it do.

pub mod feature;
pub mod list;

use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use domain::catalog::FeatureValue;

use crate::extract::fields::Text;

/// Names the account, with a service key.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountQuery {
    #[param(inline)]
    pub account: Option<Text<1, 64>>,
    #[param(inline)]
    pub external_id: Option<Text<1, 255>>,
}

/// A feature's value: true or false, a number, or a list with `*` for all.
pub fn value_of(feature: &FeatureValue) -> Value {
    match feature {
        FeatureValue::Boolean(included) => Value::Bool(*included),
        FeatureValue::Number(number) => Value::from(*number),
        FeatureValue::List(items) => items.iter().map(|item| item.as_str()).collect(),
    }
}
