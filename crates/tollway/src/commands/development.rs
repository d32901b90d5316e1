//! What `serve --dev` makes and prints: a demo customer, keys, and lines to paste.

use std::io::Write;
use std::time::Duration;

use app::gateway::{ApiKind, UpstreamSettings};
use app::identity::{KeyOwner, NewKey, PasswordCost, SuperadminPassword, authenticate, create_superadmin, issue_key};
use app::mail::{ListedMail, WrittenMails};
use app::{AccountRef, App, Settings};
use domain::ids::AccountId;
use providers::model_api::Upstream;
use providers::secret::SecretText;
use serde_json::json;
use storage::records::settings;
use storage::{StorageError, Tx};

use super::admin::make_password;
use crate::config::Config;

/// Development keys are kept in plain text, so that a restart prints the same ones. Nowhere else is a secret kept.
const KEYS: &str = "development_keys";
const DEMO_CUSTOMER: &str = "demo";
const SUPERADMIN: &str = "admin@example.com";
const SUPERADMIN_PASSWORD: &str = "development_superadmin_password";

pub struct Demo {
    url: String,
    service_key: String,
    account: AccountId,
    api_key: String,
    superadmin_password: String,
    /// The stand-in model provider.
    pub model_url: Option<String>,
    /// The stand-in for Stripe.
    pub stripe_url: Option<String>,
}

/// Starts the stand-in for a model provider and puts it behind the configured upstreams.
pub async fn start_models(config: &mut Config) -> Result<String, String> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let url = format!("http://{address}/v1");
    tokio::spawn(sandbox::models::serve(listener, std::future::pending()));
    let stand_in = |kind: ApiKind| UpstreamSettings {
        upstream: Upstream {
            name: "stand-in".into(),
            base_url: url.clone(),
            key: SecretText::new(""),
            kind,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(120),
            allow_private: true,
        },
        provider: "stand-in".into(),
        models: Vec::new(),
        concurrency: 0,
        queue: 0,
        queue_patience: Duration::from_secs(1),
    };
    config.gateway.upstreams.extend([ApiKind::OpenAi, ApiKind::Anthropic].map(stand_in));
    Ok(url)
}

/// Makes the demo customer and the keys, or finds them.
pub async fn prepare(app: &App, config: &Config) -> Result<Demo, String> {
    let said = |error: app::AppError| error.to_string();
    // Also where the setting says that a consume makes no accounts.
    let making = app.clone().with_settings(Settings { auto_create_accounts: true, ..(*app.settings).clone() });
    let demo = AccountRef::External(DEMO_CUSTOMER.into());
    let account = app::accounts::resolve_or_create(&making, &demo).await.map_err(said)?;
    let read = |tx: &mut Tx<'_>| settings::get(tx, KEYS);
    let kept =
        app.database.read::<_, StorageError, _>("development_keys", read).await.map_err(|error| error.to_string())?;
    let kept = kept.and_then(|text| serde_json::from_str::<(String, String)>(&text).ok());
    let (service_key, api_key) = match kept {
        Some(keys) if authenticate(app, &keys.0).await.is_ok() && authenticate(app, &keys.1).await.is_ok() => keys,
        _ => make_keys(app, account).await?,
    };
    let superadmin_password = superadmin_password(app).await?;
    let url = format!("http://{}", config.listen);
    Ok(Demo { url, service_key, account, api_key, superadmin_password, model_url: None, stripe_url: None })
}

/// Makes the superadmin at the first start, and finds the password at later ones.
async fn superadmin_password(app: &App) -> Result<String, String> {
    let read = |tx: &mut Tx<'_>| settings::get(tx, SUPERADMIN_PASSWORD);
    let kept = app.database.read::<_, StorageError, _>("development_superadmin", read).await;
    if let Some(kept) = kept.map_err(|error| error.to_string())? {
        return Ok(kept);
    }
    let password = make_password();
    let random = SuperadminPassword::Random(&password, PasswordCost::LIGHTEST);
    let made = create_superadmin(app, (SUPERADMIN, Some("Admin")), Some(random)).await;
    made.map_err(|error| error.to_string())?;
    let text = password.clone();
    let write = move |tx: &mut Tx<'_>| settings::put(tx, SUPERADMIN_PASSWORD, &text);
    let kept = app.database.write::<_, StorageError, _>("keep_development_superadmin", write).await;
    kept.map(|()| password).map_err(|error| error.to_string())
}

