//! Finds out whom a token of the app's own sign-in is about, so that the app need not change how its people sign in.
//!
//! Such a token stands where an API key would; [`is_external_token`] tells them apart. Which account it acts for is the
//! one with its `external_id`, and finding that is the caller's part.

use providers::issuers::{ExternalIdentity, Issuers};

use crate::{App, AppError};

/// Whether a secret is to be read as a token of an issuer that is configured, and as nothing else.
pub fn is_external_token(app: &App, secret: &str) -> bool {
    !app.issuers.is_empty() && Issuers::is_token(secret)
}

/// Whom a token is about.
///
/// # Errors
/// [`AppError::Unauthenticated`] when it is not accepted: why is for the log, and not for whoever sent it.
/// [`AppError::SignInProviderUnavailable`] when the issuer's keys cannot be had right now.
pub async fn verify_external_token(app: &App, token: &str) -> Result<ExternalIdentity, AppError> {
    let verified = app.issuers.verify(token, app.now()).await;
    let outcome = match &verified {
        Ok(_) => "accepted",
        Err(error) if error.is_passing() => "keys_unavailable",
        Err(_) => "refused",
    };
    metrics::counter!("tollway_external_tokens_total", "outcome" => outcome).increment(1);
    verified.map_err(|error| {
        if error.is_passing() {
            tracing::warn!(%error, "a token of another issuer could not be judged");
            return AppError::SignInProviderUnavailable;
        }
        tracing::debug!(%error, "a token of another issuer was refused");
        AppError::Unauthenticated
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use providers::issuers::IssuerSettings;
    use serde_json::{Value, json};
    use storage::ledger::LedgerSettings;
    use storage::{Clock, Database, DatabaseUrl};
    use testkit::oidc_provider::OidcProvider;
    use testkit::server::fresh_folder;

    use super::*;
    use crate::Settings;
    use crate::identity::PeopleSettings;
    use crate::vault::Vault;

    /// An application on a database of its own that takes the tokens of one issuer.
    async fn app_with(folder: &std::path::Path, issuer: &str) -> App {
        std::fs::create_dir_all(folder).expect("a temporary folder can be made");
        let url = DatabaseUrl::Sqlite(folder.join("tollway.db"));
        let opened = Database::open(&url, Arc::new(Clock::new()), LedgerSettings::default()).await;
        let (database, ledger) = opened.expect("a database");
        let public_url = "http://127.0.0.1".to_owned();
        let settings = Settings {
            public_url,
            product_name: None,
            auto_create_accounts: true,
            development: false,
            people: PeopleSettings::default(),
            billing: crate::billing::BillingSettings::default(),
        };
        let issuer = IssuerSettings {
            name: "app".into(),
            issuer: issuer.into(),
            jwks_url: String::new(),
            audiences: vec!["tollway".into()],
            external_id_claim: "user_id".into(),
            email_claim: "email".into(),
            name_claim: "name".into(),
            algorithms: vec!["RS256".into()],
            allow_private: true,
        };
        App::new(database, ledger, settings, Vault::new("a key for tests", None))
            .with_issuers(Issuers::new(vec![issuer]).expect("an issuer"))
    }

    #[tokio::test]
    async fn a_token_of_the_app_is_taken_and_any_other_is_no_key_at_all() {
        let Some(real) = OidcProvider::start(json!({})) else { return };
        let folder = fresh_folder();
        let app = app_with(&folder, real.issuer()).await;
        let now = app.now().seconds();
        let claims = json!({ "iss": real.issuer(), "aud": "tollway", "exp": now + 60, "user_id": 42 });
        let token = async |change: Value| {
            let mut claims = claims.clone();
            change.as_object().into_iter().flatten().for_each(|(name, value)| claims[name] = value.clone());
            real.sign(json!({ "claims": claims })).await
        };
        let good = token(json!({})).await;
        assert!(is_external_token(&app, &good) && !is_external_token(&app, "tw_live_123"));

        real.control(json!({ "broken": "/jwks" })).await;
        let away = verify_external_token(&app, &good).await;
        assert!(matches!(away, Err(AppError::SignInProviderUnavailable)), "{away:?}");
        real.control(json!({ "broken": null })).await;
        app.clock().set_offset_micros(6_000_000);
        let identity = verify_external_token(&app, &good).await.expect("it is taken");
        assert_eq!((identity.issuer_name.as_str(), identity.external_id.as_str()), ("app", "42"));

        for change in [json!({ "aud": "others" }), json!({ "exp": now - 60 }), json!({ "user_id": "" })] {
            let refused = verify_external_token(&app, &token(change.clone()).await).await;
            assert!(matches!(refused, Err(AppError::Unauthenticated)), "{change}: {refused:?}");
        }
        app.database.close().await;
        assert!(std::fs::remove_dir_all(&folder).is_ok());
    }
}
