//! Puts accounts whose granted plan is over back on the default plan. Limits already hold to the minute without this:
//! whoever judges an account sees that the grant is over. This makes the rows say so.

use serde_json::json;
use storage::Tx;
use storage::records::subscriptions;

use crate::webhooks::{Emitted, Event, emit};
use crate::{App, AppError};

const TOGETHER: u32 = 100;

pub(crate) async fn end_due_grants(app: &App) -> Result<(), AppError> {
    loop {
        let plans = app.plans().await?;
        let default_plan = plans.default_plan().map(|version| version.id);
        let plan = plans.default_plan().map(|version| version.plan.key.to_string());
        let now = app.now();
        let find = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(subscriptions::due_grants(tx, now, TOGETHER)?) };
        let due = app.database.read("find_due_grants", find).await?;
        for account in &due {
            let account = *account;
            let (told, plan) = (Emitted::new(app, Event::SubscriptionChanged), plan.clone());
            let end = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
                if subscriptions::end_due_grant(tx, account, default_plan, now)? {
                    emit(tx, &told, account, &json!({ "plan": plan, "source": "default" }))?;
                }
                Ok(())
            };
            app.database.write("end_due_grant", end).await?;
        }
        if due.len() < TOGETHER as usize {
            return Ok(());
        }
    }
}
