//! What goes wrong, told as problem details (RFC 9457) with a stable `code`, a sentence that helps and facts to act on.
//!
//! Handlers answer a [`Failure`]; it travels in the response until [`finish`] writes it, where the request's id and path
//! are known. [`table`] says which status and title a code has, [`facts`] what is told beside the sentence.

mod edge;
mod facts;
mod schema;
pub mod table;

use std::fmt::Write;
use std::sync::Arc;

use app::{App, AppError, Settings};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

pub use edge::EdgeError;
pub(crate) use facts::write as write_facts;
pub use schema::{Problem, Problems};

use self::table::Entry;
use crate::extract::wording::sentence;
use crate::{answer, headers};

/// A request that was not answered with what it asked for.
#[derive(Debug, Clone)]
pub struct Failure(Arc<Caused>);

#[derive(Debug)]
struct Caused {
    cause: Cause,
    /// What the table says of the code, looked up once.
    entry: &'static Entry,
}

#[derive(Debug)]
enum Cause {
    App(AppError),
    Edge(EdgeError),
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        let entry = table::entry(error.code());
        Self(Arc::new(Caused { cause: Cause::App(error), entry }))
    }
}

impl From<EdgeError> for Failure {
    fn from(error: EdgeError) -> Self {
        let entry = table::entry(error.code());
        Self(Arc::new(Caused { cause: Cause::Edge(error), entry }))
    }
}

impl Failure {
    /// The stable name of what went wrong.
    pub fn code(&self) -> &'static str {
        match &self.0.cause {
            Cause::App(error) => error.code(),
            Cause::Edge(error) => error.code(),
        }
    }

    pub fn status(&self) -> StatusCode {
        let status = self.own_status().unwrap_or(self.0.entry.status);
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A quota is denied with the status its limit says.
    fn own_status(&self) -> Option<u16> {
        match &self.0.cause {
            Cause::Edge(error) => error.status(),
            Cause::App(AppError::Denied(denied))
                if denied.denial.reason == domain::ledger::DenialReason::QuotaExceeded =>
            {
                denied.denial.limit.as_ref().map(|limit| limit.denied_status)
            }
            _ => None,
        }
    }

    pub fn app_error(&self) -> Option<&AppError> {
        match &self.0.cause {
            Cause::App(error) => Some(error),
            Cause::Edge(_) => None,
        }
    }
}

impl Failure {
    /// Writes the sentence that callers are told. Of our own troubles no more than that there are some.
    fn write_sentence(&self, text: &mut impl Write) -> std::fmt::Result {
        match (&self.0.cause, self.0.entry.instead) {
            (_, Some(instead)) => text.write_str(instead),
            (Cause::App(AppError::Denied(denied)), None) => denied.write_sentence(text),
            (Cause::App(error), None) => text.write_str(&sentence(error.to_string())),
            (Cause::Edge(error), None) => write!(text, "{error}"),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.write_sentence(f)
    }
}

/// The failure travels in the response; [`finish`] writes it.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

/// Where a problem arose.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    pub path: &'p str,
    pub request_id: &'p str,
}

/// Writes the failure that a response carries, if any. What is our trouble is logged here, once.
pub fn finish(response: Response, app: &App, place: Place<'_>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(failure) = parts.extensions.remove::<Failure>() else { return Response::from_parts(parts, body) };
    log(&failure, place);
    let text = written(&failure, &app.settings, place, parts.status);
    let headers = &mut parts.headers;
    headers.reserve(answer::HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    add_headers(headers, &failure, app);
    Response::from_parts(parts, Body::from(text))
}

pub(crate) fn log(failure: &Failure, place: Place<'_>) {
    let Place { path, request_id } = place;
    match (failure.app_error(), failure.code()) {
        (Some(error), code @ "internal") => tracing::error!(code, path, request_id, %error, "a request failed"),
        (Some(error), code @ ("unavailable" | "outcome_unknown")) => {
            tracing::warn!(code, path, request_id, %error, "a request could not be answered");
        }
        _ => {}
    }
}

pub(crate) fn add_headers(headers: &mut axum::http::HeaderMap, failure: &Failure, app: &App) {
    match failure.app_error() {
        Some(AppError::Unauthenticated) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tollway\""));
        }
        Some(AppError::Denied(denied)) => headers::add_denial(headers, denied),
        Some(AppError::RateLimited { scope, requests, window_seconds, retry_after_seconds }) => {
            headers::add_rate_limit(
                headers,
                app.now(),
                scope.as_str(),
                (*requests, *window_seconds, *retry_after_seconds),
            );
        }
        Some(AppError::FeatureNotInPlan { suggested_plan, .. }) => {
            headers::put(headers, headers::UPGRADE_URL, &app.settings.upgrade_url(suggested_plan.as_ref()));
        }
        _ => {}
    }
    if let Some(seconds) = failure.0.entry.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// A problem as JSON. `status`: what is answered, which a caller may have asked to be another than the table's.
