//! Says what applying a catalog file would change, and changes nothing.

use storage::Tx;
use storage::records::catalogs;

use super::apply_catalog::{AppliedChanges, CatalogError, changes, read};
use crate::{App, AppError};

pub async fn preview_catalog(
    app: &App,
    source: &str,
    limit_settings: &[(String, String)],
) -> Result<AppliedChanges, CatalogError> {
    let new = read(source, limit_settings)?;
    let read = |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(catalogs::latest(tx)?) };
    let old = app.database.read("preview_catalog", read).await?.map(|applied| applied.catalog);
    let plans = match &old {
        Some(old) => domain::catalog::plans_with_a_new_version(old, &new),
        None => new.plans.keys().cloned().collect(),
    };
    Ok(AppliedChanges { changes: changes(old.as_ref(), &new), plans })
}
