//! Configuration: `tollway.toml`, then the environment, then the command line. Every mistake is told with its place.

pub mod issuers;
mod mail;
pub mod named_tables;
pub mod settings;
pub mod sign_in;
mod stripe;
pub mod upstreams;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use app::billing::{BillingSettings, is_origin};
use app::gateway::GatewaySettings;
use app::identity::{PasswordCost, PasswordRules, PeopleSettings, Registration, Unverified};
use app::vault;
use providers::issuers::IssuerSettings;
use providers::mail::{SmtpSettings, is_sender};
use providers::oidc::ProviderSettings;
use providers::secret::SecretText;
use providers::shared_limits::SharedLimits;
use providers::stripe::StripeSettings;
use storage::DatabaseUrl;
use storage::ledger::LedgerSettings;
use toml::de::{DeTable, DeValue};
use web::extract::client_address::{AddressHeader, TrustedProxies};

use named_tables::NamedTables;
use settings::{Kind, SETTINGS, Setting, variable};
use upstreams::FoundUpstreams;

/// Variables that override one limit of one plan rather than a setting.
const LIMITS: &str = domain::catalog::LIMIT_PREFIX;

/// Tokens of an answer that quota is held for where nobody bounds it.
const HELD_OUTPUT_TOKENS: u64 = 4_096;

/// What the server runs with.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    pub product_name: Option<String>,
    /// `None`: mails wait in the outbox.
    pub mail: Option<SmtpSettings>,
    /// `None`: nothing is sold.
    pub stripe: Option<StripeSettings>,
    pub billing: BillingSettings,
    pub trusted_proxies: TrustedProxies,
    /// Where files are kept that are not the database's.
    pub data_dir: PathBuf,
    pub database: DatabaseUrl,
    /// `None`: rate limits are counted in the process.
    pub redis_url: Option<SecretText>,
    /// `None`: the starter catalog that is built in.
    pub catalog: Option<PathBuf>,
    pub auto_create_accounts: bool,
    pub encryption_key: Option<String>,
    pub former_encryption_key: Option<String>,
    pub people: PeopleSettings,
    /// Endpoints may be in the server's own network, and without TLS.
    pub webhooks_allow_private: bool,
    pub json_logs: bool,
    pub log_level: String,
    pub shutdown_delay: Duration,
    pub ledger: LedgerSettings,
    pub gateway: GatewaySettings,
    /// Who people may sign in by.
    pub oidc: Vec<ProviderSettings>,
    /// Whose tokens are taken where the app has a sign-in of its own.
    pub issuers: Vec<IssuerSettings>,
    /// Settings that override limits of plans, by variable.
    pub limit_settings: Vec<(String, String)>,
}

/// A value and where it came from, for messages.
#[derive(Clone, Debug)]
pub struct Found {
    text: String,
    place: String,
}

/// What was found of tables of which there may be several.
struct FoundTables {
    gateway: FoundUpstreams,
    oidc: NamedTables,
    issuers: NamedTables,
}

impl Default for FoundTables {
    fn default() -> Self {
        let (oidc, issuers) = (NamedTables::new(&sign_in::OIDC), NamedTables::new(&issuers::ISSUERS));
        Self { gateway: FoundUpstreams::default(), oidc, issuers }
    }
}

impl FoundTables {
    /// The names of the tables that are read here.
    const NAMES: [&str; 4] =
        [upstreams::UPSTREAMS.table, upstreams::ALIASES, sign_in::OIDC.table, issuers::ISSUERS.table];

    fn read_file(&mut self, place: (&str, &str), table: &DeTable<'_>, mistakes: &mut Vec<String>) {
        self.gateway.read_file(place, table, mistakes);
        self.oidc.read_file(place, table, mistakes);
        self.issuers.read_file(place, table, mistakes);
    }

    /// Whether a variable is one of theirs.
    fn read_variable(&mut self, name: &str, value: &str, mistakes: &mut Vec<String>) -> bool {
        let mut tables = [&mut self.gateway.upstreams, &mut self.oidc, &mut self.issuers].into_iter();
        tables.any(|tables| tables.read_variable(name, value, mistakes))
    }
}

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file's name and text.
    pub file: Option<(String, String)>,
    pub environment: Vec<(String, String)>,
    /// From the command line, by setting.
    pub arguments: Vec<(&'static str, String)>,
}

