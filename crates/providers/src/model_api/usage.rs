//! What an answer says it used. Start at [`usage_of_answer`].

use domain::pricing::CallTokens;

use super::Endpoint;

/// The usage that a whole answer reports.
pub fn usage_of_answer(endpoint: Endpoint, body: &[u8]) -> Option<CallTokens> {
    let _ = (endpoint, body);
    None
}
