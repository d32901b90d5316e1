//! Every URL. The description of the API is made from the same list, so that neither lacks what the other has.
//!
//! The address of an endpoint stands with its handler too; a test holds the two together.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodFilter, get, on, post};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, RefOr};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use crate::api::accounts::{
    audit_events, close, create, credits, get as get_one, grant, invitations, list, member, members, overrides, status,
    transfer, update,
};
use crate::api::auth::{
    confirm_email, forgot_password, introspect, jwks, login, logout, oidc, refresh, register, resend_verification,
    reset_password, second_step, verify_email,
};
use crate::api::billing::{credit_packs, invoices, payments, reconcile, stripe_webhook};
use crate::api::catalog::{config, meters, plan, plans};
use crate::api::entitlements::{feature, list as features};
use crate::api::jobs::{list as list_jobs, retry as retry_job};
use crate::api::keys::{account_keys, service_keys};
use crate::api::mails::{list as list_mails, retry as retry_mail, show as show_mail};
use crate::api::me::{change, confirm, delete, password, sessions, show, totp};
use crate::api::usage::{
    adjust, analytics, check, commit, consume, event, levels, now, record, release, reserve, reverse,
};
use crate::api::webhooks::{deliveries, endpoints};
use crate::api::{
    authorize, benchmark, clock, hand_offs, invitations as taken_up, noop, rate_limits, subscription, users,
};
use crate::operations::Operations;
use crate::problem::Problem;
use crate::{WebState, answer, docs_page, gateway, health, idempotency, operations, pages};

/// Routes on their way into the router, and what they are described by where that is asked for. A description is large,
/// so that it is made for whoever reads it, and not for every server.
struct Routes {
    router: Router<Arc<WebState>>,
    description: Option<OpenApi>,
}

impl Routes {
    fn none() -> Self {
        Self { router: Router::new(), description: None }
    }

    fn described_in(description: OpenApi) -> Self {
        Self { router: Router::new(), description: Some(description) }
    }

    fn routes(mut self, (schemas, paths, methods): UtoipaMethodRouter<Arc<WebState>>) -> Self {
        for path in paths.paths.keys() {
            self.router = self.router.route(path, methods.clone());
        }
        if let Some(description) = &mut self.description {
            description.paths.paths.extend(paths.paths);
            description.components.get_or_insert_default().schemas.extend(schemas);
        }
        self
    }
}

/// Usage: an `Idempotency-Key` is the command's own, and the ledger knows it.
#[rustfmt::skip]
fn usage(routes: Routes) -> Routes {
    routes
        .routes(routes!(now::usage_now))                                          // GET    /api/v1/usage
        .routes(routes!(check::check))                                            // POST   /api/v1/usage/check
        .routes(routes!(consume::consume))                                        // POST   /api/v1/usage/consume
        .routes(routes!(reserve::reserve))                                        // POST   /api/v1/usage/reservations
        .routes(routes!(commit::commit))                                          // POST   /api/v1/usage/reservations/{id}/commit
        .routes(routes!(record::record))                                          // POST   /api/v1/usage/events
        .routes(routes!(levels::set_levels))                                      // POST   /api/v1/usage/levels
        .routes(routes!(adjust::adjust))                                          // POST   /api/v1/usage/adjustments
        .routes(routes!(analytics::usage_analytics))                              // GET    /api/v1/usage/analytics
        .routes(every_method(routes!(authorize::authorize)))                      // GET    /api/v1/authorize
}

