//! An account as a customer of Stripe's: one for each account, made when it is first needed.

use domain::ids::AccountId;
use providers::stripe::{NewCustomer, Stripe};
use storage::Tx;
use storage::records::accounts::{self, Account};
use storage::records::billing_customers::{self, BillingCustomer};

use crate::{App, AppError};

/// On customers and subscriptions at Stripe: whose they are.
pub(super) const ACCOUNT: &str = "tollway_account";

/// The account's customer id. However often and wherever it is asked for at once, one customer is made: the call has the
/// account's own name, and what an earlier one made is looked for first.
pub(super) async fn ensure_customer(app: &App, stripe: &Stripe, account: AccountId) -> Result<String, AppError> {
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        let found = accounts::by_id(tx, account)?.ok_or(AppError::AccountUnknown)?;
        billing_customers::add(tx, account, now)?;
        let row = billing_customers::by_account(tx, account)?.ok_or(AppError::AccountUnknown)?;
        Ok((found, row))
    };
    let (found, row) = app.database.write("find_billing_customer", write).await?;
    if let Some(customer) = row.customer {
        return Ok(customer);
    }
    let customer = match made_before(stripe, &found).await? {
        Some(customer) => customer,
        None => make(stripe, &found, &row).await?,
    };
    let made = customer.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<Option<String>, AppError> {
        billing_customers::set_customer(tx, account, &made)?;
        Ok(billing_customers::by_account(tx, account)?.and_then(|row| row.customer))
    };
    let kept = app.database.write("keep_billing_customer", write).await?;
    Ok(kept.unwrap_or(customer))
}

/// A customer that was made for the account when its answer was lost.
async fn made_before(stripe: &Stripe, account: &Account) -> Result<Option<String>, AppError> {
    let Some(email) = billing_email(account) else { return Ok(None) };
    let found = stripe.customers_by_email(email).await?;
    let own = account.id.to_string();
    let ours = found.into_iter().find(|customer| !customer.deleted && customer.metadata.get(ACCOUNT) == Some(&own));
    Ok(ours.map(|customer| customer.id))
}

async fn make(stripe: &Stripe, account: &Account, row: &BillingCustomer) -> Result<String, AppError> {
    let new = NewCustomer {
        email: billing_email(account).map(str::to_owned),
        name: Some(account.name.clone()).filter(|name| !name.is_empty()),
        metadata: [(ACCOUNT.to_owned(), account.id.to_string())].into(),
        ..NewCustomer::default()
    };
    let key = format!("customer:{}:{}", account.id, row.customers_made);
    Ok(stripe.create_customer(&new, &key).await?.id)
}

fn billing_email(account: &Account) -> Option<&str> {
    account.billing_email.as_deref().or(account.email.as_deref())
}
