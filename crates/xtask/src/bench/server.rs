//! The server under measurement: the release binary, started as an operator would, on a fresh database.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::connection::{Connection, Target};
use super::process::Process;

/// Where `cargo build --profile dist` leaves it.
pub const BINARY: &str = "target/dist/tollway";

/// A running server, ended when dropped.
pub struct Server {
    pub process: Process,
    pub address: String,
    pub service_key: String,
    /// The demo customer, and a key of its own.
    pub account: String,
    pub api_key: String,
    folder: PathBuf,
}

impl Server {
    /// Starts `tollway serve --dev` on this database, or on a fresh SQLite file, with further settings.
    pub fn start(binary: &Path, database: Option<&str>, settings: &[(&str, &str)]) -> Result<Self, String> {
        let folder = PathBuf::from("target/bench").join(format!("data-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut command = Command::new(binary);
        command.args(["serve", "--dev", "--json", "--benchmark", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&folder);
        if let Some(database) = database {
            command.args(["--database", database]);
        }
        command.envs(settings.iter().copied());
        let started = Self::start_in(&folder, &command);
        if started.is_err() {
            let _ = std::fs::remove_dir_all(&folder);
        }
        started
    }

    fn start_in(folder: &Path, command: &Command) -> Result<Self, String> {
        let (process, line) = Process::start_and_read(command)?;
        let text =
            |name: &str| text_of(&line, name).ok_or_else(|| format!("the server did not say its {name}: {line}"));
        let address = text("url")?.trim_start_matches("http://").to_owned();
        let (service_key, account, api_key) = (text("service_key")?, text("account")?, text("api_key")?);
        Ok(Self { process, address, service_key, account, api_key, folder: folder.to_owned() })
    }

    /// One request outside the measurement.
    pub async fn post(&self, path: &str, body: &str) -> Result<String, String> {
        let mut connection = Connection::open(&Target::new(&self.address, &self.service_key, path)).await?;
        let status = connection.post(body).await?.status;
        match status {
            200..=299 => Ok(connection.body()),
            _ => Err(format!("{path}: {status} {}", connection.body())),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.end();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The text of a field in one line of JSON that this project wrote itself.
fn text_of(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
    rest.split_once('"').map(|(text, _)| text.to_owned())
}
