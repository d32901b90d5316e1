//! Reservations between batches: finding those whose time is over, and the commands that settle them.

use std::sync::Arc;

use domain::ids::{AccountId, EventId, ReservationId};
use domain::ledger::{Action, Command, OnExpiry, Reservation, Scopes};
use domain::name::Name;
use domain::time::Timestamp;

use super::{Durability, Ledger, Request};
use crate::value::Row;
use crate::{Entropy, StorageError, Tx};

pub(crate) const SELECT_ONE: &str = "SELECT id, state, made_at, expires_at, on_expiry, scopes, amounts, holds, draws, \
    settled_by FROM reservations WHERE account_id = $1 AND id = $2";
/// With what is kept beside it, for the event that settles it.
pub(crate) const SELECT_EXPIRED_KEPT: &str = "SELECT id, state, made_at, expires_at, on_expiry, scopes, amounts, holds, \
    draws, settled_by, model, details FROM reservations WHERE account_id = $1 AND state = 'open' \
    AND expires_at <= $2 ORDER BY expires_at LIMIT 256";
const SELECT_ACCOUNTS_WITH_EXPIRED: &str = "SELECT DISTINCT account_id FROM reservations \
    WHERE state = 'open' AND expires_at <= $1 LIMIT 256";

const RENEW: &str = "UPDATE reservations SET expires_at = $3, on_expiry = $4 \
    WHERE account_id = $1 AND id = $2 AND state = 'open'";

pub(crate) const STATEMENTS: &[&str] = &[SELECT_ONE, SELECT_EXPIRED_KEPT, SELECT_ACCOUNTS_WITH_EXPIRED, RENEW];

/// A longer life for a hold, and what becomes of it if nobody settles it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Renewal {
    pub reservation: ReservationId,
    /// Later than before: an earlier end could be missed.
    pub expires_at: Timestamp,
    pub on_expiry: OnExpiry,
}

/// Renews a hold that is in the database and open.
pub(crate) fn renew(tx: &mut Tx<'_>, renewal: &Renewal) -> Result<(), StorageError> {
    let Renewal { reservation, expires_at, on_expiry } = renewal;
    let own = reservation.own_text();
    let values = [reservation.account.into(), own.into(), (*expires_at).into(), on_expiry.as_str().into()];
    tx.execute(RENEW, &values).map(|_| ())
}

/// The command that settles an expired reservation by its own rule.
pub(crate) fn expiry_request(
    reservation: &Reservation,
    row: &Row,
    at: Timestamp,
    entropy: &Entropy,
) -> Result<Request, StorageError> {
    Ok(Request {
        command: Command {
            event: EventId::new(reservation.id.account, at, entropy.bits()),
            action: Action::Expire { reservation: reservation.id },
            scopes: Scopes::default(),
            amounts: Vec::new(),
            occurred_at: None,
        },
        key: None,
        model: Name::new(row.text("model")?),
        details: Arc::from(row.text("details")?),
        epoch: None,
        durability: Durability::Synced,
    })
}

impl Ledger {
    /// Renews open holds, all in one transaction. One that was settled meanwhile stays as it is.
    pub async fn renew_reservations(&self, mut renewals: Vec<Renewal>) -> Result<(), StorageError> {
        // In one order everywhere, so that two nodes never wait for each other's rows.
        renewals.sort_by_key(|renewal| (renewal.reservation.account, renewal.reservation.own_text()));
        renewals.dedup_by_key(|renewal| renewal.reservation);
        if let Some(sqlite) = self.database.sqlite() {
            return sqlite.keep_holds(&self.shared, renewals).await;
        }
        let write = move |tx: &mut Tx<'_>| renewals.iter().try_for_each(|renewal| renew(tx, renewal));
        self.database.write("renew_reservations", write).await
    }

    /// Accounts that have reservations whose time is over. An empty command settles each; see [`Ledger::settle`].
    pub async fn accounts_with_expired(&self) -> Result<Vec<AccountId>, StorageError> {
        let now = self.clock().now();
        let read = move |tx: &mut Tx<'_>| {
            let rows = tx.query(SELECT_ACCOUNTS_WITH_EXPIRED, &[now.into()])?;
            rows.iter().map(|row| row.parsed("account_id", AccountId::parse)).collect()
        };
        let mut accounts: Vec<AccountId> = self.database.read("accounts_with_expired_reservations", read).await?;
        accounts.extend(self.shared.held.accounts_with_expired(now));
        accounts.sort_unstable();
        accounts.dedup();
        Ok(accounts)
    }

    /// Sends an account through a batch with nothing of its own to do, so that what has expired there is settled.
    pub async fn settle(&self, account: AccountId) -> Result<(), super::LedgerError> {
        let command = Command {
            event: EventId::new(account, self.clock().now(), self.shared.entropy.bits()),
            action: Action::Release { reservation: domain::ids::ReservationId::from_own(account, 0) },
            scopes: Scopes::default(),
            amounts: Vec::new(),
            occurred_at: None,
        };
        // The batch settles what has expired before it judges; the release itself names a reservation nobody has.
        let durability = Durability::Synced;
        let (model, details) = (Name::new(""), Arc::from("{}"));
        self.submit_beside_others(Request { command, key: None, model, details, epoch: None, durability })
            .await
            .map(|_| ())
    }
}
