//! A real nginx in a temporary directory, for tests of forward authorization.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::parts::nginx;

const STARTS_WITHIN_MS: u32 = 10_000;
const LOOK_EVERY_MS: u32 = 20;

/// A running nginx with one server on a loopback port, killed and removed when dropped.
pub struct Nginx {
    process: Child,
    directory: PathBuf,
    port: u16,
}

impl Nginx {
    /// Starts nginx with this text inside its `server { … }` block, beside `listen`. `None` when nginx is missing and
    /// the test is skipped; a panic with nginx's own words when it refuses the text.
    pub fn start(server_block: &str) -> Option<Nginx> {
        Nginx::start_within_http(|port| format!("server {{\nlisten 127.0.0.1:{port};\n{server_block}\n}}"))
    }

    /// Starts nginx with the text that is made for its port inside its `http { … }` block, for snippets that bring
    /// maps, upstreams or servers of their own.
    pub fn start_within_http(http_block: impl FnOnce(u16) -> String) -> Option<Nginx> {
        let program = nginx()?;
        let directory =
            std::env::temp_dir().join(format!("tollway-nginx-{:016x}", RandomState::new().build_hasher().finish()));
        let port = parts::port::unused();
        let started = write_configuration(&directory, &http_block(port)).and_then(|()| spawn(&program, &directory));
        let process = started.unwrap_or_else(|error| panic!("nginx could not be started: {error}"));
        let mut nginx = Nginx { process, directory, port };
        nginx.wait_until_it_listens();
        Some(nginx)
    }

    /// `http://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What nginx wrote to its error log so far.
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.directory.join("error.log")).unwrap_or_default()
    }

    fn wait_until_it_listens(&mut self) {
        for _ in 0..STARTS_WITHIN_MS / LOOK_EVERY_MS {
            let exited = self.process.try_wait().unwrap_or_default();
            if let Some(status) = exited {
                let mut said = String::new();
                if let Some(output) = self.process.stderr.as_mut() {
                    // Without its words the status has to do.
                    let _ = output.read_to_string(&mut said);
                }
                panic!("nginx refused to start ({status}):\n{said}{}", self.error_log());
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return;
            }
            pause(Duration::from_millis(LOOK_EVERY_MS.into()));
        }
        panic!("nginx did not listen on port {} within {STARTS_WITHIN_MS} ms.\n{}", self.port, self.error_log());
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            // The master is asked rather than killed, so that it takes its workers along.
            let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        }
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn write_configuration(directory: &Path, http_block: &str) -> std::io::Result<()> {
    fs::create_dir(directory)?;
    let text = format!(
        "daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log info;
events {{ worker_connections 512; }}
http {{
access_log access.log;
client_body_temp_path bodies;
proxy_temp_path proxied;
fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi;
scgi_temp_path scgi;
{http_block}
}}
"
    );
    fs::write(directory.join("nginx.conf"), text)
}

fn spawn(program: &Path, directory: &Path) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
    command.args(["-e", "error.log"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
}

fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "another program is waited for, which no clock of ours can hurry")]
    thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn get(nginx: &Nginx, path: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, nginx.port)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_serves_the_given_configuration_and_is_gone_after_use() {
        let Some(nginx) = Nginx::start("location /hello { return 418 'tea'; }") else { return };
        assert!(get(&nginx, "/hello").starts_with("HTTP/1.1 418"));
        assert!(nginx.url().ends_with(&nginx.port.to_string()));
        let (port, directory) = (nginx.port, nginx.directory.clone());
        drop(nginx);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(!directory.exists());
    }

    #[test]
    fn two_run_side_by_side() {
        let Some(first) = Nginx::start("return 200 'first';") else { return };
        let second = Nginx::start("return 200 'second';").unwrap();
        assert!(get(&first, "/").ends_with("first"));
        assert!(get(&second, "/").ends_with("second"));
    }

    #[test]
    #[should_panic(expected = "no_such_directive")]
    fn a_mistake_in_the_configuration_is_told_in_its_words() {
        let nginx = Nginx::start("no_such_directive on;");
        assert!(nginx.is_some(), "no_such_directive could not be tried");
    }
}
