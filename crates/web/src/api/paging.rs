//! Lists that are read a page at a time, newest first.

use app::AppError;

use crate::answer::Page;
use crate::problem::Failure;

const DEFAULT_PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

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
