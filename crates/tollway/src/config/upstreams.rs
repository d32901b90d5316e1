//! Where model calls go: `[upstreams.NAME]` in the file, or `TOLLWAY_UPSTREAM_NAME_…` in the environment, and `[aliases]`.

use std::collections::BTreeMap;
use std::time::Duration;

use app::gateway::{ApiKind, GatewaySettings, UpstreamSettings};
use domain::name::Name;
use providers::model_api::Upstream;
use providers::secret::SecretText;
use toml::de::{DeTable, DeValue};

use super::line_of;
use super::named_tables::{Fields, NamedTables, TableKind, field, text_of_field};
use super::settings::{Kind, Setting};

pub const ALIASES: &str = "aliases";
/// `[upstreams.NAME]`
pub const UPSTREAMS: TableKind =
    TableKind { table: "upstreams", one: "an upstream", variable: "TOLLWAY_UPSTREAM_", fields: FIELDS };
/// The form, the address and the prices that these names stand for.
const KNOWN: [(&str, &str, &str); 2] =
    [("openai", "openai", "https://api.openai.com/v1"), ("anthropic", "anthropic", "https://api.anthropic.com/v1")];

/// What there is to say of an upstream.
pub const FIELDS: &[Setting] = &[
    field("url", Kind::Url, "", "Where its API is, with `/v1`. Left out for `openai` and `anthropic`."),
    Setting { secret: true, ..field("key", Kind::Text, "", "The key that it knows you by.") },
    field(
        "kind",
        Kind::Word(&["openai", "anthropic"]),
        "openai",
        "The form of its API. `anthropic` serves `/v1/messages`.",
    ),
    field("provider", Kind::Text, "", "Whose prices its models have. Empty: the upstream's name."),
    field("models", Kind::Text, "", "The models it serves, or beginnings such as `gpt-4o*`. Empty: every model."),
    field("concurrency", Kind::Count(0, 1_000_000), "0", "Calls under way at once; 0 takes any number."),
    field("queue", Kind::Count(0, 1_000_000), "256", "Calls that may wait for a place."),
    field("queue_seconds", Kind::Count(1, 600), "10", "How long a call may wait for a place."),
    field("connect_timeout_seconds", Kind::Count(1, 600), "10", "How long connecting may take."),
    field("first_byte_timeout_seconds", Kind::Count(1, 3_600), "600", "How long it may take to begin its answer."),
    field("idle_timeout_seconds", Kind::Count(1, 3_600), "120", "How long it may pause in an answer."),
    field("allow_private", Kind::Flag, "false", "Whether its address may be in a private network."),
];

/// What was found of upstreams and aliases, before it is checked.
pub(super) struct FoundUpstreams {
    /// In the order of the file, then of the environment.
    pub upstreams: NamedTables,
    aliases: BTreeMap<String, Name>,
}

impl Default for FoundUpstreams {
    fn default() -> Self {
        Self { upstreams: NamedTables::new(&UPSTREAMS), aliases: BTreeMap::new() }
    }
}

impl FoundUpstreams {
    /// Reads the two tables of the file.
    pub fn read_file(&mut self, (file, source): (&str, &str), table: &DeTable<'_>, mistakes: &mut Vec<String>) {
        self.upstreams.read_file((file, source), table, mistakes);
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == ALIASES) else { return };
        let place = format!("{file}:{}", line_of(source, key.span().start));
        let DeValue::Table(named) = value.get_ref() else {
            return mistakes.push(format!("{place}: {ALIASES} must be a table"));
        };
        for (alias, value) in named.iter() {
            match value.get_ref() {
                DeValue::String(model) => {
                    self.aliases.insert(alias.get_ref().to_string(), Name::new(model));
                }
                _ => mistakes.push(format!("{place}: the alias {} must name a model, as text", alias.get_ref())),
            }
        }
    }

    /// Checks everything and builds the settings.
    pub fn settings(self, held_output_tokens: u64, mistakes: &mut Vec<String>) -> GatewaySettings {
        let Some(upstreams) = self.upstreams.checked(mistakes) else { return GatewaySettings::default() };
        let upstreams: Vec<_> = upstreams.into_iter().map(|(name, fields)| upstream(name, &fields)).collect();
        for settings in upstreams.iter().filter(|settings| settings.upstream.base_url.is_empty()) {
            mistakes.push(format!("upstreams.{}: url is missing; write where its API is", settings.upstream.name));
        }
        GatewaySettings { upstreams, aliases: self.aliases, held_output_tokens }
    }
}

