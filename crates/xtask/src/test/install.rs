//! `--install`: missing parts are installed, what is there is left alone. Debian packages by apt-get, Python packages
//! into a virtual environment and Node packages into a folder under `target/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parts::{Install, Part};

use crate::step::{self, step};

pub fn missing_parts() -> Result<(), String> {
    let python_is_due = is_due(&requirements(), &installed_requirements())?;
    let node_is_due = is_due(&node_lock(), &installed_node_lock())?;
    let mut packages = BTreeSet::new();
    for part in parts::ALL.iter().filter(|part| part.find().is_none()) {
        if let Install::Packages(names) = part.install {
            packages.extend(names);
        }
    }
    if python_is_due && !python_can_make_environments() {
        packages.insert(&"python3-venv");
    }
    if node_is_due && ["node", "npm"].iter().any(|name| parts::locate_program(name).is_none()) {
        packages.extend(&["nodejs", "npm"]);
    }
    if !packages.is_empty() {
        let names: Vec<&str> = packages.into_iter().copied().collect();
        step(&format!("Install {}", names.join(", ")), || debian_packages(&names))?;
    }
    if python_is_due {
        step("Install Python packages", python_packages)?;
    }
    if node_is_due {
        step("Install Node packages", node_packages)?;
    }
    Ok(())
}

/// What a person types who does not want `--install` to do it.
pub fn instruction(part: &Part) -> String {
    match part.install {
        Install::Packages(names) => format!("apt-get install {}", names.join(" ")),
        Install::Python => "a virtual environment at target/venv with crates/testkit/requirements.txt".to_owned(),
        Install::Node => "Node 20 or newer, and in target/node the packages of crates/testkit/node".to_owned(),
    }
}

fn debian_packages(names: &[&str]) -> Result<(), String> {
    let advice = format!("Install {} the way this system does, then run this again.", names.join(", "));
    let refused = |error: String| format!("{error}\n{advice}");
    step::run(apt_get().arg("update").arg("--quiet")).map_err(refused)?;
    step::run(apt_get().args(["install", "--quiet", "--yes", "--no-install-recommends"]).args(names)).map_err(refused)
}

/// Root calls apt-get itself; anybody else asks sudo.
fn apt_get() -> Command {
    let user = Command::new("id").arg("--user").output();
    let is_root = user.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).stdin(Stdio::null());
    command
}

fn requirements() -> PathBuf {
    parts::workspace_root().join("crates/testkit/requirements.txt")
}

/// A copy of the requirements that were installed; when it differs from the file, they are installed again.
fn installed_requirements() -> PathBuf {
    parts::virtual_environment().join("installed-requirements.txt")
}

fn is_due(wanted: &Path, installed: &Path) -> Result<bool, String> {
    let wanted = fs::read(wanted).map_err(|error| format!("{}: {error}", wanted.display()))?;
    Ok(fs::read(installed).ok() != Some(wanted))
}

fn python_can_make_environments() -> bool {
    let output = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn python_packages() -> Result<(), String> {
    let environment = parts::virtual_environment();
    step::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"]).arg(requirements());
    step::run(pip.stdin(Stdio::null()))?;
    copy(&requirements(), &installed_requirements())
}

fn node_lock() -> PathBuf {
    parts::workspace_root().join("crates/testkit/node/package-lock.json")
}

/// A copy of the lock file whose packages were installed.
fn installed_node_lock() -> PathBuf {
    parts::node_folder().join("installed-package-lock.json")
}

fn node_packages() -> Result<(), String> {
    let (lock, folder) = (node_lock(), parts::node_folder());
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    copy(&lock.with_file_name("package.json"), &folder.join("package.json"))?;
    copy(&lock, &folder.join("package-lock.json"))?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--engine-strict", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    step::run(npm.stdin(Stdio::null()))?;
    copy(&lock, &installed_node_lock())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(|_| ()).map_err(|error| format!("{}: {error}", to.display()))
}
