//! A real SMTP server in a process of its own, which keeps what it takes, for tests of mails.
//!
//! It refuses by the address that is written to: `busy-2@…` the first two times for now, `nobody@…` for ever, and
//! `slow@…` by not answering.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::parts::smtp_server;
use crate::server::fresh_folder;

const SCRIPT: &str = include_str!("smtp_server.py");

/// How a server is set up.
#[derive(Clone, Copy, Default)]
pub struct SmtpSetup {
    /// 0: a free one.
    pub port: u16,
    pub tls: SmtpTls,
    /// Who must sign in, and with what password.
    pub user: Option<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum SmtpTls {
    #[default]
    None,
    /// Nothing is taken before STARTTLS.
    StartTls,
    Tls,
}

/// A running server, killed and removed when dropped.
pub struct SmtpServer {
    process: Child,
    folder: PathBuf,
    pub port: u16,
}

impl SmtpServer {
    /// A server in the clear that takes mails from anybody. `None` when the part is missing and the test is skipped.
    pub fn start() -> Option<SmtpServer> {
        Self::with(SmtpSetup::default())
    }

    pub fn with(setup: SmtpSetup) -> Option<SmtpServer> {
        let python = smtp_server()?;
        let folder = fresh_folder();
        fs::create_dir_all(&folder).expect("a temporary folder can be made");
        let (certificate, key) = match setup.tls {
            SmtpTls::None => (None, None),
            SmtpTls::StartTls | SmtpTls::Tls => write_certificate(&folder),
        };
        let told = json!({
            "folder": folder,
            "port": setup.port,
            "user": setup.user.map(|(user, password)| [user, password]),
            "certificate": certificate,
            "key": key,
            "starttls": setup.tls == SmtpTls::StartTls,
        });
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT, &told.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the mail server can be started");
        let mut line = String::new();
        let output = process.stdout.take().expect("the output is piped");
        BufReader::new(output).read_line(&mut line).expect("the mail server's output can be read");
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the mail server did not start: {line:?}"));
        Some(SmtpServer { process, folder, port })
    }

    /// Everything it has taken, in order: `from`, `to`, `headers`, `text`, `html`, `encrypted`, `user`.
    pub fn taken(&self) -> Vec<Value> {
        let entries = fs::read_dir(&self.folder).expect("the folder can be read").flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        paths.sort();
        let read = |path: &PathBuf| serde_json::from_slice(&fs::read(path).expect("it can be read")).expect("JSON");
        paths.iter().map(read).collect()
    }

    /// What it has taken for one address.
    pub fn taken_for(&self, address: &str) -> Vec<Value> {
        self.taken().into_iter().filter(|mail| mail["to"] == json!([address])).collect()
    }

    /// How often it was asked to take something for an address.
    pub fn tries_for(&self, address: &str) -> usize {
        let tries = fs::read_to_string(self.folder.join("tries.txt")).unwrap_or_default();
        tries.lines().filter(|line| *line == address).count()
    }

    /// The settings of a Tollway that sends by it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut settings = vec![
            ("TOLLWAY_MAIL_SMTP_HOST", "localhost".to_owned()),
            ("TOLLWAY_MAIL_SMTP_PORT", self.port.to_string()),
            ("TOLLWAY_MAIL_FROM", "Acme Billing <billing@acme.example>".to_owned()),
        ];
        let certificate = self.folder.join("certificate.pem");
        if certificate.is_file() {
            // Whom it is certified by: itself.
            settings.push(("SSL_CERT_FILE", certificate.display().to_string()));
        }
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn write_certificate(folder: &std::path::Path) -> (Option<PathBuf>, Option<PathBuf>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    fs::write(&certificate, made.cert.pem()).expect("a temporary file can be written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("a temporary file can be written");
    (Some(certificate), Some(key))
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
