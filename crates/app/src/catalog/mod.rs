//! What is sold: applying a catalog, showing its plans, and what an account's plan lets it do.

mod apply_catalog;
mod check_feature;
mod config;
mod entitlements;
mod list_plans;
mod preview_catalog;
pub mod push_meters;
pub mod push_to_stripe;

pub use apply_catalog::{AppliedChanges, CatalogError, apply_catalog};
pub use check_feature::{IncludedFeature, check_feature};
pub use config::{PublicConfig, PublicProvider, PublicSignIn, config};
pub use entitlements::{AccountEntitlements, entitlements};
pub use list_plans::{PlanList, PublicPlan, list_plans};
pub use preview_catalog::preview_catalog;
