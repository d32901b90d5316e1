//! Lists that are read a page at a time, newest first.

use app::{AccountRef, AppError};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::answer::Page;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::problem::Failure;

const DEFAULT_PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

/// Which page of what list of an account.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountListQuery {
    /// The account, with a service key.
    #[param(inline)]
    account: Option<Text<1, 64>>,
    #[param(inline)]
    external_id: Option<Text<1, 255>>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Text<1, 255>>,
}

impl AccountListQuery {
    /// The account, and the page as [`page_of`] says it.
    pub fn read<I>(self, parse: impl Fn(&str) -> Option<I>) -> Result<(AccountRef, (Option<I>, u32)), Failure> {
        let account = account_ref(self.account.map(|text| text.0), self.external_id.map(|text| text.0))?;
        let page = page_of(self.cursor.as_ref().map(|text| text.0.as_str()), self.limit, parse)?;
        Ok((account, page))
    }
}

/// Where a page begins and how long it is. The cursor is the id of the page's last thing before.
pub fn page_of<I>(
    cursor: Option<&str>,
    limit: Option<u32>,
    parse: impl Fn(&str) -> Option<I>,
) -> Result<(Option<I>, u32), Failure> {
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(AppError::invalid("limit", format!("`limit` is a number from 1 to {LONGEST_PAGE}.")).into());
    }
    let before = match cursor {
        None => None,
        Some(cursor) => {
            let unknown =
                || AppError::invalid("cursor", "This is not a cursor of this list; leave it out to begin anew.");
            Some(parse(cursor).ok_or_else(unknown)?)
        }
    };
    Ok((before, limit))
}

/// A page of what was found, where one more than the page holds was asked for.
pub fn page<T, S>(mut found: Vec<T>, limit: u32, id: impl Fn(&T) -> String, shape: impl Fn(T) -> S) -> Page<S> {
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next_cursor = found.last().filter(|_| has_more).map(id);
    Page { data: found.into_iter().map(shape).collect(), next_cursor }
}
