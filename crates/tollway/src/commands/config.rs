//! `tollway config check|reference`: what is wrong with the configuration, and what there is to configure.

use std::fmt::Write;
use std::process::ExitCode;

use crate::config::settings::{Kind, SETTINGS, Setting, variable};
use crate::config::{issuers, sign_in, upstreams};
use crate::{Common, wiring};
use app::gateway::Gateway;

#[derive(clap::Subcommand)]
pub enum ConfigCommand {
    /// Read the file and the environment and explain every mistake with its place.
    Check,
    /// Print every setting with its variable and default, as Markdown.
    Reference,
}

pub fn run(common: &Common, command: ConfigCommand) -> Result<ExitCode, String> {
    match command {
        ConfigCommand::Check => {
            let config = wiring::configuration(common, Vec::new())?;
            let source = wiring::catalog_source(&config)?;
            if let Err(mistakes) = domain::catalog::parse(&source) {
                let name = wiring::catalog_name(&config);
                let count = mistakes.len();
                return Err(format!("{name} has {count} mistakes; `tollway catalog check` explains them."));
            }
            Gateway::new(config.gateway.clone())
                .map_err(|(name, error)| format!("The upstream {name} cannot be used: {error}."))?;
            wiring::mail_server(&config)?;
            wiring::stripe(&config)?;
            println!("The configuration is right.");
        }
        ConfigCommand::Reference => print!("{}", reference()),
    }
    Ok(ExitCode::SUCCESS)
}

/// How the gateway's upstreams are told.
const UPSTREAMS: &str = "\n## Upstreams\n\nEach place that model calls go to is a table `[upstreams.NAME]`. They are tried in the order of the file, and an upstream\nthat only the environment names comes after those. Every field is also a variable, `TOLLWAY_UPSTREAM_<NAME>_<FIELD>`, and the\nkey may be in a file, `TOLLWAY_UPSTREAM_<NAME>_KEY_FILE`. So `TOLLWAY_UPSTREAM_OPENAI_KEY=sk-…` alone is enough for OpenAI.\nOther names for models stand under `[aliases]`: `fast = \"gpt-4o-mini\"`.\n";

/// How providers that people sign in by are told.
const OIDC: &str = "\n## Signing in by others\n\nEach OpenID Connect provider is a table `[oidc.NAME]`. Every field is also a variable, `TOLLWAY_OIDC_<NAME>_<FIELD>`, and the\nsecret may be in a file, `TOLLWAY_OIDC_<NAME>_CLIENT_SECRET_FILE`. For Google `TOLLWAY_OIDC_GOOGLE_CLIENT_ID` and\n`TOLLWAY_OIDC_GOOGLE_CLIENT_SECRET` are enough.\n";

/// How issuers of others' tokens are told.
const ISSUERS: &str = "\n## Tokens of others\n\nWhere the app has a sign-in of its own, each issuer whose tokens are taken is a table `[issuers.NAME]`. Every field is also a\nvariable, `TOLLWAY_ISSUER_<NAME>_<FIELD>`.\n";

/// The reference that `docs/configuration.md` holds.
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\nSettings are read from `tollway.toml`, then from the environment, then from the command line; later ones win.\nA setting with a dot lives in a table: `ledger.lanes` is `lanes` under `[ledger]`.\n\n| setting | variable | value | default | what it does |\n| --- | --- | --- | --- | --- |\n",
    );
    for setting in SETTINGS {
        let variable = match setting.secret {
            true => format!("`{0}`, `{0}_FILE`", variable(setting.name)),
            false => format!("`{}`", variable(setting.name)),
        };
        let default = if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {variable} | {} | {default} | {} |",
            setting.name,
            value(setting.kind),
            setting.help
        );
    }
    text.push_str(UPSTREAMS);
    write_fields(&mut text, upstreams::FIELDS);
    text.push_str(OIDC);
    write_fields(&mut text, sign_in::FIELDS);
    text.push_str(ISSUERS);
    write_fields(&mut text, issuers::FIELDS);
    text.push_str(
        "\nOne limit of one plan is overridden by `TOLLWAY_LIMIT_<PLAN>_<METER>_<WINDOW>`, for example\n`TOLLWAY_LIMIT_PRO_REQUESTS_PERIOD=20000`. It becomes a version of the plan when the server starts.\n",
    );
    text
}

fn write_fields(text: &mut String, fields: &[Setting]) {
    text.push_str("\n| field | value | default | what it says |\n| --- | --- | --- | --- |\n");
    for field in fields {
        let default = if field.default.is_empty() { String::new() } else { format!("`{}`", field.default) };
        let _ = writeln!(text, "| `{}` | {} | {default} | {} |", field.name, value(field.kind), field.help);
    }
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".into(),
        Kind::Listen => "address:port".into(),
        Kind::Url => "URL".into(),
        Kind::Sender => "sender".into(),
        Kind::Networks => "addresses, networks".into(),
        Kind::Origins => "origins".into(),
        Kind::Flag => "true or false".into(),
        Kind::Count(least, most) => format!("{least} to {most}"),
        Kind::Word(words) => words.join(" or "),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checked_in_reference_is_current() {
        let checked_in = include_str!("../../../../docs/configuration.md");
        assert!(
            checked_in == super::reference(),
            "docs/configuration.md is stale; run `cargo run -- config reference > docs/configuration.md`"
        );
    }
}
