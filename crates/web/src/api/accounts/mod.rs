//! Accounts: making, finding and changing them, their people, and what an operator gives or agrees with one.

pub mod audit_events;
pub mod close;
pub mod create;
pub mod credits;
pub mod get;
pub mod grant;
pub mod invitations;
pub mod list;
pub mod member;
pub mod members;
pub mod overrides;
pub mod status;
pub mod transfer;
pub mod update;

use app::accounts::Account;
use domain::ids::AccountId;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::answer::{Time, Written};

/// A customer.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountShape {
    #[schema(value_type = String, example = "acct_01k…")]
    id: Written<AccountId>,
    /// The id that your own system knows the customer by.
    external_id: Option<String>,
    name: String,
    email: Option<String>,
    billing_email: Option<String>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// `active`, `suspended` or `closed`.
    #[schema(example = "active")]
    status: &'static str,
    created_at: Time,
    updated_at: Time,
}

impl From<Account> for AccountShape {
    fn from(account: Account) -> Self {
        Self {
            id: Written(account.id),
            external_id: account.external_id,
            name: account.name,
            email: account.email,
            billing_email: account.billing_email,
            metadata: account.metadata,
            status: account.status.as_str(),
            created_at: Written(account.created_at),
            updated_at: Written(account.updated_at),
        }
    }
}

/// Tells null, which takes a value away, from absence, which leaves it.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
