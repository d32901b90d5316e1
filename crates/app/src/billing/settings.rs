//! What an operator decides about selling, apart from the catalog.

use providers::secret::SecretText;
use url::{Origin, Url};

#[derive(Clone, Debug, Default)]
pub struct BillingSettings {
    /// Browsers may know it.
    pub publishable_key: Option<String>,
    /// What Stripe signs with; several while one replaces another. None: no plan is sold.
    pub webhook_secrets: Vec<SecretText>,
    /// `None`: the default of the Stripe account.
    pub portal_configuration: Option<String>,
    pub automatic_tax: bool,
    /// Customers may give a tax id.
    pub tax_ids: bool,
    pub billing_address_required: bool,
    /// Customers may enter a promotion code.
    pub promotion_codes: bool,
    /// Where customers may be sent back to, beside this server's own pages.
    pub allowed_redirect_origins: Vec<String>,
}

impl BillingSettings {
    /// Whether customers may be sent there, from a server with this public URL.
    pub(crate) fn may_lead_to(&self, target: &str, public_url: &str) -> bool {
        let Some(target) = origin(target) else { return false };
        let allowed = self.allowed_redirect_origins.iter().map(String::as_str).chain([public_url]);
        allowed.filter_map(origin).any(|allowed| allowed == target)
    }
}

/// Whether a text is an origin and no more: scheme, host, and a port where it is not the usual one. A star stands for
/// nothing.
pub fn is_origin(text: &str) -> bool {
    !text.contains('*') && origin(text).is_some_and(|origin| origin.ascii_serialization() == text.trim_end_matches('/'))
}

/// The origin of a web address that names nobody.
fn origin(address: &str) -> Option<Origin> {
    // What browsers would read otherwise than this reader is no address.
    if address.chars().any(|character| character.is_control() || character.is_whitespace() || character == '\\') {
        return None;
    }
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.username().is_empty() && url.password().is_none()).then(|| url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_sent_to_allowed_origins_alone() {
        let settings = BillingSettings {
            allowed_redirect_origins: vec!["https://app.example.com".into(), "http://localhost:3000".into()],
            ..BillingSettings::default()
        };
        let may = |target: &str| settings.may_lead_to(target, "https://billing.example.com/tollway");
        for good in [
            "https://app.example.com",
            "https://app.example.com:443/done?session={CHECKOUT_SESSION_ID}#top",
            "https://APP.example.com/",
            "http://localhost:3000/x",
            "https://billing.example.com/usage",
        ] {
            assert!(may(good), "{good}");
        }
        for bad in [
            "",
            "/usage",
            "//app.example.com",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.com",
            "https://evil.com/https://app.example.com",
            "https://app.example.com@evil.com",
            "https://user@app.example.com",
            "https://evil.com\\@app.example.com",
            "https:\\\\app.example.com",
            "https://app.example.com/\n",
            " https://app.example.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://localhost",
        ] {
            assert!(!may(bad), "{bad:?}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        for good in ["https://app.example.com", "https://app.example.com/", "http://localhost:3000"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in ["app.example.com", "https://app.example.com/x", "https://a@b.com", "*", "https://*.com", ""] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
