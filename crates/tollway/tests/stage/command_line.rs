//! The command line, run to its end.

use std::path::Path;
use std::process::{Command, Stdio};

use super::TOLLWAY;

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub out: String,
    pub errors: String,
}

impl Output {
    #[track_caller]
    pub fn expect(self, code: i32) -> Output {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// Runs `tollway` with these arguments in a folder, with nothing of this process's own settings.
pub fn tollway(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    std::fs::create_dir_all(folder).expect("a temporary folder can be made");
    let mut command = Command::new(TOLLWAY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOLLWAY_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().copied()).current_dir(folder).stdin(Stdio::null());
    let output = command.output().expect("the program can be started");
    Output {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
