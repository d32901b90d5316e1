//! Records work already done, one event or a thousand, each counted once and never denied.

use std::collections::HashMap;

use domain::ids::AccountId;
use domain::ledger::{Action, Outcome};
use storage::ledger::{Answer, Request};

use super::consume::{account_to_count, terms};
use super::work::Asked;
use super::{RecordItem, Recorded};
use crate::identity::scopes::USAGE_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// How many events of a batch are on their way to the ledger at once.
const TOGETHER: usize = 256;

/// Records every event, in order, and says what became of each. One bad event does not stop the others.
///
/// # Errors
/// Only what concerns the whole call: a missing scope.
pub async fn record(
    app: &App,
    caller: &Caller,
    items: Vec<Result<RecordItem, (&'static str, String)>>,
) -> Result<Vec<Recorded>, AppError> {
    caller.must_be_key()?;
    caller.must_have_scope(USAGE_WRITE)?;
    let mut accounts: HashMap<String, AccountId> = HashMap::new();
    let mut results = Vec::with_capacity(items.len());
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let mut running = Vec::new();
        for item in items.by_ref().take(TOGETHER) {
            // Prepared one after another and sent in that order: of two events with one id the first is the one that counts.
            running.push(match item {
                Ok(item) => match prepare(app, caller, item, &mut accounts).await {
                    Ok(request) => Ok(record_one(app, request)),
                    Err(error) => Err(rejected(&error)),
                },
                Err((code, message)) => Err(Recorded::Rejected { code, message }),
            });
        }
        results.extend(finish(running).await);
    }
    Ok(results)
}

/// Waits for all at once, so that they share transactions, and keeps their order.
async fn finish<F: Future<Output = Recorded>>(running: Vec<Result<F, Recorded>>) -> Vec<Recorded> {
    let waiting = running.into_iter().map(|running| async move {
        match running {
            Ok(record) => record.await,
            Err(recorded) => recorded,
        }
    });
    futures_util::future::join_all(waiting).await
}

async fn find_account(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    known: &mut HashMap<String, AccountId>,
) -> Result<AccountId, AppError> {
    if let AccountRef::External(external_id) = account
        && let Some(found) = known.get(external_id)
    {
        return Ok(*found);
    }
    let found = account_to_count(app, caller, account, USAGE_WRITE).await?;
    if let AccountRef::External(external_id) = account {
        known.insert(external_id.clone(), found);
    }
    Ok(found)
}

async fn prepare(
    app: &App,
    caller: &Caller,
    item: RecordItem,
    accounts: &mut HashMap<String, AccountId>,
) -> Result<Request, AppError> {
    let account = find_account(app, caller, &item.account, accounts).await?;
    let terms = terms(app, account).await?;
    let plans = app.plans().await?;
    let asked = Asked { app, caller: Some(caller), account, terms: &terms, plans };
    Ok(asked.prepare(&item.work, Action::Record, None)?.request)
}

/// Puts the request into the ledger's queue when it is first polled.
async fn record_one(app: &App, request: Request) -> Recorded {
    match try_record(app, request).await {
        Ok(recorded) => recorded,
        Err(error) => rejected(&error),
    }
}

async fn try_record(app: &App, request: Request) -> Result<Recorded, AppError> {
    Ok(match app.ledger.submit_beside_others(request).await? {
        Answer::Judged(Outcome::Accepted(accepted)) => Recorded::Accepted {
            event: accepted.event.id,
            late: accepted.event.late,
            over_limit: accepted.would_deny.is_some(),
        },
        Answer::Judged(Outcome::Refused(refusal)) => return Err(refusal.into()),
        Answer::Judged(Outcome::Denied(_) | Outcome::Settled(_)) => {
            Recorded::Rejected { code: "unavailable", message: "The event could not be judged; send it again.".into() }
        }
        Answer::Replayed { event, .. } => Recorded::Duplicate { event },
        Answer::Conflict(event) => Recorded::Conflict { event },
    })
}

fn rejected(error: &AppError) -> Recorded {
    Recorded::Rejected { code: error.code(), message: error.to_string() }
}
