//! Applied catalogs and the plan versions they made.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::catalog::{Catalog, Plan};
use domain::ids::PlanVersionId;
use domain::name::Name;
use domain::time::Timestamp;

use crate::ledger::plan_book::{PlanBook, PlanVersion};
use crate::value::Value;
use crate::{StorageError, Tx};

const LATEST: &str = "SELECT id, content, source, applied_at FROM catalogs ORDER BY id DESC LIMIT 1";
const LATEST_ID: &str = "SELECT MAX(id) AS id FROM catalogs";
const INSERT: &str = "INSERT INTO catalogs (id, content, source, applied_at) VALUES ($1, $2, $3, $4)";
const PLAN_VERSIONS: &str = "SELECT id, version, content FROM plan_versions ORDER BY plan_key, version";
const INSERT_PLAN_VERSION: &str =
    "INSERT INTO plan_versions (id, plan_key, version, content, created_at) VALUES ($1, $2, $3, $4, $5)";

pub(crate) const STATEMENTS: &[&str] = &[LATEST, LATEST_ID, INSERT, PLAN_VERSIONS, INSERT_PLAN_VERSION];

/// A catalog as it was applied.
#[derive(Clone, Debug)]
pub struct AppliedCatalog {
    pub id: i64,
    pub catalog: Catalog,
    /// The file's text.
    pub source: String,
    pub applied_at: Timestamp,
}

/// The catalog in force. `Ok(None)` before the first.
pub fn latest(tx: &mut Tx<'_>) -> Result<Option<AppliedCatalog>, StorageError> {
    let Some(row) = tx.query_optional(LATEST, &[])? else { return Ok(None) };
    Ok(Some(AppliedCatalog {
        id: row.integer("id")?,
        catalog: row.json("content")?,
        source: row.text("source")?.to_owned(),
        applied_at: row.time("applied_at")?,
    }))
}

pub fn latest_id(tx: &mut Tx<'_>) -> Result<Option<i64>, StorageError> {
    let row = tx.query_optional(LATEST_ID, &[])?;
    row.map_or(Ok(None), |row| row.integer_or_null("id"))
}

/// The catalog in force with every plan version anyone may be on.
pub fn load_plan_book(tx: &mut Tx<'_>) -> Result<Option<PlanBook>, StorageError> {
    let Some(applied) = latest(tx)? else { return Ok(None) };
    Ok(Some(PlanBook::new(applied.id, applied.catalog, plan_versions(tx)?)))
}

fn plan_versions(tx: &mut Tx<'_>) -> Result<Vec<PlanVersion>, StorageError> {
    tx.query(PLAN_VERSIONS, &[])?
        .iter()
        .map(|row| {
            Ok(PlanVersion {
                id: row.parsed("id", PlanVersionId::parse)?,
                version: row.integer("version")?,
                plan: Arc::new(row.json::<Plan>("content")?),
            })
        })
        .collect()
}

/// Puts a catalog in force. A plan whose content differs from its newest version becomes a new version; subscribers
/// stay on the one they have. `new_id` makes ids. Returns the keys of the plans that got a new version.
pub fn apply(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    source: &str,
    now: Timestamp,
    mut new_id: impl FnMut() -> PlanVersionId,
) -> Result<Vec<Name>, StorageError> {
    let mut newest: BTreeMap<Name, PlanVersion> = BTreeMap::new();
    for version in plan_versions(tx)? {
        newest.insert(version.plan.key.clone(), version);
    }
    let mut changed = Vec::new();
    for (key, plan) in &catalog.plans {
        let before = newest.get(key);
        if before.is_some_and(|before| *before.plan == *plan) {
            continue;
        }
        let values: [Value; 5] = [
            new_id().into(),
            key.as_str().into(),
            (before.map_or(0, |before| before.version) + 1).into(),
            to_json(plan)?.into(),
            now.into(),
        ];
        tx.execute(INSERT_PLAN_VERSION, &values)?;
        changed.push(key.clone());
    }
    let id = latest_id(tx)?.unwrap_or(0) + 1;
    tx.execute(INSERT, &[id.into(), to_json(catalog)?.into(), source.into(), now.into()])?;
    tx.note_catalog_changed();
    Ok(changed)
}

fn to_json(value: &impl serde::Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(StorageError::unexpected)
}
