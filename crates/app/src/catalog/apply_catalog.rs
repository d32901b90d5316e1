//! Puts a catalog file in force.

use domain::catalog::{self, Catalog, Change, LimitSettingError, Mistake};
use domain::name::Name;
use storage::records::catalogs;
use storage::{StorageError, Tx};

use crate::{App, AppError};

/// Two nodes that start at once may both want to be first.
const ATTEMPTS: usize = 3;

/// What applying a catalog has changed, or would.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AppliedChanges {
    /// What customers will notice, plan by plan. All plans of the first catalog are new.
    pub changes: Vec<Change>,
    /// Plans that got a new version. Whoever is on an older one stays there.
    pub plans: Vec<Name>,
}

/// Why a catalog cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Mistakes in the file, all of them.
    #[error("{}", in_lines(.0))]
    Mistakes(Vec<Mistake>),
    /// Single limits set from the environment that fit no limit of the catalog.
    #[error("{}", in_lines(.0))]
    LimitSettings(Vec<LimitSettingError>),
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<StorageError> for CatalogError {
    fn from(error: StorageError) -> Self {
        Self::App(error.into())
    }
}

fn in_lines(errors: &[impl ToString]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Applies the text of a catalog file, with the limits that the environment sets (`TOLLWAY_LIMIT_PRO_REQUESTS=20000`).
/// A catalog that is in force already is not applied again.
pub async fn apply_catalog(
    app: &App,
    source: &str,
    limit_settings: &[(String, String)],
) -> Result<AppliedChanges, CatalogError> {
    let new = read(source, limit_settings)?;
    let mut attempt = 1;
    loop {
        match try_to_apply(app, new.clone(), source.to_owned()).await {
            Err(AppError::Storage(StorageError::Taken(_))) if attempt < ATTEMPTS => attempt += 1,
            outcome => return Ok(outcome?),
        }
    }
}

/// Reads a file and sets the limits that the environment names.
pub(super) fn read(source: &str, limit_settings: &[(String, String)]) -> Result<Catalog, CatalogError> {
    let mut catalog = catalog::parse(source).map_err(CatalogError::Mistakes)?;
    let settings = limit_settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    catalog::apply_limit_settings(&mut catalog, settings).map_err(CatalogError::LimitSettings)?;
    Ok(catalog)
}

async fn try_to_apply(app: &App, new: Catalog, source: String) -> Result<AppliedChanges, AppError> {
    let (now, entropy) = (app.now(), app.entropy.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<AppliedChanges, AppError> {
        let in_force = catalogs::latest(tx)?;
        if in_force.as_ref().is_some_and(|old| old.catalog == new && old.source == source) {
            return Ok(AppliedChanges::default());
        }
        let new_id = || domain::ids::Id::new(now, entropy.bits());
        let plans = catalogs::apply(tx, &new, &source, now, new_id)?;
        Ok(AppliedChanges { changes: changes(in_force.map(|old| old.catalog).as_ref(), &new), plans })
    };
    app.database.write("apply_catalog", write).await
}

/// What customers will notice.
pub(super) fn changes(old: Option<&Catalog>, new: &Catalog) -> Vec<Change> {
    match old {
        Some(old) => catalog::diff(old, new),
        None => new.plans.keys().map(|key| Change { plan: Some(key.clone()), what: "new plan".into() }).collect(),
    }
}
