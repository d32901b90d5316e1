//! The stand-in for Stripe that `serve --dev` starts where no Stripe account is configured.

use std::sync::Arc;

use app::App;
use app::catalog::push_to_stripe::{carry_out, plan_push};
use providers::secret::SecretText;
use providers::stripe::{Stripe as Client, StripeSettings};
use sandbox::stripe::{Options, Stripe};
use storage::Entropy;
use tokio::net::TcpListener;

use crate::config::Config;

/// Nothing is worth anything there, and nobody else gets to this machine's own addresses.
pub const SECRET_KEY: &str = "sk_test_sandbox";
const PUBLISHABLE_KEY: &str = "pk_test_sandbox";
const STATE_FILE: &str = "stripe-sandbox.json";

pub struct StandIn {
    pub url: String,
    stripe: Arc<Stripe>,
    settings: StripeSettings,
}

/// Starts it and configures it as the Stripe account. `None`: one is configured already.
pub async fn start(config: &mut Config) -> Result<Option<StandIn>, String> {
    if config.stripe.is_some() {
        return Ok(None);
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
    let url = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    std::fs::create_dir_all(&config.data_dir).map_err(|error| format!("{}: {error}", config.data_dir.display()))?;
    let secret = webhook_secret();
    let options = Options {
        state_file: Some(config.data_dir.join(STATE_FILE)),
        secret_key: SECRET_KEY.into(),
        webhook: Some((format!("http://{}/webhooks/stripe", config.listen), secret.clone())),
    };
    let stripe = Stripe::open(options, url.clone())?;
    tokio::spawn(sandbox::stripe::serve(listener, stripe.clone(), std::future::pending()));
    let mut settings = StripeSettings::new(SecretText::new(SECRET_KEY));
    settings.base_url = url.parse().map_err(|_| format!("{url} is no address"))?;
    config.stripe = Some(settings.clone());
    config.billing.webhook_secrets = vec![SecretText::new(secret)];
    config.billing.publishable_key.get_or_insert_with(|| PUBLISHABLE_KEY.into());
    Ok(Some(StandIn { url, stripe, settings }))
}

/// A new one at each start: both ends are told.
fn webhook_secret() -> String {
    let mut random = [0; 24];
    Entropy::system().fill(&mut random);
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("whsec_{digits}")
}

impl StandIn {
    /// Its clock goes with the application's from now on.
    pub fn follow_clock_of(&self, app: App) -> App {
        self.stripe.move_clock_to(app.now().seconds());
        let stripe = self.stripe.clone();
        app.with_clock_moved(Arc::new(move |now| stripe.move_clock_to(now.seconds())))
    }

    /// Sells there what the catalog sells.
    pub async fn put_up_catalog(&self, app: &App) -> Result<(), String> {
        let said = |error: providers::stripe::StripeError| format!("The stand-in for Stripe cannot be used: {error}.");
        let client = Client::new(&self.settings).map_err(|error| error.to_string())?;
        let plans = app.plans().await.map_err(|error| error.to_string())?;
        let steps = plan_push(&client, &plans.catalog, true).await.map_err(said)?;
        if steps.iter().any(|step| step.what.is_to_do()) {
            carry_out(&client, &steps, &format!("development-{}", app.now().micros())).await.map_err(said)?;
        }
        Ok(())
    }
}
