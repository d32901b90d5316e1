//! Lists: newest first, `limit`, `starting_after` and `ending_before`.

use serde_json::{Value, json};

use super::fields::Fields;
use super::params::Params;
use super::refusal::Refusal;
use super::work::Work;

const MOST: i64 = 100;
const USUAL: i64 = 10;

/// One page of the objects of a kind that are wanted.
pub fn list(
    work: &Work,
    params: &Params,
    kind: &str,
    url: &str,
    mut is_wanted: impl FnMut(&Value) -> Result<bool, Refusal>,
) -> Result<Value, Refusal> {
    let mut wanted = Vec::new();
    for object in work.state.all(kind).rev().filter(|object| !object.is("deleted")) {
        if is_wanted(object)? {
            wanted.push(object.clone());
        }
    }
    page(wanted, params, url)
}

/// One page of objects that are newest first.
pub fn page(all: Vec<Value>, params: &Params, url: &str) -> Result<Value, Refusal> {
    let limit = params.whole("limit")?.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        let message = format!("This value must be between 1 and {MOST}.");
        return Err(Refusal::invalid(message).param("limit"));
    }
    let limit = usize::try_from(limit).expect("the limit was checked above");
    let place = |id: &str, name: &str| {
        let found = all.iter().position(|object| object.text("id") == id);
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
    let data: Vec<Value> = all.into_iter().skip(from).take((to - from).min(limit)).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}
