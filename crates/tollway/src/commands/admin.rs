//! `tollway admin create`: who operates the platform, made beside the database and by nothing else.

use std::io::Read;
use std::process::ExitCode;

use app::identity::SuperadminPassword;
use storage::Entropy;

use crate::{Common, wiring};

#[derive(clap::Subcommand)]
pub enum AdminCommand {
    /// Make a superadmin, or make one of a user who is there. Prints the password when none is given.
    Create {
        #[arg(long)]
        email: String,
        #[arg(long)]
        name: Option<String>,
        /// Read the password from standard input, its first line.
        #[arg(long)]
        password_stdin: bool,
        /// Leave the password of a user who is there as it is.
        #[arg(long, conflicts_with = "password_stdin")]
        keep_password: bool,
    },
}

pub async fn run(common: &Common, command: AdminCommand) -> Result<ExitCode, String> {
    let AdminCommand::Create { email, name, password_stdin, keep_password } = command;
    let config = wiring::configuration(common, Vec::new())?;
    let app = wiring::open(&config, false).await?;
    let given = if password_stdin { Some(first_line()?) } else { None };
    let made = (given.is_none() && !keep_password).then(make_password);
    let random = |password| SuperadminPassword::Random(password, app.settings.people.password_cost);
    let password = given.as_deref().map(SuperadminPassword::Chosen).or(made.as_deref().map(random));
    let user = app::identity::create_superadmin(&app, (&email, name.as_deref()), password).await;
    let user = user.map_err(|error| error.to_string())?;
    if let Some(password) = &made {
        println!("{password}");
        eprintln!(
            "{} ({email}) operates the platform. The password is shown this once; change it after signing in.",
            user.id
        );
    } else {
        eprintln!("{} ({email}) operates the platform.", user.id);
    }
    app.database.close().await;
    Ok(ExitCode::SUCCESS)
}

fn first_line() -> Result<String, String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| format!("The password cannot be read: {error}"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// 120 random bits, in groups that can be typed, with every kind of character that a rule may ask for.
pub fn make_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; 24];
    Entropy::system().fill(&mut random);
    let letters: Vec<char> = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    let groups: Vec<String> = letters.chunks(6).map(|group| group.iter().collect()).collect();
    format!("{}-A7", groups.join("-"))
}
