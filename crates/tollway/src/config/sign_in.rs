//! Who people may sign in by: `[oidc.NAME]` in the file, or `TOLLWAY_OIDC_NAME_…` in the environment.

use std::time::Duration;

use providers::oidc::{ProviderSettings, Providers};
use providers::secret::SecretText;

use super::named_tables::{Fields, NamedTables, TableKind, field, secret, text_of_field};
use super::settings::{Kind, Setting};

/// `[oidc.NAME]`
pub const OIDC: TableKind =
    TableKind { table: "oidc", one: "an OpenID Connect provider", variable: "TOLLWAY_OIDC_", fields: FIELDS };

/// The issuer and what people call it, of providers that are known.
const KNOWN: [(&str, &str, &str); 1] = [("google", "https://accounts.google.com", "Google")];
const PATIENCE: Duration = Duration::from_secs(10);

/// What there is to say of a provider.
pub const FIELDS: &[Setting] = &[
    field("issuer", Kind::Url, "", "Exactly what it calls itself. Left out for `google`."),
    field("client_id", Kind::Text, "", "The name that it knows you by."),
    secret("client_secret", "The secret that it knows you by."),
    field("scopes", Kind::Text, "openid,email,profile", "What is asked for; `openid` must be among it."),
    field("display_name", Kind::Text, "", "What people call it. Empty: its name with a capital."),
    field("allow_private", Kind::Flag, "false", "Whether it may be in a private network, and go without TLS there."),
];

/// Checks everything and builds the settings.
pub(super) fn settings(found: NamedTables, mistakes: &mut Vec<String>) -> Vec<ProviderSettings> {
    let found = found.checked(mistakes).unwrap_or_default();
    let settings: Vec<_> = found.into_iter().map(|(name, fields)| provider(name, &fields)).collect();
    if let Err((name, error)) = Providers::new(settings.clone()) {
        mistakes.push(format!("oidc.{name}: {error}"));
    }
    settings
}

/// Settings of one provider whose fields are right.
fn provider(name: String, fields: &Fields) -> ProviderSettings {
    let known = KNOWN.iter().find(|(known, ..)| *known == name);
    let text = |field: &str| -> String {
        let instead = match (field, known) {
            ("issuer", Some((_, issuer, _))) => (*issuer).to_owned(),
            ("display_name", Some((_, _, shown))) => (*shown).to_owned(),
            ("display_name", None) => crate::wiring::capitalized(&name),
            _ => String::new(),
        };
        text_of_field(FIELDS, fields, field, &instead)
    };
    let scopes = text("scopes");
    let scopes = scopes.split([',', ' ']).filter(|scope| !scope.is_empty());
    ProviderSettings {
        display_name: text("display_name"),
        issuer: text("issuer"),
        client_id: text("client_id"),
        client_secret: SecretText::new(text("client_secret")),
        scopes: scopes.map(str::to_owned).collect(),
        allow_private: text("allow_private") == "true",
        patience: PATIENCE,
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Sources};
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Vec<ProviderSettings>, Vec<String>> {
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let sources = Sources { file: Some(("tollway.toml".into(), file.into())), environment, arguments: Vec::new() };
        Config::load(&sources).map(|config| config.oidc)
    }

    #[test]
    fn google_needs_no_more_than_a_client() {
        let environment =
            [("TOLLWAY_OIDC_GOOGLE_CLIENT_ID", "123.apps"), ("TOLLWAY_OIDC_GOOGLE_CLIENT_SECRET", "hush")];
        let settings = load("", &environment).expect("settings");
        let [google] = &settings[..] else { panic!("one provider") };
        assert_eq!((google.name.as_str(), google.display_name.as_str()), ("google", "Google"));
        assert_eq!(google.issuer, "https://accounts.google.com");
        assert_eq!((google.client_id.as_str(), google.client_secret.expose()), ("123.apps", "hush"));
        assert_eq!(google.scopes, ["openid", "email", "profile"]);
        assert!(!google.allow_private);
    }

    #[test]
    fn any_provider_can_be_named_and_its_secret_may_be_in_a_file() {
        let file = "[oidc.our-login]\nissuer = \"https://login.example.com\"\nclient_id = \"tollway\"\nscopes = [\"openid\", \"email\"]\ndisplay_name = \"Example\"\n";
        let secret = testkit::server::fresh_folder().with_extension("secret");
        std::fs::write(&secret, "hush\n").expect("a temporary file can be written");
        let path = secret.display().to_string();
        let settings = load(file, &[("TOLLWAY_OIDC_OUR_LOGIN_CLIENT_SECRET_FILE", &path)]).expect("settings");
        assert!(std::fs::remove_file(&secret).is_ok());
        assert_eq!((settings[0].name.as_str(), settings[0].client_secret.expose()), ("our-login", "hush"));
        assert_eq!((settings[0].display_name.as_str(), settings[0].scopes.len()), ("Example", 2));
    }

    #[test]
    fn mistakes_are_told_with_their_place_and_without_secrets() {
        let told = |file: &str| load(file, &[]).expect_err("a mistake").join("\n");
        let whole = "issuer = \"https://a.example\"\nclient_id = \"a\"\nclient_secret = \"hush\"\n";
        assert!(
            told("[oidc.a]\nclient = \"x\"\n").contains("tollway.toml:2: an OpenID Connect provider has no client")
        );
        assert!(
            told("[oidc]\na = 1\n").contains("tollway.toml:1: write an OpenID Connect provider as a table, [oidc.a]")
        );
        assert_eq!(told("[oidc.google]\nclient_id = \"a\"\n"), "oidc.google: client_secret is missing");
        assert_eq!(told("[oidc.mine]\nclient_id = \"a\"\n"), "oidc.mine: issuer is missing");
        let told = told(&format!("[oidc.a]\n{whole}scopes = \"email\"\n"));
        assert_eq!(told, "oidc.a: scopes must name openid");
        let plain = whole.replace("https", "http");
        let refused = load(&format!("[oidc.a]\n{plain}"), &[]).expect_err("a mistake").join("\n");
        assert_eq!(refused, "oidc.a: issuer cannot be asked: it has no https:// address");
        assert!(!refused.contains("hush"));
    }
}
