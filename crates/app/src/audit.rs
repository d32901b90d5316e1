//! The audit trail: who did what, when and from where. An event is written in the transaction that does it.

use std::fmt::Display;

use domain::ids::{AccountId, AuditEventId};
use domain::time::Timestamp;
use serde_json::Value as Json;
use storage::records::audit_events::{self, AuditEvent};
use storage::{StorageError, Tx};

use crate::App;
use crate::identity::Device;

/// An event that is about to happen: its id and time are taken before the transaction, so that the transaction may run
/// again.
#[derive(Clone, Debug)]
pub struct Audited {
    id: AuditEventId,
    at: Timestamp,
    action: &'static str,
    address: Option<String>,
}

impl Audited {
    /// `action` names what was acted on and what was done: `user.signed_in`.
    pub fn new(app: &App, action: &'static str, device: Option<&Device>) -> Self {
        let address = device.map(|device| device.address.clone()).filter(|address| !address.is_empty());
        Self { id: app.new_id(), at: app.now(), action, address }
    }

    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// Writes the event. `actor` and `resource` are ids.
pub fn note(
    tx: &mut Tx<'_>,
    audited: &Audited,
    account: Option<AccountId>,
    actor: impl Display,
    resource: impl Display,
    metadata: Json,
) -> Result<(), StorageError> {
    let event = AuditEvent {
        id: audited.id,
        account,
        actor: actor.to_string(),
        action: audited.action.to_owned(),
        resource: resource.to_string(),
        metadata,
        address: audited.address.clone(),
        created_at: audited.at,
    };
    audit_events::insert(tx, &event)
}