/// Signing in: what is answered holds secrets, so no answer is kept for a repeated request.
#[rustfmt::skip]
fn signing_in(routes: Routes) -> Routes {
    routes
        .routes(routes!(register::register))                                      // POST   /api/v1/auth/register
        .routes(routes!(login::log_in))                                           // POST   /api/v1/auth/login
        .routes(routes!(second_step::log_in_with_code))                           // POST   /api/v1/auth/login/totp
        .routes(routes!(oidc::start))                                             // GET    /api/v1/auth/oidc/{provider}/start
        .routes(routes!(oidc::callback))                                          // GET    /api/v1/auth/oidc/{provider}/callback
        .routes(routes!(introspect::introspect))                                  // POST   /api/v1/auth/introspect
        .routes(routes!(taken_up::show_invitation))                               // POST   /api/v1/invitations/show
        .routes(routes!(hand_offs::hand_off))                                     // POST   /api/v1/hand-offs
        .routes(routes!(refresh::refresh))                                        // POST   /api/v1/auth/refresh
        .routes(routes!(logout::log_out))                                         // POST   /api/v1/auth/logout
        .routes(routes!(verify_email::verify_email))                              // POST   /api/v1/auth/verify-email
        .routes(routes!(resend_verification::resend_verification))                // POST   /api/v1/auth/verify-email/resend
        .routes(routes!(confirm_email::confirm_email))                            // POST   /api/v1/auth/confirm-email
        .routes(routes!(forgot_password::forgot_password))                        // POST   /api/v1/auth/password/forgot
        .routes(routes!(reset_password::reset_password))                          // POST   /api/v1/auth/password/reset
}

