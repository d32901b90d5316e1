//! Puts accounts whose granted plan is over back on the default plan. Limits already hold to the minute without this:
//! whoever judges an account sees that the grant is over. This makes the rows say so.

use storage::Tx;
use storage::records::subscriptions;

use crate::{App, AppError};

const TOGETHER: u32 = 100;

pub(crate) async fn end_due_grants(app: &App) -> Result<(), AppError> {
    loop {
        let default_plan = app.plans().await?.default_plan().map(|version| version.id);
        let now = app.now();
        let find = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(subscriptions::due_grants(tx, now, TOGETHER)?) };
        let due = app.database.read("find_due_grants", find).await?;
        for account in &due {
            let account = *account;
            let end = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
                Ok(subscriptions::end_due_grant(tx, account, default_plan, now)?)
            };
            app.database.write("end_due_grant", end).await?;
        }
        if due.len() < TOGETHER as usize {
            return Ok(());
        }
    }
}
