//! A real Redis with nothing on disk, to kill, pause and start again.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::parts::redis;
use crate::server::fresh_folder;

const STARTS_WITHIN_MS: u32 = 10_000;
const LOOK_EVERY_MS: u32 = 20;

/// A running Redis on a loopback port, the same for its whole life; gone when dropped.
pub struct Redis {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl Redis {
    /// Starts one. `None` when Redis is missing and the test is skipped.
    pub fn start() -> Option<Redis> {
        let program = redis()?;
        let folder = fresh_folder();
        std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
        let port = parts::port::unused();
        let process = spawn(&program, &folder, port);
        let mut redis = Redis { program, folder, port, process };
        redis.wait_until_it_listens();
        Some(redis)
    }

    /// `redis://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`. What it held is gone.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again, empty, where it was.
    pub fn start_again(&mut self) {
        self.kill();
        self.process = spawn(&self.program, &self.folder, self.port);
        self.wait_until_it_listens();
    }

    /// Stops it from running while its connections stay open, as a machine that hangs.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "Redis had ended before");
    }

    fn wait_until_it_listens(&mut self) {
        for _ in 0..STARTS_WITHIN_MS / LOOK_EVERY_MS {
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("Redis refused to start ({status}).");
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return;
            }
            pause(Duration::from_millis(LOOK_EVERY_MS.into()));
        }
        panic!("Redis did not listen on port {} within {STARTS_WITHIN_MS} ms.", self.port);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(program: &Path, folder: &Path, port: u16) -> Child {
    let mut command = Command::new(program);
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("Redis could not be started: {error}"))
}

fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "another program is waited for, which no clock of ours can hurry")]
    thread::sleep(duration);
}