impl Sources {
    /// The file (`tollway.toml` unless another is named) and the variables that begin with `TOLLWAY_`.
    pub fn read(file: Option<&std::path::Path>) -> Result<Self, Vec<String>> {
        let named = file.map_or_else(|| PathBuf::from("tollway.toml"), PathBuf::from);
        let text = match std::fs::read_to_string(&named) {
            Ok(text) => Some((named.display().to_string(), text)),
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(vec![format!("{}: {error}", named.display())]),
        };
        let environment = std::env::vars().filter(|(name, _)| name.starts_with("TOLLWAY_")).collect();
        Ok(Self { file: text, environment, arguments: Vec::new() })
    }
}

impl Config {
    /// Reads all sources; later ones win.
    ///
    /// # Errors
    /// Every mistake, each as a sentence with its place.
    pub fn load(sources: &Sources) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut found: BTreeMap<&'static str, Found> = BTreeMap::new();
        let mut tables = FoundTables::default();
        if let Some((name, text)) = &sources.file {
            read_file((name, text), (&mut found, &mut tables), &mut mistakes);
        }
        let limit_settings = read_environment(&sources.environment, (&mut found, &mut tables), &mut mistakes);
        for (setting, text) in &sources.arguments {
            found.insert(setting, Found { text: text.clone(), place: format!("--{}", setting.replace('_', "-")) });
        }
        for setting in SETTINGS {
            if let Some(found) = found.get(setting.name)
                && let Err(wrong) = check(setting, &found.text)
            {
                mistakes.push(format!("{}: {} {wrong}", found.place, setting.name));
            }
        }
        mail::check(&found, &mut mistakes);
        stripe::check(&found, &mut mistakes);
        let held = found.get("gateway.held_output_tokens").and_then(|found| found.text.parse().ok());
        let gateway = tables.gateway.settings(held.unwrap_or(HELD_OUTPUT_TOKENS), &mut mistakes);
        let oidc = sign_in::settings(tables.oidc, &mut mistakes);
        let issuers = issuers::settings(tables.issuers, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Config { gateway, oidc, issuers, ..assemble(&found, limit_settings) })
    }
}

fn assemble(found: &BTreeMap<&'static str, Found>, limit_settings: Vec<(String, String)>) -> Config {
    let text = |name: &str| {
        let default = SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
        found.get(name).map_or(default, |found| found.text.as_str()).to_owned()
    };
    let count = |name: &str| text(name).parse().unwrap_or(1u64);
    let data_dir = PathBuf::from(text("data_dir"));
    let database = match text("database").as_str() {
        "" => DatabaseUrl::Sqlite(data_dir.join("tollway.db")),
        url => DatabaseUrl::parse(url).unwrap_or_else(|| DatabaseUrl::Sqlite(data_dir.join("tollway.db"))),
    };
    let not_empty = |text: String| (!text.is_empty()).then_some(text);
    Config {
        listen: text("listen").parse().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 8080))),
        public_url: not_empty(text("public_url")),
        product_name: not_empty(text("product_name")),
        mail: mail::settings(text),
        stripe: stripe::settings(text),
        billing: stripe::billing(text),
        trusted_proxies: trusted_proxies(&text("trusted_proxies"), &text("client_address_header")),
        data_dir,
        database,
        redis_url: not_empty(text("redis_url")).map(SecretText::new),
        catalog: not_empty(text("catalog")).map(PathBuf::from),
        auto_create_accounts: text("auto_create_accounts") == "true",
        encryption_key: not_empty(text("encryption_key")),
        former_encryption_key: not_empty(text("former_encryption_key")),
        people: people(&text),
        webhooks_allow_private: text("webhooks_allow_private") == "true",
        json_logs: text("log") == "json",
        log_level: text("log_level"),
        shutdown_delay: Duration::from_secs(count("shutdown_delay_seconds")),
        ledger: LedgerSettings {
            queue_capacity: count("ledger.queue") as usize,
            remembered_accounts: count("ledger.remembered_accounts") as usize,
            lanes: count("ledger.lanes") as usize,
            connections: count("ledger.connections") as usize,
            deadline: Duration::from_secs(count("ledger.deadline_seconds")),
            ..LedgerSettings::default()
        },
        gateway: GatewaySettings::default(),
        oidc: Vec::new(),
        issuers: Vec::new(),
        limit_settings,
    }
}

