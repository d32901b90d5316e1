//! The settings `stripe.…` as one Stripe account, and as what billing goes by.

use std::collections::BTreeMap;

use app::billing::BillingSettings;
use providers::secret::SecretText;
use providers::stripe::{SettingsError, StripeSettings};

use super::{Found, separated};

/// Tells of what Stripe would not know, and of settings that make sense only together.
pub(super) fn check(found: &BTreeMap<&'static str, Found>, mistakes: &mut Vec<String>) {
    let given = |name: &str| found.get(name).filter(|found| !found.text.is_empty());
    let text = |name: &str| found.get(name).map_or_else(String::new, |found| found.text.clone());
    let mut tell = |name: &str, wrong: &str| {
        let place = found.get(name).map_or("", |found| found.place.as_str());
        mistakes.push(format!("{place}: {name} {wrong}"));
    };
    match settings(text).map(|settings| (settings.check(), settings.base_url)) {
        Some((Err(error @ SettingsError::BaseUrl(_)), _)) => tell("stripe.base_url", &format!("is no good: {error}")),
        Some((Err(error), _)) => tell("stripe.secret_key", &format!("is no good: {error}")),
        Some((Ok(()), _)) => {}
        None => {
            for name in ["stripe.publishable_key", "stripe.webhook_secret"] {
                if given(name).is_some() {
                    tell(name, "is set without stripe.secret_key; set both or neither");
                }
            }
        }
    }
    if let Some(key) = given("stripe.publishable_key") {
        let is_test = |text: &str| text.contains("_test_");
        if !key.text.starts_with("pk_") {
            tell("stripe.publishable_key", "is no publishable key of Stripe: those begin with pk_");
        } else if given("stripe.secret_key").is_some_and(|secret| is_test(&secret.text) != is_test(&key.text)) {
            tell("stripe.publishable_key", "and stripe.secret_key are not of one kind: one is for tests, one is live");
        }
    }
    if separated(&text("stripe.webhook_secret")).any(|secret| !secret.starts_with("whsec_")) {
        tell("stripe.webhook_secret", "is no webhook secret of Stripe: those begin with whsec_");
    }
    if given("stripe.portal_configuration").is_some_and(|found| !found.text.starts_with("bpc_")) {
        tell("stripe.portal_configuration", "is no portal configuration of Stripe: those begin with bpc_");
    }
}

/// The Stripe account of the settings, if they name one. `text` gives a setting's text.
pub(super) fn settings(text: impl Fn(&str) -> String) -> Option<StripeSettings> {
    let secret_key = Some(text("stripe.secret_key")).filter(|key| !key.is_empty())?;
    let mut settings = StripeSettings::new(SecretText::new(secret_key));
    if let Ok(base_url) = text("stripe.base_url").parse() {
        settings.base_url = base_url;
    }
    Some(settings)
}

/// What billing goes by. `text` gives a setting's text.
pub(super) fn billing(text: impl Fn(&str) -> String) -> BillingSettings {
    let not_empty = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
    let flag = |name: &str| text(name) == "true";
    BillingSettings {
        publishable_key: not_empty("stripe.publishable_key"),
        webhook_secrets: separated(&text("stripe.webhook_secret")).map(SecretText::new).collect(),
        portal_configuration: not_empty("stripe.portal_configuration"),
        automatic_tax: flag("stripe.automatic_tax"),
        tax_ids: flag("stripe.tax_ids"),
        billing_address_required: text("stripe.billing_address") == "required",
        promotion_codes: flag("stripe.promotion_codes"),
        allowed_redirect_origins: separated(&text("allowed_redirect_origins")).map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Sources};

    fn load(environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Config::load(&Sources { file: None, environment, arguments: Vec::new() })
    }

    #[test]
    fn one_key_is_enough_and_secrets_may_be_several() {
        let config = load(&[
            ("TOLLWAY_STRIPE_SECRET_KEY", "sk_test_1"),
            ("TOLLWAY_STRIPE_WEBHOOK_SECRET", "whsec_new, whsec_old"),
            ("TOLLWAY_ALLOWED_REDIRECT_ORIGINS", "https://a.example.com,http://localhost:3000"),
        ])
        .expect("a configuration");
        let stripe = config.stripe.expect("an account");
        assert_eq!((stripe.base_url.as_str(), stripe.is_live()), ("https://api.stripe.com/", false));
        let secrets: Vec<&str> = config.billing.webhook_secrets.iter().map(|secret| secret.expose()).collect();
        assert_eq!(secrets, ["whsec_new", "whsec_old"]);
        assert_eq!(config.billing.allowed_redirect_origins, ["https://a.example.com", "http://localhost:3000"]);
        assert!(load(&[]).expect("a configuration").stripe.is_none());
    }

    #[test]
    fn what_stripe_would_not_know_is_told_and_no_secret_with_it() {
        let mistakes = load(&[
            ("TOLLWAY_STRIPE_SECRET_KEY", "hidden"),
            ("TOLLWAY_STRIPE_PUBLISHABLE_KEY", "sk_test_hidden"),
            ("TOLLWAY_STRIPE_WEBHOOK_SECRET", "whsec_1,hidden"),
            ("TOLLWAY_STRIPE_PORTAL_CONFIGURATION", "pro"),
            ("TOLLWAY_ALLOWED_REDIRECT_ORIGINS", "https://a.example.com/path"),
        ])
        .expect_err("five mistakes");
        let begin = |mistake: &String| mistake.split([':', ';']).take(2).collect::<Vec<_>>().join(":");
        assert_eq!(
            mistakes.iter().map(begin).collect::<Vec<_>>(),
            [
                "TOLLWAY_ALLOWED_REDIRECT_ORIGINS: allowed_redirect_origins names \"https",
                "TOLLWAY_STRIPE_SECRET_KEY: stripe.secret_key is no good",
                "TOLLWAY_STRIPE_PUBLISHABLE_KEY: stripe.publishable_key is no publishable key of Stripe",
                "TOLLWAY_STRIPE_WEBHOOK_SECRET: stripe.webhook_secret is no webhook secret of Stripe",
                "TOLLWAY_STRIPE_PORTAL_CONFIGURATION: stripe.portal_configuration is no portal configuration of Stripe",
            ]
        );
        assert!(mistakes.iter().all(|mistake| !mistake.contains("hidden")));
    }

    #[test]
    fn settings_that_belong_together_are_asked_for_together() {
        let mistakes = load(&[("TOLLWAY_STRIPE_WEBHOOK_SECRET", "whsec_1")]).expect_err("no key");
        assert_eq!(
            mistakes,
            [
                "TOLLWAY_STRIPE_WEBHOOK_SECRET: stripe.webhook_secret is set without stripe.secret_key; set both or neither"
            ]
        );
        let keys = [("TOLLWAY_STRIPE_SECRET_KEY", "sk_live_1"), ("TOLLWAY_STRIPE_PUBLISHABLE_KEY", "pk_test_1")];
        assert!(load(&keys).expect_err("two kinds")[0].contains("are not of one kind"));
        let far =
            [("TOLLWAY_STRIPE_SECRET_KEY", "sk_test_1"), ("TOLLWAY_STRIPE_BASE_URL", "http://stripe.example.com")];
        assert!(load(&far).expect_err("in the clear")[0].starts_with("TOLLWAY_STRIPE_BASE_URL: stripe.base_url"));
    }
}
