//! `tollway keys create`: the first service key of a server, made beside the database.

use std::process::ExitCode;

use app::AccountRef;
use app::identity::{KeyOwner, NewKey, issue_key};
use domain::ids::AccountId;

use crate::{Common, wiring};

#[derive(clap::Subcommand)]
pub enum KeysCommand {
    /// Make a key and print its secret, once. A service key unless an account is named.
    Create {
        /// What people call it.
        #[arg(long, default_value = "Command line")]
        name: String,
        /// What it may do, such as usage:write; may be given several times. None: everything its kind may.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// The account it belongs to, `acct_…`.
        #[arg(long, value_name = "ID", conflicts_with = "external_id")]
        account: Option<String>,
        /// The account it belongs to, by the app's own id of the customer.
        #[arg(long, value_name = "ID")]
        external_id: Option<String>,
    },
}

pub async fn run(common: &Common, command: KeysCommand) -> Result<ExitCode, String> {
    let KeysCommand::Create { name, scopes, account, external_id } = command;
    let named = match (account, external_id) {
        (Some(id), _) => {
            let id = AccountId::parse(&id).ok_or_else(|| format!("{id} is no account id; they begin with acct_"))?;
            Some(AccountRef::Id(id))
        }
        (None, Some(external_id)) => Some(AccountRef::External(external_id)),
        (None, None) => None,
    };
    let config = wiring::configuration(common, Vec::new())?;
    let app = wiring::open(&config, false).await?;
    let said = |error: app::AppError| error.to_string();
    let owner = match named {
        None => KeyOwner::Service,
        Some(account) => {
            let found = app::accounts::resolve(&app, &account).await.map_err(said)?;
            KeyOwner::Account(found.ok_or("No such account exists.")?)
        }
    };
    let scopes = scopes.iter().map(|scope| scope.as_str().into()).collect();
    let (key, secret) = issue_key(&app, owner, NewKey { name, scopes, ..NewKey::default() }).await.map_err(said)?;
    println!("{}", secret.reveal());
    eprintln!("{} was made. Its secret is shown this once; keep it where secrets are kept.", key.id);
    app.database.close().await;
    Ok(ExitCode::SUCCESS)
}
