//! Lists: newest first, `limit`, `starting_after` and `ending_before`.

use std::borrow::Borrow;

use serde_json::{Value, json};

use super::fields::Fields;
use super::params::Params;
use super::refusal::Refusal;
use super::table::owner_field;
use super::work::Work;

const MOST: i64 = 100;
const USUAL: i64 = 10;

/// One page of the objects of a kind that are wanted. Where the call names an owner, no others are looked at.
pub fn list(
    work: &Work,
    params: &Params,
    kind: &str,
    url: &str,
    is_wanted: impl FnMut(&Value) -> Result<bool, Refusal>,
) -> Result<Value, Refusal> {
    match params.text(owner_field(kind)) {
        Some(owner) => select(work.state.owned(kind, owner).rev(), params, url, is_wanted),
        None => select(work.state.all(kind).rev(), params, url, is_wanted),
    }
}

fn select<'a>(
    objects: impl Iterator<Item = &'a Value>,
    params: &Params,
    url: &str,
    mut is_wanted: impl FnMut(&Value) -> Result<bool, Refusal>,
) -> Result<Value, Refusal> {
    let mut wanted = Vec::new();
    for object in objects.filter(|object| !object.is("deleted")) {
        if is_wanted(object)? {
            wanted.push(object);
        }
    }
    page(&wanted, params, url)
}

/// One page of objects that are newest first.
pub fn page<T: Borrow<Value>>(all: &[T], params: &Params, url: &str) -> Result<Value, Refusal> {
    let limit = params.whole("limit")?.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        let message = format!("This value must be between 1 and {MOST}.");
        return Err(Refusal::invalid(message).param("limit"));
    }
    let limit = usize::try_from(limit).expect("the limit was checked above");
    let place = |id: &str, name: &str| {
        let found = all.iter().position(|object| object.borrow().text("id") == id);
        found.ok_or_else(|| Refusal::invalid(format!("No such object: '{id}'")).code("resource_missing").param(name))
    };
    let (from, to) = match (params.text("starting_after"), params.text("ending_before")) {
        (Some(id), _) => (place(id, "starting_after")? + 1, all.len()),
        (None, Some(id)) => {
            let end = place(id, "ending_before")?;
            (end.saturating_sub(limit), end)
        }
        (None, None) => (0, all.len()),
    };
    let has_more = match params.text("ending_before") {
        Some(_) => from > 0,
        None => to - from > limit,
    };
    let shown = &all[from..to][..limit.min(to - from)];
    let data: Vec<Value> = shown.iter().map(|object| object.borrow().clone()).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}
