//! What signed-in people see and change of themselves.

pub mod change;
pub mod confirm;
pub mod delete;
pub mod password;
pub mod sessions;
pub mod show;
pub mod totp;
