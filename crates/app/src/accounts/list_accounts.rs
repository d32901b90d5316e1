//! Lists accounts, the newest first, a page at a time.

use domain::ids::AccountId;
use storage::Tx;
use storage::records::accounts;

use super::Account;
use crate::caller::Person;
use crate::{App, AppError, Caller};

const LONGEST_PAGE: u32 = 200;

#[derive(Clone, PartialEq, Debug)]
pub struct AccountPage {
    pub accounts: Vec<Account>,
    /// What the next page is asked for with; `None` on the last.
    pub next_cursor: Option<String>,
}

/// At most `limit` accounts (held between 1 and 200), from where `cursor` of the page before left off. A person is shown
/// their own.
pub async fn list_accounts(
    app: &App,
    caller: &Caller,
    cursor: Option<&str>,
    limit: u32,
) -> Result<AccountPage, AppError> {
    if let (Caller::Person(person), Err(_)) = (caller, caller.must_operate()) {
        return accounts_of(app, person).await;
    }
    caller.must_operate()?;
    caller.must_have_scope("accounts:read")?;
    let unreadable = || {
        AppError::invalid(
            "cursor",
            "`cursor` is not one that a page of accounts was answered with; leave it out to begin.",
        )
    };
    let before = cursor.map(|cursor| AccountId::parse(cursor).ok_or_else(unreadable)).transpose()?;
    let limit = limit.clamp(1, LONGEST_PAGE);
    // One more than asked for tells whether there is another page.
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(accounts::list(tx, before, limit + 1)?) };
    let mut accounts = app.database.read("list_accounts", read).await?;
    let has_more = accounts.len() > limit as usize;
    accounts.truncate(limit as usize);
    let next_cursor = accounts.last().filter(|_| has_more).map(|account| account.id.to_string());
    Ok(AccountPage { accounts, next_cursor })
}

/// Those that a person belongs to, all on one page.
async fn accounts_of(app: &App, person: &Person) -> Result<AccountPage, AppError> {
    let memberships = person.memberships.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<Account>, AppError> {
        let found = memberships.iter().map(|(account, _)| accounts::by_id(tx, *account));
        Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    };
    let accounts = app.database.read("list_own_accounts", read).await?;
    Ok(AccountPage { accounts, next_cursor: None })
}