fn people(text: &impl Fn(&str) -> String) -> PeopleSettings {
    let count = |name: &str| text(name).parse().unwrap_or(1u32);
    let flag = |name: &str| text(name) == "true";
    let seconds = |name: &str, unit: i64| i64::from(count(name)) * unit;
    PeopleSettings {
        registration: match text("registration").as_str() {
            "private" => Registration::Private,
            "closed" => Registration::Closed,
            _ => Registration::Instant,
        },
        unverified: match text("unverified").as_str() {
            "may_look" => Unverified::MayLook,
            "may_nothing" => Unverified::MayNothing,
            _ => Unverified::MayUse,
        },
        password: PasswordRules {
            min_length: count("password.min_length") as usize,
            upper: flag("password.upper"),
            lower: flag("password.lower"),
            digit: flag("password.digit"),
            special: flag("password.special"),
            min_strength: u8::try_from(count("password.min_strength")).unwrap_or(u8::MAX),
        },
        password_cost: PasswordCost { memory_kib: count("password.memory_kib"), passes: count("password.passes") },
        access_token_seconds: seconds("access_token_seconds", 1),
        refresh_token_seconds: seconds("refresh_token_days", 86_400),
        recent_sign_in_seconds: seconds("recent_sign_in_minutes", 60),
        verify_link_seconds: seconds("verify_link_hours", 3_600),
        reset_link_seconds: seconds("reset_link_minutes", 60),
        invitation_seconds: seconds("invitation_days", 86_400),
        token_audience: Some(text("token_audience")).filter(|audience| !audience.is_empty()),
        personal_account_for_invited: flag("personal_account_for_invited"),
    }
}

/// From texts that are right.
fn trusted_proxies(networks: &str, header: &str) -> TrustedProxies {
    let header = if header == "forwarded" { AddressHeader::Forwarded } else { AddressHeader::XForwardedFor };
    TrustedProxies::parse(networks, header).unwrap_or_default()
}

/// Whether a text is a value of the setting's kind; says what would be.
fn check(setting: &Setting, text: &str) -> Result<(), String> {
    let shown = if setting.secret { "the value" } else { text };
    match setting.kind {
        Kind::Text if setting.name == "database" && !text.is_empty() && DatabaseUrl::parse(text).is_none() => {
            Err("is no database: write postgres://user:password@host/name, or the path of a SQLite file".into())
        }
        Kind::Text if is_key(setting) && !text.is_empty() && text.chars().count() < vault::SHORTEST_KEY => {
            Err(format!("is too short: give {} random characters or more", vault::SHORTEST_KEY))
        }
        Kind::Text if setting.name == "redis_url" && !text.is_empty() => {
            SharedLimits::new(&SecretText::new(text)).map(drop).map_err(|error| error.to_string())
        }
        Kind::Text => Ok(()),
        Kind::Networks => TrustedProxies::parse(text, AddressHeader::default()).map(drop),
        Kind::Origins => match separated(text).find(|origin| !is_origin(origin)) {
            Some(wrong) => {
                Err(format!("names {wrong:?}; write origins such as https://app.example.com, without a path"))
            }
            None => Ok(()),
        },
        Kind::Listen => match text.parse::<SocketAddr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("is {shown:?}; write an address and a port, such as 127.0.0.1:8080")),
        },
        Kind::Url if text.is_empty() || text.starts_with("http://") || text.starts_with("https://") => Ok(()),
        Kind::Url => Err(format!("is {shown:?}; write a URL that begins with http:// or https://")),
        Kind::Sender if text.is_empty() || is_sender(text) => Ok(()),
        Kind::Sender => Err(format!("is {shown:?}; write an address such as `Acme <billing@example.com>`")),
        Kind::Flag if matches!(text, "true" | "false") => Ok(()),
        Kind::Flag => Err(format!("is {shown:?}; write true or false")),
        Kind::Count(least, most) => match text.parse::<u64>() {
            Ok(count) if (least..=most).contains(&count) => Ok(()),
            _ => Err(format!("is {shown:?}; write a whole number from {least} to {most}")),
        },
        Kind::Word(words) if words.contains(&text) => Ok(()),
        Kind::Word(words) => Err(format!("is {shown:?}; write {}", words.join(" or "))),
    }
}

fn read_file(
    (name, text): (&str, &str),
    (found, tables): (&mut BTreeMap<&'static str, Found>, &mut FoundTables),
    mistakes: &mut Vec<String>,
) {
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            mistakes.push(format!("{name}:{line}: {}", error.message()));
            return;
        }
    };
    tables.read_file((name, text), table.get_ref(), mistakes);
    read_table((name, text), "", table.get_ref(), found, mistakes);
}

