//! Other gateways, installed by the benchmark under `target/` and pointed at the same stand-in: as their own manuals
//! run them, without a database and without logs of each call.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::connection::{Connection, Target};
use super::super::process::Process;
use super::calls::plain;
use super::{MODEL, PATH};

const LITELLM: &str = "litellm[proxy]==1.106.2";
/// Under later versions of hono its streams end in `TypeError: immutable`.
const PORTKEY: &str = r#"{
  "private": true,
  "dependencies": { "@portkey-ai/gateway": "1.15.2" },
  "overrides": { "hono": "4.6.20", "@hono/node-server": "1.13.8" }
}
"#;
const KEY: &str = "sk-benchmark";
const LITELLM_WORKERS: &str = "2";
/// LiteLLM takes its time.
const START_TIME: Duration = Duration::from_secs(120);
const START_PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    LiteLlm,
    Portkey,
}

impl Gateway {
    pub fn name(self) -> &'static str {
        match self {
            Self::LiteLlm => "LiteLLM",
            Self::Portkey => "Portkey",
        }
    }

    /// Puts it under `target/`, where it stays.
    pub fn install(self) -> Result<(), String> {
        let folder = self.folder();
        if folder.join("installed").is_file() {
            return Ok(());
        }
        println!("{} is being installed into {}.", self.name(), folder.display());
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        match self {
            Self::LiteLlm => {
                run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
                run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", LITELLM]))?;
            }
            Self::Portkey => {
                write(&folder.join("package.json"), PORTKEY)?;
                let options = ["install", "--no-audit", "--no-fund", "--ignore-scripts"];
                run(Command::new("npm").args(options).current_dir(&folder))?;
            }
        }
        write(&folder.join("installed"), "")
    }

    fn folder(self) -> PathBuf {
        let name = match self {
            Self::LiteLlm => "litellm",
            Self::Portkey => "portkey",
        };
        parts::workspace_root().join("target/bench").join(name)
    }

    /// Starts it in front of a provider at this address, and waits until it answers.
    pub async fn start(self, provider: &str) -> Result<(Process, Target), String> {
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let folder = self.folder();
        let (command, target) = match self {
            Self::LiteLlm => litellm(&folder, port, provider)?,
            Self::Portkey => portkey(&folder, port, provider),
        };
        let log = folder.join("log.txt");
        let mut process = Process::start(&command, &log)?;
        let target = Target { address, ..target };
        let tries = START_TIME.as_millis() / START_PAUSE.as_millis();
        for _ in 0..tries {
            if process.has_ended() {
                break;
            }
            if answers(&target).await {
                return Ok((process, target));
            }
            tokio::time::sleep(START_PAUSE).await;
        }
        Err(format!("{} does not answer; {} says why.", self.name(), log.display()))
    }
}

fn litellm(folder: &Path, port: u16, provider: &str) -> Result<(Command, Target), String> {
    let configuration = folder.join("config.yaml");
    let text = format!(
        "model_list:\n  - model_name: {MODEL}\n    litellm_params:\n      model: openai/{MODEL}\n      \
         api_base: http://{provider}/v1\n      api_key: any\ngeneral_settings:\n  master_key: {KEY}\n"
    );
    write(&configuration, &text)?;
    let mut command = Command::new(folder.join("bin/litellm"));
    command.arg("--config").arg(&configuration).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--num_workers", LITELLM_WORKERS]);
    command.envs([
        ("LITELLM_LOG", "ERROR"),
        ("LITELLM_MODE", "PRODUCTION"),
        ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
        ("LITELLM_TELEMETRY", "False"),
    ]);
    command.env_remove("DATABASE_URL");
    Ok((command, Target::new("", KEY, PATH)))
}

fn portkey(folder: &Path, port: u16, provider: &str) -> (Command, Target) {
    let mut command = Command::new("node");
    command.arg(folder.join("node_modules/@portkey-ai/gateway/build/start-server.js"));
    command.args(["--headless", &format!("--port={port}")]);
    command.env("NODE_ENV", "production");
    command.env("TRUSTED_CUSTOM_HOSTS", "127.0.0.1,localhost");
    let headers = format!("x-portkey-provider: openai\r\nx-portkey-custom-host: http://{provider}/v1\r\n");
    (command, Target { headers, ..Target::new("", KEY, PATH) })
}

async fn answers(target: &Target) -> bool {
    let Ok(mut connection) = Connection::open(target).await else { return false };
    matches!(connection.post(&plain()).await, Ok(answer) if answer.status == 200)
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} failed: {status}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
