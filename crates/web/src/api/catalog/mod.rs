//! What is sold, for everybody to see: plans, meters, and what an app's pages need to know.

pub mod config;
pub mod meters;
pub mod plan;
pub mod plans;