/// Settings of one upstream whose fields are right.
fn upstream(name: String, fields: &Fields) -> UpstreamSettings {
    let known = KNOWN.iter().find(|(known, _, _)| *known == name);
    let text = |field: &str| -> String {
        let default = match (field, known) {
            ("kind", Some((_, kind, _))) => kind,
            ("url", Some((_, _, url))) => url,
            ("provider", _) => name.as_str(),
            _ => "",
        };
        text_of_field(FIELDS, fields, field, default)
    };
    let count = |field: &str| text(field).parse().unwrap_or(0u64);
    let seconds = |field: &str| Duration::from_secs(count(field));
    let models = text("models");
    let models = models.split(',').map(str::trim).filter(|model| !model.is_empty());
    UpstreamSettings {
        provider: text("provider"),
        models: models.map(str::to_owned).collect(),
        concurrency: count("concurrency") as usize,
        queue: count("queue") as usize,
        queue_patience: seconds("queue_seconds"),
        upstream: Upstream {
            base_url: text("url"),
            key: SecretText::new(text("key")),
            kind: if text("kind") == "anthropic" { ApiKind::Anthropic } else { ApiKind::OpenAi },
            connect_timeout: seconds("connect_timeout_seconds"),
            first_byte_timeout: seconds("first_byte_timeout_seconds"),
            idle_timeout: seconds("idle_timeout_seconds"),
            allow_private: text("allow_private") == "true",
            name: name.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Sources};
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<GatewaySettings, Vec<String>> {
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let sources = Sources { file: Some(("tollway.toml".into(), file.into())), environment, arguments: Vec::new() };
        Config::load(&sources).map(|config| config.gateway)
    }

    #[test]
    fn upstreams_keep_the_order_of_the_file_and_take_the_environment() {
        let file = "[upstreams.openai]\nmodels = [\"gpt-4o*\", \"o3\"]\n[upstreams.anthropic]\n[upstreams.azure-eu]\nurl = \"https://eu.example/v1\"\nprovider = \"azure\"\nconcurrency = 8\n[aliases]\nfast = \"gpt-4o-mini\"\n";
        let environment = [
            ("TOLLWAY_UPSTREAM_OPENAI_KEY", "sk-1"),
            ("TOLLWAY_UPSTREAM_AZURE_EU_QUEUE_SECONDS", "3"),
            ("TOLLWAY_UPSTREAM_LOCAL_URL", "http://127.0.0.1:9/v1"),
            ("TOLLWAY_UPSTREAM_LOCAL_ALLOW_PRIVATE", "true"),
        ];
        let settings = load(file, &environment).expect("settings");
        let names: Vec<&str> = settings.upstreams.iter().map(|upstream| upstream.upstream.name.as_str()).collect();
        assert_eq!(names, ["openai", "anthropic", "azure-eu", "local"]);
        let [openai, anthropic, azure, local] = &settings.upstreams[..] else { panic!("four upstreams") };
        assert_eq!(
            (openai.upstream.base_url.as_str(), openai.upstream.key.expose()),
            ("https://api.openai.com/v1", "sk-1")
        );
        assert_eq!(openai.models, ["gpt-4o*", "o3"]);
        assert_eq!((anthropic.upstream.kind, anthropic.provider.as_str()), (ApiKind::Anthropic, "anthropic"));
        assert_eq!((azure.provider.as_str(), azure.concurrency, azure.queue_patience.as_secs()), ("azure", 8, 3));
        assert!(local.upstream.allow_private && !azure.upstream.allow_private);
        assert_eq!(settings.aliases["fast"].as_str(), "gpt-4o-mini");
    }

    #[test]
    fn mistakes_are_told_with_their_place_and_without_secrets() {
        let file = "[upstreams.mine]\nkind = \"other\"\nurll = \"x\"\n";
        let mistakes = load(file, &[("TOLLWAY_UPSTREAM_MINE_COLOUR", "red")]).expect_err("mistakes");
        assert!(mistakes[0].starts_with("tollway.toml:3: an upstream has no urll; known are url, key"), "{mistakes:?}");
        assert!(
            mistakes.iter().any(|mistake| mistake.starts_with("tollway.toml:2: kind is \"other\"")),
            "{mistakes:?}"
        );
        assert!(mistakes.iter().any(|mistake| mistake.starts_with("TOLLWAY_UPSTREAM_MINE_COLOUR")), "{mistakes:?}");
        let mistakes = load("[upstreams.mine]\nkey = \"sk-secret\"\n", &[]).expect_err("no url");
        assert_eq!(mistakes, ["upstreams.mine: url is missing; write where its API is"]);
    }
}
