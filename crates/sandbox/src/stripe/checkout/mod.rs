//! Checkout: a session says what is bought, a page takes the card, and what was bought comes into being once it is paid.
//! `/v1/checkout/sessions`.
//!
//! [`sessions`] are the requests; [`paying`] is what a person does, on the page or by a test.

pub mod paying;
pub mod sessions;
