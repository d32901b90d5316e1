//! The applied catalog and every plan version that anyone may still be on, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::catalog::{Catalog, Enforce, Limit, Plan};
use domain::ids::PlanVersionId;
use domain::ledger::{Counting, MeterTerms};
use domain::name::Name;
use parking_lot::Mutex;

/// One version of a plan, as it was sold.
#[derive(Clone, Debug)]
pub struct PlanVersion {
    pub id: PlanVersionId,
    pub version: i64,
    pub plan: Arc<Plan>,
}

/// Replaced as a whole when a catalog is applied.
#[derive(Debug)]
pub struct PlanBook {
    pub catalog_id: i64,
    pub catalog: Arc<Catalog>,
    /// What new subscribers get, by plan key.
    pub current: BTreeMap<Name, PlanVersion>,
    pub versions: HashMap<PlanVersionId, PlanVersion>,
    counting: Counting,
    meters: Mutex<HashMap<PlanVersionId, SharedMeters>>,
    pub(crate) warn_at_percent: Arc<[u8]>,
    pub(crate) no_plan: SharedMeters,
}

pub(crate) type SharedMeters = Arc<BTreeMap<Name, MeterTerms>>;

impl PlanBook {
    pub fn new(catalog_id: i64, catalog: Catalog, versions: Vec<PlanVersion>) -> Self {
        let mut counting = Counting::of(&catalog);
        let mut current: BTreeMap<Name, PlanVersion> = BTreeMap::new();
        for version in &versions {
            counting.add_plan(&version.plan);
            let newest = current.entry(version.plan.key.clone()).or_insert_with(|| version.clone());
            if newest.version < version.version {
                *newest = version.clone();
            }
        }
        Self {
            catalog_id,
            warn_at_percent: Arc::from(catalog.warn_at_percent.as_slice()),
            catalog: Arc::new(catalog),
            current,
            versions: versions.into_iter().map(|version| (version.id, version)).collect(),
            no_plan: Arc::new(counting.meters_with(&[])),
            counting,
            meters: Mutex::default(),
        }
    }

    /// The plan of accounts that have no other.
    pub fn default_plan(&self) -> Option<&PlanVersion> {
        self.current.get(self.catalog.default_plan.as_ref()?)
    }

    /// The places and limits of a plan version, shared by everyone on it.
    pub(crate) fn meters_of(&self, version: &PlanVersion) -> SharedMeters {
        let mut meters = self.meters.lock();
        meters.entry(version.id).or_insert_with(|| Arc::new(self.meters_with(&version.plan.limits))).clone()
    }

    /// The places and limits of an account whose limits are its own.
    pub(crate) fn meters_with(&self, limits: &[Limit]) -> BTreeMap<Name, MeterTerms> {
        let mut meters = self.counting.meters_with(limits);
        if self.catalog.enforce == Enforce::Observe {
            let places = meters.values_mut().flat_map(|meter| meter.places.iter_mut());
            places.filter_map(|place| place.limit.as_mut()).for_each(|limit| limit.enforce = Enforce::Observe);
        }
        meters
    }
}
