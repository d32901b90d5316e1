//! One request as an endpoint sees it.

use super::params::Params;

pub struct Request {
    /// The id in the path; empty where the path has none.
    pub id: String,
    pub params: Params,
}
