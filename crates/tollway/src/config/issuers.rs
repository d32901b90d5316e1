//! Whose tokens are taken where the app has a sign-in of its own: `[issuers.NAME]` in the file, or
//! `TOLLWAY_ISSUER_NAME_…` in the environment.

use providers::issuers::{IssuerSettings, Issuers};

use super::named_tables::{Fields, NamedTables, TableKind, field, text_of_field};
use super::settings::{Kind, Setting};

/// `[issuers.NAME]`
pub const ISSUERS: TableKind =
    TableKind { table: "issuers", one: "an issuer", variable: "TOLLWAY_ISSUER_", fields: FIELDS };

/// What there is to say of an issuer.
pub const FIELDS: &[Setting] = &[
    field("issuer", Kind::Text, "", "Exactly what its tokens carry as `iss`."),
    field("jwks_url", Kind::Url, "", "Where it publishes its keys. Empty: its discovery document says."),
    field(
        "audience",
        Kind::Text,
        "",
        "What its tokens carry as `aud` when they are meant for you; one of several is enough.",
    ),
    field("external_id_claim", Kind::Text, "sub", "The claim that is your own id of a customer."),
    field("email_claim", Kind::Text, "email", "The claim that is the email."),
    field("name_claim", Kind::Text, "name", "The claim that is the name."),
    field(
        "algorithms",
        Kind::Text,
        "RS256,ES256,EdDSA",
        "The forms of signature that are accepted; never one with a shared secret.",
    ),
    field("allow_private", Kind::Flag, "false", "Whether it may be in a private network, and go without TLS there."),
];

/// Checks everything and builds the settings.
pub(super) fn settings(found: NamedTables, mistakes: &mut Vec<String>) -> Vec<IssuerSettings> {
    let found = found.checked(mistakes).unwrap_or_default();
    let settings: Vec<_> = found.into_iter().map(|(name, fields)| issuer(name, &fields)).collect();
    if let Err((name, error)) = Issuers::new(settings.clone()) {
        mistakes.push(format!("issuers.{name}: {error}"));
    }
    settings
}

/// Settings of one issuer whose fields are right.
fn issuer(name: String, fields: &Fields) -> IssuerSettings {
    let text = |field: &str| text_of_field(FIELDS, fields, field, "");
    let list = |field: &str| -> Vec<String> {
        text(field).split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    IssuerSettings {
        issuer: text("issuer"),
        jwks_url: text("jwks_url"),
        audiences: list("audience"),
        external_id_claim: text("external_id_claim"),
        email_claim: text("email_claim"),
        name_claim: text("name_claim"),
        algorithms: list("algorithms"),
        allow_private: text("allow_private") == "true",
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Sources};
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Vec<IssuerSettings>, Vec<String>> {
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let sources = Sources { file: Some(("tollway.toml".into(), file.into())), environment, arguments: Vec::new() };
        Config::load(&sources).map(|config| config.issuers)
    }

    #[test]
    fn an_issuer_needs_its_name_and_an_audience() {
        let file = "[issuers.clerk]\nissuer = \"https://clerk.example.com\"\naudience = \"tollway\"\n";
        let environment = [
            ("TOLLWAY_ISSUER_SUPABASE_ISSUER", "https://ref.supabase.co/auth/v1"),
            ("TOLLWAY_ISSUER_SUPABASE_AUDIENCE", "authenticated, other"),
            ("TOLLWAY_ISSUER_SUPABASE_JWKS_URL", "https://ref.supabase.co/auth/v1/.well-known/jwks.json"),
            ("TOLLWAY_ISSUER_CLERK_EXTERNAL_ID_CLAIM", "user_id"),
        ];
        let settings = load(file, &environment).expect("settings");
        let [clerk, supabase] = &settings[..] else { panic!("two issuers") };
        assert_eq!((clerk.name.as_str(), clerk.issuer.as_str()), ("clerk", "https://clerk.example.com"));
        assert_eq!((clerk.external_id_claim.as_str(), clerk.email_claim.as_str()), ("user_id", "email"));
        assert_eq!(clerk.algorithms, ["RS256", "ES256", "EdDSA"]);
        assert_eq!((supabase.external_id_claim.as_str(), supabase.audiences.len()), ("sub", 2));
        assert!(supabase.jwks_url.ends_with("jwks.json") && !supabase.allow_private);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let told = |file: &str| load(file, &[]).expect_err("a mistake").join("\n");
        let whole = "issuer = \"https://a.example\"\naudience = \"a\"\n";
        assert!(
            told("[issuers.a]\nsecret = \"x\"\n").contains("tollway.toml:2: an issuer has no secret; known are issuer")
        );
        assert!(told("[issuers.a]\naudience = \"a\"\n").starts_with("issuers.a: issuer is missing"));
        assert!(told("[issuers.a]\nissuer = \"https://a.example\"\n").starts_with("issuers.a: audience is missing"));
        let shared = told(&format!("[issuers.a]\n{whole}algorithms = [\"HS256\"]\n"));
        assert!(shared.starts_with("issuers.a: HS256 is no form of signature with a public key"), "{shared}");
        let twice = told(&format!("[issuers.a]\n{whole}[issuers.b]\n{whole}"));
        assert!(twice.starts_with("issuers.b: the issuer https://a.example is configured twice"), "{twice}");
        let private = told("[issuers.a]\nissuer = \"http://10.0.0.1\"\naudience = \"a\"\n");
        assert!(private.starts_with("issuers.a: issuer cannot be asked"), "{private}");
    }
}