fn read_table(
    (file, source): (&str, &str),
    prefix: &str,
    table: &DeTable<'_>,
    found: &mut BTreeMap<&'static str, Found>,
    mistakes: &mut Vec<String>,
) {
    for (key, value) in table.iter() {
        let name = format!("{prefix}{}", key.get_ref());
        if FoundTables::NAMES.contains(&name.as_str()) {
            continue;
        }
        let place = format!("{file}:{}", line_of(source, key.span().start));
        if let DeValue::Table(inner) = value.get_ref() {
            read_table((file, source), &format!("{name}."), inner, found, mistakes);
            continue;
        }
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            mistakes.push(format!("{place}: no setting is called {name}.{}", did_you_mean(&name)));
            continue;
        };
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Integer(number) => number.as_str().replace('_', ""),
            _ => {
                mistakes.push(format!("{place}: {name} must be text, a number or true or false"));
                continue;
            }
        };
        found.insert(setting.name, Found { text, place });
    }
}

fn read_environment(
    variables: &[(String, String)],
    (found, tables): (&mut BTreeMap<&'static str, Found>, &mut FoundTables),
    mistakes: &mut Vec<String>,
) -> Vec<(String, String)> {
    let mut limits = Vec::new();
    for (name, value) in variables {
        if name.starts_with(LIMITS) {
            limits.push((name.clone(), value.clone()));
            continue;
        }
        if tables.read_variable(name, value, mistakes) {
            continue;
        }
        // For the tests of the project itself.
        if name.starts_with("TOLLWAY_TEST_")
            || name.starts_with("TOLLWAY_SIMULATION_")
            || name.starts_with("TOLLWAY_CONFIG")
        {
            continue;
        }
        if let Some(setting) = SETTINGS.iter().find(|setting| variable(setting.name) == *name) {
            found.insert(setting.name, Found { text: value.clone(), place: name.clone() });
            continue;
        }
        let by_file =
            SETTINGS.iter().find(|setting| setting.secret && format!("{}_FILE", variable(setting.name)) == *name);
        match by_file.map(|setting| (setting, std::fs::read_to_string(value))) {
            Some((setting, Ok(text))) => {
                found.insert(setting.name, Found { text: text.trim_end().to_owned(), place: name.clone() });
            }
            Some((_, Err(error))) => mistakes.push(format!("{name}: {value}: {error}")),
            None => mistakes.push(format!("{name}: no setting has this variable. See `tollway config reference`.")),
        }
    }
    limits
}

/// The parts of a list that stands in one text.
fn separated(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

fn is_key(setting: &Setting) -> bool {
    matches!(setting.name, "encryption_key" | "former_encryption_key")
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The setting whose name shares the most beginning letters, when that is likely what was meant.
fn did_you_mean(name: &str) -> String {
    let shared =
        |setting: &&Setting| setting.name.chars().zip(name.chars()).take_while(|(one, other)| one == other).count();
    match SETTINGS.iter().max_by_key(shared).filter(|setting| shared(setting) >= 3) {
        Some(setting) => format!(" Did you mean {}?", setting.name),
        None => " See `tollway config reference`.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Config::load(&Sources { file: Some(("tollway.toml".into(), file.into())), environment, arguments: Vec::new() })
    }

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        for setting in SETTINGS {
            assert_eq!(check(setting, setting.default), Ok(()), "{}", setting.name);
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let file = "listen = \"nowhere\"\nlisten_to = 1\n[ledger]\nlanes = 0\n";
        let mistakes = load(file, &[("TOLLWAY_LOG", "loud"), ("TOLLWAY_LGO", "x")]).expect_err("five mistakes");
        assert_eq!(
            mistakes,
            [
                "tollway.toml:2: no setting is called listen_to. Did you mean listen?",
                "TOLLWAY_LGO: no setting has this variable. See `tollway config reference`.",
                "tollway.toml:1: listen is \"nowhere\"; write an address and a port, such as 127.0.0.1:8080",
                "TOLLWAY_LOG: log is \"loud\"; write json or text",
                "tollway.toml:4: ledger.lanes is \"0\"; write a whole number from 1 to 64",
            ]
        );
    }

    #[test]
    fn the_environment_wins_over_the_file_and_limits_are_kept_apart() {
        let config = load(
            "listen = \"127.0.0.1:1\"",
            &[("TOLLWAY_LISTEN", "127.0.0.1:2"), ("TOLLWAY_LIMIT_PRO_REQUESTS_PERIOD", "20000")],
        )
        .expect("a configuration");
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.limit_settings.len(), 1);
    }
}
