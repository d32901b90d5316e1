//! Settles reservations whose time is over in accounts that do nothing themselves; in all others the next batch does it.

use futures_util::future::join_all;

use crate::{App, AppError};

/// Accounts that are settled at once.
const TOGETHER: usize = 32;

pub(super) async fn settle_expired(app: &App) -> Result<(), AppError> {
    let accounts = app.ledger.accounts_with_expired().await?;
    let mut failure = None;
    for slice in accounts.chunks(TOGETHER) {
        let settled = join_all(slice.iter().map(|account| app.ledger.settle(*account))).await;
        // One account that cannot be settled keeps no other from it.
        failure = settled.into_iter().find_map(Result::err).or(failure);
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}
