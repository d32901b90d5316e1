//! Webhooks: customers name endpoints of their own and are told there of what happens to their account.
//!
//! [`emit`] writes a message in the transaction that does what it tells of, once for each endpoint that wants it;
//! [`deliver`] is the job that sends it, signed as Standard Webhooks are, again and again until it is taken. What was sent
//! is kept for a while, and can be sent again by hand.

mod deliver;
mod emit;
mod endpoints;
mod events;
mod list_deliveries;
mod replay;

pub(crate) use deliver::{DELIVER_WEBHOOK, deliver, note_failure};
pub(crate) use emit::{Emitted, emit, emit_member};
pub use endpoints::{
    EndpointChanges, NewEndpoint, SigningSecret, create_endpoint, delete_endpoint, get_endpoint, list_endpoints,
    rotate_secret, update_endpoint,
};
pub use events::{ALL as EVENTS, Event};
pub use list_deliveries::{DeliveryPage, list_deliveries};
pub use replay::{replay_delivery, send_test};
pub use storage::records::webhooks::{DeliveryState, EndpointStatus, WebhookDelivery, WebhookEndpoint};

use domain::permissions::Action;
use storage::Tx;
use storage::records::webhooks;

use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::{App, AppError};

/// Who may: admins and owners, and the platform's backend.
const MAY_MANAGE: (Action, &str) = (Action::ManageWebhooks, ACCOUNTS_WRITE);
/// How long what was sent is kept.
const KEPT_MICROS: i64 = 30 * domain::time::MICROS_PER_DAY;

/// Forgets what was sent long ago.
pub(crate) async fn delete_old(app: &App) -> Result<(), AppError> {
    const TOGETHER: u32 = 200;
    let before = app.now().minus_micros(KEPT_MICROS);
    let write = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(webhooks::delete_old(tx, before, TOGETHER)?) };
    while app.database.write("delete_old_webhook_deliveries", write).await? >= TOGETHER as usize {}
    Ok(())
}