/// The rest: the answer to a POST with an `Idempotency-Key` is kept.
#[rustfmt::skip]
fn others(routes: Routes) -> Routes {
    operating(routes)
        .routes(routes!(release::release))                                        // POST   /api/v1/usage/reservations/{id}/release
        .routes(routes!(event::get_event))                                        // GET    /api/v1/usage/events/{id}
        .routes(routes!(reverse::reverse))                                        // POST   /api/v1/usage/events/{id}/reverse
        .routes(routes!(create::create_account, list::list_accounts))             // POST   GET    /api/v1/accounts
        .routes(routes!(get_one::get_account, update::update_account, close::close_account)) // GET PATCH DELETE /api/v1/accounts/{id}
        .routes(routes!(members::list_members))                                   // GET    /api/v1/accounts/{id}/members
        .routes(routes!(member::add_member, member::change_role, member::remove_member)) // PUT PATCH DELETE /api/v1/accounts/{id}/members/{user}
        .routes(routes!(transfer::transfer_account))                              // POST   /api/v1/accounts/{id}/transfer
        .routes(routes!(invitations::invite, invitations::list_invitations))      // POST   GET    /api/v1/accounts/{id}/invitations
        .routes(routes!(invitations::withdraw_invitation))                        // DELETE /api/v1/accounts/{id}/invitations/{invitation}
        .routes(routes!(invitations::resend_invitation))                          // POST   /api/v1/accounts/{id}/invitations/{invitation}/resend
        .routes(routes!(taken_up::accept_invitation))                             // POST   /api/v1/invitations/accept
        .routes(routes!(audit_events::list_audit_events))                         // GET    /api/v1/accounts/{id}/audit-events
        .routes(routes!(status::set_status))                                      // PUT    /api/v1/accounts/{id}/status
        .routes(routes!(grant::grant_plan, grant::end_grant))                     // PUT    DELETE /api/v1/accounts/{id}/grant
        .routes(routes!(overrides::put_overrides, overrides::get_overrides))      // PUT    GET    /api/v1/accounts/{id}/overrides
        .routes(routes!(credits::grant_credit, credits::list_credits))            // POST   GET    /api/v1/accounts/{id}/credits
        .routes(routes!(account_keys::create_account_key, account_keys::list_account_keys)) // POST GET /api/v1/accounts/{id}/api-keys
        .routes(routes!(account_keys::revoke_account_key))                        // DELETE /api/v1/accounts/{id}/api-keys/{key}
        .routes(routes!(endpoints::create_endpoint, endpoints::list_endpoints))   // POST   GET    /api/v1/accounts/{id}/webhook-endpoints
        .routes(routes!(endpoints::get_endpoint, endpoints::change_endpoint, endpoints::delete_endpoint)) // GET PATCH DELETE /api/v1/accounts/{id}/webhook-endpoints/{endpoint}
        .routes(routes!(endpoints::rotate_secret))                                // POST   /api/v1/accounts/{id}/webhook-endpoints/{endpoint}/rotate-secret
        .routes(routes!(deliveries::send_test))                                   // POST   /api/v1/accounts/{id}/webhook-endpoints/{endpoint}/test
        .routes(routes!(deliveries::list_deliveries))                             // GET    /api/v1/accounts/{id}/webhook-endpoints/{endpoint}/deliveries
        .routes(routes!(deliveries::replay_delivery))                             // POST   /api/v1/accounts/{id}/webhook-endpoints/{endpoint}/deliveries/{delivery}/replay
        .routes(routes!(service_keys::create_service_key, service_keys::list_service_keys)) // POST GET /api/v1/keys
        .routes(routes!(service_keys::revoke_service_key))                        // DELETE /api/v1/keys/{key}
        .routes(routes!(show::show_me, change::change_me, delete::delete_me))     // GET PATCH DELETE /api/v1/me
        .routes(routes!(confirm::confirm_me))                                     // POST   /api/v1/me/confirm
        .routes(routes!(password::change_password))                               // POST   /api/v1/me/password
        .routes(routes!(totp::enrol_totp))                                        // POST   /api/v1/me/totp
        .routes(routes!(totp::confirm_totp))                                      // POST   /api/v1/me/totp/confirm
        .routes(routes!(totp::disable_totp))                                      // POST   /api/v1/me/totp/disable
        .routes(routes!(totp::count_recovery_codes, totp::renew_recovery_codes))  // GET    POST   /api/v1/me/recovery-codes
        .routes(routes!(sessions::list_sessions, sessions::end_other_sessions))   // GET    DELETE /api/v1/me/sessions
        .routes(routes!(sessions::end_session))                                   // DELETE /api/v1/me/sessions/{id}
        .routes(routes!(plans::list_plans))                                       // GET    /api/v1/plans
        .routes(routes!(plan::get_plan))                                          // GET    /api/v1/plans/{id}
        .routes(routes!(meters::list_meters))                                     // GET    /api/v1/meters
        .routes(routes!(config::get_config))                                      // GET    /api/v1/config
        .routes(routes!(features::list_entitlements))                             // GET    /api/v1/entitlements
        .routes(routes!(feature::check_feature))                                  // GET    /api/v1/entitlements/{feature}
        .routes(routes!(subscription::show::get_subscription, subscription::create::create_subscription)) // GET POST /api/v1/subscription
        .routes(routes!(subscription::checkout::checkout))                        // POST   /api/v1/subscription/checkout
        .routes(routes!(subscription::preview::preview_change))                   // POST   /api/v1/subscription/preview
        .routes(routes!(subscription::change::change_subscription))               // POST   /api/v1/subscription/change
        .routes(routes!(subscription::cancel::cancel_subscription))               // POST   /api/v1/subscription/cancel
        .routes(routes!(subscription::resume::resume_subscription))               // POST   /api/v1/subscription/resume
        .routes(routes!(subscription::pause::pause_subscription))                 // POST   /api/v1/subscription/pause
        .routes(routes!(subscription::portal::open_portal))                       // POST   /api/v1/subscription/portal
        .routes(routes!(subscription::history::list_history))                     // GET    /api/v1/subscription/history
        .routes(routes!(credit_packs::list_credit_packs))                         // GET    /api/v1/credit-packs
        .routes(routes!(credit_packs::buy_credits))                               // POST   /api/v1/credit-packs/checkout
        .routes(routes!(invoices::list_invoices))                                 // GET    /api/v1/invoices
        .routes(routes!(invoices::get_invoice))                                   // GET    /api/v1/invoices/{id}
        .routes(routes!(payments::list_payments))                                 // GET    /api/v1/payments
}