async fn make_keys(app: &App, account: AccountId) -> Result<(String, String), String> {
    let named = |name: &str| NewKey { name: name.into(), ..NewKey::default() };
    let service = issue_key(app, KeyOwner::Service, named("Development")).await.map_err(|error| error.to_string())?;
    let own = issue_key(app, KeyOwner::Account(account), named("Demo")).await.map_err(|error| error.to_string())?;
    let keys = (service.1.reveal().to_owned(), own.1.reveal().to_owned());
    let text = json!([keys.0, keys.1]).to_string();
    let write = move |tx: &mut Tx<'_>| settings::put(tx, KEYS, &text);
    app.database
        .write::<_, StorageError, _>("keep_development_keys", write)
        .await
        .map_err(|error| error.to_string())?;
    Ok(keys)
}

/// Prints every mail that is written, with its link, for as long as the server runs.
pub async fn print_mails(mut written: WrittenMails) {
    loop {
        match written.next().await {
            Ok(mails) => {
                for mail in &mails {
                    // Whoever reads the other end may have left.
                    let _ = writeln!(std::io::stdout(), "{}", mail_line(mail));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "mails cannot be shown; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn mail_line(mail: &ListedMail) -> String {
    let (kind, to) = (&mail.row.kind, &mail.row.to);
    match &mail.link {
        Some(link) => format!("Mail {kind} to {to}: {}\n  {link}", mail.subject),
        None => format!("Mail {kind} to {to}: {}", mail.subject),
    }
}

impl Demo {
    /// One line for programs; what does not exist yet is null.
    pub fn json_line(&self) -> String {
        json!({
            "url": self.url,
            "service_key": self.service_key,
            "account": self.account.to_string(),
            "api_key": self.api_key,
            "superadmin": { "email": SUPERADMIN, "password": self.superadmin_password },
            "stripe_url": self.stripe_url,
            "model_url": self.model_url,
        })
        .to_string()
    }

    /// For people.
    pub fn welcome(&self) -> String {
        let Self { url, service_key, account, api_key, superadmin_password, .. } = self;
        format!(
            "Tollway is ready at {url} (development: keys are printed, the clock can be moved)

  Service key      {service_key}
  Demo account     {account} (external id {DEMO_CUSTOMER:?})
  Its API key      {api_key}
  Superadmin       {SUPERADMIN}, password {superadmin_password}
  API reference    {url}/docs

Count one request of your own user 42, who gets an account by it:

  curl -sS {url}/api/v1/usage/consume -H 'Authorization: Bearer {service_key}' \\
    -H 'Content-Type: application/json' -d '{{\"external_id\": \"user-42\", \"meter\": \"requests\", \"quantity\": 1}}'

Call a model through the gateway; the stand-in answers until you configure an upstream:

  curl -sS {url}/v1/chat/completions -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"small\", \"max_tokens\": 32, \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'

The same from Python (pip install openai):

  python3 -c 'from openai import OpenAI; client = OpenAI(base_url=\"{url}/v1\", api_key=\"{api_key}\"); print(client.chat.completions.create(model=\"small\", max_tokens=32, messages=[{{\"role\": \"user\", \"content\": \"Hello\"}}]).choices[0].message.content)'

Tell of a model call that your backend made itself; tokens and cost are counted too:

  curl -sS {url}/api/v1/usage/consume -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"small\", \"prompt_tokens\": 1200, \"completion_tokens\": 300}}'

How the demo account stands:

  curl -sS {url}/api/v1/usage -H 'Authorization: Bearer {api_key}'

Let the demo account buy the plan pro: open the page that this answers, and take a test card.

  curl -sS {url}/api/v1/subscription/checkout -H 'Authorization: Bearer {service_key}' \\
    -H 'Content-Type: application/json' -d '{{\"account\": \"{account}\", \"plan\": \"pro\", \"interval\": \"monthly\"}}'

Stop with Ctrl-C."
        )
    }
}
