//! A program that a benchmark starts: with enough files, its memory with that of its children, its end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running program and all that it started, ended when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a program whose output goes to a file.
    pub fn start(command: &Command, output: &Path) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = || File::options().create(true).append(true).open(output);
        let (out, err) = file().and_then(|out| Ok((out, file()?))).map_err(|error| format!("{output:?}: {error}"))?;
        let child = with_files(command).stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        child.map(|child| Self { child }).map_err(|error| format!("{name}: {error}"))
    }

    /// Starts a program and waits for the line that it says when it is ready.
    pub fn start_and_read(command: &Command) -> Result<(Self, String), String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut wrapped = with_files(command);
        let mut child = wrapped.stdout(Stdio::piped()).spawn().map_err(|error| format!("{name}: {error}"))?;
        let output = child.stdout.take();
        let process = Self { child };
        let mut line = String::new();
        let output = output.ok_or_else(|| format!("{name} has no output"))?;
        BufReader::new(output).read_line(&mut line).map_err(|error| format!("{name}: {error}"))?;
        Ok((process, line.trim().to_owned()))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Memory in use by the program and all that it started, in megabytes.
    pub fn memory_mb(&self) -> f64 {
        self.tree().into_iter().map(memory_mb).sum()
    }

    pub fn end(&mut self) {
        let mut tree = self.tree();
        tree.retain(|process| *process != self.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !tree.is_empty() {
            let ids = tree.iter().map(u32::to_string);
            let _ = Command::new("kill").arg("-KILL").args(ids).stderr(Stdio::null()).status();
        }
    }

    /// The program first, then its children and theirs.
    fn tree(&self) -> Vec<u32> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(parent) = status(process, "PPid:") {
                children.entry(parent as u32).or_default().push(process);
            }
        }
        let mut tree = vec![self.id()];
        let mut place = 0;
        while let Some(process) = tree.get(place) {
            tree.extend(children.remove(process).unwrap_or_default());
            place += 1;
        }
        tree
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The same command with as many open files as the machine allows: each call through a gateway takes two.
fn with_files(command: &Command) -> Command {
    let mut wrapped = Command::new("sh");
    wrapped.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

fn memory_mb(process: u32) -> f64 {
    status(process, "VmRSS:").unwrap_or(0) as f64 / 1024.0
}

/// A number that the kernel tells about a process.
fn status(process: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
