//! `GET accounts`: the accounts, newest first, a page at a time; or the one with an external id.

use app::{AccountRef, AppError, accounts};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::AccountShape;
use crate::answer::{self, Page};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

const DEFAULT_PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Text<1, 255>>,
    /// Only the account with this external id.
    #[param(inline)]
    external_id: Option<Text<1, 255>>,
}

/// List accounts
///
/// The newest first. For service keys.
#[utoipa::path(
    get,
    path = "/api/v1/accounts",
    tag = "accounts",
    params(ListQuery),
    responses((status = 200, body = Page<AccountShape>), Problems),
)]
pub async fn list_accounts(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<ListQuery>,
) -> Result<Response, Failure> {
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(AppError::invalid("limit", format!("`limit` is not between 1 and {LONGEST_PAGE}.")).into());
    }
    if let Some(external_id) = query.external_id {
        caller.must_operate()?;
        let named = AccountRef::External(external_id.0);
        let data = match accounts::get_account(&state.app, &caller, &named).await {
            Ok(account) => vec![AccountShape::from(account)],
            Err(AppError::AccountUnknown) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        return Ok(answer::ok(&Page { data, next_cursor: None }));
    }
    let cursor = query.cursor.as_ref().map(|text| text.0.as_str());
    let page = accounts::list_accounts(&state.app, &caller, cursor, limit).await?;
    let data = page.accounts.into_iter().map(AccountShape::from).collect();
    Ok(answer::ok(&Page { data, next_cursor: page.next_cursor }))
}
