//! Reading requests: who asks, which account is meant, and every value parsed once, at the edge.
//!
//! [`caller`] authenticates; [`client_address`] tells where a request came from; [`body`] and [`query`] read into typed
//! [`fields`] and name the field that is wrong; [`path`] reads ids; [`work`] reads what a metered call tells. Nothing past
//! here checks a value's shape again.

pub mod body;
pub mod caller;
pub mod client_address;
pub mod cookie;
pub mod device;
pub mod fields;
pub mod idempotency_key;
pub mod path;
pub mod query;
pub mod wording;
pub mod work;

pub use body::{JsonBody, JsonBodyOrNone};
pub use caller::Authenticated;
pub use client_address::ClientAddress;
pub use device::FromDevice;
pub use idempotency_key::KeyHeader;
pub use path::{PathId, PathIds};
pub use query::QueryFields;
