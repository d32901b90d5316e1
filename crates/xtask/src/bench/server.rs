//! The server under measurement: the release binary, started as an operator would, on a fresh database.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::load::Connection;

/// A running server, ended when dropped.
pub struct Server {
    child: Child,
    pub address: String,
    pub service_key: String,
    folder: PathBuf,
}

impl Server {
    /// Starts `tollway serve --dev` on this database, or on a fresh SQLite file.
    pub fn start(database: Option<&str>) -> Result<Self, String> {
        let folder = PathBuf::from("target/bench").join(format!("data-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut command = Command::new("target/release/tollway");
        command.args(["serve", "--dev", "--json", "--benchmark", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&folder);
        if let Some(database) = database {
            command.args(["--database", database]);
        }
        let mut child =
            command.stdout(Stdio::piped()).spawn().map_err(|error| format!("target/release/tollway: {error}"))?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        let text =
            |name: &str| text_of(&line, name).ok_or_else(|| format!("the server did not say its {name}: {line}"));
        let address = text("url")?.trim_start_matches("http://").to_owned();
        let service_key = text("service_key")?;
        Ok(Self { child, address, service_key, folder })
    }

    /// One request outside the measurement.
    pub async fn post(&self, path: &str, body: &str) -> Result<String, String> {
        let mut connection = Connection::open(&self.address, &self.service_key, path).await?;
        let status = connection.post(body).await?;
        match status {
            200..=299 => Ok(connection.body()),
            _ => Err(format!("{path}: {status} {}", connection.body())),
        }
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Memory in use by the server, in megabytes.
    pub fn memory_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The text of a field in one line of JSON that this project wrote itself.
fn text_of(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
    rest.split_once('"').map(|(text, _)| text.to_owned())
}
