//! Finds out who asks. On the path of every call: one hash and one look into memory where the key is known.

use storage::Tx;
use storage::records::api_keys;
use subtle::ConstantTimeEq;

use super::secret;
use crate::{App, AppError, Caller};

/// The caller that a secret belongs to.
///
/// # Errors
/// [`AppError::Unauthenticated`] when nobody has it, or it is expired or revoked: which of them is not told.
pub async fn authenticate(app: &App, secret: &str) -> Result<Caller, AppError> {
    let hash = secret::hash(secret);
    let now = app.now();
    if let Some(known) = app.keys.get(&hash, now) {
        return known;
    }
    if !secret::is_well_formed(secret) {
        return Err(AppError::Unauthenticated);
    }
    let ticket = app.keys.ticket();
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(api_keys::by_hash(tx, &hash)?) };
    let found = app.database.read("authenticate", read).await?;
    let key = found
        .filter(|key| bool::from(key.hash.ct_eq(&hash)))
        .filter(|key| key.revoked_at.is_none() && key.expires_at.is_none_or(|expiry| now < expiry))
        .ok_or(AppError::Unauthenticated)?;
    Ok(app.keys.put(ticket, &key, now))
}
