//! How problems are described to readers of the API's description.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// A problem (RFC 9457). Beside these fields stand the facts to act on, by code: `field`, `meter`, `limit`, `current`,
/// `remaining`, `resets_at`, `plan`, `suggested_plan`, `upgrade_url`.
#[derive(ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    pub r#type: String,
    pub title: String,
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened and what to do next.
    pub detail: String,
    /// The path that was asked.
    pub instance: String,
    /// Stable; programs go by it.
    #[schema(example = "quota_exceeded")]
    pub code: String,
    pub request_id: String,
}

/// What every endpoint may answer instead of its result.
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let response = ResponseBuilder::new().description(description);
            RefOr::T(response.content("application/problem+json", content).build())
        };
        BTreeMap::from([
            ("4XX".to_owned(), problem("Not done, and why: `code` says it for programs, `detail` for people.")),
            ("5XX".to_owned(), problem("Not answered, through no fault of the caller.")),
        ])
    }
}