/// For operators, who are service keys of the platform.
#[rustfmt::skip]
fn operating(routes: Routes) -> Routes {
    routes
        .routes(routes!(reconcile::reconcile))                                    // POST   /api/v1/admin/reconcile
        .routes(routes!(reconcile::get_reconciliation))                           // GET    /api/v1/admin/reconcile/{id}
        .routes(routes!(users::list_users))                                       // GET    /api/v1/admin/users
        .routes(routes!(users::get_user))                                         // GET    /api/v1/admin/users/{id}
        .routes(routes!(users::set_user_status))                                  // PUT    /api/v1/admin/users/{id}/status
        .routes(routes!(list_jobs::list_jobs))                                    // GET    /api/v1/admin/jobs
        .routes(routes!(retry_job::retry_job))                                    // POST   /api/v1/admin/jobs/{id}/retry
        .routes(routes!(list_mails::list_mails))                                  // GET    /api/v1/admin/mails
        .routes(routes!(show_mail::show_mail))                                    // GET    /api/v1/admin/mails/{id}
        .routes(routes!(retry_mail::retry_mail))                                  // POST   /api/v1/admin/mails/{id}/retry
        .routes(routes!(rate_limits::list_rate_limits, rate_limits::clear_rate_limits)) // GET DELETE /api/v1/admin/rate-limits
        .routes(routes!(clock::get_clock, clock::move_clock))                     // GET    POST   /api/v1/admin/clock
}

/// Everything that the server answers.
pub fn router(state: Arc<WebState>) -> Router {
    let once = from_fn_with_state(state.clone(), idempotency::once);
    let mut kept = others(Routes::none());
    kept.router = kept.router.route_layer(once);
    let mut routes = signing_in(usage(kept))
        .router
        .route("/api/openapi.json", get(openapi_json))
        .route("/docs", get(docs_page::docs))
        .route("/docs/style.css", get(docs_page::style))
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .route("/webhooks/stripe", post(stripe_webhook::stripe_webhook))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .merge(pages::routes())
        .merge(gateway::routes());
    if state.benchmark {
        routes = routes.route("/api/v1/noop", post(noop::noop)).merge(benchmark::routes());
    }
    routes
        .fallback(operations::no_such_route)
        .method_not_allowed_fallback(operations::method_not_allowed)
        .layer(Operations(state.clone()))
        .with_state(state)
}

/// Proxies pass on the method they got.
fn every_method((schemas, paths, _): UtoipaMethodRouter<Arc<WebState>>) -> UtoipaMethodRouter<Arc<WebState>> {
    let methods = [Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let filters = methods.into_iter().filter_map(|method| MethodFilter::try_from(method).ok());
    let passed_on = filters.fold(MethodFilter::GET, MethodFilter::or);
    (schemas, paths, on(passed_on, authorize::authorize))
}

async fn openapi_json() -> Response {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| answer::json_bytes(&openapi()).into());
    answer::json_text(StatusCode::OK, JSON.clone())
}

/// The description of the API, OpenAPI 3.1.
pub fn openapi() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Tollway")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Accounts, plans, exact quotas, metered usage and billing for an AI product."))
        .build();
    let key = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = ComponentsBuilder::new().security_scheme("api_key", key).schema_from::<Problem>().build();
    let empty = OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new("api_key", Vec::<String>::new())]))
        .build();
    let routes = signing_in(usage(others(Routes::described_in(empty))));
    let mut description = routes.description.unwrap_or_default();
    describe_answers(&mut description);
    description
}

/// Every answer has a description, as the specification asks; most need no more than the shape's own.
fn describe_answers(description: &mut OpenApi) {
    for item in description.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        let responses =
            operations.into_iter().flatten().flat_map(|operation| operation.responses.responses.values_mut());
        for response in responses {
            if let RefOr::T(response) = response
                && response.description.is_empty()
            {
                response.description = "Done.".to_owned();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_the_addresses_that_the_handlers_say() {
        let listed: std::collections::BTreeSet<(String, String)> = include_str!("router.rs")
            .lines()
            .filter(|line| {
                line.trim().starts_with(".routes(routes!") || line.trim().starts_with(".routes(every_method")
            })
            .flat_map(|line| {
                let mut words: Vec<&str> =
                    line.rsplit_once("// ").map(|(_, words)| words.split_whitespace().collect()).unwrap();
                let path = words.pop().unwrap().to_owned();
                words.into_iter().map(move |method| (path.clone(), method.to_lowercase())).collect::<Vec<_>>()
            })
            .collect();
        let description = serde_json::to_value(openapi()).unwrap();
        let paths = description["paths"].as_object().unwrap();
        let described = paths
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())))
            .collect();
        assert_eq!(listed, described);
        assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    }
}