fn written(failure: &Failure, settings: &Settings, place: Place<'_>, status: StatusCode) -> String {
    let code = failure.code();
    answer::object(|json| {
        json.composed("type", |text| {
            [settings.issuer(), "/docs#", code].into_iter().for_each(|part| text.push_str(part));
        });
        json.text("title", Some(failure.0.entry.title));
        json.number("status", Some(status.as_u16()));
        json.composed("detail", |text| failure.write_sentence(text).expect("there is always more memory"));
        json.text("instance", Some(place.path));
        json.text("code", Some(code));
        json.text("request_id", Some(place.request_id));
        match &failure.0.cause {
            Cause::App(error) => facts::write(json, error, settings),
            Cause::Edge(error) => error.write_facts(json),
        }
    })
}

#[cfg(test)]
mod tests {
    use app::billing::BillingSettings;
    use app::error::Denied;
    use app::identity::PeopleSettings;
    use domain::ledger::{Denial, DenialReason};
    use domain::name::Name;
    use domain::time::Timestamp;

    use super::*;
    use crate::api::shapes;

    fn problem(failure: impl Into<Failure>) -> String {
        let settings = Settings {
            public_url: "https://tollway.test/".into(),
            product_name: None,
            auto_create_accounts: false,
            development: false,
            people: PeopleSettings::default(),
            billing: BillingSettings::default(),
        };
        let failure = failure.into();
        let place = Place { path: "/api/v1/usage/consume", request_id: "a\"b" };
        written(&failure, &settings, place, failure.status())
    }

    fn denied(upgrade_url: Option<&str>, reason: DenialReason) -> AppError {
        let limit = (reason == DenialReason::QuotaExceeded).then(shapes::tests::limit);
        AppError::Denied(Box::new(Denied {
            denial: Denial { reason, requested: 4_000_000, limit },
            plan: Some(Name::new("free")),
            suggested_plan: None,
            upgrade_url: upgrade_url.map(str::to_owned),
            at: Timestamp::EPOCH,
        }))
    }

    #[test]
    fn a_denial_is_written_to_the_byte() {
        assert_eq!(
            problem(denied(Some("https://tollway.test/pricing?plan=é\\"), DenialReason::QuotaExceeded)),
            concat!(
                r#"{"type":"https://tollway.test/docs#quota_exceeded","title":"Quota exceeded","status":429,"#,
                r#""detail":"The to\"kens\\ quota has 3.249999 left until 1970-01-02T00:00:00Z, and this asked for 4.","#,
                r#""instance":"/api/v1/usage/consume","code":"quota_exceeded","request_id":"a\"b","#,
                r#""meter":"to\"kens\\","scope":"end_user","scope_id":"Zoë\n\u0001"#,
                "\u{7f}/",
                r#"","window":"day","limit":10,"current":9.500001,"reserved":0.25,"remaining":3.249999,"credits":3,"#,
                r#""resets_at":"1970-01-02T00:00:00Z","requested":4,"plan":"free","suggested_plan":null,"#,
                r#""upgrade_url":"https://tollway.test/pricing?plan=é\\"}"#
            )
        );
    }

    #[test]
    fn a_suspended_account_is_told_of_no_limit_and_no_upgrade() {
        assert_eq!(
            problem(denied(None, DenialReason::AccountSuspended)),
            concat!(
                r#"{"type":"https://tollway.test/docs#account_suspended","title":"Account suspended","status":403,"#,
                r#""detail":"This account is suspended.","instance":"/api/v1/usage/consume","#,
                r#""code":"account_suspended","request_id":"a\"b","plan":"free"}"#
            )
        );
    }

    #[test]
    fn other_problems_tell_their_facts_too() {
        let feature = AppError::FeatureNotInPlan {
            feature: "export".into(),
            plan: None,
            suggested_plan: Some(Name::new("pro")),
            model: false,
        };
        let told = problem(feature);
        let facts = r#""feature":"export","plan":null,"suggested_plan":"pro","#;
        assert!(told.contains(facts), "{told}");
        assert!(told.ends_with(r#""upgrade_url":"https://tollway.test/pricing?plan=pro"}"#), "{told}");
        let told = problem(EdgeError::BodyTooLarge { limit: 7 });
        assert!(told.ends_with(r#""request_id":"a\"b","limit":7}"#), "{told}");
    }
}
